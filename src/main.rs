//! Reads the command line, starts the window or a headless command, and prints an error once.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use annotator::headless::{self, Command, Outcome, ProgressForm};
use annotator::job::Cancel;
use clap::{CommandFactory as _, Parser};

/// The exit code of a process that Ctrl-C ended, as shells know it.
const INTERRUPTED: u8 = 130;

/// Draw boxes, get masks: image annotation with a diffusion segmenter and refiner.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 110)]
struct Arguments {
    /// Work without a window; a command follows
    #[arg(long)]
    headless: bool,
    /// How a headless command shows progress
    #[arg(long, value_enum, default_value_t, global = true)]
    progress: ProgressForm,
    /// A folder of images or a COCO file to open in the window
    path: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_env("ANNOTATOR_LOG").unwrap_or_else(|_| "error".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(&arguments) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Cancelled) => {
            say("stopped");
            ExitCode::from(INTERRUPTED)
        }
        Err(error) => {
            say(&format!("error: {}", headless::words(&error)));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    match &arguments.command {
        Some(command) => {
            let cancel = Cancel::new();
            stop_on_interrupt(cancel.clone())?;
            headless::run(command, arguments.progress, &cancel)
        }
        None if arguments.headless => {
            let message = "--headless needs a command, such as `annotator --headless propose`";
            Arguments::command().error(clap::error::ErrorKind::MissingSubcommand, message).exit()
        }
        None => window(arguments.path.clone()),
    }
}

#[cfg(feature = "gui")]
fn window(path: Option<PathBuf>) -> anyhow::Result<Outcome> {
    annotator::app::run(path)?;
    Ok(Outcome::Done)
}

#[cfg(not(feature = "gui"))]
fn window(_: Option<PathBuf>) -> anyhow::Result<Outcome> {
    anyhow::bail!("this program was built without its window; see `annotator --help` for what it does without one")
}

/// The first Ctrl-C asks the command to stop between two steps; the second ends the process at once.
fn stop_on_interrupt(cancel: Cancel) -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(move || {
        if cancel.is_cancelled() {
            #[expect(clippy::exit, reason = "a person who asks twice does not want to wait for a step to end")]
            std::process::exit(i32::from(INTERRUPTED));
        }
        cancel.cancel();
        say("stopping after this step; Ctrl-C again stops at once");
    })
}

/// Writes one line on the error stream; a closed stream is no error.
fn say(text: &str) {
    writeln!(std::io::stderr().lock(), "{text}").ok();
}
