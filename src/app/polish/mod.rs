//! Polishing a data set: the refiner looks at every object in the background, and a person decides about each change,
//! the largest first. What was found is kept in a journal as it comes, so that a job goes on after a pause or a crash.
//!
//! Images are decoded on a thread of the job; the models run on the compute thread, where any other request goes first.

mod ending;
mod feed;
mod finding;
mod journal;
mod polished;

use std::path::{Path, PathBuf};
use std::sync::mpsc::TryRecvError;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::ending::Ending;
use self::feed::{Batch, Feed};
pub use self::finding::Finding;
use self::journal::Journal;
pub(super) use self::journal::{Told, read, undecided};
pub(super) use self::polished::Polished;
use crate::annotation::{Instance, InstanceId, Shape};
use crate::app::document::Document;
use crate::assist::service::Request;
use crate::assist::{RefineOptions, Refinement};
use crate::job::{Progress, Stopwatch};
use crate::store;

/// Which objects are polished, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Only objects of this class.
    pub category: Option<i64>,
    /// Only objects of at least so many square pixels, as stored.
    pub least_area: u64,
    /// See [`RefineOptions::strength`].
    pub strength: f32,
    /// See [`RefineOptions::band_px`].
    pub band_px: Option<u32>,
    /// See [`RefineOptions::coarse`].
    #[serde(default)]
    pub coarse: bool,
}

impl Plan {
    /// Whether an object is to be polished.
    pub fn covers(&self, instance: &Instance) -> bool {
        !instance.crowd
            && instance.shape != Shape::Box
            && self.category.is_none_or(|category| instance.category_id.0 == category)
            && instance.area >= self.least_area as f64
    }

    fn options(&self) -> RefineOptions {
        RefineOptions { strength: self.strength, band_px: self.band_px, coarse: self.coarse, ..RefineOptions::default() }
    }
}

/// What a job needs next.
pub(super) enum Next {
    /// Time.
    Wait,
    /// The models' answer to this.
    Ask(Request),
    /// Nothing: every object was looked at.
    Finished,
}

/// A polish job.
pub(super) struct Job {
    /// What was opened when it began.
    pub(super) source: PathBuf,
    feed: Feed,
    asked: Option<Batch>,
    journal: Journal,
    findings: Vec<Finding>,
    /// What becomes of the findings, where it has ended.
    ending: Option<Ending>,
    /// Whether a person has ended it, who sees the first change then.
    is_stopped: bool,
    done: u64,
    total: u64,
    /// Of those that are done, the ones whose image or mask cannot be used ...
    unusable: u64,
    /// ... and the ones at which the models failed.
    failed: u64,
    time: Stopwatch,
    /// Objects that were done before this start, which say nothing about the speed.
    before: u64,
}

/// Where the journal of `source` stands.
pub(super) fn journal_path(state: &Path, source: &Path) -> PathBuf {
    state.join(store::file_name(source, "polish.jsonl"))
}

impl Job {
    /// Starts a job on `document`, or goes on with what was `told`.
    ///
    /// # Errors
    /// When the journal cannot be written or there is no thread.
    pub(super) fn start(
        document: &Document,
        state: &Path,
        (plan, told): (Plan, Option<Told>),
        wake: impl Fn() + Send + 'static,
    ) -> std::io::Result<Self> {
        let source = document.source.path().unwrap_or(Path::new("")).to_path_buf();
        let path = journal_path(state, &source);
        let journal = if told.is_some() { Journal::resume(path)? } else { Journal::create(path, &plan)? };
        let (findings, decided) = told.map_or_else(Default::default, |told| (told.findings, told.decided));
        let known: std::collections::HashSet<InstanceId> =
            findings.iter().map(|finding| InstanceId(finding.id)).chain(decided.iter().copied()).collect();
        let total = document.dataset().instances.iter().filter(|instance| plan.covers(instance)).count() as u64;
        let wanted = |instance: &Instance| plan.covers(instance) && !known.contains(&instance.id);
        let feed = Feed::start(document, wanted, plan.options(), wake)?;
        let done = total.saturating_sub(feed.count);
        Ok(Self {
            source,
            feed,
            asked: None,
            journal,
            findings,
            ending: None,
            is_stopped: false,
            done,
            total,
            unusable: 0,
            failed: 0,
            time: Stopwatch::started(),
            before: done,
        })
    }

