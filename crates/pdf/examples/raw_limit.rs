//! The raw limit: what pages cost when nothing is done but the work itself. `scripts/bench` measures everything else
//! against it.
//!
//! A bare loop over PDFium and libjpeg-turbo: each page is loaded once, drawn into a BGRx bitmap, encoded from it as
//! JPEG without a copy or a colour conversion of our own, its text and its links are asked for, and all of it is thrown
//! away. No sandbox, no protocol, no layout of the text, no output.
//!
//! ```text
//! PAGEMILL_RUNTIME=FOLDER cargo run --release -p pagemill-pdf --example raw_limit -- [OPTION ...] FILE ...
//!
//!   --processes N   share the pages over N processes [default: 1]
//!   --dpi N         [default: 150]
//!   --quality N     of the JPEGs [default: 85]
//! ```
//!
//! `libpdfium.so` comes from `PAGEMILL_RUNTIME`, `libturbojpeg.so.0` from there or from the system. The last line of
//! standard output is JSON: pages, pages that failed, bytes of the JPEGs, and for each file its pages and its CPU time
//! in microseconds.

// Two C libraries are called directly: a binding of ours would be part of what is measured.
#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::{CString, c_char, c_float, c_int, c_uchar, c_ulong, c_ushort, c_void};
use std::fs::File;
use std::hint::black_box;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::ptr;

use libloading::{Library, Symbol};
use nix::sys::resource::{UsageWho, getrusage};

type Fault = Box<dyn Error>;

/// Pages of one document that a process takes at a time.
const PAGES_PER_UNIT: c_int = 16;

/// `FPDFBitmap_BGRx` (fpdfview.h).
const BITMAP_BGRX: c_int = 3;
/// `FPDF_ANNOT` (fpdfview.h).
const DRAW_ANNOTATIONS: c_int = 1;
/// `TJPF_BGRX` (turbojpeg.h).
const PIXELS_BGRX: c_int = 3;
/// `TJSAMP_420` (turbojpeg.h).
const SUBSAMPLING_420: c_int = 2;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("error: {fault}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    processes: usize,
    dpi: f64,
    quality: c_int,
    /// Take the units from standard input instead of making them: one of several processes.
    shares: bool,
    files: Vec<PathBuf>,
}

impl Options {
    fn read() -> Result<Self, Fault> {
        let mut options = Self {
            processes: 1,
            dpi: 150.0,
            quality: 85,
            shares: false,
            files: Vec::new(),
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .ok_or(format!("{argument} needs a number after it"))
            };
            match argument.as_str() {
                "--processes" => options.processes = value()?.parse()?,
                "--dpi" => options.dpi = value()?.parse()?,
                "--quality" => options.quality = value()?.parse()?,
                "--shares" => options.shares = true,
                file => options.files.push(file.into()),
            }
        }
        Ok(options)
    }
}

/// Some pages of one document.
#[derive(Clone, Copy)]
struct Unit {
    document: u32,
    first: c_int,
    end: c_int,
}

impl Unit {
    const BYTES: usize = 12;

    fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&self.document.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.first.to_le_bytes());
        bytes[8..].copy_from_slice(&self.end.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let word = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        Self {
            document: u32::from_le_bytes(word(0)),
            first: c_int::from_le_bytes(word(4)),
            end: c_int::from_le_bytes(word(8)),
        }
    }
}

/// What was done.
#[derive(Default)]
struct Tally {
    failed: u64,
    bytes: u64,
    /// Pages and CPU time in microseconds, by document.
    documents: BTreeMap<u32, (u64, u64)>,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.failed += other.failed;
        self.bytes += other.bytes;
        for (document, (pages, micros)) in &other.documents {
            let entry = self.documents.entry(*document).or_default();
            entry.0 += pages;
            entry.1 += micros;
        }
    }

    /// One line a document, then one for the rest.
    fn to_lines(&self) -> String {
        let documents = self.documents.iter();
        let mut lines: String = documents
            .map(|(document, (pages, micros))| format!("{document} {pages} {micros}\n"))
            .collect();
        lines.push_str(&format!("end {} {}\n", self.failed, self.bytes));
        lines
    }

    fn from_lines(lines: &str) -> Result<Self, Fault> {
        let mut tally = Self::default();
        for line in lines.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["end", failed, bytes] => {
                    tally.failed = failed.parse()?;
                    tally.bytes = bytes.parse()?;
                }
                [document, pages, micros] => {
                    let done = (pages.parse()?, micros.parse()?);
                    tally.documents.insert(document.parse()?, done);
                }
                _ => return Err(format!("a process said {line:?}").into()),
            }
        }
        Ok(tally)
    }
}

fn run() -> Result<(), Fault> {
    let options = Options::read()?;
    if options.files.is_empty() {
        return Err("no pages: name some files".into());
    }
    let runtime = std::env::var_os("PAGEMILL_RUNTIME").map_or_else(PathBuf::new, PathBuf::from);
    let pdfium = Pdfium::load(&runtime)?;
    if options.shares {
        let mut worker = Worker::new(pdfium, Jpeg::load(&runtime)?, &options);
        // Not through the standard input of the library, which reads ahead and would take the others' units.
        let mut units = File::from(std::io::stdin().as_fd().try_clone_to_owned()?);
        let mut bytes = [0; Unit::BYTES];
        while units.read_exact(&mut bytes).is_ok() {
            worker.process(Unit::from_bytes(bytes))?;
        }
        print!("{}", worker.tally.to_lines());
        return Ok(());
    }
    let mut units = Vec::new();
    for (document, file) in (0..).zip(&options.files) {
        let opened = Opened::new(&pdfium, file)?;
        let pages = opened.pages();
        let firsts = (0..pages).step_by(PAGES_PER_UNIT as usize);
        units.extend(firsts.map(|first| Unit {
            document,
            first,
            end: pages.min(first + PAGES_PER_UNIT),
        }));
    }
    let tally = if options.processes > 1 {
        share(&options, &units)?
    } else {
        let mut worker = Worker::new(pdfium, Jpeg::load(&runtime)?, &options);
        for unit in units {
            worker.process(unit)?;
        }
        worker.tally
    };
    report(&options, &tally);
    Ok(())
}

