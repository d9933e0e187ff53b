//! Pictures from files, as 8-bit RGB in the orientation in which the masks of their records lie on them.
//!
//! COCO's readers (pycocotools with Pillow, torchvision, `OpenCV` with `IMREAD_IGNORE_ORIENTATION`) see the stored pixels,
//! and width and height in a COCO file are theirs. So masks lie on the stored pixels, the program shows those, and an EXIF
//! rotation is said ([`turn`]) and not applied: a picture that was turned for the screen would need every mask, box and
//! stroke turned with it and back, and one slip there would spoil labels silently. A record whose size is only that of the
//! turned picture was made in a tool that follows EXIF; its masks lie on the upright picture, which is then the one that is
//! read ([`Header::seen_by`]).
//!
//! 16-bit samples keep their upper half, grey becomes three equal channels, palettes and CMYK become the colours that they
//! stand for, and what is transparent shows white behind it, as in a browser. Of an animation the first frame counts. TIFF
//! files with a palette are refused, because the decoder does not know them.

use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, RgbImage};

use crate::geometry::Size;

/// The most pixels that a picture may have.
pub const MOST_PIXELS: u64 = 512 << 20;

/// A decoded picture.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The pixels as stored, or upright where [`open_for`] turned them.
    pub pixels: RgbImage,
    /// How a viewer that follows EXIF would turn them, 1 to 8; 1 for not at all.
    pub exif_orientation: u8,
}

impl Picture {
    /// What its file tells of it.
    pub fn header(&self) -> Header {
        Header { size: Size::new(self.pixels.width(), self.pixels.height()), exif_orientation: self.exif_orientation }
    }
}

/// What a picture's first bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The size of the pixels as stored, or upright where [`Self::seen_by`] turned them.
    pub size: Size,
    /// How a viewer that follows EXIF would turn them, 1 to 8; 1 for not at all.
    pub exif_orientation: u8,
}

impl Header {
    /// The stored picture as the masks of a record lie on it that tells the size `told`: upright where that is the size after
    /// the turn by EXIF and not the stored one, else as it is stored.
    #[must_use]
    pub fn seen_by(self, told: Size) -> Self {
        let turned = Size::new(self.size.height, self.size.width);
        let is_upright = matches!(self.exif_orientation, 5..=8) && told == turned && told != self.size;
        if is_upright { Self { size: turned, exif_orientation: 1 } } else { self }
    }

    /// Whether EXIF turns the picture into one of the same size, so that the size of a record does not tell on which of both
    /// its masks lie.
    pub const fn is_unsure(self) -> bool {
        turn(self.exif_orientation).is_some() && (self.exif_orientation < 5 || self.size.width == self.size.height)
    }
}

/// What is to be said of the pictures at `paths`, which are [unsure](Header::is_unsure); `None` where there are none.
pub fn unsure_note(paths: &[PathBuf]) -> Option<String> {
    let first = paths.first()?.display();
    Some(match paths.len() {
        1 => format!("1 picture that its EXIF entry turns was taken as it is stored, because its size does not tell otherwise: {first}"),
        count => format!(
            "{count} pictures that their EXIF entries turn were taken as they are stored, because their sizes do not tell otherwise; \
             the first is {first}"
        ),
    })
}

/// What a viewer that follows EXIF does with the picture, in words that follow on "is"; `None` where it does nothing.
pub const fn turn(exif_orientation: u8) -> Option<&'static str> {
    match exif_orientation {
        2 => Some("mirrored"),
        3 => Some("turned by 180\u{b0}"),
        4 => Some("mirrored upside down"),
        5 => Some("mirrored and turned left by 90\u{b0}"),
        6 => Some("turned right by 90\u{b0}"),
        7 => Some("mirrored and turned right by 90\u{b0}"),
        8 => Some("turned left by 90\u{b0}"),
        _ => None,
    }
}

