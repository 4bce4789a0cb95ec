//! The two libraries, called directly: a binding of ours would be part of what is measured.
#![allow(unsafe_code)]

use std::ffi::{CString, c_char, c_float, c_int, c_uchar, c_ulong, c_ushort, c_void};
use std::hint::black_box;
use std::path::Path;
use std::ptr;

use libloading::{Library, Symbol};

use crate::Fault;

/// `FPDFBitmap_BGRx` (fpdfview.h).
const BITMAP_BGRX: c_int = 3;
/// `FPDF_ANNOT` (fpdfview.h).
const DRAW_ANNOTATIONS: c_int = 1;
/// `TJPF_BGRX` (turbojpeg.h).
const PIXELS_BGRX: c_int = 3;
/// `TJSAMP_420` (turbojpeg.h).
const SUBSAMPLING_420: c_int = 2;

/// The functions of PDFium that are needed, as its public headers declare them.
pub(crate) struct Pdfium {
    load_document: unsafe extern "C" fn(*const c_char, *const c_char) -> *mut c_void,
    close_document: unsafe extern "C" fn(*mut c_void),
    count_pages: unsafe extern "C" fn(*mut c_void) -> c_int,
    load_page: unsafe extern "C" fn(*mut c_void, c_int) -> *mut c_void,
    close_page: unsafe extern "C" fn(*mut c_void),
    page_width: unsafe extern "C" fn(*mut c_void) -> c_float,
    page_height: unsafe extern "C" fn(*mut c_void) -> c_float,
    create_bitmap: unsafe extern "C" fn(c_int, c_int, c_int, *mut c_void, c_int) -> *mut c_void,
    destroy_bitmap: unsafe extern "C" fn(*mut c_void),
    fill: unsafe extern "C" fn(*mut c_void, c_int, c_int, c_int, c_int, c_ulong) -> c_int,
    render:
        unsafe extern "C" fn(*mut c_void, *mut c_void, c_int, c_int, c_int, c_int, c_int, c_int),
    buffer: unsafe extern "C" fn(*mut c_void) -> *mut c_void,
    stride: unsafe extern "C" fn(*mut c_void) -> c_int,
    load_text: unsafe extern "C" fn(*mut c_void) -> *mut c_void,
    close_text: unsafe extern "C" fn(*mut c_void),
    count_characters: unsafe extern "C" fn(*mut c_void) -> c_int,
    text: unsafe extern "C" fn(*mut c_void, c_int, c_int, *mut c_ushort) -> c_int,
    next_link: unsafe extern "C" fn(*mut c_void, *mut c_int, *mut *mut c_void) -> c_int,
    link_rectangle: unsafe extern "C" fn(*mut c_void, *mut c_float) -> c_int,
    link_action: unsafe extern "C" fn(*mut c_void) -> *mut c_void,
    link_destination: unsafe extern "C" fn(*mut c_void, *mut c_void) -> *mut c_void,
    action_uri: unsafe extern "C" fn(*mut c_void, *mut c_void, *mut c_void, c_ulong) -> c_ulong,
}

impl Pdfium {
    pub(crate) fn load(runtime: &Path) -> Result<Self, Fault> {
        let path = runtime.join("libpdfium.so");
        // SAFETY: PDFium's own initialisers run, once; the library stays loaded to the end of the process.
        unsafe {
            let library = Box::leak(Box::new(Library::new(&path).map_err(|fault| {
                format!(
                    "{} can't be loaded ({fault}): run scripts/setup and set PAGEMILL_RUNTIME",
                    path.display()
                )
            })?));
            let initialise: Symbol<'_, unsafe extern "C" fn()> =
                library.get(b"FPDF_InitLibrary")?;
            initialise();
            Ok(Self {
                load_document: *library.get(b"FPDF_LoadDocument")?,
                close_document: *library.get(b"FPDF_CloseDocument")?,
                count_pages: *library.get(b"FPDF_GetPageCount")?,
                load_page: *library.get(b"FPDF_LoadPage")?,
                close_page: *library.get(b"FPDF_ClosePage")?,
                page_width: *library.get(b"FPDF_GetPageWidthF")?,
                page_height: *library.get(b"FPDF_GetPageHeightF")?,
                create_bitmap: *library.get(b"FPDFBitmap_CreateEx")?,
                destroy_bitmap: *library.get(b"FPDFBitmap_Destroy")?,
                fill: *library.get(b"FPDFBitmap_FillRect")?,
                render: *library.get(b"FPDF_RenderPageBitmap")?,
                buffer: *library.get(b"FPDFBitmap_GetBuffer")?,
                stride: *library.get(b"FPDFBitmap_GetStride")?,
                load_text: *library.get(b"FPDFText_LoadPage")?,
                close_text: *library.get(b"FPDFText_ClosePage")?,
                count_characters: *library.get(b"FPDFText_CountChars")?,
                text: *library.get(b"FPDFText_GetText")?,
                next_link: *library.get(b"FPDFLink_Enumerate")?,
                link_rectangle: *library.get(b"FPDFLink_GetAnnotRect")?,
                link_action: *library.get(b"FPDFLink_GetAction")?,
                link_destination: *library.get(b"FPDFLink_GetDest")?,
                action_uri: *library.get(b"FPDFAction_GetURIPath")?,
            })
        }
    }
}

/// A document that is open.
pub(crate) struct Opened<'a> {
    pdfium: &'a Pdfium,
    handle: *mut c_void,
}

