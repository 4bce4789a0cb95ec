//! Tesseract's C API, loaded at run time: whoever builds the program needs no C++.
//!
//! Functions and numbers are those of `tesseract/capi.h`, version 5.

use std::ffi::{CStr, CString, c_char, c_float, c_int, c_uchar, c_void};
use std::fmt;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::OcrError;
use crate::image::Canvas;
use crate::reader::RawWord;

/// What the name of the library's file begins with: builds of it add versions and hashes.
const NAME: &str = "libtesseract";

/// What a system's package manager calls it.
const SYSTEM_NAME: &str = "libtesseract.so.5";

/// `OEM_LSTM_ONLY`.
const ENGINE_LSTM: c_int = 1;

/// `RIL_BLOCK`, `RIL_TEXTLINE`, `RIL_WORD`.
const BLOCK: c_int = 0;
const LINE: c_int = 2;
const WORD: c_int = 3;

/// How a page is cut into lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Segmentation {
    /// `PSM_AUTO`: columns, blocks, pictures.
    Page = 3,
    /// `PSM_SINGLE_BLOCK`: one block of text from top to bottom.
    OneBlock = 6,
    /// `PSM_SPARSE_TEXT`: words wherever they stand, in no order.
    LoneWords = 11,
}

/// What tells ink from paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thresholds {
    /// One threshold for the whole image (Otsu's): `thresholding_method` 0.
    OfImage,
    /// One for each tile of it: `thresholding_method` 1. Of grounds of several colours none is taken for ink.
    OfTiles,
}

impl Thresholds {
    fn method(self) -> &'static CStr {
        match self {
            Self::OfImage => c"0",
            Self::OfTiles => c"1",
        }
    }
}

macro_rules! functions {
    ($($field:ident = $name:literal: $type:ty;)*) => {
        /// The functions that are used.
        #[derive(Clone, Copy)]
        struct Functions { $($field: $type,)* }

        impl Functions {
            #[allow(unsafe_code)]
            fn of(library: &libloading::Library) -> Result<Self, libloading::Error> {
                // SAFETY: the types are those of the header of the C API, version 5.
                Ok(unsafe { Self { $($field: *library.get::<$type>(concat!($name, "\0").as_bytes())?,)* } })
            }
        }
    };
}

functions! {
    version = "TessVersion": unsafe extern "C" fn() -> *const c_char;
    create = "TessBaseAPICreate": unsafe extern "C" fn() -> *mut c_void;
    delete = "TessBaseAPIDelete": unsafe extern "C" fn(*mut c_void);
    init = "TessBaseAPIInit5": unsafe extern "C" fn(
        *mut c_void, *const c_char, c_int, *const c_char, c_int,
        *mut *mut c_char, c_int, *mut *mut c_char, *mut *mut c_char, usize, c_int,
    ) -> c_int;
    set_segmentation = "TessBaseAPISetPageSegMode": unsafe extern "C" fn(*mut c_void, c_int);
    set_variable = "TessBaseAPISetVariable": unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char) -> c_int;
    set_image = "TessBaseAPISetImage": unsafe extern "C" fn(*mut c_void, *const c_uchar, c_int, c_int, c_int, c_int);
    set_resolution = "TessBaseAPISetSourceResolution": unsafe extern "C" fn(*mut c_void, c_int);
    recognize = "TessBaseAPIRecognize": unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int;
    clear = "TessBaseAPIClear": unsafe extern "C" fn(*mut c_void);
    monitor = "TessMonitorCreate": unsafe extern "C" fn() -> *mut c_void;
    delete_monitor = "TessMonitorDelete": unsafe extern "C" fn(*mut c_void);
    set_deadline = "TessMonitorSetDeadlineMSecs": unsafe extern "C" fn(*mut c_void, c_int);
    iterator = "TessBaseAPIGetIterator": unsafe extern "C" fn(*mut c_void) -> *mut c_void;
    delete_iterator = "TessResultIteratorDelete": unsafe extern "C" fn(*mut c_void);
    next = "TessResultIteratorNext": unsafe extern "C" fn(*mut c_void, c_int) -> c_int;
    text = "TessResultIteratorGetUTF8Text": unsafe extern "C" fn(*const c_void, c_int) -> *mut c_char;
    confidence = "TessResultIteratorConfidence": unsafe extern "C" fn(*const c_void, c_int) -> c_float;
    as_page_iterator = "TessResultIteratorGetPageIterator": unsafe extern "C" fn(*mut c_void) -> *mut c_void;
    begins = "TessPageIteratorIsAtBeginningOf": unsafe extern "C" fn(*const c_void, c_int) -> c_int;
    bounds = "TessPageIteratorBoundingBox": unsafe extern "C" fn(
        *const c_void, c_int, *mut c_int, *mut c_int, *mut c_int, *mut c_int,
    ) -> c_int;
    attributes = "TessResultIteratorWordFontAttributes": unsafe extern "C" fn(
        *const c_void, *mut c_int, *mut c_int, *mut c_int, *mut c_int, *mut c_int, *mut c_int, *mut c_int, *mut c_int,
    ) -> *const c_char;
    delete_text = "TessDeleteText": unsafe extern "C" fn(*const c_char);
}