/// Why a picture could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The file cannot be read.
    #[error("cannot read the picture: {source}: {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The file is no picture of a known kind.
    #[error("not a picture in a known format (JPEG, PNG, WebP, BMP, GIF, TIFF): {}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// The file ends before the picture does.
    #[error("the picture is cut off: {}", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
    },
    /// The file is damaged, or of a kind of its format that is not known.
    #[error("the picture is damaged or of an unknown kind: {source}: {}", path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// What the decoder says.
        source: ImageError,
    },
    /// The picture has more pixels than fit into memory.
    #[error("the picture is too large, {} x {} pixels: {}", size.width, size.height, path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        size: Size,
    },
}

/// The stored pixels of the picture at `path`.
///
/// # Errors
/// When the file is missing, no picture, cut off, damaged, or larger than [`MOST_PIXELS`].
pub fn load(path: &Path) -> Result<RgbImage, PictureError> {
    open(path).map(|picture| picture.pixels)
}

/// The pixels of the picture at `path` on which the masks of a record lie that tells the size `told`.
///
/// # Errors
/// As [`load`]; that the picture has another size is none.
pub fn load_for(path: &Path, told: Size) -> Result<RgbImage, PictureError> {
    open_for(path, told).map(|picture| picture.pixels)
}

/// The picture at `path` as it is stored, with its orientation mark.
///
/// # Errors
/// As [`load`].
pub fn open(path: &Path) -> Result<Picture, PictureError> {
    open_for(path, Size::default())
}

/// The picture at `path` as the masks of a record lie on it that tells the size `told`, as by [`Header::seen_by`].
///
/// # Errors
/// As [`load_for`].
pub fn open_for(path: &Path, told: Size) -> Result<Picture, PictureError> {
    let (mut decoder, format) = decoder(path)?;
    let stored = header_of(&mut decoder);
    let size = stored.size;
    if u64::from(size.width) * u64::from(size.height) > MOST_PIXELS {
        return Err(PictureError::TooLarge { path: path.to_owned(), size });
    }
    if format == ImageFormat::Jpeg && !is_complete(path, format)? {
        return Err(PictureError::Truncated { path: path.to_owned() });
    }
    let mut image = DynamicImage::from_decoder(decoder).map_err(|source| error(path, source))?;
    let seen = stored.seen_by(told);
    if seen != stored
        && let Some(orientation) = Orientation::from_exif(stored.exif_orientation)
    {
        image.apply_orientation(orientation);
    }
    Ok(Picture { pixels: rgb(image), exif_orientation: seen.exif_orientation })
}

/// The size of the picture at `path`, from its first bytes.
///
/// # Errors
/// When the file is missing, no picture, or has a damaged beginning.
pub fn size(path: &Path) -> Result<Size, PictureError> {
    let file = File::open(path).map_err(|source| PictureError::Io { path: path.to_owned(), source })?;
    match super::jpeg::size(&mut BufReader::new(file)) {
        Some(size) => Ok(size),
        None => decoder(path).map(|(decoder, _)| size_of(&decoder)),
    }
}

/// The size of the picture at `path` and its orientation mark, without its pixels.
///
/// # Errors
/// As [`size`].
pub fn header(path: &Path) -> Result<Header, PictureError> {
    let file = File::open(path).map_err(|source| PictureError::Io { path: path.to_owned(), source })?;
    let mut file = BufReader::new(file);
    if let Some(size) = super::jpeg::size(&mut file)
        && file.rewind().is_ok()
        && let Some(orientation) = super::jpeg::orientation(&mut file)
    {
        return Ok(Header { size, exif_orientation: orientation.to_exif() });
    }
    decoder(path).map(|(mut decoder, _)| header_of(&mut decoder))
}

/// [`header`] for a check of the whole file: also whether the end of a JPEG or PNG picture is there, still without its pixels.
///
/// # Errors
/// As [`header`], and when the picture is cut off.
pub fn complete(path: &Path) -> Result<Header, PictureError> {
    let (mut decoder, format) = decoder(path)?;
    if !is_complete(path, format)? {
        return Err(PictureError::Truncated { path: path.to_owned() });
    }
    Ok(header_of(&mut decoder))
}