impl<'a> Opened<'a> {
    pub(crate) fn new(pdfium: &'a Pdfium, file: &Path) -> Result<Self, Fault> {
        let path = CString::new(file.as_os_str().as_encoded_bytes())?;
        // SAFETY: the path ends with a zero; no password is given.
        let handle = unsafe { (pdfium.load_document)(path.as_ptr(), ptr::null()) };
        if handle.is_null() {
            return Err(format!("PDFium can't open {}", file.display()).into());
        }
        Ok(Self { pdfium, handle })
    }

    pub(crate) fn pages(&self) -> c_int {
        // SAFETY: the document is open.
        unsafe { (self.pdfium.count_pages)(self.handle) }
    }

    /// Everything of one page; answers the bytes of its JPEG, or `None` when PDFium or the encoder refuse.
    pub(crate) fn page(
        &self,
        jpeg: &Jpeg,
        index: c_int,
        scale: f64,
        quality: c_int,
        text: &mut Vec<c_ushort>,
    ) -> Option<u64> {
        let (pdfium, document) = (self.pdfium, self.handle);
        // SAFETY: the document is open; handles are used between their making and their closing, and are checked for
        // null; buffers are as long as PDFium is told.
        unsafe {
            let page = (pdfium.load_page)(document, index);
            if page.is_null() {
                return None;
            }
            let pixels = |points: c_float| ((f64::from(points) * scale).round() as c_int).max(1);
            let width = pixels((pdfium.page_width)(page));
            let height = pixels((pdfium.page_height)(page));
            let bitmap = (pdfium.create_bitmap)(width, height, BITMAP_BGRX, ptr::null_mut(), 0);
            let mut encoded = None;
            if !bitmap.is_null() {
                (pdfium.fill)(bitmap, 0, 0, width, height, 0xffff_ffff);
                (pdfium.render)(bitmap, page, 0, 0, width, height, 0, DRAW_ANNOTATIONS);
                let buffer = (pdfium.buffer)(bitmap).cast_const().cast::<c_uchar>();
                encoded = jpeg.encode(buffer, width, (pdfium.stride)(bitmap), height, quality);
                (pdfium.destroy_bitmap)(bitmap);
            }
            let text_page = (pdfium.load_text)(page);
            if !text_page.is_null() {
                let characters = (pdfium.count_characters)(text_page).max(0);
                text.resize(characters as usize + 1, 0);
                black_box((pdfium.text)(text_page, 0, characters, text.as_mut_ptr()));
                (pdfium.close_text)(text_page);
            }
            let (mut position, mut link) = (0, ptr::null_mut());
            while (pdfium.next_link)(page, &raw mut position, &raw mut link) != 0 {
                let mut rectangle = [0.0_f32; 4];
                (pdfium.link_rectangle)(link, rectangle.as_mut_ptr());
                let action = (pdfium.link_action)(link);
                let mut target = [0_u8; 2048];
                if action.is_null() {
                    black_box((pdfium.link_destination)(document, link));
                } else {
                    let room = target.len() as c_ulong;
                    (pdfium.action_uri)(document, action, target.as_mut_ptr().cast(), room);
                }
                black_box((&rectangle, &target));
            }
            (pdfium.close_page)(page);
            encoded
        }
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        // SAFETY: the document is open, and this is its end.
        unsafe { (self.pdfium.close_document)(self.handle) }
    }
}

/// libjpeg-turbo's compressor, as turbojpeg.h declares it.
pub(crate) struct Jpeg {
    handle: *mut c_void,
    compress: Compress,
    free: unsafe extern "C" fn(*mut c_uchar),
}

type Compress = unsafe extern "C" fn(
    *mut c_void,
    *const c_uchar,
    c_int,
    c_int,
    c_int,
    c_int,
    *mut *mut c_uchar,
    *mut c_ulong,
    c_int,
    c_int,
    c_int,
) -> c_int;

impl Jpeg {
    pub(crate) fn load(runtime: &Path) -> Result<Self, Fault> {
        let name = "libturbojpeg.so.0";
        // SAFETY: the library has no initialisers of note, and stays loaded to the end of the process.
        unsafe {
            let library = Library::new(runtime.join(name))
                .or_else(|_| Library::new(name))
                .map_err(|fault| {
                    format!("{name} is neither in PAGEMILL_RUNTIME nor on this system ({fault})")
                })?;
            let library = Box::leak(Box::new(library));
            let make: Symbol<'_, unsafe extern "C" fn() -> *mut c_void> =
                library.get(b"tjInitCompress")?;
            let handle = make();
            if handle.is_null() {
                return Err("libjpeg-turbo makes no compressor".into());
            }
            Ok(Self {
                handle,
                compress: *library.get(b"tjCompress2")?,
                free: *library.get(b"tjFree")?,
            })
        }
    }

    /// Answers the bytes of the JPEG.
    ///
    /// # Safety
    /// `pixels` are `stride * height` bytes that can be read.
    unsafe fn encode(
        &self,
        pixels: *const c_uchar,
        width: c_int,
        stride: c_int,
        height: c_int,
        quality: c_int,
    ) -> Option<u64> {
        let (mut file, mut bytes) = (ptr::null_mut(), 0);
        // SAFETY: the library allocates `file` and says how long it is; it is freed once.
        unsafe {
            let status = (self.compress)(
                self.handle,
                pixels,
                width,
                stride,
                height,
                PIXELS_BGRX,
                &raw mut file,
                &raw mut bytes,
                SUBSAMPLING_420,
                quality,
                0,
            );
            black_box(file);
            (self.free)(file);
            (status == 0).then_some(bytes)
        }
    }
}
