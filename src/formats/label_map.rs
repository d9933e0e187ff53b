//! PNG pictures whose values are class numbers: grey ones of up to 16 bits, and ones with a palette, whose numbers count
//! and not their colours.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use png::{BitDepth, ColorType};

use super::exchange::{ExchangeError, Fault};
use super::picture::MOST_PIXELS;
use crate::geometry::Size;

/// A picture of numbers.
#[derive(Debug)]
pub(super) struct LabelMap {
    /// Its size.
    pub(super) size: Size,
    /// The numbers, row-major.
    pub(super) values: Vec<u16>,
    /// Whether the numbers are places in a palette.
    pub(super) has_palette: bool,
    /// How many bits a number has.
    pub(super) bits: u8,
}

/// The picture of numbers in a file.
///
/// # Errors
/// When the file cannot be read, is no PNG, or is coloured without a palette.
pub(super) fn read(path: &Path) -> Result<LabelMap, ExchangeError> {
    let bytes = fs::read(path).map_err(ExchangeError::io(path))?;
    decoded(&bytes).map_err(|fault| ExchangeError::record(path, "the mask", fault))
}

fn decoded(bytes: &[u8]) -> Result<LabelMap, Fault> {
    let limits = png::Limits { bytes: usize::try_from(MOST_PIXELS * 4).unwrap_or(usize::MAX) };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    // Numbers as they are stored: palettes are not looked up, and few bits not spread over 0..=255.
    decoder.set_transformations(png::Transformations::IDENTITY);
    let mut reader = decoder.read_info()?;
    let (kind, depth) = reader.output_color_type();
    if !matches!(kind, ColorType::Grayscale | ColorType::Indexed) {
        return Err(Fault::Coloured);
    }
    let size = Size::new(reader.info().width, reader.info().height);
    if size.pixels() as u64 > MOST_PIXELS {
        return Err(png::DecodingError::LimitsExceeded.into());
    }
    let mut packed = vec![0; reader.output_buffer_size().ok_or(png::DecodingError::LimitsExceeded)?];
    let line = reader.next_frame(&mut packed)?.line_size;
    let mut values = Vec::with_capacity(size.pixels());
    for row in packed.chunks_exact(line.max(1)).take(size.height as usize) {
        values.extend((0..size.width as usize).map(|x| number(row, x, depth)));
    }
    Ok(LabelMap { size, values, has_palette: kind == ColorType::Indexed, bits: depth as u8 })
}

/// The number at `x` of a row with so many bits a pixel, the first one in the highest bits.
fn number(row: &[u8], x: usize, depth: BitDepth) -> u16 {
    if depth == BitDepth::Sixteen {
        return u16::from_be_bytes([row[2 * x], row[2 * x + 1]]);
    }
    let bits = depth as usize;
    let shift = 8 - bits - x * bits % 8;
    u16::from(row[x * bits / 8] >> shift) & ((1 << bits) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, Rgb};

    fn numbers(bytes: &[u8]) -> (Size, Vec<u16>) {
        let map = decoded(bytes).unwrap();
        (map.size, map.values)
    }

    fn png(picture: impl Into<DynamicImage>) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.into().write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn numbers_are_those_of_the_file() {
        let grey = ImageBuffer::from_fn(3, 2, |x, y| Luma([(x + 10 * y) as u8]));
        assert_eq!(numbers(&png(grey)), (Size::new(3, 2), vec![0, 1, 2, 10, 11, 12]));
        let deep = ImageBuffer::from_fn(2, 1, |x, _| Luma([300 + x as u16]));
        let deep = decoded(&png(deep)).unwrap();
        assert_eq!((deep.values, deep.bits, deep.has_palette), (vec![300, 301], 16, false));
        let colour = ImageBuffer::from_pixel(2, 1, Rgb([9_u8, 8, 7]));
        assert!(matches!(decoded(&png(colour)), Err(Fault::Coloured)));
        assert!(matches!(decoded(b"no picture"), Err(Fault::Png(_))));
    }

    #[test]
    fn the_palette_is_not_expanded() {
        // 4 x 1 pixels, two bits each, of a palette with three colours: 0, 2, 1, 2.
        let bytes = include_bytes!("../../tests/data/palette.png");
        assert_eq!(numbers(bytes), (Size::new(4, 1), vec![0, 2, 1, 2]));
        assert!(decoded(bytes).unwrap().has_palette);
        for end in 0..bytes.len() {
            drop(decoded(&bytes[..end]));
        }
    }

    #[test]
    fn a_palette_may_have_a_colour_twice() {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 3, 2);
        encoder.set_color(ColorType::Indexed);
        encoder.set_palette(vec![0; 3 * 256]);
        encoder.write_header().unwrap().write_image_data(&[0, 7, 255, 1, 1, 2]).unwrap();
        assert_eq!(numbers(&bytes), (Size::new(3, 2), vec![0, 7, 255, 1, 1, 2]));
    }
}
