//! Polishing a data set: the refiner looks at every object in the background, and a person decides about each change,
//! the largest first. What was found is kept in a journal as it comes, so that a job goes on after a pause or a crash.
//!
//! Images are decoded on a thread of the job; the models run on the compute thread, where any other request goes first.

mod feed;
mod journal;

use std::path::{Path, PathBuf};
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

pub(super) use self::feed::fingerprint;
use self::feed::{Batch, Feed};
use self::journal::Journal;
pub(super) use self::journal::{Told, read};
use crate::annotation::{Instance, InstanceId, Shape};
use crate::app::document::Document;
use crate::assist::service::Request;
use crate::assist::{RefineOptions, Refinement};
use crate::job::Progress;
use crate::mask::{metric, rle};
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
        RefineOptions { strength: self.strength, band_px: self.band_px, ..RefineOptions::default() }
    }
}

/// What was found about one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The object's id.
    pub id: i64,
    /// The fingerprint of its mask before.
    pub before: u64,
    /// 1 - `IoU` of before and after.
    pub change: f64,
    /// Pixels that came in.
    pub added: u64,
    /// Pixels that went out.
    pub removed: u64,
    /// The mask after as COCO's compressed string; `None` where the refiner kept it.
    pub after: Option<String>,
}

impl Finding {
    fn new(id: InstanceId, before: &crate::mask::Mask, refinement: &Refinement) -> Self {
        let after = &refinement.mask;
        let kept = Self { id: id.0, before: fingerprint(before), change: 0.0, added: 0, removed: 0, after: None };
        if refinement.kept_original || after.is_empty() || after == before {
            return kept;
        }
        let counts = rle::encode(after);
        let shared = rle::intersection(&rle::encode(before), &counts);
        Self {
            change: 1.0 - metric::iou(before, after),
            added: rle::area(&counts) - shared,
            removed: before.area() - shared,
            after: Some(rle::to_text(&counts)),
            ..kept
        }
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
    done: u64,
    total: u64,
    active: Duration,
    since: Option<Instant>,
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
        let since = Some(Instant::now());
        Ok(Self { source, feed, asked: None, journal, findings, done, total, active: Duration::ZERO, since, before: done })
    }

    /// Whether it rests.
    pub(super) const fn is_paused(&self) -> bool {
        self.since.is_none()
    }

    /// Lets it rest or go on; what the models were asked for meanwhile is asked for again.
    pub(super) fn pause(&mut self, rests: bool) {
        if let Some(since) = self.since.take() {
            self.active += since.elapsed();
        }
        if rests {
            self.feed.put_back(self.asked.take());
        } else {
            self.since = Some(Instant::now());
        }
    }

    /// How far it is; the estimate leaves pauses and what was done before out.
    pub(super) fn progress(&self) -> Progress {
        let active = self.active + self.since.map_or(Duration::ZERO, |since| since.elapsed());
        let fresh = self.done - self.before;
        // As if all of `done` had been done at the speed of this run.
        let elapsed = if fresh == 0 { Duration::ZERO } else { active.mul_f64(self.done as f64 / fresh as f64) };
        Progress { label: "Polishing".to_owned(), done: self.done, total: self.total, elapsed }
    }

    /// What to do now.
    pub(super) fn next(&mut self) -> Next {
        if self.is_paused() || self.asked.is_some() {
            return Next::Wait;
        }
        loop {
            match self.feed.next() {
                Ok(batch) if batch.ids.is_empty() => self.done += batch.left_out,
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
        self.done += batch.ids.len() as u64 + batch.left_out;
        self.journal.add(&found)?;
        self.findings.extend(found);
        Ok(())
    }

    /// The changes, the largest first, and the journal in which decisions are kept.
    pub(super) fn finish(self) -> Polished {
        let mut findings: Vec<Finding> = self.findings.into_iter().filter(|finding| finding.after.is_some()).collect();
        findings.sort_by(|a, b| b.change.total_cmp(&a.change));
        Polished { findings, journal: Some(self.journal), source: self.source }
    }
}

/// Changes that wait for a decision.
#[derive(Debug)]
pub(super) struct Polished {
    /// The largest first.
    pub(super) findings: Vec<Finding>,
    journal: Option<Journal>,
    source: PathBuf,
}

impl Polished {
    /// What was opened when the job began.
    pub(super) fn source(&self) -> &Path {
        &self.source
    }

    /// Empties the list for good.
    pub(super) fn decide_all(&mut self) {
        self.findings.clear();
        self.forget();
    }

    fn forget(&mut self) {
        if let Some(Err(error)) = self.journal.take().map(Journal::remove) {
            tracing::warn!(%error, "the polish journal cannot be removed");
        }
    }

    /// Takes an object out of the list for good.
    pub(super) fn decide(&mut self, id: InstanceId) {
        self.findings.retain(|finding| finding.id != id.0);
        if self.findings.is_empty() {
            self.forget();
        } else if let Some(Err(error)) = self.journal.as_mut().map(|journal| journal.decide(id)) {
            tracing::warn!(%error, "the polish journal cannot be written");
        }
    }
}
