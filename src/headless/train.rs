//! `train`: a model of one's own, from a COCO data set.

use std::path::PathBuf;

use clap::ValueEnum;

use super::terminal::Terminal;
use super::{DeviceChoice, Outcome, dataset};
use crate::job::{self, Cancel};
use crate::model::device;
use crate::train::{self, Config, Event, Summary, TrainError};

/// The options of `train`.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The COCO file to learn from
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// The folder that the images' file names start from
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    /// The weight file to write; what a resume needs lies beside it
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Which network learns
    #[arg(long, value_enum, default_value_t)]
    what: What,
    /// Rounds over the training images
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,
    /// Objects in one step
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1024))]
    batch: u32,
    /// Size of the steps
    #[arg(long, default_value_t = Config::default().learning_rate)]
    learning_rate: f64,
    /// How much of the segmenter learns; the refiner always learns whole
    #[arg(long, value_enum, default_value_t, alias = "part")]
    scope: Part,
    /// Weight of the loss by which masks of two noise levels must agree, for example 0.5; 0 leaves it out
    #[arg(long, value_name = "W", default_value_t = 0.0)]
    snp_step: f64,
    /// Weight of the loss by which wrong labels must be seen through, for example 0.5; 0 leaves it out
    #[arg(long, value_name = "W", default_value_t = 0.0)]
    snp_noisy: f64,
    /// Give weights without layers for exemplars and class names such layers, and these the classes that they do not know
    #[arg(long)]
    conditioned: bool,
    /// Those layers also put the first exemplar's colours into the network's input, as MaskDiff does; an ablation
    #[arg(long, requires = "conditioned")]
    concat: bool,
    /// The share of images that is never trained on, only measured
    #[arg(long, default_value_t = 0.2)]
    holdout: f64,
    /// The seed of the split, the order and the noise
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Which device computes
    #[arg(long, value_enum, default_value_t)]
    device: DeviceChoice,
    /// A COCO file with coarse masks of the same objects, by their ids: what a method or hasty hand made of them, for the
    /// refiner to learn from besides synthetic ones
    #[arg(long, value_name = "FILE")]
    coarse: Option<PathBuf>,
    /// Weights to start from instead of the built-in ones; for the refiner also the published checkpoint (.pth)
    #[arg(long, value_name = "FILE")]
    start: Option<PathBuf>,
    /// Go on where an earlier run with the same `--out` stopped; its checkpoint must be there
    #[arg(long)]
    resume: bool,
    /// Stops where the input stream ends: whoever started it is gone
    #[arg(long, hide = true, action = clap::ArgAction::Count)]
    attended: u8,
}

/// A network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum What {
    /// Box to mask
    #[default]
    Segmenter,
    /// Coarse mask to fine mask
    Refiner,
}

/// How much of the segmenter learns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The decoder (the denoiser) only: fastest, for few labels
    #[value(alias = "denoiser")]
    Decoder,
    /// The decoder and the encoder's last stages
    #[default]
    #[value(alias = "deep")]
    Last,
    /// Everything
    All,
    /// The layers for exemplars and class names only
    Conditioning,
}

impl Arguments {
    fn config(&self) -> Config {
        Config {
            what: match self.what {
                What::Segmenter => train::What::Segmenter,
                What::Refiner => train::What::Refiner,
            },
            data: self.data.clone(),
            images: self.images.clone(),
            out: self.out.clone(),
            start: self.start.clone(),
            coarse: self.coarse.clone(),
            epochs: self.epochs as usize,
            batch: self.batch as usize,
            learning_rate: self.learning_rate,
            seed: self.seed,
            resume: self.resume,
            holdout: self.holdout,
            part: match self.scope {
                Part::Decoder => train::Part::Denoiser,
                Part::Last => train::Part::Deep,
                Part::All => train::Part::All,
                Part::Conditioning => train::Part::Conditioning,
            },
            snp_step: self.snp_step,
            snp_noisy: self.snp_noisy,
            conditioned: self.conditioned,
            concat: self.concat,
        }
    }
}

pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal, cancel: &Cancel) -> anyhow::Result<Outcome> {
    dataset::folder(&arguments.images)?;
    dataset::writable([&arguments.out])?;
    if arguments.attended > 0 {
        let cancel = cancel.clone();
        let wait = move || {
            if let Err(error) = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink()) {
                tracing::debug!(%error, "the input stream");
            }
            cancel.cancel();
        };
        drop(job::spawn("attended", wait)?);
    }
    let compute = device::open(arguments.device.into())?;
    terminal.preparing(&compute);
    let result = train::run(&arguments.config(), &compute, cancel, &mut |event| show(&event, terminal));
    terminal.finish();
    match result {
        Ok(_) => Ok(Outcome::Done),
        Err(stopped @ TrainError::Cancelled { .. }) => {
            terminal.warning(&stopped.to_string());
            Ok(Outcome::Cancelled)
        }
        Err(error) => Err(error.into()),
    }
}

/// Shows one event: as it is where JSON is asked for, else in words.
fn show(event: &Event, terminal: &mut Terminal) {
    if terminal.is_json() {
        terminal.event(event);
        return;
    }
    match event {
        Event::Warning { message } => terminal.warning(message),
        Event::Progress(progress) => terminal.progress(progress),
        Event::Started { device, objects, held_out, parameters, trained, epoch, iou, .. } => {
            terminal.message(&format!(
                "{objects} objects to learn from, {held_out} held out; {trained} of {parameters} parameters learn, on {device}"
            ));
            if *epoch > 0 {
                terminal.message(&format!("going on after epoch {epoch}"));
            }
            terminal.message(&format!("held-out IoU of the network alone: {iou:.4}"));
        }
        Event::Epoch { epoch, of, loss, iou, best } => {
            let best = if *best { ", the best so far" } else { "" };
            terminal.message(&format!("epoch {epoch} of {of}: loss {loss:.4}, held-out IoU {iou:.4}{best}"));
        }
        Event::Finished(summary) => terminal.message(&table(summary)),
    }
}

/// The held-out IoU before and after, and where the weights are.
fn table(summary: &Summary) -> String {
    let Summary { iou_before, iou_after, improved, best_epoch, held_out, out } = summary;
    let verdict = if *improved {
        format!("wrote {}: the weights of epoch {best_epoch}", out.display())
    } else {
        format!("wrote {}: no epoch was better than the start, whose weights it holds", out.display())
    };
    let change = iou_after - iou_before;
    let checkpoint = train::path_beside(out);
    let left = checkpoint.metadata().map_or_else(
        |_| String::new(),
        |file| format!("its checkpoint, {:.1} MB, is not needed any more: {}\n", file.len() as f64 / 1e6, checkpoint.display()),
    );
    format!(
        "{:<10} {:>12}   ({held_out} objects)\n{:<10} {iou_before:>12.4}\n{:<10} {iou_after:>12.4}   ({change:+.4})\n{left}{verdict}",
        "", "held-out IoU", "before", "after"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_finished_run_leaves_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("mine.safetensors");
        let summary = Summary { iou_before: 0.5, iou_after: 0.6, improved: true, best_epoch: 2, held_out: 3, out };
        assert!(!table(&summary).contains("checkpoint"));
        std::fs::write(folder.path().join("mine.checkpoint"), vec![0_u8; 2_000_000]).unwrap();
        let told = table(&summary);
        assert!(told.contains("its checkpoint, 2.0 MB, is not needed any more: ") && told.contains("mine.checkpoint"), "{told}");
        assert!(told.lines().last().unwrap().starts_with("wrote "), "{told}");
    }
}
