//! The classes: their colours, their keys, how many objects of the image and of all images have each, and what can be done
//! with one.

use std::collections::{HashMap, HashSet};

use egui::text::CCursorRange;
use egui::{Button, Popup, RectAlign, Response, RichText, ScrollArea, TextEdit, Ui, pos2, vec2};

use super::menu::possible;
use super::scroll::{self, Scroll};
use super::{focused, is_entered, line, row, select, title, title_words};
use crate::annotation::{Category, CategoryId, InstanceId};
use crate::app::class::in_use;
use crate::app::command::{Command, entry};
use crate::app::listed::Only;
use crate::app::perform::plural;
use crate::app::state::State;
use crate::app::theme::{self, Palette};
use crate::formats::lvis::{self, Mark, Marks};

const ROW: f32 = 26.0;

/// Shows the list in `height` points; with `is_low` all above it stands in one line, where that is wide enough.
pub(crate) fn ui(ui: &mut Ui, state: &State, height: f32, is_low: bool, commands: &mut Vec<Command>) {
    let colors = theme::palette(state.settings.look);
    let categories = &state.document.dataset().categories;
    let count = categories.len().to_string();
    if is_low {
        ui.horizontal_wrapped(|ui| {
            title_words(ui, "Classes", &count, colors);
            search_ui(ui, colors, commands);
        });
    } else {
        title(ui, "Classes", &count, colors);
        ui.horizontal(|ui| search_ui(ui, colors, commands));
    }
    let mut counts: HashMap<_, usize> = HashMap::new();
    for instance in state.objects() {
        *counts.entry(instance.category_id).or_default() += 1;
    }
    let marks = state.shown().map(lvis::marks).unwrap_or_default();
    let selected = state.selected().map(|instance| instance.category_id).collect();
    let rows = Rows { state, colors, counts, selected, marks };
    ui.spacing_mut().item_spacing.y = 1.0;
    let area = ScrollArea::vertical().id_salt("classes").min_scrolled_height(height).max_height(height).auto_shrink([false, false]);
    let memory = ui.scope_id().with("followed");
    let before = ui.data(|data| data.get_temp::<Followed>(memory)).unwrap_or_default();
    let now = Followed::now(state);
    let offset = now.offset_after(&before, categories.len(), height);
    let scroll = before.scroll.show_rows(ui, area, (ROW, categories.len()), offset, |ui, shown| {
        for index in shown {
            if let Some(category) = categories.get(index) {
                rows.class_ui(ui, category, commands);
            }
        }
    });
    ui.data_mut(|data| data.insert_temp(memory, Followed { scroll, ..now }));
}

/// The button that finds a class or makes one.
fn search_ui(ui: &mut Ui, colors: &Palette, commands: &mut Vec<Command>) {
    let tip = entry(&Command::SearchClass).map_or("", |entry| entry.tip);
    if ui.button("Find or add class…").on_hover_text(tip).clicked() {
        commands.push(Command::SearchClass);
    }
    ui.label(RichText::new("/").monospace().color(colors.weak));
}

/// What the list keeps in sight when it changes, and how far it is scrolled.
#[derive(Clone, Copy, Debug, Default)]
struct Followed {
    /// The place of the chosen class.
    chosen: Option<usize>,
    /// The object that was selected last, with the place of its class.
    selected: Option<(InstanceId, usize)>,
    scroll: Scroll,
}

impl Followed {
    fn now(state: &State) -> Self {
        let categories = &state.document.dataset().categories;
        let place = |id: CategoryId| categories.iter().position(|category| category.id == id);
        let last = state.selected().last();
        let selected = last.and_then(|instance| Some((instance.id, place(instance.category_id)?)));
        Self { chosen: state.category.and_then(place), selected, scroll: Scroll::default() }
    }

