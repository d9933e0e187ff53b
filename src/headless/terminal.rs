//! Where headless commands write: results, warnings and progress, for a person or for a program.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::ProgressForm;
use crate::job::{Meter, Progress};
use crate::model::device::Compute;

/// What a person reads who would else wait in silence.
const PREPARING: &str = "Preparing the graphics card (about a minute the first time)";

/// A line of plain progress is written this often where no bar can be drawn.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// One thing that a command reports; a line of JSON with `--progress json`.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event<'a> {
    /// How far the work has come.
    Progress {
        /// What is being done.
        label: &'a str,
        /// Finished units.
        done: u64,
        /// All units; 0 where unknown.
        total: u64,
        /// Seconds since the work began.
        elapsed_secs: f64,
        /// Estimated seconds that are left.
        remaining_secs: Option<f64>,
    },
    /// Something that was left out or that looks wrong; the work goes on.
    Warning {
        /// What, naming file and record.
        message: &'a str,
    },
    /// A result in words.
    Message {
        /// The words.
        message: &'a str,
    },
    /// Why the command could not do its work: the last line.
    Error {
        /// What is wrong, naming file and record.
        message: &'a str,
    },
    /// The person asked to stop: the last line.
    Stopped,
}

/// The two streams of the process. People read bars and warnings on the error stream and results on the output
/// stream; programs read one JSON object a line on the output stream.
#[derive(Debug)]
pub(super) struct Terminal {
    form: ProgressForm,
    bar: Option<ProgressBar>,
    has_bars: bool,
    last_plain: Option<Instant>,
}

impl Terminal {
    pub(super) fn new(form: ProgressForm) -> Self {
        let has_bars = form == ProgressForm::Bars && std::io::stderr().is_terminal();
        Self { form, bar: None, has_bars, last_plain: None }
    }

    /// Writes a result for a person: words, or a table of several lines.
    pub(super) fn message(&mut self, message: &str) {
        match self.form {
            ProgressForm::Json => self.event(&Event::Message { message }),
            ProgressForm::Bars => self.out(message),
        }
    }

    /// Writes a warning, which must name its file and record.
    pub(super) fn warning(&mut self, message: &str) {
        match self.form {
            ProgressForm::Json => self.event(&Event::Warning { message }),
            ProgressForm::Bars => self.err(&format!("warning: {message}")),
        }
    }

    /// Says that the first work on `compute` takes longer, where it is a graphics adapter: its kernels are compiled then.
    pub(super) fn preparing(&mut self, compute: &Compute) {
        match (compute, self.form) {
            (Compute::Cpu, _) => {}
            (Compute::Gpu(_), ProgressForm::Json) => self.progress(&Meter::start(PREPARING, 0).at(0)),
            (Compute::Gpu(_), ProgressForm::Bars) => self.err(PREPARING),
        }
    }

    /// Shows how far the work has come.
    pub(super) fn progress(&mut self, progress: &Progress) {
        if self.form == ProgressForm::Json {
            self.event(&Event::Progress {
                label: &progress.label,
                done: progress.done,
                total: progress.total,
                elapsed_secs: progress.elapsed.as_secs_f64(),
                remaining_secs: progress.remaining().map(|left| left.as_secs_f64()),
            });
        } else if self.has_bars {
            let bar = self.bar.get_or_insert_with(new_bar);
            bar.set_length(progress.total);
            bar.set_position(progress.done);
            bar.set_message(match progress.remaining() {
                Some(left) => format!("{}, {} left", progress.label, spoken(left)),
                None => progress.label.clone(),
            });
        } else if self.last_plain.is_none_or(|last| last.elapsed() >= PLAIN_INTERVAL) {
            self.last_plain = Some(Instant::now());
            let left = progress.remaining().map_or_else(String::new, |left| format!(", {} left", spoken(left)));
            self.err(&format!("{}: {} of {}{left}", progress.label, progress.done, progress.total));
        }
    }

    /// Whether a program reads the output.
    pub(super) fn is_json(&self) -> bool {
        self.form == ProgressForm::Json
    }

    /// Writes `event` as one line of JSON, where JSON is asked for.
    pub(super) fn event(&mut self, event: &impl Serialize) {
        if self.form == ProgressForm::Json {
            match serde_json::to_string(event) {
                Ok(line) => self.out(&line),
                Err(error) => tracing::error!(%error, "an event has no JSON form"),
            }
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn out(&self, text: &str) {
        self.above_bar(|| write_line(std::io::stdout().lock(), text));
    }

    fn err(&self, text: &str) {
        self.above_bar(|| write_line(std::io::stderr().lock(), text));
    }

    fn above_bar(&self, write: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

/// A closed stream (such as `| head`) must not end the work.
fn write_line(mut stream: impl std::io::Write, text: &str) {
    if let Err(error) = writeln!(stream, "{text}").and_then(|()| stream.flush()) {
        tracing::debug!(%error, "a stream is closed");
    }
}

fn new_bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

/// A duration as a person says it: `45 s`, `12 min`, `3 h 5 min`.
pub(super) fn spoken(duration: Duration) -> String {
    match duration.as_secs() {
        secs @ 0..100 => format!("{secs} s"),
        secs @ 100..7200 => format!("{} min", secs.div_ceil(60)),
        secs => format!("{} h {} min", secs / 3600, secs % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        assert_eq!(spoken(Duration::from_secs(45)), "45 s");
        assert_eq!(spoken(Duration::from_mins(10)), "10 min");
        assert_eq!(spoken(Duration::from_mins(185)), "3 h 5 min");
    }

    #[test]
    fn an_event_names_itself() {
        let line = serde_json::to_string(&Event::Warning { message: "a.jpg is broken" }).unwrap();
        assert_eq!(line, r#"{"event":"warning","message":"a.jpg is broken"}"#);
    }
}
