//! Any bytes are a PNG mask, in front of it the length of the list of classes and that list, or a named error; as the
//! mask of an object and as a picture of class numbers.
#![no_main]

use annotator_fuzz::formats::exchange::Format;
use annotator_fuzz::pair::there_and_back;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&length, rest)) = data.split_first() else { return };
    let (classes, picture) = rest.split_at(usize::from(length).min(rest.len()));
    for (format, name) in [(Format::Masks, "a/1_1.png"), (Format::Semantic, "a/b.png")] {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        std::fs::create_dir(folder.path().join("a")).expect("there is room for a folder");
        std::fs::write(folder.path().join(name), picture).expect("there is room for a file");
        if length > 0 {
            std::fs::write(folder.path().join("classes.txt"), classes).expect("there is room for a file");
        }
        there_and_back(format, folder.path(), None);
    }
});
