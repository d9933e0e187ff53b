//! The size of a JPEG and its turn by EXIF from its header alone, and where that ends: the decoder reads the whole file first,
//! which in a folder of many thousand photos takes minutes.

use std::io::{BufReader, Read, Seek};

use image::metadata::Orientation;

use crate::geometry::Size;

/// The size in the frame header of the JPEG that `file` holds from here on; `None` where it is no JPEG or an odd one,
/// which is left to the decoder (ITU-T T.81, B.1.1 and B.2.2).
pub(super) fn size<R: Read + Seek>(file: &mut BufReader<R>) -> Option<Size> {
    if bytes::<2>(file)? != [0xff, 0xd8] {
        return None;
    }
    loop {
        let (marker, length) = match marker(file)? {
            (0x01 | 0xd0..=0xd7, _) => continue,
            (_, None) => return None,
            (marker, Some(length)) => (marker, length),
        };
        // Frame headers, but not Huffman tables, extensions and arithmetic conditioning, which share their range.
        if matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) {
            let [_precision, height_high, height_low, width_high, width_low] = bytes::<5>(file)?;
            let side = |high, low| u32::from(u16::from_be_bytes([high, low]));
            let size = Size::new(side(width_high, width_low), side(height_high, height_low));
            // A height of 0 stands at the end of the picture.
            return (size.has_pixels()).then_some(size);
        }
        file.seek_relative(i64::from(length)).ok()?;
    }
}

/// Where the first scan of the JPEG begins that `file` holds from here on: behind the segments of the header, one of which may
/// hold a thumbnail with an end mark of its own (ITU-T T.81, B.1.1 and B.2.1); `None` where the file ends before.
pub(super) fn scan_start<R: Read + Seek>(file: &mut BufReader<R>) -> Option<u64> {
    if bytes::<2>(file)? != [0xff, 0xd8] {
        return None;
    }
    loop {
        let start = file.stream_position().ok()?;
        match marker(file)? {
            (0x01 | 0xd0..=0xd7, _) => {}
            (_, None) => return Some(start),
            (_, Some(length)) => file.seek_relative(i64::from(length)).ok()?,
        }
    }
}

/// How viewers that follow EXIF turn the JPEG that `file` holds from here on; `None` where it ends before its first scan or is
/// an odd one. Of several EXIF entries the last one counts, as for the decoder.
pub(super) fn orientation<R: Read + Seek>(file: &mut BufReader<R>) -> Option<Orientation> {
    if bytes::<2>(file)? != [0xff, 0xd8] {
        return None;
    }
    let mut found = Orientation::NoTransforms;
    loop {
        let (marker, length) = match marker(file)? {
            (0x01 | 0xd0..=0xd7, _) => continue,
            (0xda, _) => return Some(found),
            (_, None) => return None,
            (marker, Some(length)) => (marker, length),
        };
        if marker == 0xe1 {
            let mut segment = vec![0; usize::from(length)];
            file.read_exact(&mut segment).ok()?;
            if let Some(block) = segment.strip_prefix(b"Exif\0\0").filter(|block| !block.is_empty()) {
                found = Orientation::from_exif_chunk(block).unwrap_or(Orientation::NoTransforms);
            }
        } else {
            file.seek_relative(i64::from(length)).ok()?;
        }
    }
}

/// The marker that stands next, 0 where none does, and how long the segment is that follows; `None` for one that stands alone and
/// for the marks of the picture's beginning, end and scans (ITU-T T.81, B.1.1.3).
fn marker(file: &mut impl Read) -> Option<(u8, Option<u16>)> {
    let [0xff, mut marker] = bytes::<2>(file)? else { return Some((0, None)) };
    // Any number of these may stand before a marker.
    while marker == 0xff {
        [marker] = bytes::<1>(file)?;
    }
    let length = match marker {
        0x00 | 0x01 | 0xd0..=0xda => None,
        _ => Some(u16::from_be_bytes(bytes(file)?).checked_sub(2)?),
    };
    Some((marker, length))
}

fn bytes<const N: usize>(file: &mut impl Read) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn read(bytes: &[u8]) -> Option<Size> {
        size(&mut BufReader::new(Cursor::new(bytes)))
    }

    #[test]
    fn the_header_tells_the_size() {
        let mut file = Vec::new();
        let picture = image::RgbImage::from_fn(31, 17, |x, y| image::Rgb([x as u8, y as u8, 0]));
        picture.write_to(&mut Cursor::new(&mut file), image::ImageFormat::Jpeg).unwrap();
        assert_eq!(read(&file), Some(Size::new(31, 17)));
        // A thumbnail inside a segment is passed over.
        let mut with = vec![0xff, 0xd8, 0xff, 0xe1, 0x02, 0x0a];
        with.extend_from_slice(&[0xff; 0x208]);
        with.extend_from_slice(&file[2..]);
        assert_eq!(read(&with), Some(Size::new(31, 17)));
        let start = scan_start(&mut BufReader::new(Cursor::new(&with))).unwrap() as usize;
        assert!(start > 0x20c && with[start..].starts_with(&[0xff, 0xda]), "{start}");
        assert_eq!(scan_start(&mut BufReader::new(Cursor::new(&with[..0x100]))), None);
        for end in 0..file.len().min(160) {
            assert!(matches!(read(&file[..end]), None | Some(Size { width: 31, height: 17 })), "cut at {end}");
        }
        assert_eq!(read(b"\x89PNG"), None);
        assert_eq!(read(&[0xff, 0xd8, 0xff, 0xe0, 0, 1]), None, "a segment shorter than its length");
    }

    #[test]
    fn the_last_exif_entry_of_the_header_tells_the_turn() {
        let mut file = Vec::new();
        image::RgbImage::new(31, 17).write_to(&mut Cursor::new(&mut file), image::ImageFormat::Jpeg).unwrap();
        let turn = |bytes: &[u8]| orientation(&mut BufReader::new(Cursor::new(bytes)));
        assert_eq!(turn(&file), Some(Orientation::NoTransforms));
        let mut with = vec![0xff, 0xd8];
        for mark in [3, 6] {
            with.extend_from_slice(b"\xff\xe1\0\x22Exif\0\0II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0");
            with.extend_from_slice(&[mark, 0, 0, 0, 0, 0, 0, 0]);
        }
        with.extend_from_slice(&file[2..]);
        assert_eq!(turn(&with), Some(Orientation::Rotate90));
        assert_eq!(turn(&with[..60]), None);
        assert_eq!(turn(b"\x89PNG"), None);
    }
}
