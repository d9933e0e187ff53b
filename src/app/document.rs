//! What is open: the data set with its history, where it came from, and an index of the objects of each image.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::index::{Index, Moves};
use super::judged::Judged;
use crate::annotation::{Category, CategoryId, Dataset, Edit, EditError, Entry, History, Image, ImageId, Instance, InstanceId, Placed};
use crate::disk;
use crate::formats::Warning;
use crate::formats::folder::Finder;
use crate::geometry::Size;
use crate::store::{Change, Contents, Judgement, Judgements, Move, State, Target, Writer};

/// Why a change was not made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DocumentError {
    /// Not all objects are read yet.
    #[error("the objects are still being read; try again in a moment")]
    Loading,
    /// The edit does not fit.
    #[error(transparent)]
    Edit(#[from] EditError),
}

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

/// The file of an image, and the size that the image's record tells: by both is known which way up masks lie on the picture.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ImageFile {
    /// Where it lies.
    pub path: PathBuf,
    /// The size in the record.
    pub told: Size,
}

/// The open data set. Changes go through [`Document::commit`] only.
#[derive(Debug, Default)]
pub struct Document {
    // Shared with a thread that exports, so that a large data set is copied only if it changes meanwhile.
    dataset: Arc<Dataset>,
    history: History,
    index: Index,
    judged: Judged,
    /// The version that the file holds which Save writes.
    saved: u64,
    /// The revision that some file holds.
    exported: u64,
    /// The file that Save writes, as it was when it was last read or written.
    known: Option<Target>,
    /// The version that was last written into that file since it was opened.
    written: Option<u64>,
    /// Whether marks were set that no revision counts.
    is_marked: bool,
    /// The image that was marked as reviewed last, or its mark taken off, and the revision then.
    last_mark: Option<(ImageId, u64)>,
    writer: Option<Writer>,
    is_loading: bool,
    /// The names of images of the folder that were left out before the history begins.
    left_out: BTreeSet<String>,
    /// The class that is chosen, as the project knows it.
    class: Option<CategoryId>,
    /// The colours that a person chose for classes.
    colors: BTreeMap<CategoryId, [u8; 3]>,
    /// Which of the usual colours each class has, as the project knows it.
    hues: BTreeMap<CategoryId, usize>,
    /// The digits that a person gave to classes.
    digits: BTreeMap<u8, CategoryId>,
    /// The digits of classes that went, by the version of the step that they went with.
    digits_away: BTreeMap<(CategoryId, u64), u8>,
    /// The objects that are exemplars of a class, as the project knows them.
    exemplars: Vec<(CategoryId, InstanceId)>,
    /// Those of classes that went, with the version of the step that they went with, as the project knows them.
    exemplars_away: Vec<(CategoryId, u64, InstanceId)>,
    /// Where it came from.
    pub source: Source,
    /// The file that Save writes; none until a person chose one for a folder.
    pub target: Option<PathBuf>,
    /// The folder that file names are relative to.
    pub image_folder: PathBuf,
    finder: OnceLock<Finder>,
    /// Where the images lie that were asked for, by where their names say, so that the disk is not asked in each frame.
    found: Mutex<HashMap<PathBuf, PathBuf>>,
    /// What the reader found odd; nothing where the document comes from its project.
    pub warnings: Vec<Warning>,
    /// The images that a person marked as reviewed.
    pub reviewed: BTreeSet<ImageId>,
}

impl Document {
    /// A document that holds what a project holds, all of it or, with `is_loading`, the part that shows one image.
    pub fn new(contents: Contents, source: Source, is_loading: bool) -> Self {
        let Contents { dataset, history, reviewed, judged, target, exported, left_out, class, colors, .. } = contents;
        let Contents { hues, digits, exemplars, digits_away, exemplars_away, .. } = contents;
        let mut index = Index::of(&dataset);
        index.restore_hues(&hues, &dataset);
        let judged = Judged::restored(judged, |id| index.place(id).and_then(|place| dataset.instances.get(place)));
        let is_saved = history.version() == exported;
        let first = dataset.categories.first().map(|category| category.id);
        Self {
            class: class.filter(|&id| index.class(id).is_some()).or(first),
            colors,
            hues,
            digits: digits.into_iter().filter(|(_, id)| index.class(*id).is_some()).collect(),
            exemplars,
            digits_away,
            exemplars_away,
            index,
            dataset: Arc::new(dataset),
            judged,
            reviewed,
            target: target.as_ref().map(|target| target.path.clone()),
            known: target,
            source,
            saved: exported,
            exported: if is_saved { history.revision() } else { exported },
            history,
            is_loading,
            left_out,
            ..Self::default()
        }
    }

