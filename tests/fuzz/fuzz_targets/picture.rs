//! Any bytes are a picture whose size is the one that its header says, or a named error.
#![no_main]

use std::io::Write as _;

use annotator_fuzz::formats::picture;
use libfuzzer_sys::fuzz_target;

/// Larger pictures are a memory test, not a test of the reader.
const MOST_PIXELS: usize = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let mut file = tempfile::NamedTempFile::new().expect("there is room for a file");
    file.write_all(data).expect("there is room for a file");
    let Ok(header) = picture::header(file.path()) else { return };
    if header.size.pixels() > MOST_PIXELS {
        return;
    }
    if let Ok(picture) = picture::open(file.path()) {
        assert_eq!((header.size.width, header.size.height), picture.pixels.dimensions());
        assert_eq!(header.exif_orientation, picture.exif_orientation);
    }
});
