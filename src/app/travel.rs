//! Going from image to image.

use super::App;
use super::class::CHOOSE;
use super::command::{Command, Way};
use super::document::Document;
use super::state::Tone;
use crate::annotation::Image;

impl App {
    /// Carries out a command that leads to another image.
    pub(super) fn travel(&mut self, command: &Command) {
        match command {
            Command::NextImage => self.go_to(self.state.image + 1),
            Command::PreviousImage => self.go_to(self.state.image.saturating_sub(1)),
            Command::GoTo(index) => self.go_to(*index),
            Command::Go(Way::First) => self.go_to(0),
            Command::Go(Way::Last) => self.go_to(self.state.document.image_count().saturating_sub(1)),
            Command::Go(Way::Unreviewed) => {
                self.go_round("Every other image is reviewed", |document, image| !document.reviewed.contains(&image.id));
            }
            Command::Go(Way::Empty) if !self.is_loading() => {
                self.go_round("Every other image has an object", |document, image| document.object_count(image.id) == 0);
            }
            Command::Go(Way::OfClass) if !self.is_loading() => self.next_of_class(),
            _ => {}
        }
    }

    /// Goes to the next image with an object of the chosen class.
    fn next_of_class(&mut self) {
        let Some((class, name)) = self.state.class(None).map(|class| (class.id, class.name.clone())) else {
            return self.state.say(Tone::Warning, CHOOSE);
        };
        let has_class = |document: &Document, image: &Image| document.objects(image.id).any(|object| object.category_id == class);
        self.go_round(&format!("No other image has an object of {name}"), has_class);
    }

    /// Goes to the next image that is `wanted`, from the shown one on and around the end, or says that there is `none`.
    fn go_round(&mut self, none: &str, wanted: impl Fn(&Document, &Image) -> bool) {
        let document = &self.state.document;
        let is_wanted = |index: &usize| document.image(*index).is_some_and(|image| wanted(document, image));
        match (self.state.image + 1..document.image_count()).chain(0..self.state.image).find(is_wanted) {
            Some(index) => self.go_to(index),
            None => self.state.say(Tone::Plain, none),
        }
    }
}
