//! A file of results, read beside a small data set and written back.
#![no_main]

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use annotator_fuzz::formats::coco;
use libfuzzer_sys::fuzz_target;

const TRUTH: &str = r#"{"images":[{"id":1,"width":6,"height":4,"file_name":"a.png"}],"annotations":[],"categories":[{"id":1,"name":"x"}]}"#;

fuzz_target!(|data: &[u8]| {
    let (truth, _) = coco::parse(&Arc::from(TRUTH), Path::new("truth.json")).expect("the truth is a data set");
    let mut file = tempfile::NamedTempFile::new().expect("there is room for a file");
    file.write_all(data).expect("there is room for a file");
    let Ok((results, _)) = coco::read_results(file.path(), &truth) else { return };
    let mut out = Vec::new();
    coco::write_results(&results, &mut out).expect("memory takes everything");
    file.as_file_mut().set_len(0).expect("the file is ours");
    std::fs::write(file.path(), &out).expect("there is room for a file");
    let (again, _) = coco::read_results(file.path(), &truth).expect("what was written can be read");
    assert_eq!(again.instances.len(), results.instances.len());
});