    /// Whether it rests.
    pub(super) const fn is_paused(&self) -> bool {
        self.time.rests()
    }

    /// Lets it rest or go on; what the models were asked for meanwhile is asked for again.
    pub(super) fn pause(&mut self, rests: bool) {
        if rests {
            self.time.rest();
            self.feed.put_back(self.asked.take());
        } else {
            self.time.go_on();
        }
    }

    /// How far it is; the estimate leaves pauses and what was done before out.
    pub(super) fn progress(&self) -> Progress {
        if let Some(ending) = &self.ending {
            return ending.progress(self.findings.len());
        }
        let fresh = self.done - self.before;
        // As if all of `done` had been done at the speed of this run.
        let elapsed = if fresh == 0 { Duration::ZERO } else { self.time.elapsed().mul_f64(self.done as f64 / fresh as f64) };
        Progress { label: "Polishing".to_owned(), done: self.done, total: self.total, elapsed }
    }

    /// What to do now; `document` has the objects whose turn comes.
    pub(super) fn next(&mut self, document: &Document) -> Next {
        if self.has_ended() {
            return Next::Finished;
        }
        if self.is_paused() {
            return Next::Wait;
        }
        let gone = self.feed.hand_on(document);
        self.done += gone;
        self.unusable += gone;
        if self.asked.is_some() {
            return Next::Wait;
        }
        loop {
            match self.feed.next() {
                Ok(batch) if batch.ids.is_empty() => self.leave_out(&batch),
                Ok(batch) => {
                    let request = batch.request.clone();
                    self.asked = Some(batch);
                    return Next::Ask(request);
                }
                Err(TryRecvError::Empty) => return Next::Wait,
                Err(TryRecvError::Disconnected) => return Next::Finished,
            }
        }
    }