/// The loaded library.
#[derive(Clone)]
pub struct Library {
    functions: Functions,
    path: PathBuf,
    // Dropped last: the pointers above are into it.
    _library: Arc<libloading::Library>,
}

impl fmt::Debug for Library {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Library")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Library {
    /// Loads the library that is in `folder`, or, where there is none, the system's.
    ///
    /// # Errors
    /// [`OcrError::NoLibrary`].
    #[allow(unsafe_code)]
    pub fn load(folder: &Path) -> Result<Self, OcrError> {
        let found = in_folder(folder).unwrap_or_else(|| PathBuf::from(SYSTEM_NAME));
        let in_words = |error: libloading::Error| OcrError::NoLibrary {
            path: found.clone(),
            reason: error.to_string(),
        };
        // SAFETY: the file is named by whoever runs the program, as libpdfium is; loading it runs its initialisers.
        let library = unsafe { libloading::Library::new(&found) }.map_err(in_words)?;
        let functions = Functions::of(&library).map_err(in_words)?;
        Ok(Self {
            functions,
            path: found,
            _library: Arc::new(library),
        })
    }

    /// What was loaded.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its version, such as `5.5.4`.
    #[allow(unsafe_code)]
    pub fn version(&self) -> String {
        // SAFETY: the function takes nothing and gives a string that lives as long as the library.
        let text = unsafe { CStr::from_ptr((self.functions.version)()) };
        text.to_string_lossy().into_owned()
    }
}

fn in_folder(folder: &Path) -> Option<PathBuf> {
    let is_library = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(NAME) && name.contains(".so"))
    };
    let entries = std::fs::read_dir(folder).ok()?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(is_library)
        .collect();
    found.sort();
    found.into_iter().next()
}

/// A recogniser of one language.
pub(crate) struct Recogniser {
    handle: *mut c_void,
    library: Library,
}

impl fmt::Debug for Recogniser {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Recogniser").finish_non_exhaustive()
    }
}

impl Recogniser {
    /// Starts one from a model's bytes. Takes some tenths of a second, and no file.
    #[allow(unsafe_code)]
    pub(crate) fn start(library: &Library, language: &str, model: &[u8]) -> Result<Self, OcrError> {
        let bad = || OcrError::BadModel {
            language: language.to_owned(),
        };
        let name = CString::new(language).map_err(|_| bad())?;
        let length = c_int::try_from(model.len()).map_err(|_| bad())?;
        let functions = library.functions;
        // SAFETY: the function takes nothing.
        let handle = unsafe { (functions.create)() };
        let recogniser = Self {
            handle,
            library: library.clone(),
        };
        // SAFETY: the handle is live, `model` has `length` bytes, which are copied, and no variables are given.
        let refused = unsafe {
            (functions.init)(
                handle,
                model.as_ptr().cast(),
                length,
                name.as_ptr(),
                ENGINE_LSTM,
                ptr::null_mut(),
                0,
                ptr::null_mut(),
                ptr::null_mut(),
                0,
                0,
            )
        };
        match refused {
            0 => Ok(recogniser),
            _ => Err(bad()),
        }
    }

