//! Whether others wrote the file that Save writes. Where its date is another and its length the same, only its bytes tell:
//! they are read on a thread of their own, and what waits for the answer is done then.

use super::App;
use super::command::Command;
use super::panel::dialog::Dialog;
use super::state::Tone;
use super::task::{self, Task};
use crate::job::Latest;
use crate::store::Target;

/// A file whose bytes are being read.
#[derive(Debug)]
pub(super) struct Looking {
    /// What is done when it is known whose they are.
    then: Command,
    /// What the status bar shows.
    pub task: Task,
    seen: Latest<Option<Target>>,
}

impl App {
    /// Whether others have written the file that Save writes. While one is written it is not known yet whose it is.
    pub(super) fn is_overtaken(&self) -> bool {
        !self.exporter.is_busy() && self.state.document.is_overtaken()
    }

    /// Whether only its bytes tell whose the file is that Save writes. They are read in that case, and `then` is done when
    /// that is known.
    pub(super) fn looks_first(&mut self, then: Command, ctx: &egui::Context) -> bool {
        if let Some(looking) = &mut self.looking {
            looking.then = then;
            return true;
        }
        let Some(known) = self.state.document.in_doubt().filter(|_| !self.exporter.is_busy()).cloned() else { return false };
        match task::answer("look", ctx, move || known.touched()) {
            Ok(seen) => self.looking = Some(Looking { then, task: Task::new("Reading the file"), seen }),
            Err(error) => self.state.say(Tone::Error, format!("The file cannot be read: {error}")),
        }
        true
    }

    /// Takes what the bytes have told, and does what waited for that.
    pub(super) fn collect_look(&mut self, ctx: &egui::Context) {
        let Some(seen) = self.looking.as_ref().and_then(|looking| looking.seen.take()) else { return };
        let Some(looking) = self.looking.take() else { return };
        self.state.document.settle(seen);
        self.perform(looking.then, ctx);
        // A person is asked before the window closes.
        if matches!(self.dialog, Some(Dialog::Overtaken(_))) {
            self.after_writing = None;
        }
        self.go_on_after_writing(ctx);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant, SystemTime};

    use super::*;
    use crate::app::Base;
    use crate::app::document::{Document, Source};
    use crate::app::settings::Folders;
    use crate::store::Contents;

    fn until_written(app: &mut App, ctx: &egui::Context) {
        let start = Instant::now();
        while app.is_writing() {
            assert!(start.elapsed() < Duration::from_mins(3), "nothing comes");
            std::thread::sleep(Duration::from_millis(2));
            app.collect(ctx);
        }
    }

    #[test]
    fn the_window_does_not_wait_for_the_bytes_of_a_file_with_another_date() {
        let (folder, ctx) = (tempfile::tempdir().unwrap(), egui::Context::default());
        let format = wgpu::TextureFormat::Rgba8Unorm;
        let mut app = App::new(&ctx, Base { format, adapter: String::new(), folders: Folders::at(folder.path()), models: None });
        let file = folder.path().join("a.json");
        let write = |text: &str, minutes: u64| {
            std::fs::write(&file, text).unwrap();
            let file = std::fs::File::options().write(true).open(&file).unwrap();
            file.set_modified(SystemTime::now() + Duration::from_mins(minutes)).unwrap();
        };
        write("first", 1);
        let contents = Contents { target: Some(Target::hashed(&file).unwrap()), ..Contents::default() };
        app.state.document = Document::new(contents, Source::File(file.clone()), false);
        write("first", 2);
        app.perform(Command::Save, &ctx);
        assert!(app.looking.is_some() && !app.exporter.is_busy());
        until_written(&mut app, &ctx);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(app.dialog.is_none() && text.starts_with('{'), "{text}");

        let theirs = text.replace('{', "[");
        write(&theirs, 3);
        app.after_writing = Some(Command::Quit);
        app.perform(Command::Save, &ctx);
        assert!(app.looking.is_some() && app.dialog.is_none());
        until_written(&mut app, &ctx);
        assert!(matches!(app.dialog, Some(Dialog::Overtaken(_))) && app.after_writing.is_none(), "it is asked about");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), theirs);
        app.perform(Command::Export(file.clone()), &ctx);
        assert!(app.looking.is_none(), "it is known by now");
        until_written(&mut app, &ctx);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        assert_eq!(std::fs::read_to_string(folder.path().join("a.json.others-1.bak")).unwrap(), theirs);
    }
}