    /// How far the list of `count` classes in `height` points is to be scrolled, where another class is to be seen than
    /// `before` and is not in sight, or where the chosen one was in sight and the list has become too low for it.
    fn offset_after(&self, before: &Self, count: usize, height: f32) -> Option<f32> {
        let selected = self.selected.filter(|_| self.selected != before.selected).map(|(_, place)| place);
        let place = selected.or_else(|| self.chosen.filter(|_| self.chosen != before.chosen));
        let top = |place: usize| place as f32 * (ROW + 1.0);
        let hidden = place.map(top).filter(|&top| !before.scroll.shows(top, ROW, height));
        let top = hidden.or_else(|| self.chosen.map(top).filter(|&top| before.scroll.loses(top, ROW, height)))?;
        Some(scroll::offset_of(top, (ROW, count), height))
    }
}

/// What the rows show besides the classes.
struct Rows<'a> {
    state: &'a State,
    colors: &'a Palette,
    /// How many objects of the image have each class.
    counts: HashMap<CategoryId, usize>,
    /// The classes of the selected objects.
    selected: HashSet<CategoryId>,
    marks: Marks,
}

impl Rows<'_> {
    fn class_ui(&self, ui: &mut Ui, category: &Category, commands: &mut Vec<Command>) {
        let (state, colors) = (self.state, self.colors);
        let lit = state.category == Some(category.id);
        let (rect, response) = row(ui, ROW, &format!("Class {}", category.name), lit, colors);
        let painter = ui.painter();
        if self.selected.contains(&category.id) {
            let bar = egui::Rect::from_center_size(pos2(rect.left() + 3.0, rect.center().y), vec2(3.0, ROW - 8.0));
            painter.rect_filled(bar, 1.5, colors.accent);
        }
        painter.circle_filled(pos2(rect.left() + 15.0, rect.center().y), 5.5, state.color(category.id));
        let mut right = rect.right() - 8.0;
        if let Some(digit) = state.digit_of(category.id) {
            let cap = egui::Rect::from_center_size(pos2(right - 8.0, rect.center().y), vec2(17.0, 17.0));
            painter.rect_filled(cap, 4.0, colors.raised);
            let key = line(ui, &digit.to_string(), 11.5, colors.weak, 16.0);
            painter.galley(cap.center() - key.size() / 2.0, key, colors.weak);
        }
        right -= 26.0;
        let (here, whole) = (self.counts.get(&category.id).copied().unwrap_or_default(), state.document.class_count(category.id));
        if whole > 0 {
            // Not all of them are there while the document is read.
            let whole = if state.document.is_loading() { String::new() } else { format!(" / {whole}") };
            let count = line(ui, &format!("{here}{whole}"), 12.0, colors.weak, 100.0);
            right -= count.size().x;
            painter.galley(pos2(right, rect.center().y - count.size().y / 2.0), count, colors.weak);
        }
        for (mark, word) in [(Mark::Absent, "absent"), (Mark::NotExhaustive, "not all")] {
            if self.marks.of(mark).contains(&category.id) {
                let word = line(ui, word, 11.5, colors.warn, 60.0);
                right -= word.size().x + 6.0;
                painter.galley(pos2(right, rect.center().y - word.size().y / 2.0), word, colors.warn);
            }
        }
        let name = line(ui, &category.name, 13.5, colors.text, right - rect.left() - 36.0);
        painter.galley(pos2(rect.left() + 28.0, rect.center().y - name.size().y / 2.0), name, colors.text);
        let tip = "Gives the selection this class; what is drawn next has it too. \
            A right click shows its images, gives it a key, renames, colours, merges or deletes it";
        let response = response.on_hover_text(tip);
        if response.clicked() {
            commands.push(Command::Assign(category.id));
        }
        menu_ui(&response, state, category.id, commands);
    }
}