    /// The words of a page in the recogniser's order.
    #[allow(unsafe_code)]
    pub(crate) fn recognise(
        &mut self,
        image: &Canvas,
        dpi: u32,
        segmentation: Segmentation,
        thresholds: Thresholds,
        until: Instant,
    ) -> Result<Vec<RawWord>, OcrError> {
        let functions = self.library.functions;
        let size = |pixels: usize| c_int::try_from(pixels).unwrap_or(c_int::MAX);
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(OcrError::TimedOut);
        }
        let millis = c_int::try_from(left.max(Duration::from_millis(1)).as_millis());
        // SAFETY: the handle is live; the image has width × height bytes and outlives the call of `clear`; names and values are copied; the monitor
        // is deleted after the recognition that it watches.
        let failed = unsafe {
            (functions.set_segmentation)(self.handle, segmentation as c_int);
            let (name, method) = (c"thresholding_method", thresholds.method());
            (functions.set_variable)(self.handle, name.as_ptr(), method.as_ptr());
            (functions.set_image)(
                self.handle,
                image.pixels.as_ptr(),
                size(image.width),
                size(image.height),
                1,
                size(image.width),
            );
            (functions.set_resolution)(self.handle, size(dpi as usize));
            let monitor = (functions.monitor)();
            (functions.set_deadline)(monitor, millis.unwrap_or(c_int::MAX));
            let failed = (functions.recognize)(self.handle, monitor);
            (functions.delete_monitor)(monitor);
            failed
        };
        let words = match failed {
            0 => Ok(self.words()),
            _ => Err(OcrError::TimedOut),
        };
        // SAFETY: the handle is live.
        unsafe { (functions.clear)(self.handle) };
        // A deadline that passes late in the work leaves the words that were read by then.
        match Instant::now() >= until {
            true => Err(OcrError::TimedOut),
            false => words,
        }
    }

    #[allow(unsafe_code)]
    fn words(&self) -> Vec<RawWord> {
        let functions = self.library.functions;
        let mut words: Vec<RawWord> = Vec::new();
        // SAFETY: the handle is live and has recognised an image.
        let iterator = unsafe { (functions.iterator)(self.handle) };
        if iterator.is_null() {
            return words;
        }
        loop {
            // SAFETY: the iterator is live, and so is what it is taken for: a page's iterator is its base.
            unsafe {
                let page = (functions.as_page_iterator)(iterator);
                let begins = |level| (functions.begins)(page, level) != 0;
                if let (Some(text), Some(bounds)) = (self.text(iterator), self.bounds(page)) {
                    words.push(RawWord {
                        text,
                        bounds,
                        confidence: (functions.confidence)(iterator, WORD),
                        size: self.size(iterator),
                        begins_block: begins(BLOCK),
                        begins_line: begins(LINE),
                    });
                }
                if (functions.next)(iterator, WORD) == 0 {
                    break;
                }
            }
        }
        // SAFETY: it is not used after this.
        unsafe { (functions.delete_iterator)(iterator) };
        words
    }

    /// The text of the word at hand.
    #[allow(unsafe_code)]
    unsafe fn text(&self, iterator: *mut c_void) -> Option<String> {
        // SAFETY: the caller's iterator is live; the text is ours until it is given back.
        unsafe {
            let text = (self.library.functions.text)(iterator, WORD);
            if text.is_null() {
                return None;
            }
            let taken = CStr::from_ptr(text).to_string_lossy().trim().to_owned();
            (self.library.functions.delete_text)(text);
            (!taken.is_empty()).then_some(taken)
        }
    }

    /// The size of the letters of the line at hand, in points; zero when it is not known.
    #[allow(unsafe_code)]
    unsafe fn size(&self, iterator: *mut c_void) -> f32 {
        let mut numbers = [0; 8];
        let [
            bold,
            italic,
            underlined,
            fixed,
            serif,
            small_capitals,
            size,
            font,
        ] = &mut numbers;
        // SAFETY: the caller's iterator is live, and the numbers are ours.
        unsafe {
            (self.library.functions.attributes)(
                iterator,
                bold,
                italic,
                underlined,
                fixed,
                serif,
                small_capitals,
                size,
                font,
            );
        }
        *size as f32
    }

    /// Where the word at hand is.
    #[allow(unsafe_code)]
    unsafe fn bounds(&self, page: *mut c_void) -> Option<[f32; 4]> {
        let [mut x0, mut y0, mut x1, mut y1] = [0; 4];
        // SAFETY: the caller's iterator is live, and the numbers are ours.
        let found = unsafe {
            (self.library.functions.bounds)(page, WORD, &mut x0, &mut y0, &mut x1, &mut y1)
        };
        (found != 0 && x1 > x0 && y1 > y0).then_some([x0, y0, x1, y1].map(|edge| edge as f32))
    }
}

impl Drop for Recogniser {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: the handle came from `create` and is not used after this.
        unsafe { (self.library.functions.delete)(self.handle) };
    }
}
