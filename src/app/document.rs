//! What is open: the data set with its history, where it came from, and an index of the objects of each image.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use crate::annotation::{Category, CategoryId, Dataset, Edit, EditError, Entry, History, Image, ImageId, Instance, InstanceId};
use crate::formats::Warning;

/// Where the data set came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Nothing is open.
    #[default]
    Nothing,
    /// A COCO file.
    File(PathBuf),
    /// A folder of images.
    Folder(PathBuf),
}

impl Source {
    /// The path that was opened.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Nothing => None,
            Self::File(path) | Self::Folder(path) => Some(path),
        }
    }
}

/// The open data set. Changes go through [`Document::commit`] only.
#[derive(Debug, Default)]
pub struct Document {
    dataset: Dataset,
    history: History,
    objects: HashMap<ImageId, Vec<usize>>,
    places: HashMap<InstanceId, usize>,
    classes: HashMap<CategoryId, usize>,
    saved: u64,
    /// Where it came from.
    pub source: Source,
    /// The file that Save writes; none until a person chose one for a folder.
    pub target: Option<PathBuf>,
    /// The working copy, written while working.
    pub working_copy: Option<PathBuf>,
    /// The folder that file names are relative to.
    pub image_folder: PathBuf,
    /// What the reader found odd.
    pub warnings: Vec<Warning>,
    /// The images that a person marked as reviewed.
    pub reviewed: BTreeSet<ImageId>,
}

impl Document {
    /// A document that holds `dataset`, with an empty history.
    pub fn new(dataset: Dataset, source: Source) -> Self {
        let mut document = Self { dataset, source, ..Self::default() };
        document.index();
        document
    }

    /// The data set.
    pub const fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// The image with this index.
    pub fn image(&self, index: usize) -> Option<&Image> {
        self.dataset.images.get(index)
    }

    /// The number of images.
    pub const fn image_count(&self) -> usize {
        self.dataset.images.len()
    }

    /// The object with this id.
    pub fn instance(&self, id: InstanceId) -> Option<&Instance> {
        self.places.get(&id).and_then(|&place| self.dataset.instances.get(place))
    }

    /// The objects of an image, in file order.
    pub fn objects(&self, image: ImageId) -> impl DoubleEndedIterator<Item = &Instance> {
        self.objects.get(&image).map_or(&[][..], Vec::as_slice).iter().filter_map(|&place| self.dataset.instances.get(place))
    }

    /// How many objects an image has.
    pub fn object_count(&self, image: ImageId) -> usize {
        self.objects.get(&image).map_or(0, Vec::len)
    }

    /// A class, and its place in the list, which gives it its colour.
    pub fn category(&self, id: CategoryId) -> Option<(usize, &Category)> {
        self.classes.get(&id).and_then(|&place| Some((place, self.dataset.categories.get(place)?)))
    }

    /// The path of an image's file.
    pub fn image_path(&self, image: &Image) -> PathBuf {
        self.image_folder.join(&image.file_name)
    }

    /// Applies an edit as one step that can be taken back.
    ///
    /// # Errors
    /// When the edit does not fit.
    pub fn commit(&mut self, label: &str, image: Option<ImageId>, edit: &Edit) -> Result<(), EditError> {
        self.history.commit(&mut self.dataset, label, image, edit)?;
        self.index();
        Ok(())
    }

    /// Takes the last step back, or does it again; gives what it was.
    ///
    /// # Errors
    /// When the history does not fit the data set.
    pub fn step(&mut self, redo: bool) -> Result<Option<Entry>, EditError> {
        let entry = if redo { self.history.redo(&mut self.dataset)? } else { self.history.undo(&mut self.dataset)? }.cloned();
        self.index();
        Ok(entry)
    }

    /// The steps that undo and redo would take.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// A number that grows with every change.
    pub const fn revision(&self) -> u64 {
        self.history.revision()
    }

    /// Whether something changed since the file was written.
    pub const fn is_changed(&self) -> bool {
        self.history.revision() != self.saved
    }

    /// Says that the file now holds revision `revision`.
    pub const fn mark_saved(&mut self, revision: u64) {
        self.saved = revision;
    }

    /// Says that the file does not hold what was opened, because a working copy was.
    pub const fn mark_changed(&mut self) {
        self.saved = u64::MAX;
    }

    /// What the window's title calls it.
    pub fn name(&self) -> String {
        let name = self.source.path().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        name.unwrap_or_else(|| "annotator".to_owned())
    }

    fn index(&mut self) {
        self.objects.clear();
        self.places.clear();
        self.classes = self.dataset.categories.iter().enumerate().map(|(place, category)| (category.id, place)).collect();
        for (place, instance) in self.dataset.instances.iter().enumerate() {
            self.objects.entry(instance.image_id).or_default().push(place);
            self.places.insert(instance.id, place);
        }
    }
}
