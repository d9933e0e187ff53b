//! Any bytes are the labels of a picture in YOLO's form, behind a zero byte its `data.yaml`, or a named error.
#![no_main]

use annotator_fuzz::formats::exchange::Format;
use annotator_fuzz::pair::there_and_back;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let at = |name: &str| folder.path().join(name);
    for name in ["labels", "images"] {
        std::fs::create_dir(at(name)).expect("there is room for a folder");
    }
    // A 1-bit bitmap of 7 x 5 pixels is the shortest picture to write.
    let mut picture = b"BM\x52\0\0\0\0\0\0\0\x3e\0\0\0\x28\0\0\0\x07\0\0\0\x05\0\0\0\x01\0\x01\0".to_vec();
    picture.resize(62 + 5 * 4, 0);
    std::fs::write(at("images/a.bmp"), picture).expect("there is room for a file");
    let mut parts = data.splitn(2, |byte| *byte == 0);
    std::fs::write(at("labels/a.txt"), parts.next().unwrap_or_default()).expect("there is room for a file");
    std::fs::write(at("data.yaml"), parts.next().unwrap_or(b"names: [x, y]\n")).expect("there is room for a file");
    for format in [Format::YoloSeg, Format::YoloBoxes] {
        there_and_back(format, folder.path(), Some(&at("images")));
    }
});
