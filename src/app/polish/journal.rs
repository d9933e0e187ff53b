//! What a polish job found so far, on disk: one JSON record a line, so that a crash loses the line in progress at most.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Finding, Plan};
use crate::annotation::InstanceId;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// The first: what the job is.
    Plan(Plan),
    /// An object that was looked at.
    Finding(Finding),
    /// An object about which a person has decided.
    Decided(i64),
    /// An object about which a person has taken the decision back.
    Undecided(i64),
}

/// What a journal tells.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Told {
    /// What the job is.
    pub plan: Plan,
    /// The objects that were looked at and not decided about.
    pub findings: Vec<Finding>,
    /// The objects about which a person has decided.
    pub decided: Vec<InstanceId>,
}

/// A journal that is open for more.
#[derive(Debug)]
pub(crate) struct Journal {
    pub(super) file: File,
    path: PathBuf,
    /// Lines that are not written, where the disk did not take them.
    waiting: Vec<u8>,
}

impl Journal {
    /// A new journal in place of an older one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn create(path: PathBuf, plan: &Plan) -> std::io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut journal = Self { file: File::create(&path)?, path, waiting: Vec::new() };
        journal.append([Line::Plan(plan.clone())])?;
        Ok(journal)
    }

    /// Goes on in the journal at `path`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn resume(path: PathBuf) -> std::io::Result<Self> {
        let mut file = File::options().append(true).open(&path)?;
        // A line that a crash cut off must not run into the next one; an empty line is skipped.
        file.write_all(b"\n")?;
        Ok(Self { file, path, waiting: Vec::new() })
    }

    /// Adds objects that were looked at.
    ///
    /// # Errors
    /// When the file cannot be written; the next call tries again.
    pub(crate) fn add(&mut self, findings: &[Finding]) -> std::io::Result<()> {
        self.append(findings.iter().cloned().map(Line::Finding))
    }

    /// Adds that a person has decided about objects.
    ///
    /// # Errors
    /// When the file cannot be written; the next call tries again.
    pub(crate) fn decide(&mut self, ids: impl IntoIterator<Item = i64>) -> std::io::Result<()> {
        self.append(ids.into_iter().map(Line::Decided))
    }

    /// Adds that a person has taken back what was decided about objects.
    ///
    /// # Errors
    /// When the file cannot be written; the next call tries again.
    pub(crate) fn undecide(&mut self, ids: impl IntoIterator<Item = i64>) -> std::io::Result<()> {
        self.append(ids.into_iter().map(Line::Undecided))
    }

    /// Takes the journal away: everything is decided.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub(crate) fn remove(self) -> std::io::Result<()> {
        drop(self.file);
        std::fs::remove_file(self.path)
    }

    fn append(&mut self, lines: impl IntoIterator<Item = Line>) -> std::io::Result<()> {
        for line in lines {
            serde_json::to_writer(&mut self.waiting, &line)?;
            self.waiting.push(b'\n');
        }
        if let Err(error) = self.file.write_all(&self.waiting) {
            // Half a line may stand there now.
            self.waiting.insert(0, b'\n');
            return Err(error);
        }
        self.waiting.clear();
        Ok(())
    }
}

/// The plan of the journal at `path` and its other lines; `None` where there is none that can be used. Lines that cannot be
/// read are left out.
fn lines(path: &Path) -> Option<(Plan, impl Iterator<Item = Line>)> {
    let mut lines = BufReader::new(File::open(path).ok()?).lines().map_while(Result::ok);
    let Ok(Line::Plan(plan)) = serde_json::from_str(&lines.next()?) else { return None };
    Some((plan, lines.filter_map(|line| serde_json::from_str::<Line>(&line).ok())))
}