/// Several processes take units from one pipe, until it is empty.
fn share(options: &Options, units: &[Unit]) -> Result<Tally, Fault> {
    let (reader, mut writer) = std::io::pipe()?;
    let mut children = Vec::new();
    for _ in 0..options.processes {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("--shares")
            .args(["--dpi", &options.dpi.to_string()])
            .args(["--quality", &options.quality.to_string()])
            .args(&options.files)
            .stdin(reader.try_clone()?)
            .stdout(Stdio::piped());
        children.push(command.spawn()?);
    }
    drop(reader);
    for unit in units {
        writer.write_all(&unit.to_bytes())?;
    }
    drop(writer);
    let mut tally = Tally::default();
    for mut child in children {
        let mut lines = String::new();
        if let Some(mut stdout) = child.stdout.take() {
            stdout.read_to_string(&mut lines)?;
        }
        if !child.wait()?.success() {
            return Err("one of the processes failed".into());
        }
        tally.add(&Tally::from_lines(&lines)?);
    }
    Ok(tally)
}

fn report(options: &Options, tally: &Tally) {
    let pages: u64 = tally.documents.values().map(|(pages, _)| pages).sum();
    let documents: serde_json::Map<String, serde_json::Value> = tally
        .documents
        .iter()
        .map(|(document, (pages, micros))| {
            let name = options.files[*document as usize].display().to_string();
            (
                name,
                serde_json::json!({"pages": pages, "cpu_micros": micros}),
            )
        })
        .collect();
    println!(
        "{}",
        serde_json::json!({
            "pages": pages,
            "failed": tally.failed,
            "bytes": tally.bytes,
            "documents": documents,
        })
    );
}

/// CPU time of this process so far in microseconds.
fn cpu_micros() -> u64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("this process has a usage");
    let micros =
        |time: nix::sys::time::TimeVal| (time.tv_sec() * 1_000_000 + time.tv_usec()).unsigned_abs();
    micros(usage.user_time()) + micros(usage.system_time())
}

/// Does the work.
struct Worker<'a> {
    pdfium: Pdfium,
    jpeg: Jpeg,
    options: &'a Options,
    tally: Tally,
    text: Vec<c_ushort>,
}

impl<'a> Worker<'a> {
    fn new(pdfium: Pdfium, jpeg: Jpeg, options: &'a Options) -> Self {
        Self {
            pdfium,
            jpeg,
            options,
            tally: Tally::default(),
            text: Vec::new(),
        }
    }

    fn process(&mut self, unit: Unit) -> Result<(), Fault> {
        let begun = cpu_micros();
        let file = &self.options.files[unit.document as usize];
        let document = Opened::new(&self.pdfium, file)?;
        for index in unit.first..unit.end {
            let scale = self.options.dpi / 72.0;
            // SAFETY: `document` is open, and everything that `page` makes is closed before it is.
            let drawn = unsafe {
                page(
                    &self.pdfium,
                    &self.jpeg,
                    document.handle,
                    index,
                    scale,
                    self.options.quality,
                    &mut self.text,
                )
            };
            match drawn {
                Some(bytes) => self.tally.bytes += bytes,
                None => self.tally.failed += 1,
            }
        }
        drop(document);
        let entry = self.tally.documents.entry(unit.document).or_default();
        entry.0 += u64::from((unit.end - unit.first).unsigned_abs());
        entry.1 += cpu_micros() - begun;
        Ok(())
    }
}

/// Everything of one page; answers the bytes of its JPEG, or `None` when PDFium or the encoder refuse.
///
/// # Safety
/// `document` is a handle of an open document of `pdfium`.
unsafe fn page(
    pdfium: &Pdfium,
    jpeg: &Jpeg,
    document: *mut c_void,
    index: c_int,
    scale: f64,
    quality: c_int,
    text: &mut Vec<c_ushort>,
) -> Option<u64> {
    // SAFETY: handles are used between their making and their closing, and are checked for null; buffers are as long
    // as PDFium is told.
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

/// The functions of PDFium that are needed, as its public headers declare them.
struct Pdfium {
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
    fn load(runtime: &Path) -> Result<Self, Fault> {
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
struct Opened<'a> {
    pdfium: &'a Pdfium,
    handle: *mut c_void,
}

impl<'a> Opened<'a> {
    fn new(pdfium: &'a Pdfium, file: &Path) -> Result<Self, Fault> {
        let path = CString::new(file.as_os_str().as_encoded_bytes())?;
        // SAFETY: the path ends with a zero; no password is given.
        let handle = unsafe { (pdfium.load_document)(path.as_ptr(), ptr::null()) };
        if handle.is_null() {
            return Err(format!("PDFium can't open {}", file.display()).into());
        }
        Ok(Self { pdfium, handle })
    }

    fn pages(&self) -> c_int {
        // SAFETY: the document is open.
        unsafe { (self.pdfium.count_pages)(self.handle) }
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        // SAFETY: the document is open, and this is its end.
        unsafe { (self.pdfium.close_document)(self.handle) }
    }
}

/// libjpeg-turbo's compressor, as turbojpeg.h declares it.
struct Jpeg {
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
    fn load(runtime: &Path) -> Result<Self, Fault> {
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
