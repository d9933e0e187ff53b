//! The program without a window: one file per subcommand, progress as bars or as JSON lines.
//!
//! This module reads files, calls the layers below and writes results. It does not decide how the process ends: an
//! error goes up to `main`, which prints it once.

mod alternatives;
mod calibrate;
mod check;
mod coarsen;
mod compose;
mod convert;
mod dataset;
mod digest;
mod doctor;
mod eval;
mod gallery;
mod kshot;
mod merge;
mod others;
mod pictures;
mod propose;
mod refine;
mod refinement;
mod strokes;
mod terminal;
mod train;

use clap::ValueEnum;

use crate::assist::{AssistError, Assistant, ModelPaths};
use crate::job::Cancel;
use crate::model::device::{ComputeChoice, open};
use terminal::{Event, Terminal};

/// What the program can do without a window.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Command {
    /// Train a model on a COCO data set, and show what that changes on held-out images
    Train(train::Arguments),
    /// Turn the boxes of a COCO file into masks
    Propose(propose::Arguments),
    /// Turn the masks of a COCO file into better masks
    Refine(refine::Arguments),
    /// Fit the expected IoU of the segmenter's masks on held-out objects
    Calibrate(calibrate::Arguments),
    /// Make coarse masks of true ones, to measure what `refine` gains
    Coarsen(coarsen::Arguments),
    /// Compare a COCO file with the truth, or measure how exemplars help
    Eval(eval::Arguments),
    /// Convert a data set into another format or another form of masks
    Convert(convert::Arguments),
    /// Add the records of other COCO files to one; where files disagree about an image, the objects of all of them stay
    Merge(merge::Arguments),
    /// Make a COCO data set of composed pictures with exact masks, to train on
    Compose(compose::Arguments),
    /// Find what is odd about a COCO file and its pictures
    Check(check::Arguments),
    /// Show graphics adapters, drivers, model files and measured speed
    Doctor(doctor::Arguments),
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ProgressForm {
    /// Bars on the error stream, where that is a terminal
    #[default]
    Bars,
    /// One JSON object a line on the output stream
    Json,
}

/// How a command ended that met no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All work is done.
    Done,
    /// The person asked to stop; nothing was left half-written.
    Cancelled,
}

/// Does `command` and reports as `form` says.
///
/// # Errors
/// When the command cannot do its work; faults of single images or annotations are warnings instead.
pub fn run(command: &Command, form: ProgressForm, cancel: &Cancel) -> anyhow::Result<Outcome> {
    let mut terminal = Terminal::new(form);
    let result = match command {
        Command::Train(arguments) => train::run(arguments, &mut terminal, cancel),
        Command::Propose(arguments) => propose::run(arguments, &mut terminal, cancel),
        Command::Refine(arguments) => refine::run(arguments, &mut terminal, cancel),
        Command::Calibrate(arguments) => calibrate::run(arguments, &mut terminal, cancel),
        Command::Coarsen(arguments) => coarsen::run(arguments, &mut terminal, cancel),
        Command::Eval(arguments) => eval::run(arguments, &mut terminal, cancel),
        Command::Convert(arguments) => convert::run(arguments, &mut terminal, cancel),
        Command::Merge(arguments) => merge::run(arguments, &mut terminal, cancel),
        Command::Compose(arguments) => compose::run(arguments, &mut terminal, cancel),
        Command::Check(arguments) => check::run(arguments, &mut terminal, cancel),
        Command::Doctor(arguments) => doctor::run(arguments, &mut terminal, cancel),
    };
    terminal.finish();
    let result = match result {
        Err(_) if cancel.is_cancelled() => Ok(Outcome::Cancelled),
        other => other,
    };
    match &result {
        Ok(Outcome::Done) => {}
        Ok(Outcome::Cancelled) => terminal.event(&Event::Stopped),
        Err(error) => terminal.event(&Event::Error { message: &words(error) }),
    }
    result
}

/// An error with its causes; a cause that the text before it tells already is left out.
pub fn words(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| match text.as_str() {
        "" => cause,
        told if told.contains(&cause) => text,
        told => format!("{told}: {cause}"),
    })
}

/// The device that computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum DeviceChoice {
    /// A graphics adapter where there is a real one, else the processor
    #[default]
    Auto,
    /// The processor
    Cpu,
    /// A graphics adapter, even a software one
    Gpu,
    /// The same with convolutions in half precision, where it has that: faster on some, and masks differ by single pixels
    GpuHalf,
}

impl From<DeviceChoice> for ComputeChoice {
    fn from(choice: DeviceChoice) -> Self {
        match choice {
            DeviceChoice::Auto => Self::Auto,
            DeviceChoice::Cpu => Self::Cpu,
            DeviceChoice::Gpu => Self::Gpu,
            DeviceChoice::GpuHalf => Self::GpuHalf,
        }
    }
}

/// The options of every command that runs the models.
#[derive(Clone, Debug, clap::Args)]
struct ModelOptions {
    /// Which device computes
    #[arg(long, value_enum, default_value_t)]
    device: DeviceChoice,
    /// Weights of the segmenter instead of the built-in ones
    #[arg(long, value_name = "FILE")]
    segmenter: Option<std::path::PathBuf>,
    /// Weights of the refiner instead of the built-in ones; also the published SegRefiner checkpoint (.pth)
    #[arg(long, value_name = "FILE")]
    refiner: Option<std::path::PathBuf>,
    /// The seed of the noise; the same seed gives the same masks
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl ModelOptions {
    fn paths(&self) -> ModelPaths {
        ModelPaths { segmenter: self.segmenter.clone(), refiner: self.refiner.clone() }
    }

    /// The models on the device; where they take longer at first, that is said.
    fn load(&self, terminal: &mut Terminal) -> Result<Assistant, AssistError> {
        let compute = open(self.device.into())?;
        terminal.preparing(&compute);
        Assistant::load_on(compute, &self.paths())
    }
}

/// The result of the models; `None` where they stopped because the person asked for it.
fn unless_cancelled<T>(result: Result<T, AssistError>) -> Result<Option<T>, AssistError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(AssistError::Cancelled) => Ok(None),
        Err(error) => Err(error),
    }
}
