//! `eval`: how good are the masks of a file.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;

use super::terminal::Terminal;
use super::{Outcome, alternatives, dataset, gallery, kshot};
use crate::evaluation;
use crate::formats::save::replace;
use crate::job::Cancel;

/// The options of `eval`.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The COCO file with the true masks
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// The COCO file or result list to measure
    #[arg(long, value_name = "FILE", required_unless_present_any = ["kshot", "alternatives"])]
    pred: Option<PathBuf>,
    /// A file of alternatives that `propose` wrote, to measure as well
    #[arg(long, value_name = "FILE")]
    alternatives: Option<PathBuf>,
    /// The masks before they were changed: shows what the change gained
    #[arg(long, value_name = "FILE")]
    before: Option<PathBuf>,
    /// The folder that the images' file names start from
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    #[command(flatten)]
    gallery: gallery::Options,
    #[command(flatten)]
    kshot: kshot::Options,
    /// Also write the numbers of --pred as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal, cancel: &Cancel) -> anyhow::Result<Outcome> {
    let images = arguments.images.clone().unwrap_or_default();
    let truth = dataset::read(&arguments.data, terminal, cancel)?;
    if let Some(path) = &arguments.alternatives {
        terminal.message(&alternatives::measured(&truth, path)?);
    }
    if !arguments.kshot.kshot.is_empty() {
        return kshot::run(&arguments.kshot, &truth, &images, terminal, cancel);
    }
    let Some(path) = &arguments.pred else { return Ok(Outcome::Done) };
    let predictions = dataset::read_predictions(path, &truth, terminal, cancel)?;
    let table = evaluation::compare(&truth, &predictions)?;
    let change = match &arguments.before {
        Some(path) => {
            let before = dataset::read_predictions(path, &truth, terminal, cancel)?;
            Some(evaluation::change(&truth, &before, &predictions))
        }
        None => None,
    };
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&Numbers { table: &table, change: change.as_ref() })?;
        replace(path, |out| out.write_all(text.as_bytes())).with_context(|| format!("cannot write {}", path.display()))?;
    }
    terminal.message(table.to_string().trim_end());
    if let Some(change) = change {
        terminal.message(change.to_string().trim_end());
    }
    gallery::run(&arguments.gallery, &truth, &predictions, &images, terminal, cancel)
}

/// What `--json` writes.
#[derive(Debug, serde::Serialize)]
struct Numbers<'a> {
    #[serde(flatten)]
    table: &'a evaluation::Table,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<&'a evaluation::Change>,
}
