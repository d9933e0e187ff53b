//! Which colour an object has: that of its class, or one of its own; and the colours that a person chooses for classes.

use std::collections::HashMap;

use egui::Color32;

use super::App;
use super::class::CHOOSE;
use super::command::Command;
use super::document::Document;
use super::panel::color::ColorForm;
use super::panel::dialog::Dialog;
use super::settings::{ColorBy, Settings};
use super::state::{State, Tone};
use super::theme;
use crate::annotation::{CategoryId, ImageId, Instance, InstanceId};

/// Which of the colours is that of each object of the shown image. Objects keep theirs while others come and go.
#[derive(Clone, Debug, Default)]
pub struct ObjectColors {
    numbers: HashMap<InstanceId, usize>,
    /// The image with its revision and the number of its objects.
    seen: Option<(ImageId, u64, usize)>,
}

impl ObjectColors {
    /// Gives the objects of `image` colours that have none yet.
    fn follow(&mut self, document: &Document, image: ImageId) {
        let now = (image, document.revision(), document.object_count(image));
        if self.seen == Some(now) {
            return;
        }
        if self.seen.is_some_and(|(before, ..)| before != image) {
            self.numbers.clear();
        }
        for object in document.objects(image) {
            let next = self.numbers.len();
            self.numbers.entry(object.id).or_insert(next);
        }
        self.seen = Some(now);
    }
}

impl State {
    /// A class's colour.
    pub fn color(&self, category: CategoryId) -> Color32 {
        let chosen = self.document.color(category).map(|[red, green, blue]| Color32::from_rgb(red, green, blue));
        chosen.unwrap_or_else(|| theme::class_color(self.document.hue(category)))
    }

    /// An object's colour.
    pub fn object_color(&self, object: &Instance) -> Color32 {
        match self.settings.color_by {
            ColorBy::Class => self.color(object.category_id),
            ColorBy::Object => theme::class_color(self.object_colors.numbers.get(&object.id).copied().unwrap_or_default()),
        }
    }

    /// The colour of what is drawn next.
    pub(super) fn next_color(&self) -> Color32 {
        match (self.settings.color_by, self.category) {
            (ColorBy::Object, _) => theme::class_color(self.object_colors.numbers.len()),
            (ColorBy::Class, Some(class)) => self.color(class),
            (ColorBy::Class, None) => theme::class_color(0),
        }
    }

    /// Gives the objects of the shown image colours of their own, where they are to have them.
    pub(super) fn follow_colors(&mut self) {
        if let Some(image) = self.shown().map(|image| image.id).filter(|_| self.settings.color_by == ColorBy::Object) {
            self.object_colors.follow(&self.document, image);
        }
    }
}

impl App {
    /// Carries out a command about colours.
    pub(super) fn perform_on_color(&mut self, command: &Command, ctx: &egui::Context) {
        match *command {
            Command::ToggleColors => self.toggle_colors(ctx),
            Command::AskColor(class) => self.ask_color(class),
            Command::SetColor(class, color) => self.set_color(class, color),
            _ => {}
        }
    }

    fn toggle_colors(&mut self, ctx: &egui::Context) {
        let (color_by, text) = match self.state.settings.color_by {
            ColorBy::Class => (ColorBy::Object, "Each object has a colour of its own"),
            ColorBy::Object => (ColorBy::Class, "Objects have the colours of their classes"),
        };
        self.state.say(Tone::Plain, text);
        self.perform(Command::Change(Settings { color_by, ..self.state.settings.clone() }), ctx);
    }

    fn ask_color(&mut self, class: Option<CategoryId>) {
        match self.state.class(class).map(|class| class.id) {
            Some(class) => self.dialog = Some(Dialog::Color(ColorForm::of(class, self.state.color(class)))),
            None => self.state.say(Tone::Warning, CHOOSE),
        }
    }

    fn set_color(&mut self, class: CategoryId, color: Option<[u8; 3]>) {
        if self.is_loading() {
            return;
        }
        let Some(name) = self.state.class(Some(class)).map(|class| class.name.clone()) else { return };
        self.state.document.set_color(class, color);
        let text = if color.is_some() { "has another colour now; the project keeps it" } else { "has its usual colour again" };
        self.state.say(Tone::Plain, format!("{name} {text}"));
    }
}
