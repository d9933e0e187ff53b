//! Any bytes are a project that can be opened, read and continued, or an error that names the file.
#![no_main]

use annotator_fuzz::annotation::ImageId;
use annotator_fuzz::job::Cancel;
use annotator_fuzz::store::{Change, Project};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let path = folder.path().join("a.annotator.db");
    std::fs::write(&path, data).expect("there is room for a file");
    let work = || {
        let mut project = Project::open(&path)?;
        project.first()?;
        let mut contents = project.load(&Cancel::new(), &mut |_| ())?;
        // A history that does not fit the data set is an error too, not a panic.
        while matches!(contents.history.undo(&mut contents.dataset), Ok(Some(_))) {}
        project.write(&Change::Shown(ImageId(1)))
    };
    if let Err(error) = work() {
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
});
