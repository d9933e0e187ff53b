//! Any bytes are a CVAT file that can be written again, or a named error.
#![no_main]

use annotator_fuzz::formats::exchange::Format;
use annotator_fuzz::pair::there_and_back;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let path = folder.path().join("a.xml");
    std::fs::write(&path, data).expect("there is room for a file");
    there_and_back(Format::Cvat, &path, None);
});
