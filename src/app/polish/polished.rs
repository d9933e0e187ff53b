//! The list of changes that a polish job leaves, and what becomes of its journal.

use std::path::{Path, PathBuf};

use super::Finding;
use super::journal::Journal;
use crate::annotation::InstanceId;

/// Changes that wait for a decision.
#[derive(Debug)]
pub(crate) struct Polished {
    /// The largest first.
    pub(crate) findings: Vec<Finding>,
    /// Those that were taken one by one, and where they stood.
    pub(super) taken: Vec<(usize, Finding)>,
    pub(super) journal: Option<Journal>,
    pub(super) source: PathBuf,
    /// Objects that the models looked at ...
    pub(super) looked_at: u64,
    /// ... and those that they could not look at, ...
    pub(super) left_out: u64,
    /// ... of so many.
    pub(super) total: u64,
    /// Whether a job has nothing to go on with; else the journal stays when all is decided.
    pub(super) is_whole: bool,
}

impl Polished {
    /// What the job did, in words.
    pub(crate) fn summary(&self) -> String {
        let changed = match self.findings.len() {
            0 => "no change to decide about".to_owned(),
            1 => "1 mask changed".to_owned(),
            count => format!("{count} masks changed, the largest change first"),
        };
        let left_out = if self.left_out > 0 { format!("; {} left out", self.left_out) } else { String::new() };
        if self.is_whole {
            return format!("Polished: {changed}{left_out}");
        }
        format!("{} of {} looked at: {changed}{left_out}; Polish data set goes on with the rest", self.looked_at, self.total)
    }

    /// What was opened when the job began.
    pub(crate) fn source(&self) -> &Path {
        &self.source
    }

    /// Empties the list for good.
    pub(crate) fn decide_all(&mut self) {
        let ids: Vec<i64> = self.findings.drain(..).map(|finding| finding.id).collect();
        self.keep(ids);
    }

    /// Takes an object out of the list for good.
    pub(crate) fn decide(&mut self, id: InstanceId) {
        self.findings.retain(|finding| finding.id != id.0);
        self.keep([id.0]);
    }

    /// [`Self::decide`] about a change that was taken, which undo may put back.
    pub(crate) fn take(&mut self, id: InstanceId) {
        if let Some(place) = self.findings.iter().position(|finding| finding.id == id.0) {
            self.taken.push((place, self.findings.remove(place)));
        }
        self.keep([id.0]);
    }

    /// Puts the last of the taken findings back that `is_back`, where it stood; gives its place.
    pub(crate) fn put_back(&mut self, is_back: impl Fn(&Finding) -> bool) -> Option<usize> {
        let (place, finding) = self.taken.remove(self.taken.iter().rposition(|(_, finding)| is_back(finding))?);
        if let Some(Err(error)) = self.journal.as_mut().map(|journal| journal.add(std::slice::from_ref(&finding))) {
            tracing::warn!(%error, "what was taken back is not in the polish journal");
        }
        let place = place.min(self.findings.len());
        self.findings.insert(place, finding);
        Some(place)
    }

    /// Keeps that `ids` are decided; the journal goes when that is all there is to keep.
    fn keep(&mut self, ids: impl IntoIterator<Item = i64>) {
        let kept = if self.is_whole && self.findings.is_empty() {
            self.journal.take().map(Journal::remove)
        } else {
            self.journal.as_mut().map(|journal| journal.decide(ids))
        };
        if let Some(Err(error)) = kept {
            tracing::warn!(%error, "what was decided is not in the polish journal");
        }
    }
}