/// What the decoder tells of the picture as it is stored.
fn header_of(decoder: &mut impl ImageDecoder) -> Header {
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    Header { size: size_of(decoder), exif_orientation: orientation.to_exif() }
}

fn decoder(path: &Path) -> Result<(impl ImageDecoder + use<>, ImageFormat), PictureError> {
    let io = |source| PictureError::Io { path: path.to_owned(), source };
    // Names lie; the first bytes do not.
    let mut reader = ImageReader::new(BufReader::new(File::open(path).map_err(io)?)).with_guessed_format().map_err(io)?;
    // The size is checked before the pixels are made; what the decoder needs besides is some multiple of that.
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(MOST_PIXELS * 16);
    reader.limits(limits);
    let Some(format) = reader.format() else { return Err(PictureError::Format { path: path.to_owned() }) };
    Ok((reader.into_decoder().map_err(|source| error(path, source))?, format))
}

fn size_of(decoder: &impl ImageDecoder) -> Size {
    let (width, height) = decoder.dimensions();
    Size::new(width, height)
}

fn error(path: &Path, source: ImageError) -> PictureError {
    let path = path.to_owned();
    match source {
        ImageError::IoError(source) if source.kind() == std::io::ErrorKind::UnexpectedEof => PictureError::Truncated { path },
        ImageError::IoError(source) => PictureError::Io { path, source },
        ImageError::Unsupported(_) => PictureError::Decode { path, source },
        source => {
            let text = source.to_string().to_lowercase();
            let is_cut = ["eof", "unexpected end", "exhausted", "truncated", "premature"].iter().any(|word| text.contains(word));
            if is_cut { PictureError::Truncated { path } } else { PictureError::Decode { path, source } }
        }
    }
}

