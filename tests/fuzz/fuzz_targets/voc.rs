//! Any bytes are a Pascal VOC file, behind a zero byte its list of classes, or a named error.
#![no_main]

use annotator_fuzz::formats::exchange::Format;
use annotator_fuzz::pair::there_and_back;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let mut parts = data.splitn(2, |byte| *byte == 0);
    std::fs::write(folder.path().join("a.xml"), parts.next().unwrap_or_default()).expect("there is room for a file");
    if let Some(classes) = parts.next() {
        std::fs::write(folder.path().join("labels.txt"), classes).expect("there is room for a file");
    }
    there_and_back(Format::Voc, folder.path(), None);
});
