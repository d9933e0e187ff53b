//! Word of a polish job that was left in an earlier session, when its data set is opened. Its journal is read on a thread of
//! its own.

use std::path::PathBuf;

use super::App;
use super::perform::plural;
use super::polish;
use super::state::Tone;
use super::task;
use crate::job::Latest;

/// The way back to the job.
const WAY: &str = "Assistant > Polish data set";

/// The journal of an earlier session, while it is read.
#[derive(Debug)]
pub(super) struct Unfinished {
    path: PathBuf,
    /// The changes that are not decided about; `None` where the journal cannot be used.
    undecided: Latest<Option<usize>>,
}

impl App {
    /// Looks for a polish job of the data set that was just opened.
    pub(super) fn look_for_polish(&mut self, ctx: &egui::Context) {
        self.unfinished = None;
        let Some(path) = self.journal_path().filter(|path| path.is_file()) else { return };
        let journal = path.clone();
        match task::answer("journal", ctx, move || polish::undecided(&journal)) {
            Ok(undecided) => self.unfinished = Some(Unfinished { path, undecided }),
            Err(error) => tracing::warn!(%error, "an unfinished polish job is not looked for"),
        }
    }

    /// Says that a job was found, unless a person has gone on with it or begun another by now.
    pub(super) fn collect_unfinished(&mut self) {
        let Some(undecided) = self.unfinished.as_ref().and_then(|unfinished| unfinished.undecided.take()) else { return };
        let Some(Unfinished { path, .. }) = self.unfinished.take() else { return };
        let is_news = self.polish.is_none() && self.polished.is_none() && self.reading.is_none() && self.journal_path() == Some(path);
        let Some(count) = undecided.filter(|_| is_news) else { return };
        let found = match count {
            0 => format!("polishing was broken off: {WAY}"),
            count => format!("a polish of {count} mask{} waits for review: {WAY}", plural(count)),
        };
        // What opening said is still read.
        let (tone, text) = match self.state.message.take() {
            Some(message) => (message.tone, format!("{}; {found}", message.text)),
            None => (Tone::Plain, capitalized(&found)),
        };
        self.state.say(tone, text);
    }
}

/// A sentence that begins with `text`.
fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
