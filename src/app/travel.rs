//! Going from image to image.

use super::App;
use super::class::CHOOSE;
use super::command::{Command, Way};
use super::listed::Only;
use super::state::Tone;

impl App {
    /// Carries out a command that leads to another image.
    pub(super) fn travel(&mut self, command: &Command) {
        let before = self.state.image;
        self.travel_by(command);
        if self.state.image != before {
            self.arrive();
        }
    }

    fn travel_by(&mut self, command: &Command) {
        self.state.follow_listed();
        let (at, last) = (self.state.image, self.state.listed_count().saturating_sub(1));
        match command {
            Command::NextImage => self.go_to(self.state.listed_after(at).unwrap_or(usize::MAX)),
            Command::PreviousImage => self.go_to(self.state.listed_before(at).unwrap_or(at)),
            Command::GoTo(index) => self.go_to(*index),
            Command::Go(Way::First) => self.go_to(self.state.listed_image(0).unwrap_or(at)),
            Command::Go(Way::Last) => self.go_to(self.state.listed_image(last).unwrap_or(at)),
            Command::Go(Way::Unreviewed) => self.go_round("Every other image is reviewed", Only::Unreviewed),
            Command::Go(Way::Empty) if !self.is_loading() => self.go_round("Every other image has an object", Only::Empty),
            Command::Go(Way::OfClass) if !self.is_loading() => self.next_of_class(),
            Command::ListOnly(only) => self.list_only(*only),
            Command::ListAll => self.list_all(),
            _ => {}
        }
    }

    /// Goes to the next image with an object of the chosen class.
    fn next_of_class(&mut self) {
        let Some((class, name)) = self.state.class(None).map(|class| (class.id, class.name.clone())) else {
            return self.state.say(Tone::Warning, CHOOSE);
        };
        self.go_round(&format!("No other image has an object of {name}"), Only::OfClass(Some(class)));
    }

    /// Goes to the next listed image of a kind, from the shown one on and around the end, or says that there is `none`.
    fn go_round(&mut self, none: &str, only: Only) {
        let state = &self.state;
        let is_wanted = |index: &usize| state.document.image(*index).is_some_and(|image| only.fits(&state.document, image));
        let places = (state.listed_place(state.image + 1)..state.listed_count()).chain(0..state.listed_place(state.image));
        let found = places.filter_map(|place| state.listed_image(place)).find(is_wanted);
        match found {
            Some(index) => self.go_to(index),
            None => self.state.say(Tone::Plain, format!("{none}{}", self.state.listed_note())),
        }
    }
}
