//! Polishing: the form before it, its state in the status bar, the list of changes after it.

use egui::{Popup, ProgressBar, RichText, ScrollArea, Ui, pos2};

use super::{choice, is_entered, line, row, title};
use crate::annotation::InstanceId;
use crate::app::command::Command;
use crate::app::document::Document;
use crate::app::polish::{Finding, Plan};
use crate::app::state::{PolishState, State};
use crate::app::theme::{self, Palette};
use crate::job::Progress;

const ROW: f32 = 26.0;

/// The form of a job that is about to start.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PolishForm {
    plan: Plan,
    /// What an earlier job left, where it left something.
    earlier: Option<Earlier>,
    /// Whether Start was clicked and would drop those changes.
    asks: bool,
    /// The objects that a plan covers at a revision.
    counted: Option<Counted>,
}

/// How far an earlier job came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Earlier {
    /// The objects that it looked at, ...
    pub(crate) done: usize,
    /// ... those that it covers and did not look at, ...
    pub(crate) left: usize,
    /// ... and its changes that are not decided about.
    pub(crate) undecided: usize,
}

impl Earlier {
    /// The button that goes on with it, and its tip.
    fn way_on(self) -> (String, String) {
        let Self { done, left, undecided } = self;
        if left > 0 {
            return (format!("Go on ({done} done)"), "Goes on with the job that was broken off".to_owned());
        }
        let changes = if undecided == 1 { "1 change waits".to_owned() } else { format!("{undecided} changes wait") };
        (format!("Review the {undecided} left"), format!("Every object was looked at; {changes} for a decision"))
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Counted {
    category: Option<i64>,
    least_area: u64,
    revision: u64,
    objects: usize,
}

impl PolishForm {
    /// A form that starts with `plan`.
    pub(crate) const fn new(plan: Plan, earlier: Option<Earlier>) -> Self {
        Self { plan, earlier, asks: false, counted: None }
    }

    /// The number of objects that the plan covers.
    fn count(&mut self, document: &Document) -> usize {
        let Plan { category, least_area, .. } = self.plan;
        let revision = document.revision();
        let is_same = |own: &&Counted| (own.category, own.least_area, own.revision) == (category, least_area, revision);
        let known = self.counted.as_ref().filter(is_same).map(|own| own.objects);
        let objects = known.unwrap_or_else(|| document.dataset().instances.iter().filter(|instance| self.plan.covers(instance)).count());
        self.counted = Some(Counted { category, least_area, revision, objects });
        objects
    }

    /// Shows the form, which Enter starts; whether it closes.
    pub(crate) fn ui(&mut self, ui: &mut Ui, state: &State, colors: &Palette, commands: &mut Vec<Command>) -> bool {
        // What has the focus, or a list that is open, has the key too.
        let is_free = ui.memory(|memory| memory.focused().is_none()) && !Popup::is_any_open(ui.ctx());
        let enters = is_free && is_entered(ui);
        ui.heading("Polish data set");
        ui.add_space(4.0);
        ui.label(RichText::new("The refiner looks at every mask in the background; you decide about each change.").color(colors.weak));
        ui.add_space(8.0);
        egui::Grid::new("polish").num_columns(2).spacing([24.0, 12.0]).show(ui, |ui| {
            ui.label("Class");
            let name = |id: Option<i64>| {
                let id = id.map(crate::annotation::CategoryId);
                id.map_or_else(|| "All classes".to_owned(), |id| state.class_name(id).to_owned())
            };
            choice(ui, "class").selected_text(name(self.plan.category)).width(200.0).show_ui(ui, |ui| {
                ui.selectable_value(&mut self.plan.category, None, name(None));
                for category in &state.document.dataset().categories {
                    ui.selectable_value(&mut self.plan.category, Some(category.id.0), &category.name);
                }
            });
            ui.end_row();
            let name = ui.label("Smallest area").id;
            ui.add(egui::DragValue::new(&mut self.plan.least_area).range(0..=100_000_000).suffix(" px²").speed(8)).labelled_by(name);
            ui.end_row();
            refiner_ui(ui, &mut self.plan.strength, &mut self.plan.band_px);
            ui.checkbox(&mut self.plan.coarse, "The masks are coarse").on_hover_text(
                "For masks that were brushed in a hurry or come from a rough method: each is drawn anew, also where it looks as if a person took care of it",
            );
        });
        let count = self.count(&state.document);
        ui.add_space(6.0);
        ui.label(RichText::new(format!("{count} of {} objects", state.document.dataset().instances.len())).color(colors.weak));
        ui.add_space(8.0);
        ui.horizontal(|ui| self.start_ui(ui, count > 0, enters, colors, commands) | ui.button("Close").clicked()).inner
    }

    /// The buttons that start; whether one did.
    fn start_ui(&mut self, ui: &mut Ui, can_start: bool, enters: bool, colors: &Palette, commands: &mut Vec<Command>) -> bool {
        let mut starts = false;
        let dropped = self.earlier.map_or(0, |earlier| earlier.undecided);
        let start = if self.asks {
            let findings = if dropped == 1 { "1 finding is".to_owned() } else { format!("{dropped} findings are") };
            RichText::new(format!("Start anew, {findings} dropped")).color(colors.bad)
        } else {
            RichText::new("Start")
        };
        if ui.add_enabled(can_start, egui::Button::new(start)).clicked() || (can_start && enters) {
            starts = self.asks || dropped == 0;
            self.asks = true;
            if starts {
                commands.push(Command::StartPolish(self.plan.clone()));
            }
        }
        if let Some((name, tip)) = self.earlier.map(Earlier::way_on)
            && ui.button(name).on_hover_text(tip).clicked()
        {
            commands.push(Command::ResumePolish);
            starts = true;
        }
        starts
    }
}

/// The two settings of the refiner, as rows of a grid.
pub(crate) fn refiner_ui(ui: &mut Ui, strength: &mut f32, band_px: &mut Option<u32>) {
    let name = ui.label("Strength of refining").id;
    ui.add(egui::Slider::new(strength, 0.0..=1.0).step_by(0.05).fixed_decimals(2))
        .labelled_by(name)
        .on_hover_text("0 keeps every mask, 1 takes what both networks make of it; between them a pixel changes where the refiner is sure");
    ui.end_row();
    let mut limited = band_px.is_some();
    ui.checkbox(&mut limited, "Only near the outline");
    let mut reach = band_px.unwrap_or(6);
    ui.add_enabled(limited, egui::DragValue::new(&mut reach).range(1..=1000).suffix(" px"));
    *band_px = limited.then_some(reach);
    ui.end_row();
}

/// Shows what runs in the background in the status bar.
pub(crate) fn status_ui(ui: &mut Ui, state: &State, commands: &mut Vec<Command>) {
    let colors = theme::palette(state.settings.look);
    if let PolishState::Running { progress, paused } = &state.polish {
        let tip = "Ends the job and shows what it has found";
        job_ui(ui, (progress, *paused), colors, [Command::PausePolish, Command::StopPolish], tip, commands);
    }
    if let Some((progress, paused)) = &state.batch {
        let tip = "Ends it; the masks that came stay";
        job_ui(ui, (progress, *paused), colors, [Command::PauseProposing, Command::StopProposing], tip, commands);
    }
}

/// Shows how far a job is and whether it is paused, and the buttons that pause and stop it.
fn job_ui(
    ui: &mut Ui,
    (progress, paused): (&Progress, bool),
    colors: &Palette,
    [pause, stop]: [Command; 2],
    tip: &str,
    commands: &mut Vec<Command>,
) {
    ui.label(RichText::new(&progress.label).size(12.5).color(colors.accent));
    let left = match (paused, progress.remaining()) {
        (true, _) => ", paused".to_owned(),
        (false, Some(left)) => format!(", {} left", spoken(left.as_secs())),
        (false, None) => String::new(),
    };
    let text = format!("{} of {}{left}", progress.done, progress.total);
    let bar = ProgressBar::new(progress.fraction().unwrap_or(1.0)).desired_width(210.0).desired_height(14.0);
    ui.add(bar.text(RichText::new(text).size(11.0)));
    if ui.small_button(if paused { "Go on" } else { "Pause" }).clicked() {
        commands.push(pause);
    }
    if ui.small_button("Stop").on_hover_text(tip).clicked() {
        commands.push(stop);
    }
}

fn spoken(secs: u64) -> String {
    match secs {
        0..100 => format!("{secs} s"),
        100..7200 => format!("{} min", secs.div_ceil(60)),
        _ => format!("{} h {} min", secs / 3600, secs % 3600 / 60),
    }
}

/// Shows the undecided changes of a finished job in at most `height` points.
pub(crate) fn list_ui(ui: &mut Ui, state: &State, findings: &[Finding], height: f32, commands: &mut Vec<Command>) {
    let colors = theme::palette(state.settings.look);
    title(ui, "Changes", &findings.len().to_string(), colors);
    ui.spacing_mut().item_spacing.y = 1.0;
    let shown = state.review.as_ref().and_then(|review| review.changes.first()).map(|change| change.id);
    ScrollArea::vertical().id_salt("changes").max_height(height).auto_shrink([false, true]).show_rows(
        ui,
        ROW,
        findings.len(),
        |ui, rows| {
            for index in rows {
                let Some(finding) = findings.get(index) else { continue };
                let id = InstanceId(finding.id);
                let class = state.document.instance(id).map_or("?", |instance| state.class_name(instance.category_id));
                let (rect, response) = row(ui, ROW, &format!("Change {}: {class}", index + 1), shown == Some(id), colors);
                let note = format!("{:.1} %  +{} −{}", finding.change * 100.0, finding.added, finding.removed);
                let note = line(ui, &note, 12.0, colors.weak, 150.0);
                let left = rect.right() - 8.0 - note.size().x;
                ui.painter().galley(pos2(left, rect.center().y - note.size().y / 2.0), note, colors.weak);
                let label = line(ui, class, 13.0, colors.text, left - rect.left() - 16.0);
                ui.painter().galley(pos2(rect.left() + 10.0, rect.center().y - label.size().y / 2.0), label, colors.text);
                if response.clicked() {
                    commands.push(Command::ShowChange(index));
                }
            }
        },
    );
    ui.add_space(4.0);
    if findings.is_empty() {
        ui.label(RichText::new("Nothing is left to decide about; Undo takes the last decision back.").size(12.5).color(colors.weak));
    }
    ui.horizontal(|ui| {
        let waits = !findings.is_empty() && shown.is_none();
        // With something selected, Enter is about that.
        let begin = if state.selection.is_empty() { "Begin (Enter)" } else { "Begin" };
        if waits && ui.small_button(begin).on_hover_text("Shows the first change").clicked() {
            commands.push(Command::ShowChange(0));
        }
        let tip = "Takes every change that is left, as one step (Shift+Enter)";
        if !findings.is_empty() && ui.small_button("Take all").on_hover_text(tip).clicked() {
            commands.push(Command::TakePolished);
        }
        let (name, tip) = if findings.is_empty() { ("Done", "Ends the review") } else { ("Later", "Ends the review; the rest is kept") };
        if ui.small_button(name).on_hover_text(tip).clicked() {
            commands.push(Command::StopPolish);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotation::{CategoryId, Dataset, Edit, ImageId, Instance, Shape};
    use crate::app::document::Source;
    use crate::geometry::Rect;
    use crate::store::Contents;

    /// Objects of 1, 2, ... square pixels.
    fn document(objects: i64) -> Document {
        let object = |id: i64| {
            let bbox = Rect::new(0.0, 0.0, id as f64, 1.0);
            let shape = Shape::Polygons([vec![0.0, 0.0, id as f64, 0.0, id as f64, 1.0, 0.0, 1.0]].into());
            Instance { shape, ..Instance::boxed(InstanceId(id), ImageId(1), CategoryId(id % 2), bbox) }
        };
        let dataset = Dataset { instances: (1..=objects).map(object).collect(), ..Dataset::default() };
        Document::new(Contents { dataset, ..Contents::default() }, Source::Nothing, false)
    }

    #[test]
    fn the_way_on_says_what_is_left() {
        let name = |left, undecided| Earlier { done: 78, left, undecided }.way_on().0;
        assert_eq!([name(2, 7), name(0, 7)], ["Go on (78 done)", "Review the 7 left"]);
    }

    #[test]
    fn objects_are_counted_anew_only_where_something_changed() {
        let plan = Plan { category: None, least_area: 0, strength: 0.5, band_px: None, coarse: false };
        let (mut form, mut document) = (PolishForm::new(plan, None), document(10));
        assert_eq!(form.count(&document), 10);
        form.plan.least_area = 4;
        assert_eq!(form.count(&document), 7);
        form.plan.category = Some(1);
        assert_eq!(form.count(&document), 3);
        document.commit("Delete object", None, &Edit::Remove(InstanceId(9))).unwrap();
        assert_eq!(form.count(&document), 2);
        form.counted = form.counted.map(|counted| Counted { objects: 99, ..counted });
        assert_eq!(form.count(&document), 99, "it is known already");
    }
}