    /// Gives every change from now on to `writer`.
    pub fn keep_with(&mut self, writer: Writer) {
        self.writer = Some(writer);
    }

    /// Whether objects of images that are not shown are still being read; nothing can be changed meanwhile.
    pub const fn is_loading(&self) -> bool {
        self.is_loading
    }

    /// The data set, for another thread.
    pub fn shared(&self) -> Arc<Dataset> {
        Arc::clone(&self.dataset)
    }

    /// How far the project file is behind.
    pub fn storage(&self) -> State {
        self.writer.as_ref().map_or(State::Written, Writer::state)
    }

    /// The project file.
    pub fn project_path(&self) -> Option<PathBuf> {
        self.writer.as_ref().map(Writer::path)
    }

    /// Whether something is in no file but the project.
    const fn needs_project(&self) -> bool {
        self.revision() != self.exported || self.is_marked
    }

    /// How far all is on the disk that closing the document could lose.
    pub fn kept(&self) -> State {
        if self.needs_project() { self.storage() } else { State::Written }
    }

    /// [`Self::kept`] after a look whether the project file is still in its place; waits for that at most `limit`.
    pub fn kept_within(&self, limit: Duration) -> State {
        match &self.writer {
            Some(writer) if self.needs_project() => writer.flush(limit),
            _ => State::Written,
        }
    }

    /// The data set.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// The image with this index.
    pub fn image(&self, index: usize) -> Option<&Image> {
        self.dataset.images.get(index)
    }

    /// The place of the image with this id.
    pub fn place(&self, id: ImageId) -> Option<usize> {
        self.index.image(id)
    }

    /// The image with this id.
    pub fn image_of(&self, id: ImageId) -> Option<&Image> {
        self.place(id).and_then(|place| self.image(place))
    }

    /// The number of images.
    pub fn image_count(&self) -> usize {
        self.dataset.images.len()
    }

    /// The object with this id.
    pub fn instance(&self, id: InstanceId) -> Option<&Instance> {
        self.index.place(id).and_then(|place| self.dataset.instances.get(place))
    }

    /// As [`Dataset::free_instance_id`], without a look at all objects.
    pub fn free_instance_id(&self) -> InstanceId {
        self.behind_all().unwrap_or_else(|| self.dataset.free_instance_id())
    }

    /// As [`Dataset::free_instance_ids`], without a look at all objects.
    pub fn free_instance_ids(&self) -> impl Iterator<Item = InstanceId> + use<> {
        let behind = self.behind_all().map(|InstanceId(first)| (first..=i64::MAX).map(InstanceId));
        let between = behind.is_none().then(|| self.dataset.free_instance_ids());
        behind.into_iter().flatten().chain(between.into_iter().flatten())
    }

    /// The largest instance id plus one, where there is a larger one.
    fn behind_all(&self) -> Option<InstanceId> {
        self.index.largest().map_or(Some(1), |largest| largest.0.checked_add(1)).map(InstanceId)
    }

    /// The objects of an image, in file order.
    pub fn objects(&self, image: ImageId) -> impl DoubleEndedIterator<Item = &Instance> {
        self.index.objects(image).iter().filter_map(|&place| self.dataset.instances.get(place))
    }

    /// How many objects an image has.
    pub fn object_count(&self, image: ImageId) -> usize {
        self.index.objects(image).len()
    }

    /// How many objects of all images have a class.
    pub fn class_count(&self, id: CategoryId) -> usize {
        self.index.count(id)
    }

    /// A class.
    pub fn category(&self, id: CategoryId) -> Option<&Category> {
        self.index.class(id).and_then(|place| self.dataset.categories.get(place))
    }

    /// Which of the colours of classes is that of one: its place in the list at first, the same while others come and go. The
    /// project keeps it.
    pub fn hue(&self, id: CategoryId) -> usize {
        self.index.hue(id).unwrap_or_default()
    }

    /// The path of an image's file.
    pub fn image_path(&self, image: &Image) -> PathBuf {
        let named = self.image_folder.join(&image.file_name);
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = found.get(&named) {
            return path.clone();
        }
        let finder = self.finder.get_or_init(|| Finder::new(&self.dataset.images));
        let path = finder.path(&self.image_folder, &image.file_name);
        found.insert(named, path.clone());
        path
    }

