//! PNG pictures whose values are class numbers: grey ones of up to 16 bits, and ones with a palette, whose numbers count
//! and not their colours.

use std::collections::HashMap;
use std::fs;
use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageFormat, ImageReader};

use super::exchange::{ExchangeError, Fault};
use super::picture::MOST_PIXELS;
use crate::geometry::Size;

/// The size and the values, row-major.
///
/// # Errors
/// When the file cannot be read, is no PNG, or is coloured without a palette.
pub(super) fn read(path: &Path) -> Result<(Size, Vec<u16>), ExchangeError> {
    let bytes = fs::read(path).map_err(ExchangeError::io(path))?;
    decoded(&bytes).map_err(|fault| ExchangeError::record(path, "the mask", fault))
}

fn decoded(bytes: &[u8]) -> Result<(Size, Vec<u16>), Fault> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png);
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(MOST_PIXELS * 4);
    reader.limits(limits);
    let picture = reader.decode()?;
    let size = Size::new(picture.width(), picture.height());
    let bits = bytes.get(24).copied().unwrap_or(8);
    let values = match picture {
        // Grey of fewer than 8 bits comes spread over 0..=255.
        DynamicImage::ImageLuma8(grey) if bits < 8 => {
            let most = (1_u16 << bits) - 1;
            grey.into_raw().into_iter().map(|value| u16::from(value) * most / 255).collect()
        }
        DynamicImage::ImageLuma8(grey) => grey.into_raw().into_iter().map(u16::from).collect(),
        DynamicImage::ImageLuma16(grey) => grey.into_raw(),
        other => {
            let numbers = palette(bytes).ok_or(Fault::Coloured)?;
            let colours = other.into_rgb8();
            let number = |pixel: &image::Rgb<u8>| numbers.get(&pixel.0).copied().ok_or(Fault::Coloured);
            colours.pixels().map(number).collect::<Result<_, _>>()?
        }
    };
    Ok((size, values))
}

/// The number of each colour of the palette; `None` where there is no palette, or it has a colour twice.
fn palette(bytes: &[u8]) -> Option<HashMap<[u8; 3], u16>> {
    // Signature, then chunks: length, kind, content, checksum. Kind of colour 3 is a palette.
    if bytes.get(25) != Some(&3) {
        return None;
    }
    let mut at = 8;
    loop {
        let length = u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize;
        if bytes.get(at + 4..at + 8)? == b"PLTE" {
            let colours = bytes.get(at + 8..at + 8 + length)?.as_chunks::<3>().0;
            let numbers: HashMap<_, _> = colours.iter().copied().zip(0..).collect();
            return (numbers.len() == colours.len()).then_some(numbers);
        }
        at += length + 12;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ImageBuffer, Luma, Rgb};

    fn png(picture: impl Into<DynamicImage>) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.into().write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn numbers_are_those_of_the_file() {
        let grey = ImageBuffer::from_fn(3, 2, |x, y| Luma([(x + 10 * y) as u8]));
        assert_eq!(decoded(&png(grey)).unwrap(), (Size::new(3, 2), vec![0, 1, 2, 10, 11, 12]));
        let deep = ImageBuffer::from_fn(2, 1, |x, _| Luma([300 + x as u16]));
        assert_eq!(decoded(&png(deep)).unwrap().1, [300, 301]);
        let colour = ImageBuffer::from_pixel(2, 1, Rgb([9_u8, 8, 7]));
        assert!(matches!(decoded(&png(colour)), Err(Fault::Coloured)));
        assert!(matches!(decoded(b"no picture"), Err(Fault::Picture(_))));
    }

    #[test]
    fn the_palette_is_not_expanded() {
        // 4 x 1 pixels, two bits each, of a palette with three colours: 0, 2, 1, 2.
        let bytes = include_bytes!("../../tests/data/palette.png");
        assert_eq!(decoded(bytes).unwrap(), (Size::new(4, 1), vec![0, 2, 1, 2]));
        for end in 0..bytes.len() {
            drop(decoded(&bytes[..end]));
        }
    }
}
