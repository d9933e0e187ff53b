//! Which images are gone through: all, or only those of one kind. A list is made when it is asked for and then kept, so that
//! no image slips away while it is worked on.

use super::App;
use super::class::CHOOSE;
use super::document::Document;
use super::perform::plural;
use super::state::{State, Tone};
use crate::annotation::{CategoryId, Image, ImageId};

/// What some images have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Only {
    /// An object of a class, or of the chosen one.
    OfClass(Option<CategoryId>),
    /// No reviewed mark.
    Unreviewed,
    /// No objects.
    Empty,
}

impl Only {
    /// Whether an image is one of these.
    pub(super) fn fits(self, document: &Document, image: &Image) -> bool {
        match self {
            Self::OfClass(class) => document.objects(image.id).any(|object| Some(object.category_id) == class),
            Self::Unreviewed => !document.reviewed.contains(&image.id),
            Self::Empty => document.object_count(image.id) == 0,
        }
    }

    /// The words that follow "images".
    fn words(self, state: &State) -> String {
        match self {
            Self::OfClass(class) => format!("with {}", class.map_or("?", |class| state.class_name(class))),
            Self::Unreviewed => "without a reviewed mark".to_owned(),
            Self::Empty => "without objects".to_owned(),
        }
    }
}

/// A list of some images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    only: Only,
    images: Vec<ImageId>,
    /// The indices of those that are there, ascending, as of `revision` of the data set.
    indices: Vec<usize>,
    revision: u64,
}

impl App {
    /// Lists only the images of one kind, and shows one of them.
    pub(super) fn list_only(&mut self, only: Only) {
        if self.is_loading() {
            return;
        }
        let only = match only {
            Only::OfClass(class) => Only::OfClass(self.state.class(class).map(|class| class.id)),
            other => other,
        };
        if only == Only::OfClass(None) {
            return self.state.say(Tone::Warning, CHOOSE);
        }
        let document = &self.state.document;
        let fits = |(_, image): &(usize, &Image)| only.fits(document, image);
        let (indices, images): (Vec<usize>, Vec<ImageId>) =
            document.dataset().images.iter().enumerate().filter(fits).map(|(index, image)| (index, image.id)).unzip();
        let (count, words) = (indices.len(), only.words(&self.state));
        if count == 0 {
            return self.state.say(Tone::Plain, format!("There are no images {words}"));
        }
        self.state.listed = Some(Listed { only, images, indices, revision: document.revision() });
        let at = self.state.image;
        let nearest = self.state.listed_image(self.state.listed_place(at)).or_else(|| self.state.listed_before(at));
        if let Some(index) = nearest.filter(|&index| index != at) {
            self.go_to(index);
        }
        self.state.say(Tone::Plain, format!("{count} image{} {words}; Show all images lists the others again", plural(count)));
    }

    /// Lists all images again.
    pub(super) fn list_all(&mut self) {
        self.state.listed = None;
        self.state.say(Tone::Plain, "All images are listed");
    }
}

impl State {
    /// How many images are listed.
    pub fn listed_count(&self) -> usize {
        self.listed.as_ref().map_or_else(|| self.document.image_count(), |listed| listed.indices.len())
    }

    /// The index of the image at a place of the list.
    pub fn listed_image(&self, place: usize) -> Option<usize> {
        match &self.listed {
            Some(listed) => listed.indices.get(place).copied(),
            None => Some(place).filter(|&index| index < self.document.image_count()),
        }
    }

    /// Where in the list an image stands, or would stand.
    pub fn listed_place(&self, index: usize) -> usize {
        self.listed.as_ref().map_or(index, |listed| listed.indices.partition_point(|&other| other < index))
    }

    /// The index of the next listed image.
    pub fn listed_after(&self, index: usize) -> Option<usize> {
        self.listed_image(self.listed_place(index + 1))
    }

    /// The index of the listed image before.
    pub fn listed_before(&self, index: usize) -> Option<usize> {
        self.listed_place(index).checked_sub(1).and_then(|place| self.listed_image(place))
    }

    /// Which images are listed, and how many; `None` where all are.
    pub fn listed_text(&self) -> Option<String> {
        let listed = self.listed.as_ref()?;
        Some(format!("Only images {}: {}", listed.only.words(self), listed.indices.len()))
    }

    /// What is added where something is not found in the list.
    pub(super) const fn listed_note(&self) -> &'static str {
        if self.listed.is_some() { "; not all images are listed" } else { "" }
    }

    /// Follows the data set: images of the list may have come or gone, and its class too.
    pub(super) fn follow_listed(&mut self) {
        let (document, revision) = (&self.document, self.document.revision());
        let Some(listed) = self.listed.as_mut().filter(|listed| listed.revision != revision) else { return };
        if matches!(listed.only, Only::OfClass(Some(class)) if document.category(class).is_none()) {
            self.listed = None;
            return;
        }
        listed.revision = revision;
        listed.indices = listed.images.iter().filter_map(|&id| document.place(id)).collect();
        listed.indices.sort_unstable();
        listed.indices.dedup();
    }
}
