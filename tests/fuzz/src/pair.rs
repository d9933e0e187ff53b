//! A reader and the writer of its format.

use std::path::Path;

use crate::annotation::{Dataset, Shape};
use crate::formats::convert::Policy;
use crate::formats::exchange::{self, ExchangeError, Format, Imported, Watch};
use crate::formats::loss::Kind;
use crate::job::Cancel;

/// Images of this many pixels are a memory test, not a test of the reader.
const MOST_PIXELS: usize = 1 << 18;

fn import(format: Format, path: &Path, images: Option<&Path>) -> Result<Imported, ExchangeError> {
    exchange::import(format, path, images, None, &mut Watch { cancel: &Cancel::new(), progress: &mut |_| () })
}

fn is_finite(dataset: &Dataset) -> bool {
    dataset.instances.iter().all(|object| {
        let bbox = object.bbox;
        let outline = match &object.shape {
            Shape::Polygons(polygons) => polygons.iter().flatten().all(|value| value.is_finite()),
            _ => true,
        };
        outline && object.area.is_finite() && [bbox.x, bbox.y, bbox.width, bbox.height].iter().all(|value| value.is_finite())
    })
}

/// Reads what lies at `path`; an error names a file there. What can be read is written as `format` and read again, with
/// every object that was not counted as left out.
///
/// # Panics
/// When one of that does not hold.
pub fn there_and_back(format: Format, path: &Path, images: Option<&Path>) {
    let before = match import(format, path, images) {
        Ok(imported) => imported.dataset,
        Err(error) => {
            let said = error.to_string();
            return assert!(said.contains(&path.display().to_string()), "{said}");
        }
    };
    assert!(is_finite(&before), "{before:?}");
    if before.images.iter().any(|image| image.size.pixels() > MOST_PIXELS) {
        return;
    }
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let out = folder.path().join(format.ending().map_or("out".to_owned(), |ending| format!("out.{ending}")));
    let watch = &mut Watch { cancel: &Cancel::new(), progress: &mut |_| () };
    let policy = Some(Policy::Polygons { tolerance_px: 0.0 });
    match exchange::export(before.clone(), format, &out, policy, None, watch) {
        Ok(tally) => {
            let after = import(format, &out, images).unwrap_or_else(|error| panic!("what was written cannot be read: {error}"));
            let kept = before.instances.len() - tally.count(Kind::Object);
            // Class numbers join the objects of a class.
            let is_whole = format == Format::Semantic || after.dataset.instances.len() == kept;
            assert!(is_whole, "{kept} objects were written and {} read: {tally}", after.dataset.instances.len());
        }
        Err(ExchangeError::SameName { .. } | ExchangeError::NoSize { .. } | ExchangeError::Library { .. }) => {
            assert_eq!(std::fs::read_dir(folder.path()).expect("it is there").count(), 0, "something half-written is left");
        }
        Err(error) => panic!("cannot be written: {error}"),
    }
}
