//! The list of changes that a polish job leaves, what was decided about them, and what becomes of its journal.

use std::path::{Path, PathBuf};

use super::Finding;
use super::journal::Journal;

/// Findings about which a person decided at once.
#[derive(Debug)]
pub(super) struct Decision {
    findings: Vec<Finding>,
    /// Whether they were taken, which is the last step of the history then; else they were left.
    is_taken: bool,
    /// The steps that the history had after it.
    steps: usize,
}

/// Changes that wait for a decision.
#[derive(Debug)]
pub(crate) struct Polished {
    /// The largest first.
    pub(crate) findings: Vec<Finding>,
    /// What was decided, the last decision last: undo takes it back.
    pub(super) decisions: Vec<Decision>,
    pub(super) journal: Journal,
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

    /// Whether there is nothing to decide about or to go on with.
    pub(crate) fn is_done(&self) -> bool {
        self.is_whole && self.findings.is_empty()
    }

    /// The place of the first finding from `index` on, or from the start where there is none, that `is_fresh`; those on
    /// the way to it are dropped.
    pub(crate) fn place_of_fresh(&mut self, index: usize, is_fresh: impl Fn(&Finding) -> bool) -> Option<usize> {
        for start in [index, 0] {
            let start = start.min(self.findings.len());
            let stale = self.findings.iter().skip(start).take_while(|finding| !is_fresh(finding)).count();
            self.findings.drain(start..start + stale);
            if start < self.findings.len() {
                return Some(start);
            }
        }
        None
    }

    /// Takes findings that `are_decided` out of the list, after `steps` of the history; taking them was the last one.
    pub(crate) fn decide(&mut self, is_taken: bool, steps: usize, are_decided: impl Fn(&Finding) -> bool) {
        let findings: Vec<Finding> = self.findings.extract_if(.., |finding| are_decided(finding)).collect();
        if !findings.is_empty() {
            kept(self.journal.decide(findings.iter().map(|finding| finding.id)));
            self.decisions.push(Decision { findings, is_taken, steps });
        }
    }

    /// What was left last and nothing was done since, where the history has `steps`, in the words of the menu.
    pub(crate) fn left(&self, steps: usize) -> Option<&'static str> {
        let decision = self.decisions.last().filter(|decision| !decision.is_taken && decision.steps == steps)?;
        Some(if decision.findings.len() == 1 { "Leave refined mask" } else { "Leave refined masks" })
    }

    /// Whether taking changes was the last of `steps` of the history.
    pub(crate) fn is_last(&self, steps: usize) -> bool {
        self.decisions.last().is_some_and(|decision| decision.is_taken && decision.steps == steps)
    }

    /// Takes the last decision back where it is this one, and gives the place of its first finding: what was left, where
    /// the history has `steps`; or what was taken by the last of `steps`.
    pub(crate) fn put_back(&mut self, is_taken: bool, steps: usize) -> Option<usize> {
        let decision = self.decisions.pop_if(|decision| decision.is_taken == is_taken && decision.steps == steps)?;
        kept(self.journal.undecide(decision.findings.iter().map(|finding| finding.id)));
        let first = decision.findings.first()?.id;
        self.findings.extend(decision.findings);
        self.findings.sort_by(Finding::order);
        self.findings.iter().position(|finding| finding.id == first)
    }

    /// Ends the review; its journal goes where there is nothing to go on with. Whether there is.
    pub(crate) fn close(self) -> bool {
        let goes_on = !self.is_done();
        if !goes_on {
            kept(self.journal.remove());
        }
        goes_on
    }
}

fn kept(result: std::io::Result<()>) {
    if let Err(error) = result {
        tracing::warn!(%error, "what was decided is not in the polish journal");
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::app::polish::{Plan, read};

    /// Findings of the objects 1..=`count`, the largest change first.
    fn polished(path: &Path, count: i64) -> Polished {
        let plan = Plan { category: None, least_area: 0, strength: 0.5, band_px: None, coarse: false };
        let mut journal = Journal::create(path.to_path_buf(), &plan).unwrap();
        let change = |id: i64| -(id as f64);
        let finding = |id| Finding { id, before: 7, change: change(id), added: 1, removed: 2, after: Some("0n0".to_owned()) };
        let findings: Vec<Finding> = (1..=count).map(finding).collect();
        journal.add(&findings).unwrap();
        let (decisions, source) = (Vec::new(), PathBuf::new());
        Polished { findings, decisions, journal, source, looked_at: 0, left_out: 0, total: 0, is_whole: true }
    }

    fn ids(findings: &[Finding]) -> Vec<i64> {
        findings.iter().map(|finding| finding.id).collect()
    }

    #[test]
    fn decisions_are_taken_back_the_last_one_first_and_a_crash_loses_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("polish.jsonl");
        let mut polished = polished(&path, 5);
        let is_as_told = |polished: &Polished| assert_eq!(read(&path).unwrap().findings, polished.findings);
        polished.decide(true, 3, |finding| finding.id == 2);
        polished.decide(false, 3, |finding| finding.id == 4);
        polished.decide(false, 3, |finding| finding.id != 2);
        assert!(polished.findings.is_empty() && read(&path).unwrap().findings.is_empty());
        assert_eq!(read(&path).unwrap().decided.len(), 5);
        assert_eq!((polished.left(4), polished.put_back(false, 4), polished.put_back(true, 3)), (None, None, None), "not the last");
        assert_eq!((polished.left(3), polished.put_back(false, 3)), (Some("Leave refined masks"), Some(0)));
        assert_eq!(ids(&polished.findings), [1, 3, 5]);
        is_as_told(&polished);
        assert_eq!((polished.left(3), polished.put_back(false, 3)), (Some("Leave refined mask"), Some(2)));
        assert_eq!((polished.left(3), polished.put_back(true, 3)), (None, Some(1)));
        assert_eq!(ids(&polished.findings), [1, 2, 3, 4, 5]);
        is_as_told(&polished);
        assert_eq!(polished.put_back(true, 3), None);
    }

    #[test]
    fn the_journal_goes_when_a_review_is_closed_that_has_nothing_undecided() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("polish.jsonl");
        assert!(polished(&path, 2).close() && path.exists());
        let mut whole = polished(&path, 2);
        whole.decide(false, 0, |_| true);
        assert!(path.exists(), "it can be taken back");
        assert!(!whole.close() && !path.exists());
        let mut part = Polished { is_whole: false, ..polished(&path, 2) };
        part.decide(false, 0, |_| true);
        assert!(part.close() && path.exists(), "there are objects that were not looked at");
    }

    #[test]
    fn each_of_many_findings_whose_objects_changed_is_looked_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut polished = polished(&folder.path().join("polish.jsonl"), 50_000);
        let looks = Cell::new(0);
        let is_fresh = |finding: &Finding| {
            looks.set(looks.get() + 1);
            finding.id > 40_000
        };
        assert_eq!(polished.place_of_fresh(45_000, is_fresh), Some(45_000));
        assert_eq!((polished.place_of_fresh(10, is_fresh), polished.findings[10].id), (Some(10), 40_001));
        assert_eq!((polished.place_of_fresh(99_000, is_fresh), polished.findings.len()), (Some(0), 10_000));
        assert_eq!(looks.get(), 1 + (40_000 - 10 + 1) + (10 + 1));
        assert_eq!(polished.place_of_fresh(3, |_| false), None);
        assert!(polished.findings.is_empty());
    }
}
