//! What the panels see: the document, and what is shown, selected and about to happen. Panels read it and push
//! commands; only `perform` writes it.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use super::assistant::Patch;
use super::color::ObjectColors;
use super::command::{Command, Tool};
use super::document::Document;
use super::drawn::Drawn;
use super::exemplar::Exemplars;
use super::listed::Listed;
use super::settings::{DeviceChoice, Settings};
use super::stroke::{Stroke, scribbles};
use super::training::Training;
use super::transfer::Wish;
use super::visibility::Visibility;
use crate::annotation::{CategoryId, Edit, Image, ImageId, Instance, InstanceId, Shape};
use crate::assist::Scribble;
use crate::job::Progress;
use crate::mask::rle;

/// So many of the classes that were chosen last are kept in mind.
const USED_CLASSES: usize = 8;

/// How a message in the status bar is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Something went as wished.
    Plain,
    /// Something wants attention.
    Warning,
    /// Something failed.
    Error,
}

/// What the status bar says.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// In words.
    pub text: String,
    /// How it is meant.
    pub tone: Tone,
}

/// A refined mask that waits for a decision.
#[derive(Clone, Debug)]
pub struct Change {
    /// The object.
    pub id: InstanceId,
    /// Its outline before.
    pub before: Arc<Shape>,
    /// Its outline after: run lengths, for there may be many of these.
    pub after: Arc<Shape>,
}

/// Refined masks that wait for a decision.
#[derive(Clone, Debug)]
pub struct Review {
    /// The image.
    pub image: ImageId,
    /// The masks that changed and are not decided about; the first one is shown.
    pub changes: Vec<Change>,
    /// Whether it shows one of the changes of a polished data set.
    pub is_polish: bool,
}

/// What the objects of an image would keep in another format.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The export.
    pub wish: Wish,
    /// The image.
    pub image: ImageId,
    /// For each object the `IoU`; `None` where it would be left out.
    pub kept: Vec<(InstanceId, Option<f64>)>,
}

/// What the segmenter has to offer for one object.
#[derive(Clone, Debug)]
pub struct Suggestion {
    /// Distinct masks with the `IoU` that is to be expected of each; the first is the one that the object had. They are
    /// run lengths on the object's image, for there may be many of these.
    pub masks: Vec<(Vec<u32>, Option<f32>)>,
    /// Which of them the object has.
    pub shown: usize,
    /// Where the samples disagree along the boundary.
    pub spread: Option<Patch>,
}

impl Suggestion {
    /// The place in the list of the mask that has these run lengths.
    pub fn position(&self, counts: &[u32]) -> Option<usize> {
        let counts = rle::merged(counts);
        self.masks.iter().position(|(known, _)| *known == counts)
    }
}

/// How the polishing of the data set stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum PolishState {
    /// Nothing is polished.
    #[default]
    Idle,
    /// A job runs or rests.
    Running {
        /// How far it is.
        progress: Progress,
        /// Whether it rests.
        paused: bool,
    },
    /// Changes are decided about.
    Review {
        /// How many are not yet.
        undecided: usize,
        /// What of it undo takes back before any step of the history, in the words of the menu.
        undo: Option<&'static str>,
    },
}

impl PolishState {
    /// What of it undo takes back before any step of the history, in the words of the menu.
    pub const fn undo(&self) -> Option<&'static str> {
        match self {
            Self::Review { undo, .. } => *undo,
            Self::Idle | Self::Running { .. } => None,
        }
    }
}