/// Whether the file has the mark that ends a JPEG or PNG picture; always for other formats. The decoder of JPEG paints what is
/// missing grey and says nothing.
fn is_complete(path: &Path, format: ImageFormat) -> Result<bool, PictureError> {
    let mark: &[u8] = match format {
        ImageFormat::Jpeg => b"\xff\xd9",
        // Readers do without the checksum behind it.
        ImageFormat::Png => b"\0\0\0\0IEND",
        _ => return Ok(true),
    };
    let io = |source| PictureError::Io { path: path.to_owned(), source };
    let mut file = BufReader::new(File::open(path).map_err(io)?);
    let length = file.get_ref().metadata().map_err(io)?.len();
    // A thumbnail in the header has a mark of its own.
    let start = if format == ImageFormat::Jpeg { super::jpeg::scan_start(&mut file).unwrap_or(0) } else { 0 };
    // Cameras may write something behind the picture, so that the mark is not always the last thing.
    let end = |bytes: &[u8]| bytes.windows(mark.len()).any(|part| part == mark);
    let mut tail = Vec::new();
    for part in [4096, length] {
        tail.clear();
        file.seek(SeekFrom::Start(length.saturating_sub(part).max(start))).map_err(io)?;
        file.read_to_end(&mut tail).map_err(io)?;
        if end(&tail) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn rgb(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let rgba = image.into_rgba8();
    let (width, height) = rgba.dimensions();
    let over_white = |value: u8, alpha: u8| ((u32::from(value) * u32::from(alpha) + 255 * (255 - u32::from(alpha)) + 127) / 255) as u8;
    let mut pixels = Vec::with_capacity(width as usize * height as usize * 3);
    for &[r, g, b, a] in rgba.as_raw().as_chunks::<4>().0 {
        pixels.extend([over_white(r, a), over_white(g, a), over_white(b, a)]);
    }
    RgbImage::from_raw(width, height, pixels).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ImageBuffer, Luma, LumaA, Rgb, Rgba};

    fn saved(folder: &Path, name: &str, image: impl Into<DynamicImage>) -> PathBuf {
        let path = folder.join(name);
        image.into().save(&path).unwrap();
        path
    }

    #[test]
    fn every_kind_of_sample_becomes_rgb() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let grey16 = ImageBuffer::from_pixel(3, 2, Luma([0x8000_u16]));
        assert_eq!(load(&saved(at, "a.png", grey16)).unwrap().get_pixel(1, 1).0, [128, 128, 128]);
        let clear = ImageBuffer::from_pixel(3, 2, Rgba([200_u8, 0, 0, 0]));
        assert_eq!(load(&saved(at, "b.png", clear)).unwrap().get_pixel(0, 0).0, [255, 255, 255]);
        let half = ImageBuffer::from_pixel(3, 2, LumaA([0_u8, 128]));
        assert_eq!(load(&saved(at, "c.png", half)).unwrap().get_pixel(2, 0).0, [127, 127, 127]);
        for name in ["d.png", "d.jpg", "d.bmp", "d.gif", "d.tiff", "d.webp"] {
            let colour = ImageBuffer::from_pixel(16, 8, Rgb([250_u8, 250, 250]));
            let path = saved(at, name, colour);
            assert_eq!(size(&path).unwrap(), Size::new(16, 8), "{name}");
            let pixel = load(&path).unwrap().get_pixel(5, 5).0;
            assert!(pixel.iter().all(|v| v.abs_diff(250) < 4), "{name}: {pixel:?}");
        }
    }

    #[test]
    fn cut_and_broken_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let noise = ImageBuffer::from_fn(64, 64, |x, y| Rgb([(x * y * 7 % 256) as u8, (x * 3 + y * 5) as u8, (x * x + y) as u8]));
        for name in ["a.png", "a.jpg", "a.bmp", "a.gif", "a.tiff", "a.webp"] {
            let path = saved(folder.path(), name, noise.clone());
            let bytes = std::fs::read(&path).unwrap();
            for share in [0, 1, 2, 4, 8, 9] {
                std::fs::write(&path, &bytes[..bytes.len() * share / 10]).unwrap();
                let error = load(&path).unwrap_err();
                assert!(error.to_string().contains(name), "{error}");
            }
        }
        let text = folder.path().join("t.png");
        std::fs::write(&text, "no picture at all").unwrap();
        assert!(matches!(load(&text), Err(PictureError::Format { .. })));
        assert!(matches!(load(&folder.path().join("none.png")), Err(PictureError::Io { .. })));
    }

    #[test]
    fn the_end_of_a_thumbnail_is_not_that_of_the_picture_and_a_lost_checksum_is_no_cut() {
        let folder = tempfile::tempdir().unwrap();
        let noise = ImageBuffer::from_fn(64, 64, |x, y| Rgb([(x * y * 7 % 256) as u8, (x * 3 + y * 5) as u8, (x * x + y) as u8]));
        let path = saved(folder.path(), "a.jpg", noise.clone());
        let mut with = b"\xff\xd8\xff\xe1\x00\x10thumbnail\xff\xd8.\xff\xd9".to_vec();
        with.extend_from_slice(&std::fs::read(&path).unwrap()[2..]);
        std::fs::write(&path, &with).unwrap();
        assert!(open(&path).is_ok() && complete(&path).is_ok());
        std::fs::write(&path, &with[..with.len() * 8 / 10]).unwrap();
        assert!(matches!(open(&path), Err(PictureError::Truncated { .. })));
        assert!(matches!(complete(&path), Err(PictureError::Truncated { .. })));

        let path = saved(folder.path(), "a.png", noise);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 2]).unwrap();
        assert!(open(&path).is_ok() && complete(&path).is_ok());
        std::fs::write(&path, &bytes[..bytes.len() - 12]).unwrap();
        assert!(matches!(complete(&path), Err(PictureError::Truncated { .. })));
    }
}