    /// Takes the models' answer.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(super) fn answered(&mut self, refinements: &[Refinement]) -> std::io::Result<()> {
        let Some(batch) = self.asked.take() else { return Ok(()) };
        let Request::Refine { masks, .. } = &batch.request else { return Ok(()) };
        let found: Vec<Finding> =
            batch.ids.iter().zip(masks).zip(refinements).map(|((&id, before), refinement)| Finding::new(id, before, refinement)).collect();
        self.done += batch.ids.len() as u64;
        self.leave_out(&batch);
        let added = self.journal.add(&found);
        self.findings.extend(found);
        added
    }

    /// Takes word that the models failed: what they were asked for is asked for once more, then left out. How many objects
    /// that left out.
    pub(super) fn failed(&mut self) -> Option<u64> {
        let mut batch = self.asked.take()?;
        if !std::mem::replace(&mut batch.has_failed, true) {
            self.feed.put_back(Some(batch));
            return None;
        }
        let count = batch.ids.len() as u64;
        self.done += count;
        self.failed += count;
        self.leave_out(&batch);
        Some(count)
    }

    fn leave_out(&mut self, batch: &Batch) {
        self.done += batch.left_out;
        self.unusable += batch.left_out;
    }

    /// Whether it has ended, and what it has found is compared with the document.
    pub(super) const fn has_ended(&self) -> bool {
        self.ending.is_some()
    }

    /// Ends it, by the wish of a person where it `is_stopped`, and compares what it has found with `document` as far as a
    /// frame has time; whether all is compared.
    pub(super) fn end(&mut self, is_stopped: bool, document: &Document) -> bool {
        self.asked = None;
        self.is_stopped |= is_stopped;
        let ending = self.ending.get_or_insert_with(|| Ending::new(self.findings.len()));
        ending.compare(&mut self.findings, document, ending::BUDGET)
    }

    /// The changes of masks that were as they are, once it has ended, and the journal in which decisions are kept.
    pub(super) fn finish(self) -> Polished {
        let left_out = self.failed + self.unusable;
        Polished {
            findings: self.ending.map_or_else(Vec::new, Ending::changes),
            decisions: Vec::new(),
            journal: self.journal,
            source: self.source,
            looked_at: self.done - left_out,
            left_out,
            total: self.total,
            is_whole: self.done == self.total && self.failed == 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::annotation::{CategoryId, Dataset, Field, Image, ImageId};
    use crate::app::document::Source;
    use crate::geometry::{Rect, Size};
    use crate::mask::Mask;
    use crate::store::Contents;

    const SIZE: Size = Size::new(40, 30);
    const PLAN: Plan = Plan { category: None, least_area: 0, strength: 0.5, band_px: None, coarse: false };

    fn mask(id: i64) -> Mask {
        Mask::filled(SIZE, Rect::new(4.0, 4.0, 6.0 + id as f64, 10.0))
    }

    /// An image for each of `objects` objects, the last of which has no file.
    fn document(folder: &Path, objects: i64) -> Document {
        let mut dataset = Dataset::default();
        for id in 1..=objects {
            let file_name = format!("{id}.png");
            if id < objects {
                image::RgbImage::new(SIZE.width, SIZE.height).save(folder.join(&file_name)).unwrap();
            }
            dataset.images.push(Image { id: ImageId(id), file_name, size: SIZE, source: None });
            let mut instance = Instance {
                id: InstanceId(id),
                image_id: ImageId(id),
                category_id: CategoryId(1),
                bbox: Rect::new(0.0, 0.0, 1.0, 1.0),
                shape: Shape::Box,
                area: 0.0,
                crowd: false,
                score: None,
                changed: Field::NONE,
                source: None,
            };
            instance.set_mask(&mask(id));
            dataset.instances.push(instance);
        }
        let mut document = Document::new(Contents { dataset, ..Contents::default() }, Source::Folder(folder.to_path_buf()), false);
        document.image_folder = folder.to_path_buf();
        document
    }

    /// Whether the models are asked; else the job is finished.
    fn is_asked(job: &mut Job, document: &Document) -> bool {
        let start = Instant::now();
        loop {
            match job.next(document) {
                Next::Ask(_) => return true,
                Next::Finished => return false,
                Next::Wait => assert!(start.elapsed() < Duration::from_mins(3), "nothing comes"),
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn answer(job: &mut Job, id: i64) -> std::io::Result<()> {
        job.answered(&[Refinement { mask: mask(id + 5), kept_original: false, change: 0.1 }])
    }

    fn finished(mut job: Job, document: &Document) -> Polished {
        while !job.end(false, document) {
            assert!(matches!(job.next(document), Next::Finished), "it has ended");
        }
        job.finish()
    }

    #[test]
    fn what_the_models_fail_at_twice_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let document = document(folder.path(), 3);
        let mut job = Job::start(&document, folder.path(), (PLAN, None), || {}).unwrap();
        assert!(is_asked(&mut job, &document));
        assert_eq!(job.failed(), None);
        assert!(is_asked(&mut job, &document), "once more");
        assert_eq!(job.failed(), Some(1));
        assert!(is_asked(&mut job, &document), "the next object");
        answer(&mut job, 2).unwrap();
        assert!(!is_asked(&mut job, &document));
        let progress = job.progress();
        assert_eq!((progress.done, progress.total), (3, 3));
        let mut polished = finished(job, &document);
        assert_eq!(polished.summary(), "1 of 3 looked at: 1 mask changed; 2 left out; Polish data set goes on with the rest");
        polished.decide(false, 0, |_| true);
        let told = read(&journal_path(folder.path(), folder.path())).unwrap();
        assert_eq!((told.findings.len(), told.decided), (0, vec![InstanceId(2)]));
    }

    #[test]
    fn findings_stay_where_the_journal_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = journal_path(folder.path(), folder.path());
        let document = document(folder.path(), 2);
        let mut job = Job::start(&document, folder.path(), (PLAN, None), || {}).unwrap();
        job.journal.file = std::fs::File::open(&path).unwrap();
        assert!(is_asked(&mut job, &document));
        answer(&mut job, 1).unwrap_err();
        assert!(!is_asked(&mut job, &document));
        let mut polished = finished(job, &document);
        assert_eq!(polished.summary(), "Polished: 1 mask changed; 1 left out");
        polished.decide(false, 0, |_| true);
        assert!(!polished.close() && !path.exists(), "all is decided");
    }

    #[test]
    fn a_job_that_was_stopped_goes_on_after_its_changes_are_decided() {
        let folder = tempfile::tempdir().unwrap();
        let path = journal_path(folder.path(), folder.path());
        let document = document(folder.path(), 3);
        let mut job = Job::start(&document, folder.path(), (PLAN, None), || {}).unwrap();
        assert!(is_asked(&mut job, &document));
        answer(&mut job, 1).unwrap();
        let mut polished = finished(job, &document);
        assert_eq!(polished.summary(), "1 of 3 looked at: 1 mask changed; Polish data set goes on with the rest");
        polished.decide(false, 0, |_| true);
        assert!(polished.close(), "there is more");
        let told = read(&path).unwrap();
        let mut job = Job::start(&document, folder.path(), (PLAN, Some(told)), || {}).unwrap();
        assert_eq!(job.progress().done, 1);
        assert!(is_asked(&mut job, &document));
        answer(&mut job, 2).unwrap();
        assert!(!is_asked(&mut job, &document));
        assert_eq!(finished(job, &document).findings.iter().map(|finding| finding.id).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn objects_are_looked_at_as_they_are_when_their_turn_comes() {
        let folder = tempfile::tempdir().unwrap();
        let mut document = document(folder.path(), 3);
        let mut job = Job::start(&document, folder.path(), (PLAN, None), || {}).unwrap();
        let mut changed = document.instance(InstanceId(1)).unwrap().clone();
        changed.set_mask(&mask(9));
        document.commit("Paint mask", None, &crate::annotation::Edit::Replace(Box::new(changed))).unwrap();
        document.commit("Delete object", None, &crate::annotation::Edit::Remove(InstanceId(2))).unwrap();
        assert!(is_asked(&mut job, &document));
        answer(&mut job, 1).unwrap();
        assert!(!is_asked(&mut job, &document), "the second is gone, the third has no image");
        let polished = finished(job, &document);
        assert_eq!(polished.summary(), "Polished: 1 mask changed; 2 left out");
        assert_eq!(polished.findings.iter().map(|finding| finding.id).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn masks_that_changed_since_are_neither_listed_nor_counted() {
        let folder = tempfile::tempdir().unwrap();
        let mut document = document(folder.path(), 3);
        let mut job = Job::start(&document, folder.path(), (PLAN, None), || {}).unwrap();
        for id in 1..=2 {
            assert!(is_asked(&mut job, &document));
            answer(&mut job, id).unwrap();
        }
        assert!(!is_asked(&mut job, &document));
        let mut changed = document.instance(InstanceId(1)).unwrap().clone();
        changed.set_mask(&mask(9));
        document.commit("Paint mask", None, &crate::annotation::Edit::Replace(Box::new(changed))).unwrap();
        let polished = finished(job, &document);
        assert_eq!(polished.summary(), "Polished: 1 mask changed; 1 left out");
        assert_eq!(polished.findings.iter().map(|finding| finding.id).collect::<Vec<_>>(), [2]);
    }
}
