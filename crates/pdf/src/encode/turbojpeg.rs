//! libjpeg-turbo, loaded at run time as libpdfium is: it encodes three times as fast as what is compiled in, and whoever
//! builds the program needs no assembler and no cmake.
//!
//! The functions and numbers are those of the TurboJPEG C API 2.0, which every later version keeps (`turbojpeg.h`).

use std::ffi::{c_int, c_uchar, c_ulong, c_void};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use libloading::Library;

use super::{BYTES_PER_PIXEL, Pixels};

/// The library's name on Linux; the number is that of the API.
const LIBRARY_NAME: &str = "libturbojpeg.so.0";

/// `TJPF_BGRX`.
const PIXELS_BGRX: c_int = 3;
/// `TJSAMP_444`: colours at full resolution.
const FULL_COLOUR: c_int = 0;
/// `TJSAMP_420`: colours at half the resolution.
const HALF_COLOUR: c_int = 2;
/// `TJSAMP_GRAY`: no colours.
const NO_COLOUR: c_int = 3;
/// `TJFLAG_NOREALLOC`: the buffer is ours.
const FLAG_NO_REALLOC: c_int = 1024;

/// From this quality on colours keep their full resolution, as the compiled-in encoder has it.
const FULL_COLOUR_QUALITY: u8 = 90;

type InitCompress = unsafe extern "C" fn() -> *mut c_void;
type Destroy = unsafe extern "C" fn(*mut c_void) -> c_int;
type BufSize = unsafe extern "C" fn(c_int, c_int, c_int) -> c_ulong;
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

/// What kind of JPEG is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// One channel, of pixels that have no colour.
    pub(super) grey: bool,
    /// From 1 to 100.
    pub(super) quality: u8,
}

impl Kind {
    fn sampling(self) -> c_int {
        match (self.grey, self.quality) {
            (true, _) => NO_COLOUR,
            (false, FULL_COLOUR_QUALITY..) => FULL_COLOUR,
            (false, _) => HALF_COLOUR,
        }
    }

    /// Rows of pixels in a row of blocks that are encoded together (ITU-T T.81 A.2.3).
    pub(super) fn rows_of_pixels(self) -> usize {
        match self.sampling() {
            HALF_COLOUR => 16,
            _ => 8,
        }
    }
}

/// A loaded library and one compressor of it.
pub(crate) struct TurboJpeg {
    handle: *mut c_void,
    compress: Compress,
    buffer_size: BufSize,
    destroy: Destroy,
    path: PathBuf,
    // Dropped last: the pointers above are into it.
    _library: Library,
}

impl fmt::Debug for TurboJpeg {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TurboJpeg")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl TurboJpeg {
    /// Loads the library: the one beside libpdfium, or else the system's.
    ///
    /// # Errors
    /// In words, why neither can be used.
    pub(crate) fn load(libpdfium: &Path) -> Result<Self, String> {
        let beside = libpdfium.with_file_name(LIBRARY_NAME);
        let path = match beside.exists() {
            true => beside,
            false => PathBuf::from(LIBRARY_NAME),
        };
        Self::load_from(path)
    }

    #[allow(unsafe_code)]
    fn load_from(path: PathBuf) -> Result<Self, String> {
        // SAFETY: the file is named by whoever runs the program, as libpdfium is; loading it runs its initialisers.
        let library = unsafe { Library::new(&path) }.map_err(|error| in_words(&error))?;
        let missing = |error: libloading::Error| in_words(&error);
        // SAFETY: the types are those of the header of the TurboJPEG C API. The pointers are kept with the library.
        let (init, compress, buffer_size, destroy) = unsafe {
            (
                *library
                    .get::<InitCompress>(b"tjInitCompress\0")
                    .map_err(missing)?,
                *library.get::<Compress>(b"tjCompress2\0").map_err(missing)?,
                *library.get::<BufSize>(b"tjBufSize\0").map_err(missing)?,
                *library.get::<Destroy>(b"tjDestroy\0").map_err(missing)?,
            )
        };
        // SAFETY: takes nothing.
        let handle = unsafe { init() };
        if handle.is_null() {
            return Err(format!("{} gives no compressor", path.display()));
        }
        Ok(Self {
            handle,
            compress,
            buffer_size,
            destroy,
            path,
            _library: library,
        })
    }

    /// The file that was loaded, or the name by which the system found it.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Encodes pixels into `file`, which is emptied first.
    ///
    /// # Errors
    /// When the size is beyond the format, or there is no memory.
    #[allow(unsafe_code)]
    pub(super) fn encode(
        &mut self,
        pixels: Pixels<'_>,
        kind: Kind,
        file: &mut Vec<u8>,
    ) -> io::Result<()> {
        let sampling = kind.sampling();
        let width = c_int::try_from(pixels.width).map_err(io::Error::other)?;
        let height = c_int::try_from(pixels.height).map_err(io::Error::other)?;
        let pitch = pixels.width as usize * BYTES_PER_PIXEL;
        if pixels.bgrx.len() != pitch * pixels.height as usize || pixels.bgrx.is_empty() {
            return Err(io::Error::other("not as many pixels as the size says"));
        }
        // SAFETY: takes three numbers; gives all ones when they are refused.
        let most = unsafe { (self.buffer_size)(width, height, sampling) };
        let most = usize::try_from(most)
            .ok()
            .filter(|most| *most <= isize::MAX as usize)
            .ok_or_else(|| io::Error::other("a size that JPEG can't say"))?;
        file.clear();
        file.try_reserve(most).map_err(io::Error::other)?;
        let mut buffer = file.as_mut_ptr();
        let mut bytes: c_ulong = most as c_ulong;
        // SAFETY: the handle is live; `bgrx` holds `height` rows of `pitch` bytes, checked above, and is only read;
        // `buffer` has room for `most` bytes, which is what the library asks for at this size and sampling, and the
        // flag forbids it to take another one.
        let outcome = unsafe {
            (self.compress)(
                self.handle,
                pixels.bgrx.as_ptr(),
                width,
                c_int::try_from(pitch).map_err(io::Error::other)?,
                height,
                PIXELS_BGRX,
                &mut buffer,
                &mut bytes,
                sampling,
                c_int::from(kind.quality.clamp(1, 100)),
                FLAG_NO_REALLOC,
            )
        };
        let written = usize::try_from(bytes).unwrap_or(usize::MAX);
        if outcome != 0 || written > most {
            return Err(io::Error::other("libjpeg-turbo refused the pixels"));
        }
        // SAFETY: the library has written so many bytes at the beginning of the buffer, and no more than its capacity.
        unsafe { file.set_len(written) };
        Ok(())
    }
}

/// The error and what the dynamic loader says of it.
fn in_words(error: &libloading::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

impl Drop for TurboJpeg {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: the handle came from this library and is not used again.
        unsafe { (self.destroy)(self.handle) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_library_the_reason_is_told() {
        let refusal = TurboJpeg::load_from("/nowhere/libturbojpeg.so.0".into());
        let reason = refusal.map(|_| ()).expect_err("there is no such file");
        assert!(reason.contains("/nowhere/"), "{reason}");
    }
}
