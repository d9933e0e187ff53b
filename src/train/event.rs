//! What a training run says while it works; the same values drive the terminal bar, the JSON lines and the window.

use serde::{Serialize, Serializer};

use super::What;
use crate::job::Progress;

/// One piece of news.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Something in the data was left out, or is not as it was asked for.
    Warning {
        /// For people.
        message: String,
    },
    /// The data is read, the network loaded and measured.
    Started {
        /// The network.
        what: What,
        /// The device, for people.
        device: String,
        /// Objects to learn from.
        objects: usize,
        /// Objects to measure with.
        held_out: usize,
        /// All parameters of the network.
        parameters: usize,
        /// Parameters that learn.
        trained: usize,
        /// The first epoch of this run, from 0; not 0 after a resume.
        epoch: usize,
        /// Mean held-out `IoU` of the start weights, by the network alone.
        iou: f64,
    },
    /// Steps of the current epoch, or held-out objects that are measured before and after it and judged at the end.
    Progress(#[serde(serialize_with = "progress")] Progress),
    /// An epoch is over and measured.
    Epoch {
        /// From 1.
        epoch: usize,
        /// All epochs.
        of: usize,
        /// Mean loss over the epoch.
        loss: f64,
        /// Mean held-out `IoU` of the averaged weights, by the network alone.
        iou: f64,
        /// Whether it is the best so far; the weight file then holds it.
        best: bool,
    },
    /// The run is over.
    Finished(Summary),
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Mean held-out `IoU` of the start weights, of masks as a person gets them: of the segmenter with two looks and edges,
    /// of the refiner with the segmenter's second opinion and redrawing, where epochs are measured by the network alone.
    pub iou_before: f64,
    /// That of the weights in the file.
    pub iou_after: f64,
    /// Whether the best epoch is no worse than the start; else the file holds the start weights.
    pub improved: bool,
    /// The epoch whose weights the file holds, from 1; 0 for the start.
    pub best_epoch: usize,
    /// Objects that were measured.
    pub held_out: usize,
    /// The weight file.
    pub out: std::path::PathBuf,
}

fn progress<S: Serializer>(progress: &Progress, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Seen<'a> {
        label: &'a str,
        done: u64,
        total: u64,
        elapsed_secs: f64,
        remaining_secs: Option<f64>,
    }
    Seen {
        label: &progress.label,
        done: progress.done,
        total: progress.total,
        elapsed_secs: progress.elapsed.as_secs_f64(),
        remaining_secs: progress.remaining().map(|left| left.as_secs_f64()),
    }
    .serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn events_are_flat_json_objects() {
        let progress = Progress { label: "epoch 1".into(), done: 1, total: 2, elapsed: Duration::from_secs(3) };
        let json = serde_json::to_value(Event::Progress(progress)).unwrap();
        assert_eq!(json["event"], "progress");
        assert_eq!(json["remaining_secs"], 3.0);
        let epoch = Event::Epoch { epoch: 1, of: 2, loss: 0.5, iou: 0.7, best: true };
        assert_eq!(serde_json::to_value(epoch).unwrap()["event"], "epoch");
    }
}