/// How many changes of the journal at `path` are not decided about, without keeping them all in memory; `None` where there
/// is none that can be used.
pub(crate) fn undecided(path: &Path) -> Option<usize> {
    let (_, lines) = lines(path)?;
    let (mut changed, mut decided) = (HashSet::new(), HashSet::new());
    for line in lines {
        match line {
            Line::Finding(Finding { id, after: Some(_), .. }) => changed.insert(id),
            Line::Finding(Finding { id, .. }) => changed.remove(&id),
            Line::Decided(id) => decided.insert(id),
            Line::Undecided(id) => decided.remove(&id),
            Line::Plan(_) => false,
        };
    }
    Some(changed.difference(&decided).count())
}

/// The journal at `path`; `None` where there is none that can be used.
pub(crate) fn read(path: &Path) -> Option<Told> {
    let (plan, lines) = lines(path)?;
    let (mut findings, mut decided) = (HashMap::new(), BTreeSet::new());
    let mut order = Vec::new();
    for line in lines {
        match line {
            Line::Finding(finding) => {
                order.push(finding.id);
                findings.insert(finding.id, finding);
            }
            Line::Decided(id) => {
                decided.insert(id);
            }
            Line::Undecided(id) => {
                decided.remove(&id);
            }
            Line::Plan(_) => {}
        }
    }
    findings.retain(|id, _| !decided.contains(id));
    let findings = order.iter().filter_map(|id| findings.remove(id)).collect();
    Some(Told { plan, findings, decided: decided.into_iter().map(InstanceId).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_survives_a_crash() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/polish.jsonl");
        let plan = Plan { category: Some(3), least_area: 512, strength: 0.5, band_px: Some(4), coarse: true };
        let finding = |id| Finding { id, before: u64::MAX - 3, change: 0.25, added: 3, removed: 4, after: Some("0n0".to_owned()) };
        assert_eq!(read(&path), None);
        let mut journal = Journal::create(path.clone(), &plan).unwrap();
        journal.add(&[finding(1), finding(2), finding(3)]).unwrap();
        journal.decide([2]).unwrap();
        drop(journal);
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"{\"finding\":{\"id\":4,\"bef").unwrap();
        let told = Told { plan, findings: vec![finding(1), finding(3)], decided: vec![InstanceId(2)] };
        assert_eq!(read(&path), Some(told.clone()));
        let mut journal = Journal::resume(path.clone()).unwrap();
        journal.add(&[finding(5)]).unwrap();
        assert_eq!(read(&path).unwrap().findings, [finding(1), finding(3), finding(5)]);
        journal.decide([1, 3]).unwrap();
        journal.undecide([1, 2]).unwrap();
        let told = read(&path).unwrap();
        assert_eq!((told.findings, told.decided), (vec![finding(1), finding(2), finding(5)], vec![InstanceId(3)]));
        assert_eq!(undecided(&path), Some(3));
        journal.add(&[Finding { after: None, ..finding(6) }, Finding { after: None, ..finding(2) }]).unwrap();
        assert_eq!(undecided(&path), Some(2), "what was kept needs no decision");
        journal.remove().unwrap();
        assert_eq!((read(&path), undecided(&path)), (None, None));
    }

    #[test]
    fn what_the_disk_did_not_take_is_written_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("polish.jsonl");
        let plan = Plan { category: None, least_area: 0, strength: 0.5, band_px: None, coarse: false };
        let finding = |id| Finding { id, before: 7, change: 0.5, added: 1, removed: 2, after: None };
        let mut journal = Journal::create(path.clone(), &plan).unwrap();
        let writable = std::mem::replace(&mut journal.file, File::open(&path).unwrap());
        journal.add(&[finding(1)]).unwrap_err();
        journal.add(&[finding(2)]).unwrap_err();
        journal.file = writable;
        journal.file.write_all(b"{\"finding\":{\"id\":1,").unwrap();
        journal.decide([2]).unwrap();
        assert_eq!(read(&path).unwrap(), Told { plan, findings: vec![finding(1)], decided: vec![InstanceId(2)] });
    }
}