/// What can be done with a class, by a right click. Its objects are counted once, when the menu opens: there may be a million.
fn menu_ui(response: &Response, state: &State, class: CategoryId, commands: &mut Vec<Command>) {
    let memory = response.id.with("objects");
    if response.secondary_clicked() {
        let count = state.instances_of(class).count();
        response.ctx.data_mut(|data| data.insert_temp(memory, count));
    }
    // At the edge of the window it moves as far as it must, but not to the other side of the pointer.
    Popup::context_menu(response).align_alternatives(&[RectAlign::TOP_START]).show(|ui| {
        ui.set_min_width(150.0);
        let count = ui.data(|data| data.get_temp::<usize>(memory)).unwrap_or_default();
        let entries = [
            ("Show only images with it", Command::ListOnly(Only::OfClass(Some(class))), count > 0, "No object has this class".to_owned()),
            ("Rename…", Command::AskName(Some(class)), true, String::new()),
            ("Colour…", Command::AskColor(Some(class)), true, String::new()),
            ("Merge into…", Command::AskMerge(Some(class)), true, "There is no other class".to_owned()),
            ("Delete", Command::DeleteClass(Some(class)), count == 0, in_use(count)),
        ];
        for (name, command, is_free, hindrance) in entries {
            let is_used = !is_free && count > 0;
            let entry = Button::new(name);
            let entry = if is_used { entry.shortcut_text(format!("{count} object{}", plural(count))) } else { entry };
            let button = ui.add_enabled(is_free && possible(state, &command), entry);
            if button.on_disabled_hover_text(hindrance).clicked() {
                commands.push(command);
                ui.close();
            }
        }
        digits_ui(ui, state, class, commands);
    });
}

/// The digits, one of which can be the key of a class.
fn digits_ui(ui: &mut Ui, state: &State, class: CategoryId, commands: &mut Vec<Command>) {
    let document = &state.document;
    let is_given = document.digits().values().any(|&given| given == class);
    let is_among_first = document.dataset().categories.iter().take(9).any(|first| first.id == class);
    let now = state.digit_of(class);
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 2.0;
        ui.spacing_mut().button_padding.x = 5.0;
        ui.label("Key");
        let mut chosen = None;
        for digit in 1..=9_u8 {
            let who = state.class_of_digit(digit).map_or("No class has it", |other| state.class_name(other));
            if ui.selectable_label(now == Some(digit), digit.to_string()).on_hover_text(who).clicked() {
                chosen = Some(Command::SetDigit(class, Some(digit)));
            }
        }
        // The first classes have the digits of their places again, as far as nobody gave those to others.
        if ui.add_enabled(is_given, Button::new(if is_among_first { "Usual" } else { "None" })).clicked() {
            chosen = Some(Command::SetDigit(class, None));
        }
        if let Some(command) = chosen {
            commands.push(command);
            ui.close();
        }
    });
}

/// Another name for a class, as it is typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RenameForm {
    class: CategoryId,
    before: String,
    name: String,
    is_marked: bool,
}

impl RenameForm {
    /// A form that begins with the name that the class has.
    pub(crate) fn of(class: &Category) -> Self {
        Self { class: class.id, before: class.name.clone(), name: class.name.clone(), is_marked: false }
    }

    /// Shows the form; whether it closes.
    pub(super) fn ui(&mut self, ui: &mut Ui, state: &State, colors: &Palette, commands: &mut Vec<Command>) -> bool {
        ui.heading(format!("Rename {}", self.before));
        ui.add_space(6.0);
        let enter = is_entered(ui);
        let id = ui.scope_id().with("name");
        // What is typed first takes the place of the old name.
        if !self.is_marked {
            select(ui, id, CCursorRange::select_all_str(&self.name));
            self.is_marked = true;
        }
        focused(ui, id, TextEdit::singleline(&mut self.name).hint_text("Name"), enter);
        let name = self.name.trim();
        let fault = state.name_fault(self.class, name);
        ui.label(RichText::new(fault.unwrap_or_default()).size(12.5).color(colors.warn));
        ui.add_space(8.0);
        ui.horizontal(|ui| {
            let goes = ui.add_enabled(fault.is_none(), Button::new("Rename")).clicked() || (enter && fault.is_none());
            if goes {
                commands.push(Command::RenameClass(self.class, name.to_owned()));
            }
            ui.button("Close").clicked() || goes
        })
        .inner
    }
}