/// The state of the window.
#[derive(Debug)]
pub struct State {
    /// What is open.
    pub document: Document,
    /// The index of the shown image.
    pub image: usize,
    /// The images that are gone through; all where it is none.
    pub listed: Option<Listed>,
    /// The selected objects, the last selected one last.
    pub selection: Vec<InstanceId>,
    /// The object that a person came to last by going through the objects.
    pub stepped: Option<InstanceId>,
    /// Objects that were copied, without what was said of them, each with whether nothing but the brush has made its mask.
    pub clipboard: Vec<(Instance, bool)>,
    /// Proposed objects of the shown image that nobody accepted yet.
    pub proposed: Vec<InstanceId>,
    /// The tool.
    pub tool: Tool,
    /// The tool that drew last.
    pub last_tool: Tool,
    /// The brush radius, in image pixels.
    pub brush_radius_px: f64,
    /// How far colours may be from each other for the wand, in 0..=255.
    pub wand_tolerance: f64,
    /// The class of what is drawn next.
    pub category: Option<CategoryId>,
    /// The classes that were chosen since the data set was opened, the newest first.
    pub used_classes: Vec<CategoryId>,
    /// Classes that went while they were chosen, with the version of the step that they went with.
    pub chosen_away: BTreeSet<(CategoryId, u64)>,
    /// Which objects are drawn.
    pub visibility: Visibility,
    /// Refined masks that wait for a decision.
    pub review: Option<Review>,
    /// Those of other images, until they are shown again.
    pub put_off: HashMap<ImageId, Review>,
    /// How the polishing of the data set stands.
    pub polish: PolishState,
    /// How far proposing in the background is, and whether it rests.
    pub batch: Option<(Progress, bool)>,
    /// How training stands.
    pub training: Training,
    /// What the export that is being chosen would keep.
    pub measured: Option<Measured>,
    /// The export that is being measured, and the image.
    pub measuring: Option<(Wish, ImageId)>,
    /// What the segmenter has to offer besides, as far as it was asked.
    pub suggestions: HashMap<InstanceId, Suggestion>,
    /// The strokes that an object's mask was corrected by.
    pub strokes: HashMap<InstanceId, Vec<Stroke>>,
    /// Objects that condition the proposals of their class.
    pub exemplars: Exemplars,
    /// The boxes that masks were proposed in.
    pub drawn: Drawn,
    /// How sure it is that what was found is an object like the others, where that is in doubt and it has no mask yet.
    pub doubts: HashMap<InstanceId, f32>,
    /// Whether disagreement of the samples is tinted.
    pub shows_uncertainty: bool,
    /// Images that the queue of the least sure has shown.
    pub visited: BTreeSet<ImageId>,
    /// Objects that it has shown.
    pub visited_objects: BTreeSet<InstanceId>,
    /// What the status bar says.
    pub message: Option<Message>,
    /// How often the status bar was told something.
    pub(super) said: u64,
    /// The colours of the shown image's objects, where each has its own.
    pub object_colors: ObjectColors,
    /// The data sets that were opened last, the newest first.
    pub recent: Vec<PathBuf>,
    /// The settings.
    pub settings: Settings,
    /// Where the models run: what the settings said when the program began.
    pub started_on: DeviceChoice,
}

impl State {
    /// Nothing is open.
    pub fn new(settings: Settings) -> Self {
        Self {
            document: Document::default(),
            image: 0,
            listed: None,
            selection: Vec::new(),
            stepped: None,
            clipboard: Vec::new(),
            proposed: Vec::new(),
            tool: Tool::Select,
            last_tool: Tool::Box,
            brush_radius_px: 12.0,
            wand_tolerance: 20.0,
            category: None,
            used_classes: Vec::new(),
            chosen_away: BTreeSet::new(),
            visibility: Visibility::default(),
            review: None,
            put_off: HashMap::new(),
            polish: PolishState::Idle,
            batch: None,
            training: Training::Idle,
            measured: None,
            measuring: None,
            suggestions: HashMap::new(),
            strokes: HashMap::new(),
            exemplars: Exemplars::default(),
            drawn: Drawn::default(),
            doubts: HashMap::new(),
            shows_uncertainty: false,
            visited: BTreeSet::new(),
            visited_objects: BTreeSet::new(),
            message: None,
            said: 0,
            object_colors: ObjectColors::default(),
            recent: Vec::new(),
            started_on: settings.device,
            settings,
        }
    }

    /// Nothing is open any more; what belongs to the person stays.
    pub(super) fn fresh(&self) -> Self {
        Self { recent: self.recent.clone(), said: self.said, started_on: self.started_on, ..Self::new(self.settings.clone()) }
    }