    /// An image's file with the size that the image's record tells.
    pub fn image_file(&self, image: &Image) -> ImageFile {
        ImageFile { path: self.image_path(image), told: image.size }
    }

    /// Applies an edit as one step that can be taken back, and hands it to the project.
    ///
    /// # Errors
    /// When the edit does not fit, or not everything is read yet.
    pub fn commit(&mut self, label: &str, image: Option<ImageId>, edit: &Edit) -> Result<(), DocumentError> {
        self.make(edit, |history, dataset| history.commit(dataset, label, image, edit))
    }

    /// [`Self::commit`] of an edit that goes on with the last step and becomes a part of it.
    ///
    /// # Errors
    /// As for [`Self::commit`].
    pub fn amend(&mut self, label: &str, image: Option<ImageId>, edit: &Edit) -> Result<(), DocumentError> {
        self.make(edit, |history, dataset| history.amend(dataset, label, image, edit))
    }

    fn make(
        &mut self,
        edit: &Edit,
        made: impl FnOnce(&mut History, &mut Placed<'_>) -> Result<(), EditError>,
    ) -> Result<(), DocumentError> {
        if self.is_loading {
            return Err(DocumentError::Loading);
        }
        let moves = self.index.moves(edit, &self.dataset);
        let find = |id: InstanceId| self.index.place(id);
        made(&mut self.history, &mut Placed { dataset: Arc::make_mut(&mut self.dataset), find: &find })?;
        self.follow(moves);
        self.keep_step(Move::Commit);
        self.keep_hues();
        self.judge_again(edit, true);
        Ok(())
    }

    /// Takes the last step back, or does it again; gives what it was.
    ///
    /// # Errors
    /// When the history does not fit the data set, or not everything is read yet.
    pub fn step(&mut self, redo: bool) -> Result<Option<Entry>, DocumentError> {
        if self.is_loading {
            return Err(DocumentError::Loading);
        }
        let next = self.history.next_step(redo);
        let Some(moves) = next.map(|next| self.index.moves(next.edit(), &self.dataset)) else { return Ok(None) };
        let find = |id: InstanceId| self.index.place(id);
        let mut dataset = Placed { dataset: Arc::make_mut(&mut self.dataset), find: &find };
        let entry = if redo { self.history.redo(&mut dataset)? } else { self.history.undo(&mut dataset)? }.cloned();
        if let Some(entry) = &entry {
            self.follow(moves);
            self.keep_step(if redo { Move::Redo } else { Move::Undo });
            self.keep_hues();
            self.judge_again(entry.edit(), false);
        }
        Ok(entry)
    }

    fn follow(&mut self, moves: Moves) {
        if moves.of_images {
            // The last part of a name that was one image's alone may be that of several.
            (self.finder, self.found) = (OnceLock::new(), Mutex::default());
        }
        self.index.follow(moves, &self.dataset);
    }

    fn keep_step(&self, made: Move) {
        let Some(writer) = &self.writer else { return };
        let place = |id| self.index.place(id);
        if let Some(change) = Change::of_step(made, &self.dataset, &self.history, place) {
            writer.push(change);
        }
    }

    fn keep_hues(&mut self) {
        let hues = self.index.hues();
        if self.hues != hues {
            self.keep(Change::Hues(hues.clone()));
            self.hues = hues;
        }
    }

    fn keep(&self, change: Change) {
        if let Some(writer) = &self.writer {
            writer.push(change);
        }
    }

    /// What was said of the outline that an object has.
    pub fn judgement(&self, id: InstanceId) -> Judgement {
        self.judged.of(id)
    }

    /// Takes what is said of the outlines that objects have. It is kept, but no change of the data set.
    pub fn judge(&mut self, said: impl IntoIterator<Item = (InstanceId, Judgement)>) {
        let mut news = Judgements::new();
        for (id, judgement) in said {
            if let Some(instance) = self.index.place(id).and_then(|place| self.dataset.instances.get(place)) {
                self.judged.take(instance, judgement, &mut news);
            }
        }
        // What a model expects it can tell again.
        if news.values().any(|judgement| judgement.looked_at) {
            self.note_mark();
        }
        self.keep_judged(news);
    }

    /// Finds what was said of the outlines that objects have after `edit`, which is new or a step of the history.
    fn judge_again(&mut self, edit: &Edit, is_new: bool) {
        let mut news = Judgements::new();
        let object = |id| self.index.place(id).and_then(|place| self.dataset.instances.get(place));
        self.judged.follow(edit, is_new, &object, &mut news);
        self.keep_judged(news);
    }

    fn keep_judged(&self, news: Judgements) {
        if !news.is_empty() {
            self.keep(Change::Judged(news));
        }
    }

    /// Marks an image as reviewed, or takes the mark off.
    pub fn review(&mut self, image: ImageId, is_reviewed: bool) {
        if is_reviewed {
            self.reviewed.insert(image);
        } else {
            self.reviewed.remove(&image);
        }
        self.note_mark();
        self.last_mark = Some((image, self.revision()));
        self.keep(Change::Reviewed(image, is_reviewed));
    }

    /// The image that was marked as reviewed, or its mark taken off, where nothing was done since.
    pub fn last_mark(&self) -> Option<ImageId> {
        self.last_mark.filter(|&(_, revision)| revision == self.revision()).map(|(image, _)| image)
    }

    /// Takes the mark back that [`Self::last_mark`] tells of, where its image is the shown one; whether the image is reviewed
    /// then. The mark of another image is forgotten: what is taken back next is a step.
    pub fn take_mark_back(&mut self, shown: Option<ImageId>) -> Option<bool> {
        let image = self.last_mark().filter(|&image| Some(image) == shown);
        let is_reviewed = image.map(|image| {
            let is_reviewed = !self.reviewed.contains(&image);
            self.review(image, is_reviewed);
            is_reviewed
        });
        self.forget_mark();
        is_reviewed
    }

    /// Says that something was done since an image was marked as reviewed that no revision counts.
    pub const fn forget_mark(&mut self) {
        self.last_mark = None;
    }

    const fn note_mark(&mut self) {
        self.is_marked = true;
        self.forget_mark();
    }

    /// Takes the images from another folder.
    pub fn move_images(&mut self, folder: PathBuf) {
        self.forget_mark();
        self.keep(Change::ImageFolder(folder.clone()));
        self.image_folder = folder;
        self.found = Mutex::default();
    }

    /// Forgets which images were left out before the history begins, so that opening finds them; whether any were.
    pub fn bring_back_forgotten(&mut self) -> bool {
        let is_any = !std::mem::take(&mut self.left_out).is_empty();
        if is_any {
            self.keep(Change::BroughtBack);
        }
        is_any
    }

    /// Remembers which image is shown.
    pub fn show(&self, image: ImageId) {
        self.keep(Change::Shown(image));
    }

    /// The class that was chosen last; the first one where none was.
    pub const fn class(&self) -> Option<CategoryId> {
        self.class
    }

    /// Remembers which class is chosen.
    pub fn choose(&mut self, class: Option<CategoryId>) {
        if self.class == class {
            return;
        }
        self.class = class;
        if let Some(class) = class {
            self.keep(Change::Class(class));
        }
    }

    /// The colour that a person chose for a class.
    pub fn color(&self, class: CategoryId) -> Option<[u8; 3]> {
        self.colors.get(&class).copied()
    }

    /// Gives a class a colour, or the usual one again. The project keeps it; annotation files do not have it.
    pub fn set_color(&mut self, class: CategoryId, color: Option<[u8; 3]>) {
        if let Some(color) = color {
            self.colors.insert(class, color);
        } else {
            self.colors.remove(&class);
        }
        self.note_mark();
        self.keep(Change::Color(class, color));
    }

    /// The digits that a person gave to classes.
    pub const fn digits(&self) -> &BTreeMap<u8, CategoryId> {
        &self.digits
    }

    /// Gives a class a digit instead of one that it was given before, or none. The project keeps it.
    pub fn set_digit(&mut self, class: CategoryId, digit: Option<u8>) {
        let mut digits = self.digits.clone();
        digits.retain(|_, other| *other != class);
        digits.extend(digit.map(|digit| (digit, class)));
        if self.digits != digits {
            self.note_mark();
            self.keep(Change::Digits(digits.clone()));
            self.digits = digits;
        }
    }

    /// Takes the digit from a class that went with the step of this version.
    pub fn put_digit_away(&mut self, class: CategoryId, version: u64) {
        if let Some((&digit, _)) = self.digits.iter().find(|(_, given)| **given == class) {
            self.digits_away.insert((class, version), digit);
            self.keep(Change::DigitsAway(self.digits_away.clone()));
        }
        self.set_digit(class, None);
    }

    /// Gives a class the digit again that it had when it went with the step of this version, unless another class has that
    /// by now.
    pub fn bring_digit_back(&mut self, class: CategoryId, version: u64) {
        let digit = self.digits_away.remove(&(class, version));
        self.set_digit(class, digit.filter(|digit| !self.digits.contains_key(digit)));
        if digit.is_some() {
            self.keep(Change::DigitsAway(self.digits_away.clone()));
        }
    }

    /// The objects that are exemplars of a class, the oldest first.
    pub fn exemplars(&self) -> &[(CategoryId, InstanceId)] {
        &self.exemplars
    }

    /// Remembers which objects are exemplars of a class.
    pub fn set_exemplars(&mut self, exemplars: Vec<(CategoryId, InstanceId)>) {
        if self.exemplars != exemplars {
            self.note_mark();
            self.keep(Change::Exemplars(exemplars.clone()));
            self.exemplars = exemplars;
        }
    }

    /// The exemplars of classes that went, with the version of the step that they went with.
    pub fn exemplars_away(&self) -> &[(CategoryId, u64, InstanceId)] {
        &self.exemplars_away
    }

    /// Remembers the exemplars of classes that went.
    pub fn set_exemplars_away(&mut self, exemplars: Vec<(CategoryId, u64, InstanceId)>) {
        if self.exemplars_away != exemplars {
            self.keep(Change::ExemplarsAway(exemplars.clone()));
            self.exemplars_away = exemplars;
        }
    }

    /// The steps that undo and redo would take.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// A number that grows with every change.
    pub const fn revision(&self) -> u64 {
        self.history.revision()
    }

    /// The revision at which all first was as it is now; undo leads back to an earlier one.
    pub fn version(&self) -> u64 {
        self.history.version()
    }

    /// Whether something is other than in the file that Save writes.
    pub fn is_changed(&self) -> bool {
        self.version() != self.saved
    }

    /// Says that the file `target` holds `version`, which `revision` was; `is_own` where it is the one that Save writes.
    pub fn mark_exported(&mut self, target: Target, revision: u64, version: u64, is_own: bool) {
        self.exported = revision;
        if is_own {
            self.saved = version;
            self.target = Some(target.path.clone());
            self.known = Some(target.clone());
            self.written = Some(version);
            self.keep(Change::Exported(target, version));
        }
    }

    /// Whether the file that Save writes got all there is, since it was opened.
    pub fn is_written(&self) -> bool {
        self.written == Some(self.version())
    }

    /// Whether somebody else wrote the file that Save writes since it was read or written here, as far as its length and
    /// its date tell.
    pub fn is_overtaken(&self) -> bool {
        self.known.as_ref().is_some_and(|known| known.path.exists() && known.is_outdated() && !known.is_in_doubt())
    }

    /// The file that Save writes as it was, where only its bytes tell whether somebody else wrote it since.
    pub fn in_doubt(&self) -> Option<&Target> {
        self.known.as_ref().filter(|known| known.is_in_doubt())
    }

    /// Takes what the bytes of a file in doubt told: the file as it is now, where they are those that it had.
    pub fn settle(&mut self, seen: Option<Target>) {
        self.known = seen.or_else(|| self.known.take().map(|known| Target { hash: None, ..known }));
    }

    /// What the window's title calls it.
    pub fn name(&self) -> String {
        self.source.path().map_or_else(|| "annotator".to_owned(), |path| disk::name(path).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_under_the_last_part_of_two_names_is_nobodys() {
        let folder = tempfile::tempdir().unwrap();
        let image = |id: i64, name: &str| Image { id: ImageId(id), file_name: name.to_owned(), size: Size::new(4, 4), source: None };
        let own = folder.path().join("a.png");
        std::fs::write(&own, "").unwrap();
        let dataset = Dataset { images: vec![image(1, "x/a.png")], ..Dataset::default() };
        let mut document = Document::new(Contents { dataset, ..Contents::default() }, Source::Nothing, false);
        document.image_folder = folder.path().to_path_buf();
        let path = |document: &Document| document.image_path(&image(1, "x/a.png"));
        assert_eq!(path(&document), own);
        document.commit("Add", None, &Edit::InsertImage { index: 1, image: image(2, "y/a.png") }).unwrap();
        assert_eq!(path(&document), folder.path().join("x/a.png"));
        document.step(false).unwrap();
        assert_eq!(path(&document), own);
    }
}
