//! `check`: what is odd about a COCO file and its pictures, for people and for programs.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use serde::Serialize;

use super::terminal::Terminal;
use super::{Outcome, dataset};
use crate::formats::check::{Summary, check};
use crate::formats::save::replace;
use crate::formats::{Record, Report, Severity, Warning, coco};
use crate::job::Cancel;

/// So many findings of one kind are named one by one; the JSON report has all.
const MOST_NAMED: usize = 10;

/// The options of `check`.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The COCO file to check
    #[arg(value_name = "FILE")]
    data: PathBuf,
    /// Also check the pictures in this folder: are they there, whole, of the right size, turned by EXIF
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// End with exit code 1 where there is an error among the findings
    #[arg(long)]
    strict: bool,
    /// Also write all findings as JSON
    #[arg(long, value_name = "REPORT")]
    json: Option<PathBuf>,
}

/// The JSON report.
#[derive(Serialize)]
struct Document<'a> {
    file: String,
    images_folder: Option<String>,
    summary: Summary,
    errors: usize,
    warnings: usize,
    notes: usize,
    counts: BTreeMap<&'static str, usize>,
    findings: Vec<Finding<'a>>,
}

/// A finding in the JSON report.
#[derive(Serialize)]
struct Finding<'a> {
    code: &'static str,
    severity: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotation_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    list: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    file: String,
    message: String,
}

impl<'a> From<&'a Warning> for Finding<'a> {
    fn from(warning: &'a Warning) -> Self {
        let ids = match &warning.record {
            Record::Annotation(id) => (Some(*id), None, None),
            Record::Image(id) => (None, Some(*id), None),
            Record::Category(id) => (None, None, Some(*id)),
            Record::File | Record::Member(_) | Record::Place(..) => (None, None, None),
        };
        let place = match &warning.record {
            Record::Place(list, index) => Some((*list, *index)),
            _ => None,
        };
        Self {
            code: warning.problem.code(),
            severity: warning.problem.severity().name(),
            annotation_id: ids.0,
            image_id: ids.1,
            category_id: ids.2,
            list: place.map(|(list, _)| list),
            index: place.map(|(_, index)| index),
            file: warning.origin.display().to_string(),
            message: format!("{} {}", warning.record, warning.problem),
        }
    }
}

pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal, cancel: &Cancel) -> anyhow::Result<Outcome> {
    arguments.images.as_deref().map_or(Ok(()), dataset::folder)?;
    dataset::writable(&arguments.json)?;
    dataset::apart(&arguments.json, [&arguments.data])?;
    let data = coco::file_of(&arguments.data)?;
    let read = coco::read_with(&data, cancel, &mut |progress| terminal.progress(&progress));
    terminal.finish();
    let (dataset, mut report) = read?;
    let health = check(&dataset, &data, arguments.images.as_deref(), cancel, &mut |progress| terminal.progress(&progress));
    terminal.finish();
    let Some(health) = health else { return Ok(Outcome::Cancelled) };
    report.append(health.report);
    let text = text(&report);
    if !text.is_empty() {
        terminal.message(&text);
    }
    let Summary { images, objects, categories, .. } = health.summary;
    let [errors, warnings, notes] = [Severity::Error, Severity::Warning, Severity::Note].map(|severity| report.count(severity));
    terminal.message(&format!(
        "checked {}: {images} images, {objects} objects, {categories} categories; {errors} errors, {warnings} warnings, {notes} notes",
        arguments.data.display()
    ));
    if let Some(path) = &arguments.json {
        let document = document(arguments, &report, health.summary);
        let text = serde_json::to_string_pretty(&document)?;
        replace(path, |out| out.write_all(text.as_bytes())).with_context(|| format!("cannot write {}", path.display()))?;
    }
    anyhow::ensure!(!arguments.strict || errors == 0, "{errors} errors were found: {}", arguments.data.display());
    Ok(Outcome::Done)
}

fn document<'a>(arguments: &Arguments, report: &'a Report, summary: Summary) -> Document<'a> {
    let mut counts = BTreeMap::new();
    for warning in &report.warnings {
        *counts.entry(warning.problem.code()).or_insert(0) += 1;
    }
    Document {
        file: arguments.data.display().to_string(),
        images_folder: arguments.images.as_ref().map(|folder| folder.display().to_string()),
        summary,
        errors: report.count(Severity::Error),
        warnings: report.count(Severity::Warning),
        notes: report.count(Severity::Note),
        counts,
        findings: report.warnings.iter().map(Finding::from).collect(),
    }
}

/// The findings by kind, the gravest first.
fn text(report: &Report) -> String {
    let mut kinds: BTreeMap<(Severity, &str), Vec<&Warning>> = BTreeMap::new();
    for warning in &report.warnings {
        kinds.entry((warning.problem.severity(), warning.problem.code())).or_default().push(warning);
    }
    let mut lines = Vec::new();
    for ((severity, code), warnings) in kinds {
        lines.push(format!("{}: {} ({})", severity.name(), code.replace('_', " "), warnings.len()));
        lines.extend(warnings.iter().take(MOST_NAMED).map(|warning| format!("  {} {}", warning.record, warning.problem)));
        if warnings.len() > MOST_NAMED {
            lines.push(format!("  and {} more", warnings.len() - MOST_NAMED));
        }
    }
    lines.join("\n")
}
