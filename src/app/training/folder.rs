//! The folder of a run: its labels, its weights so far, and what is needed to go on with it after a stop. A data set has
//! one at most, which stays while there is something to go on with.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Course, labels};
use crate::annotation::{Instance, Shape};
use crate::app::document::Document;
use crate::formats::save::{self, SaveError};
use crate::mask::{fnv1a, polygon, rle};
use crate::store;
use crate::train::{self, Halt, What};

/// What a run began with, besides its labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Origin {
    /// What learns, for how long, and where its weights go.
    pub(super) course: Course,
    /// The folder of the images.
    pub(super) images: PathBuf,
    /// The weights that it started from; the built-in ones where there are none.
    pub(super) start: Option<PathBuf>,
    /// The [`fingerprint`] of its labels.
    pub(super) labels: u64,
}

/// A run that was stopped and can go on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stopped {
    /// The network.
    pub(crate) what: What,
    /// How much of the run is done, from 0 to 1.
    pub(crate) share: f64,
    /// How long ago it was stopped, in words.
    pub(crate) ago: String,
    /// Whether the labels have changed since it began.
    pub(crate) is_outdated: bool,
}

/// The place of a run's folder, which need not exist.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// That of the data set at `source`, an absolute path.
    pub(super) fn of(state: &Path, source: &Path) -> Self {
        Self(state.join(store::file_name(source, "training")))
    }

    /// The labels that the run learns from.
    pub(super) fn data(&self) -> PathBuf {
        self.0.join("data.json")
    }

    /// The weights that the run writes; its checkpoint lies beside them.
    pub(super) fn weights(&self) -> PathBuf {
        self.0.join("weights.safetensors")
    }

    /// What the run says on its error stream.
    pub(super) fn errors(&self) -> PathBuf {
        self.0.join("errors.txt")
    }

    fn origin_path(&self) -> PathBuf {
        self.0.join("run.json")
    }

    /// Makes the folder, empty; the run that was in it is gone.
    pub(super) fn renew(&self) -> io::Result<()> {
        self.remove()?;
        std::fs::create_dir_all(&self.0)
    }

    /// Removes the folder, where there is one.
    pub(super) fn remove(&self) -> io::Result<()> {
        match std::fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Writes what the run began with, the last of what it needs.
    pub(super) fn write(&self, origin: &Origin) -> Result<(), SaveError> {
        save::replace(&self.origin_path(), |file| Ok(serde_json::to_writer(file, origin)?))
    }

    /// What the run began with; `None` where there is none.
    pub(super) fn origin(&self) -> Option<Origin> {
        serde_json::from_slice(&std::fs::read(self.origin_path()).ok()?).ok()
    }

    /// How far the run came; `None` where it has learned nothing to go on with.
    pub(super) fn halt(&self) -> Option<Halt> {
        train::halted(&self.weights())
    }

    /// The run as it can go on; `None` where there is none, or what it began with is gone. `document` has the labels of now.
    pub(super) fn stopped(&self, document: &Document) -> Option<Stopped> {
        let Origin { course, images, start, labels: known } = self.origin()?;
        let is_there = images.is_dir() && self.data().is_file() && start.is_none_or(|start| start.is_file());
        let Halt { share, since } = self.halt().filter(|_| is_there)?;
        let ago = since.and_then(|since| since.elapsed().ok()).unwrap_or_default();
        Some(Stopped { what: course.what, share, ago: spoken(ago), is_outdated: fingerprint(labels(document)) != known })
    }
}

/// A number that other labels hardly have.
pub(super) fn fingerprint<'a>(labels: impl Iterator<Item = &'a Instance>) -> u64 {
    let mark = |label: &Instance| {
        let Instance { id, image_id, category_id, bbox, shape, .. } = label;
        let outline = match shape {
            Shape::Box => 0,
            Shape::Polygons(polygons) => polygon::fingerprint(polygons),
            Shape::Rle { counts, .. } => rle::fingerprint(counts),
        };
        let ids = [id.0, image_id.0, category_id.0].map(|id| id as u64);
        let sides = [bbox.x, bbox.y, bbox.width, bbox.height].map(f64::to_bits);
        fnv1a(ids.into_iter().chain(sides).chain([outline]).flat_map(u64::to_le_bytes))
    };
    labels.collect::<Vec<_>>().into_par_iter().map(mark).reduce(|| 0, u64::wrapping_add)
}

/// How long ago something was.
pub(crate) fn spoken(ago: Duration) -> String {
    let minutes = ago.as_secs() / 60;
    match minutes {
        0 => "just now".to_owned(),
        1..90 => format!("{minutes} min ago"),
        90..2880 => format!("{} h ago", (minutes + 30) / 60),
        _ => format!("{} days ago", minutes / 1440),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotation::{CategoryId, ImageId, InstanceId};
    use crate::geometry::Rect;

    fn label(id: i64, x: f64) -> Instance {
        let instance = Instance::boxed(InstanceId(id), ImageId(1), CategoryId(1), Rect::new(x, 0.0, 4.0, 4.0));
        Instance { shape: Shape::Polygons([vec![x, 0.0, 4.0, 0.0, 4.0, 4.0]].into()), ..instance }
    }

    #[test]
    fn other_labels_have_another_fingerprint() {
        let [one, two, moved] = [label(1, 0.0), label(2, 0.0), label(2, 1.0)];
        let known = fingerprint([&one, &two].into_iter());
        assert_eq!(fingerprint([&two, &one].into_iter()), known);
        assert_ne!(fingerprint([&one, &moved].into_iter()), known);
        assert_ne!(fingerprint([&one].into_iter()), known);
        let other = Instance { category_id: CategoryId(2), ..two };
        assert_ne!(fingerprint([&one, &other].into_iter()), known);
    }

    #[test]
    fn a_folder_that_is_made_anew_holds_nothing_of_before() {
        let state = tempfile::tempdir().unwrap();
        let source = state.path().join("instances.json");
        let folder = Folder::of(&state.path().join("state"), &source);
        folder.remove().unwrap();
        assert_eq!((folder.origin(), folder.halt()), (None, None));
        folder.renew().unwrap();
        let course = Course { what: What::Refiner, epochs: 3, out: source.with_extension("safetensors") };
        let origin = Origin { course, images: state.path().to_path_buf(), start: None, labels: u64::MAX };
        folder.write(&origin).unwrap();
        std::fs::write(folder.data(), "{}").unwrap();
        assert_eq!(folder.origin(), Some(origin));
        assert_eq!(folder.stopped(&Document::default()), None, "it has learned nothing");
        folder.renew().unwrap();
        assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 0);
    }

    #[test]
    fn it_is_told_how_long_ago_it_was() {
        let told = |minutes: u64| spoken(Duration::from_mins(minutes));
        assert_eq!([0, 1, 89, 90, 2879, 2880].map(told), ["just now", "1 min ago", "89 min ago", "2 h ago", "48 h ago", "2 days ago"]);
    }
}
