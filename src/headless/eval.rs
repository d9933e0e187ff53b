//! `eval`: how good are the masks of a file.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;

use super::terminal::Terminal;
use super::{ModelOptions, Outcome, alternatives, dataset, gallery, kshot, strokes};
use crate::annotation::Dataset;
use crate::evaluation::{self, Watch};
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
    #[arg(long, value_name = "FILE", requires = "pred")]
    before: Option<PathBuf>,
    /// The folder that the images' file names start from
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    #[command(flatten)]
    gallery: gallery::Options,
    #[command(flatten)]
    kshot: kshot::Options,
    #[command(flatten)]
    strokes: strokes::Options,
    #[command(flatten)]
    models: ModelOptions,
    /// Also write the numbers of --pred, --before and --alternatives as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal, cancel: &Cancel) -> anyhow::Result<Outcome> {
    arguments.images.as_deref().map_or(Ok(()), dataset::folder)?;
    dataset::writable(&arguments.json)?;
    let read = [&arguments.pred, &arguments.before, &arguments.alternatives];
    dataset::apart(&arguments.json, read.into_iter().flatten().chain([&arguments.data]))?;
    arguments.gallery.writable()?;
    let images = arguments.images.clone().unwrap_or_default();
    let truth = dataset::read(&arguments.data, terminal, cancel)?;
    let mut numbers = Numbers::default();
    if let Some(path) = &arguments.alternatives {
        let found = watched(terminal, cancel, |watch| alternatives::measured(&truth, path, watch))?;
        terminal.message(&found.to_string());
        numbers.alternatives = Some(found);
    }
    if !arguments.kshot.kshot.is_empty() {
        return kshot::run(&arguments.kshot, &arguments.models, &truth, &images, terminal, cancel);
    }
    let mut read = |path: &Option<PathBuf>| -> anyhow::Result<Option<Dataset>> {
        let Some(path) = path else { return Ok(None) };
        let mut predictions = dataset::read_predictions(path, &truth, terminal, cancel)?;
        for sentence in evaluation::align(&truth, &mut predictions) {
            terminal.warning(&format!("{sentence} ({})", path.display()));
        }
        Ok(Some(predictions))
    };
    let (predictions, before) = (read(&arguments.pred)?, read(&arguments.before)?);
    if let Some(predictions) = &predictions {
        let table = watched(terminal, cancel, |watch| evaluation::compare(&truth, predictions, watch))?;
        terminal.message(table.to_string().trim_end());
        numbers.table = Some(table);
    }
    if let (Some(predictions), Some(before)) = (&predictions, &before) {
        let change = watched(terminal, cancel, |watch| evaluation::change(&truth, before, predictions, watch))?;
        terminal.message(change.to_string().trim_end());
        numbers.change = Some(change);
    }
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&numbers)?;
        replace(path, |out| out.write_all(text.as_bytes())).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let Some(predictions) = &predictions else { return Ok(Outcome::Done) };
    let drawn = gallery::run(&arguments.gallery, &truth, predictions, &images, terminal, cancel)?;
    if drawn == Outcome::Cancelled {
        return Ok(drawn);
    }
    strokes::run(&arguments.strokes, &arguments.models, [&truth, predictions], &images, terminal, cancel)
}

/// What `work` gives, which can be stopped and shows how far it is.
pub(super) fn watched<T>(terminal: &mut Terminal, cancel: &Cancel, work: impl FnOnce(&mut Watch<'_>) -> T) -> T {
    let done = work(&mut Watch { cancel, progress: &mut |progress| terminal.progress(&progress) });
    terminal.finish();
    done
}

/// What `--json` writes.
#[derive(Debug, Default, serde::Serialize)]
struct Numbers {
    #[serde(flatten)]
    table: Option<evaluation::Table>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<evaluation::Change>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alternatives: Option<alternatives::Measured>,
}
