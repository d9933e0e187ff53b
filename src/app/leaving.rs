//! Leaving what is open, for another path or to close the window. All has to be on the disk first, for which the window does
//! not stand still; where something would be lost, a person is asked.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::App;
use super::panel::dialog::Dialog;
use super::state::Tone;
use super::training::Training;
use crate::store::State as Storage;

/// So long the window waits for the disk, which mostly answers sooner.
const PROMPT: Duration = Duration::from_millis(500);

/// After so long the disk is taken for one that does not answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is open is left once the disk has it.
#[derive(Debug)]
pub(super) struct Leaving {
    /// The path to open next; none where the window closes.
    then: Option<PathBuf>,
    /// When that was asked for.
    since: Instant,
}

impl App {
    /// Whether what is open can be left now, for a path or, without one, to close the window. Where the disk is still at the
    /// last change, it is left as soon as that is done.
    pub(super) fn may_leave(&mut self, then: Option<&Path>) -> bool {
        // They are the last change.
        self.finish_gesture();
        self.keep_strokes();
        let since = self.leaving.take().map_or_else(Instant::now, |leaving| leaving.since);
        let kept = self.state.document.kept_within(PROMPT);
        let may_leave = self.weigh(Leaving { then: then.map(Path::to_path_buf), since }, kept);
        if self.leaving.is_some() {
            let what = if then.is_some() { "It is opened" } else { "The window closes" };
            self.state.say(Tone::Plain, format!("{what} as soon as the disk has your last change; Esc stays here"));
        }
        may_leave
    }

    /// Leaves what is open where that was asked for and the disk has everything by now, files too.
    pub(super) fn go_on_leaving(&mut self, ctx: &egui::Context) {
        let is_writing = self.is_writing();
        let Some(leaving) = self.leaving.take_if(|_| !is_writing) else { return };
        let (then, left) = (leaving.then.clone(), PATIENCE.saturating_sub(leaving.since.elapsed()));
        let kept = self.state.document.kept();
        if self.weigh(leaving, kept) {
            self.abandon(then, ctx);
        } else if self.leaving.is_some() {
            ctx.request_repaint_after(left);
        }
    }

    /// Whether what is open can be left. Otherwise it is left later, or a person is asked.
    fn weigh(&mut self, leaving: Leaving, kept: Storage) -> bool {
        let is_training = matches!(self.state.training, Training::Running(_));
        let why = match kept {
            Storage::Written if is_training => {
                self.dialog = Some(Dialog::StopsTraining { then: leaving.then });
                return false;
            }
            Storage::Written => return true,
            Storage::Writing if leaving.since.elapsed() < PATIENCE => {
                self.leaving = Some(leaving);
                return false;
            }
            Storage::Writing => "the disk does not answer".to_owned(),
            Storage::Failing(why) => why,
        };
        self.dialog = Some(Dialog::Unwritten { why, then: leaving.then });
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Base;
    use crate::app::command::Command;
    use crate::app::settings::Folders;
    use crate::job::Progress;

    #[test]
    fn a_disk_that_is_busy_is_waited_for_and_one_that_does_not_answer_is_asked_about() {
        let (folder, ctx) = (tempfile::tempdir().unwrap(), egui::Context::default());
        let format = wgpu::TextureFormat::Rgba8Unorm;
        let mut app = App::new(&ctx, Base { format, adapter: String::new(), folders: Folders::at(folder.path()), models: None });
        let leaving = |since| Leaving { then: None, since };
        assert!(!app.weigh(leaving(Instant::now()), Storage::Writing));
        assert!(app.leaving.is_some() && app.dialog.is_none());
        app.perform(Command::Cancel, &ctx);
        assert!(app.leaving.is_none(), "a person stays");

        let long_ago = Instant::now().checked_sub(PATIENCE).unwrap();
        assert!(!app.weigh(leaving(long_ago), Storage::Writing));
        let asked = matches!(&app.dialog, Some(Dialog::Unwritten { why, then: None }) if why.contains("does not answer"));
        assert!(asked && app.leaving.is_none());
        app.dialog = None;
        assert!(!app.weigh(leaving(Instant::now()), Storage::Failing("the disk is full".to_owned())));
        assert!(matches!(&app.dialog, Some(Dialog::Unwritten { why, .. }) if why == "the disk is full"));
    }

    #[test]
    fn training_is_no_loss_but_a_disk_that_fails_is() {
        let (folder, ctx) = (tempfile::tempdir().unwrap(), egui::Context::default());
        let format = wgpu::TextureFormat::Rgba8Unorm;
        let mut app = App::new(&ctx, Base { format, adapter: String::new(), folders: Folders::at(folder.path()), models: None });
        app.state.training = Training::Running(Progress { label: String::new(), done: 0, total: 0, elapsed: Duration::ZERO });
        let leaving = |then| Leaving { then, since: Instant::now() };
        assert!(!app.weigh(leaving(None), Storage::Written));
        assert!(matches!(app.dialog, Some(Dialog::StopsTraining { then: None })));
        let path = folder.path().join("a.json");
        assert!(!app.weigh(leaving(Some(path.clone())), Storage::Written));
        assert!(matches!(&app.dialog, Some(Dialog::StopsTraining { then: Some(then) }) if *then == path));
        assert!(!app.weigh(leaving(None), Storage::Failing("the disk is full".to_owned())));
        assert!(matches!(&app.dialog, Some(Dialog::Unwritten { why, .. }) if why == "the disk is full"));
    }

    #[test]
    fn what_waited_for_the_disk_is_opened_once_that_has_everything() {
        let (folder, ctx) = (tempfile::tempdir().unwrap(), egui::Context::default());
        let format = wgpu::TextureFormat::Rgba8Unorm;
        let mut app = App::new(&ctx, Base { format, adapter: String::new(), folders: Folders::at(folder.path()), models: None });
        app.leaving = Some(Leaving { then: Some(folder.path().join("a.json")), since: Instant::now() });
        app.collect(&ctx);
        assert!(app.leaving.is_none() && app.dialog.is_none() && app.pending.is_some());
    }
}
