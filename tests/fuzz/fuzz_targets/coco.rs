//! Any text that is read as a data set is written back as the same values, also after every object was changed, and
//! can be checked and converted.
#![no_main]

use std::path::Path;
use std::sync::Arc;

use annotator_fuzz::annotation::{Dataset, Field};
use annotator_fuzz::formats::check;
use annotator_fuzz::formats::coco;
use annotator_fuzz::formats::convert::{Policy, convert};
use annotator_fuzz::job::Cancel;
use libfuzzer_sys::fuzz_target;

/// A mask of this many pixels is a memory test, not a test of the reader.
const MOST_PIXELS: usize = 1 << 22;

fn text(dataset: &Dataset) -> String {
    let mut out = Vec::new();
    coco::write(dataset, &mut out).expect("memory takes everything");
    String::from_utf8(out).expect("a data set is text")
}

fuzz_target!(|data: &[u8]| {
    let Ok(source) = std::str::from_utf8(data) else { return };
    let Ok((mut dataset, _)) = coco::parse(&Arc::from(source), Path::new("x.json")) else { return };
    let first = text(&dataset);
    let (again, _) = coco::parse(&Arc::from(first.as_str()), Path::new("x.json")).expect("what was written can be read");
    assert_eq!(text(&again), first);
    let (third, _) = coco::parse(&Arc::from(text(&again).as_str()), Path::new("x.json")).expect("what was written can be read");
    assert_eq!(third, again);
    assert_eq!(again.instances.len(), dataset.instances.len());
    if dataset.images.iter().any(|image| image.size.pixels() > MOST_PIXELS) {
        return;
    }
    check::check(&dataset, Path::new("x.json"), None, &Cancel::new(), &mut |_| ());
    convert(&mut dataset, Policy::Rle { compressed: true });
    for instance in &mut dataset.instances {
        instance.score = Some(0.5);
        instance.changed = Field::SHAPE.and(Field::CATEGORY).and(Field::SCORE);
    }
    let changed = text(&dataset);
    let (again, _) = coco::parse(&Arc::from(changed.as_str()), Path::new("x.json")).expect("what was written can be read");
    assert_eq!(again.instances.len(), dataset.instances.len());
});
