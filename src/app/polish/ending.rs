//! The end of a polish job: what it has found is compared with the document as it is by then, a little in each frame, for a
//! million masks take minutes.

use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::Finding;
use crate::app::document::Document;
use crate::job::{Meter, Progress};

/// Time that comparing may take of a frame.
pub(super) const BUDGET: Duration = Duration::from_millis(6);

/// So many findings are compared between two looks at the clock.
const CHUNK: usize = 32;

/// Findings on their way into the list of changes.
#[derive(Debug)]
pub(super) struct Ending {
    /// Those that were compared and whose masks are as they were.
    fresh: Vec<Finding>,
    total: usize,
    meter: Meter,
}

impl Ending {
    /// The end of a job that has `total` findings.
    pub(super) fn new(total: usize) -> Self {
        Self { fresh: Vec::new(), total, meter: Meter::start("Comparing masks", total as u64) }
    }

    /// Takes findings out of `rest` and compares them with `document` until `budget` is spent; whether none are left.
    pub(super) fn compare(&mut self, rest: &mut Vec<Finding>, document: &Document, budget: Duration) -> bool {
        let start = Instant::now();
        while !rest.is_empty() {
            let chunk = rest.split_off(rest.len().saturating_sub(CHUNK));
            self.fresh.par_extend(chunk.into_par_iter().filter(|finding| finding.refined(document).is_some()));
            if start.elapsed() >= budget {
                break;
            }
        }
        rest.is_empty()
    }

    /// How far it is where `rest` findings are left.
    pub(super) fn progress(&self, rest: usize) -> Progress {
        self.meter.at(self.total.saturating_sub(rest) as u64)
    }

    /// The changes, the largest first.
    pub(super) fn changes(self) -> Vec<Finding> {
        let mut changes = self.fresh;
        changes.par_sort_unstable_by(Finding::order);
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotation::{CategoryId, Dataset, Edit, Image, ImageId, Instance, InstanceId};
    use crate::app::document::Source;
    use crate::assist::Refinement;
    use crate::geometry::{Rect, Size};
    use crate::mask::Mask;
    use crate::store::Contents;

    const SIZE: Size = Size::new(40, 30);

    fn mask(width: f64) -> Mask {
        Mask::filled(SIZE, Rect::new(4.0, 4.0, width, 10.0))
    }

    #[test]
    fn findings_are_compared_a_few_a_frame() {
        let mut dataset = Dataset::default();
        dataset.images.push(Image { id: ImageId(1), file_name: "1.png".to_owned(), size: SIZE, source: None });
        let mut rest = Vec::new();
        for id in 1..=100 {
            let mut instance = Instance::boxed(InstanceId(id), ImageId(1), CategoryId(1), Rect::new(0.0, 0.0, 1.0, 1.0));
            instance.set_mask(&mask(10.0));
            dataset.instances.push(instance);
            let refinement = Refinement { mask: mask(11.0 + (id % 7) as f64), kept_original: false, change: 0.1 };
            rest.push(Finding::new(InstanceId(id), &mask(10.0), &refinement));
        }
        let mut document = Document::new(Contents { dataset, ..Contents::default() }, Source::Nothing, false);
        document.commit("Delete object", None, &Edit::Remove(InstanceId(50))).unwrap();
        let mut ending = Ending::new(rest.len());
        let mut told = Vec::new();
        while !ending.compare(&mut rest, &document, Duration::ZERO) {
            told.push(ending.progress(rest.len()).done);
        }
        assert_eq!(told, [32, 64, 96]);
        let changes = ending.changes();
        assert!(changes.len() == 99 && changes.iter().all(|change| change.id != 50), "{}", changes.len());
        assert!(changes.is_sorted_by(|a, b| a.order(b).is_lt()), "the largest change comes first");
    }
}