    /// What undo takes back before any step of the history, in the words of the menu.
    pub(super) fn undo(&self) -> Option<&'static str> {
        let is_marked = self.shown().is_some_and(|image| self.document.last_mark() == Some(image.id));
        if is_marked { Some("Mark image reviewed") } else { self.polish.undo() }
    }

    /// The shown image.
    pub fn shown(&self) -> Option<&Image> {
        self.document.image(self.image)
    }

    /// The objects of the shown image, in file order.
    pub fn objects(&self) -> impl DoubleEndedIterator<Item = &Instance> {
        self.shown().into_iter().flat_map(|image| self.document.objects(image.id))
    }

    /// The objects of the shown image that are drawn, in file order.
    pub fn visible(&self) -> impl DoubleEndedIterator<Item = &Instance> {
        self.objects().filter(move |instance| self.is_visible(instance.id))
    }

    /// Whether an object is drawn.
    pub fn is_visible(&self, id: InstanceId) -> bool {
        self.visibility.shows(id)
    }

    /// Whether an object is selected.
    pub fn is_selected(&self, id: InstanceId) -> bool {
        self.selection.contains(&id)
    }

    /// The selected objects of the shown image.
    pub fn selected(&self) -> impl Iterator<Item = &Instance> {
        let image = self.shown().map(|image| image.id);
        self.selection.iter().filter_map(|&id| self.document.instance(id)).filter(move |instance| Some(instance.image_id) == image)
    }

    /// The one selected object, where there is exactly one.
    pub fn only_selected(&self) -> Option<&Instance> {
        let mut selected = self.selected();
        selected.next().filter(|_| selected.next().is_none())
    }

    /// The `IoU` that is to be expected of an object's mask: what the segmenter said of it, or the score in its file.
    pub fn confidence(&self, instance: &Instance) -> Option<f64> {
        self.document.judgement(instance.id).expected_iou.map(f64::from).or(instance.score)
    }

    /// Forgets what is known about the objects and classes that `edit`, which was just made, puts in or takes out.
    pub(super) fn forget(&mut self, edit: &Edit) {
        self.forget_in_step(edit, self.document.version());
    }

    /// [`Self::forget`] for an edit of the step of this version. A class that comes back with the step that it went with has
    /// its digit and its exemplars again, and is chosen where it was.
    pub(super) fn forget_in_step(&mut self, edit: &Edit, version: u64) {
        match edit {
            Edit::Batch(edits) => edits.iter().for_each(|edit| self.forget_in_step(edit, version)),
            // An id may come to another object.
            Edit::Remove(id) => self.forget_object(*id),
            Edit::Insert { instance, .. } => {
                self.forget_object(instance.id);
                self.exemplars.forget_object(instance.id);
            }
            // So may that of a class.
            Edit::RemoveCategory(id) => self.forget_class(*id, version),
            Edit::InsertCategory { category, .. } => self.forget_class(category.id, version),
            _ => {}
        }
    }

    /// What an object's mask was corrected by.
    pub(super) fn scribbles(&self, id: InstanceId) -> Vec<Scribble> {
        self.strokes.get(&id).map(|strokes| scribbles(strokes)).unwrap_or_default()
    }

    fn forget_object(&mut self, id: InstanceId) {
        self.drawn.forget(id);
        self.doubts.remove(&id);
        self.suggestions.remove(&id);
        self.strokes.remove(&id);
        self.visited_objects.remove(&id);
        self.visibility.forget(id);
    }

    fn forget_class(&mut self, id: CategoryId, version: u64) {
        self.used_classes.retain(|&used| used != id);
        if self.document.category(id).is_some() {
            self.document.bring_digit_back(id, version);
            self.exemplars.bring_back(id, version);
            if self.chosen_away.remove(&(id, version)) {
                self.choose_class(id);
            }
        } else {
            self.document.put_digit_away(id, version);
            self.exemplars.put_away(id, version);
            if self.category == Some(id) {
                self.chosen_away.insert((id, version));
                self.category = self.class_before();
            }
        }
        self.clipboard.retain(|(copied, _)| copied.category_id != id);
    }

    /// Makes a class the one of what is drawn next.
    pub(super) fn choose_class(&mut self, id: CategoryId) {
        let before = self.category.replace(id).filter(|&before| before != id);
        self.used_classes.retain(|&used| used != id && Some(used) != before);
        before.into_iter().chain([id]).for_each(|class| self.used_classes.insert(0, class));
        self.used_classes.truncate(USED_CLASSES);
    }

    /// The class that is chosen where the chosen one went: the one before it, or else the first.
    fn class_before(&self) -> Option<CategoryId> {
        let is_there = |id: &CategoryId| self.document.category(*id).is_some();
        let first = || self.document.dataset().categories.first().map(|first| first.id);
        self.used_classes.iter().copied().find(is_there).or_else(first)
    }

    /// A class's name.
    pub fn class_name(&self, category: CategoryId) -> &str {
        self.document.category(category).map_or("?", |category| category.name.as_str())
    }

    /// What a message calls a command: its key, or its name where it has none.
    pub(super) fn key(&self, command: &Command) -> String {
        self.settings.keymap.called(command)
    }

    /// Lets the status bar say something.
    pub fn say(&mut self, tone: Tone, text: impl Into<String>) {
        self.said += 1;
        self.message = Some(Message { text: text.into(), tone });
    }

    /// What tells whether a command changes what a message is about.
    pub(super) fn standing(&self) -> Standing {
        Standing { selection: self.selection.clone(), revision: self.document.revision(), said: self.said }
    }

    /// Ends a message that something went as wished where the selection or the data is another one than `before` and nothing
    /// was said of that.
    pub(super) fn end_message(&mut self, before: &Standing) {
        let is_same = self.selection == before.selection && self.document.revision() == before.revision;
        if !is_same && self.said == before.said {
            self.message = self.message.take().filter(|message| message.tone != Tone::Plain);
        }
    }
}

/// The selection and the data as they were, and how often something had been said.
#[derive(Debug)]
pub(super) struct Standing {
    selection: Vec<InstanceId>,
    revision: u64,
    said: u64,
}
