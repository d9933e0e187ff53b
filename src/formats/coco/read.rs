//! From a file to a data set.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use serde::de::DeserializeSeed as _;
use serde_json::value::RawValue;

use super::document::{Document, Finder, Member, Records, range_in, standard};
use super::record::{self, NO_ID, Parsed};
use crate::annotation::{Category, Dataset, Image, Instance, InstanceId, Verbatim};
use crate::formats::{Problem, Record, Report, Warning};
use crate::geometry::Size;
use crate::job::{Cancel, Meter, Progress};

/// Why a file gave no data set at all.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("cannot read the file: {source}: {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The file is no UTF-8 text.
    #[error("the file is not UTF-8 text: byte {at} is not part of a character: {}", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// The first byte that is wrong, from 0.
        at: usize,
    },
    /// The file is text in another form.
    #[error("the file is UTF-16 text, save it as UTF-8: {}", path.display())]
    Utf16 {
        /// The file.
        path: PathBuf,
    },
    /// The file is packed.
    #[error("the file is packed ({packing}), unpack it first: {}", path.display())]
    Packed {
        /// The file.
        path: PathBuf,
        /// What packed it.
        packing: &'static str,
    },
    /// The file is no JSON, or not a data set's.
    #[error("the file is not {}: {source}: {}", if source.is_data() { "a COCO or LVIS file" } else { "JSON" }, path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        source: serde_json::Error,
    },
    /// The file is JSON of another kind.
    #[error("the file is not a COCO or LVIS file: it has no list of images: {}", path.display())]
    NoImages {
        /// The file.
        path: PathBuf,
    },
    /// The file is a bare list of results, which mean nothing without the data set that they belong to.
    #[error("the file is a list of results, not a data set: open the data set that they belong to: {}", path.display())]
    Results {
        /// The file.
        path: PathBuf,
    },
    /// A folder was named in which there is no data set.
    #[error("there is no COCO file in the folder{}: {}", seen_below(below, path), path.display())]
    NoFile {
        /// The folder.
        path: PathBuf,
        /// The files in the folders in it.
        below: Vec<PathBuf>,
    },
    /// A folder was named that several data sets belong to.
    #[error("several COCO files belong to the folder ({}), name one of them: {}", names(files), path.display())]
    Several {
        /// The folder.
        path: PathBuf,
        /// The files.
        files: Vec<PathBuf>,
    },
    /// The job was cancelled.
    #[error("reading was cancelled: {}", path.display())]
    Cancelled {
        /// The file.
        path: PathBuf,
    },
}

fn names(files: &[PathBuf]) -> String {
    let names: Vec<_> = files.iter().filter_map(|file| file.file_name()).map(|name| name.to_string_lossy()).collect();
    names.join(", ")
}

fn seen_below(files: &[PathBuf], folder: &Path) -> String {
    let names: Vec<_> = files.iter().map(|file| file.strip_prefix(folder).unwrap_or(file).display().to_string()).collect();
    if names.is_empty() { String::new() } else { format!(", but in folders in it ({}), name one of them", names.join(", ")) }
}

/// Reads a data set.
///
/// # Errors
/// When the file cannot be read or is no data set; odd records are in the [`Report`] instead.
pub fn read(path: &Path) -> Result<(Dataset, Report), ReadError> {
    read_with(path, &Cancel::new(), &mut |_| ())
}

/// [`read`] with the means to stop it and to see how far it is: first in kilobytes of the file, then in annotations.
///
/// # Errors
/// As [`read`], and when `cancel` was raised.
pub fn read_with(path: &Path, cancel: &Cancel, progress: &mut dyn FnMut(Progress)) -> Result<(Dataset, Report), ReadError> {
    Reader { origin: path, cancel, progress }.dataset(&text(path)?)
}

/// The data set in `source`, which was read from the file `origin`.
///
/// # Errors
/// When `source` is no data set.
pub fn parse(source: &Arc<str>, origin: &Path) -> Result<(Dataset, Report), ReadError> {
    Reader { origin, cancel: &Cancel::new(), progress: &mut |_| () }.dataset(source)
}

/// Reads predictions for `truth`: a list of results, joined with the images and categories of `truth`, or a data set of
/// their own. Results have no ids; theirs follow on the largest of `truth`, so that none is taken for an object of it.
///
/// # Errors
/// As [`read`].
pub fn read_results(path: &Path, truth: &Dataset) -> Result<(Dataset, Report), ReadError> {
    let (cancel, progress) = (&Cancel::new(), &mut |_| ());
    let mut reader = Reader { origin: path, cancel, progress };
    let source = text(path)?;
    if is_list(&source) { reader.results(&source, truth) } else { reader.dataset(&source) }
}

fn text(path: &Path) -> Result<Arc<str>, ReadError> {
    let bytes = std::fs::read(path).map_err(|source| ReadError::Io { path: path.to_owned(), source })?;
    if UTF_16.iter().any(|mark| bytes.starts_with(mark)) {
        return Err(ReadError::Utf16 { path: path.to_owned() });
    }
    if let Some((_, packing)) = PACKED.iter().find(|(mark, _)| bytes.starts_with(mark)) {
        return Err(ReadError::Packed { path: path.to_owned(), packing });
    }
    let text =
        String::from_utf8(bytes).map_err(|error| ReadError::NotText { path: path.to_owned(), at: error.utf8_error().valid_up_to() })?;
    Ok(text.into())
}

/// The mark that text begins with where each character takes two bytes, the low or the high one first.
const UTF_16: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];

/// What packed files begin with.
const PACKED: [(&[u8], &str); 5] =
    [(b"\x1f\x8b", "gzip"), (b"PK\x03\x04", "zip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zstd")];

/// Some editors begin a file with this mark.
const BYTE_ORDER_MARK: char = '\u{feff}';

fn is_list(source: &str) -> bool {
    source.trim_start_matches(BYTE_ORDER_MARK).trim_start().starts_with('[')
}

/// Annotations that are parsed between two looks at the cancel flag.
const CHUNK: usize = 1 << 14;

/// Finds the records of a text.
type Find<'a, T> = fn(&mut dyn FnMut(&str) -> bool, &mut serde_json::Deserializer<serde_json::de::StrRead<'a>>) -> serde_json::Result<T>;

struct Reader<'a> {
    origin: &'a Path,
    cancel: &'a Cancel,
    progress: &'a mut dyn FnMut(Progress),
}

impl Reader<'_> {
    fn dataset(&mut self, source: &Arc<str>) -> Result<(Dataset, Report), ReadError> {
        if is_list(source) {
            return Err(ReadError::Results { path: self.origin.to_owned() });
        }
        self.with_standard(source, |reader, json| {
            let document = reader.found(json, |watch, json| Finder(watch).deserialize(json))?;
            if !document.0.iter().any(|(key, _)| key == "images" || key == "annotations") {
                return Err(ReadError::NoImages { path: reader.origin.to_owned() });
            }
            reader.joined(source, json, document)
        })
    }

    fn results(&mut self, source: &Arc<str>, truth: &Dataset) -> Result<(Dataset, Report), ReadError> {
        self.with_standard(source, |reader, json| {
            let records = reader.found(json, |watch, json| Records(watch).deserialize(json))?;
            let mut dataset = Dataset { images: truth.images.clone(), categories: truth.categories.clone(), ..Dataset::default() };
            let mut warnings = Warnings::of(reader.origin);
            let floor = truth.instances.iter().map(|instance| instance.id.0).max().unwrap_or(0);
            reader.instances(&mut dataset, &mut warnings, &Text { source, json }, &records, floor, true)?;
            Ok((dataset, warnings.report))
        })
    }

    /// Runs `work` on the text, or, where the text holds `NaN` and the like, on one without them.
    fn with_standard<T>(
        &mut self,
        source: &Arc<str>,
        mut work: impl FnMut(&mut Self, &str) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let whole = |text: &str| text.trim_start_matches(BYTE_ORDER_MARK).len();
        let json = &source[source.len() - whole(source)..];
        match work(self, json) {
            Err(error @ ReadError::Json { .. }) => match standard(json) {
                Some(standard) => work(self, &standard),
                None => Err(error),
            },
            done => done,
        }
    }

    /// Where the records stand in `json`, as `find` tells; it calls the function that it gets now and then.
    fn found<'a, T>(&mut self, json: &'a str, find: Find<'a, T>) -> Result<T, ReadError> {
        let meter = Meter::start("Reading the file, in kB", json.len() as u64 / 1000);
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let mut watch = |record: &str| {
            (self.progress)(meter.at(range_in(json, record).start as u64 / 1000));
            !self.cancel.is_cancelled()
        };
        let found = find(&mut watch, &mut deserializer).and_then(|found| deserializer.end().map(|()| found));
        match found {
            Err(_) if self.cancel.is_cancelled() => Err(ReadError::Cancelled { path: self.origin.to_owned() }),
            found => found.map_err(|source| ReadError::Json { path: self.origin.to_owned(), source }),
        }
    }

    fn joined(&mut self, source: &Arc<str>, json: &str, document: Document<'_>) -> Result<(Dataset, Report), ReadError> {
        let text = Text { source, json };
        let mut warnings = Warnings::of(self.origin);
        let mut dataset = Dataset::default();
        let mut lists: HashMap<&str, Vec<&RawValue>> = HashMap::new();
        let mut last: HashMap<String, usize> = HashMap::new();
        for (place, (key, _)) in document.0.iter().enumerate() {
            if last.insert(key.clone(), place).is_some() {
                warnings.add(Record::Member(key.clone()), Problem::Repeated);
            }
        }
        for (place, (key, member)) in document.0.into_iter().enumerate() {
            if last.get(&key) != Some(&place) {
                continue;
            }
            match member {
                Member::Other(value) => dataset.document.push((key, text.verbatim(value))),
                Member::List(records) => {
                    if let Some(name) = super::document::LISTS.into_iter().find(|name| *name == key) {
                        lists.insert(name, records);
                    }
                    dataset.document.push((key, None));
                }
            }
        }
        let mut list = |name| lists.remove(name).unwrap_or_default();
        dataset.images = images(&list("images"), &text, &mut warnings);
        dataset.categories = categories(&list("categories"), &text, &mut warnings);
        self.instances(&mut dataset, &mut warnings, &text, &list("annotations"), 0, false)?;
        Ok((dataset, warnings.report))
    }

    /// Parses the annotations and puts them into `dataset`. Ids that are missing or taken become new ones above all
    /// others and above `floor`; that is no oddity for `results`.
    fn instances(
        &mut self,
        dataset: &mut Dataset,
        warnings: &mut Warnings,
        text: &Text<'_>,
        records: &[&RawValue],
        floor: i64,
        results: bool,
    ) -> Result<(), ReadError> {
        let sizes: HashMap<i64, Size> = dataset.images.iter().rev().map(|image| (image.id.0, image.size)).collect();
        let categories: HashSet<i64> = dataset.categories.iter().map(|category| category.id.0).collect();
        // An image whose size is not known cannot contradict a mask.
        let size = |id: i64| sizes.get(&id).copied().filter(|size| size.has_pixels());
        let parse = |record: &&RawValue| {
            let mut parsed = record::instance(record.get(), size);
            let instance = &mut parsed.value;
            instance.source = text.verbatim(record);
            let (image, category) = (instance.image_id.0, instance.category_id.0);
            if image != NO_ID && !sizes.contains_key(&image) {
                parsed.problems.push(Problem::NoImage(image));
            }
            if category != NO_ID && !categories.contains(&category) {
                parsed.problems.push(Problem::NoCategory(category));
            }
            parsed
        };
        let meter = Meter::start("Reading annotations", records.len() as u64);
        let mut seen = HashSet::with_capacity(records.len());
        // Places of instances that need another id, with the warning that tells it.
        let mut without_id: Vec<(usize, Option<usize>)> = Vec::new();
        dataset.instances.reserve_exact(records.len());
        for chunk in records.chunks(CHUNK) {
            if self.cancel.is_cancelled() {
                return Err(ReadError::Cancelled { path: self.origin.to_owned() });
            }
            let parsed: Vec<Parsed<Instance>> = chunk.par_iter().map(parse).collect();
            for Parsed { value, problems } in parsed {
                let (place, id) = (dataset.instances.len(), value.id.0);
                let record = if id == NO_ID { Record::Place("annotations", place) } else { Record::Annotation(id) };
                warnings.add_all(&record, problems);
                if id == NO_ID {
                    without_id.push((place, None));
                    let why = records.get(place).filter(|_| !results).and_then(|text| record::unusable(text.get(), "id"));
                    if let Some(why) = why {
                        warnings.add(record, why);
                    }
                } else if !seen.insert(id) {
                    without_id.push((place, Some(warnings.report.warnings.len())));
                    warnings.add(record, Problem::DuplicateId { kept_as: id });
                }
                dataset.instances.push(value);
            }
            (self.progress)(meter.at(dataset.instances.len() as u64));
        }
        let mut next = seen.iter().copied().max().unwrap_or(0).max(floor);
        for (place, warning) in without_id {
            next = next.wrapping_add(1);
            while seen.contains(&next) || next == NO_ID {
                next = next.wrapping_add(1);
            }
            seen.insert(next);
            dataset.instances[place].id = InstanceId(next);
            if let Some(warning) = warning {
                warnings.report.warnings[warning].problem = Problem::DuplicateId { kept_as: next };
            }
        }
        Ok(())
    }
}

/// The text of a file, and the JSON parsed for it: the end of it, or a twin of that end of the same length.
struct Text<'a> {
    source: &'a Arc<str>,
    json: &'a str,
}

impl Text<'_> {
    fn verbatim(&self, value: &RawValue) -> Option<Verbatim> {
        let range = range_in(self.json, value.get());
        let skipped = self.source.len() - self.json.len();
        Verbatim::new(self.source, range.start + skipped..range.end + skipped)
    }
}

struct Warnings {
    origin: Arc<Path>,
    report: Report,
}

impl Warnings {
    fn of(origin: &Path) -> Self {
        Self { origin: origin.into(), report: Report::default() }
    }

    fn add(&mut self, record: Record, problem: Problem) {
        self.report.warnings.push(Warning { origin: Arc::clone(&self.origin), record, problem });
    }

    fn add_all(&mut self, record: &Record, problems: Vec<Problem>) {
        for problem in problems {
            self.add(record.clone(), problem);
        }
    }
}

fn images(records: &[&RawValue], text: &Text<'_>, warnings: &mut Warnings) -> Vec<Image> {
    let parsed: Vec<_> = records.par_iter().map(|record| (record::image(record.get()), text.verbatim(record))).collect();
    let mut seen = HashSet::with_capacity(parsed.len());
    let mut images = Vec::with_capacity(parsed.len());
    for (place, (Parsed { value, problems }, source)) in parsed.into_iter().enumerate() {
        let id = value.id.0;
        let record = if id == NO_ID { Record::Place("images", place) } else { Record::Image(id) };
        warnings.add_all(&record, problems);
        if id != NO_ID && !seen.insert(id) {
            warnings.add(record, Problem::Shadowed);
        }
        images.push(Image { source, ..value });
    }
    images
}

fn categories(records: &[&RawValue], text: &Text<'_>, warnings: &mut Warnings) -> Vec<Category> {
    let mut seen = HashSet::with_capacity(records.len());
    let mut categories = Vec::with_capacity(records.len());
    for (place, record) in records.iter().enumerate() {
        let Parsed { value, problems } = record::category(record.get());
        let id = value.id.0;
        let name = if id == NO_ID { Record::Place("categories", place) } else { Record::Category(id) };
        warnings.add_all(&name, problems);
        if id != NO_ID && !seen.insert(id) {
            warnings.add(name, Problem::Shadowed);
        }
        categories.push(Category { source: text.verbatim(record), ..value });
    }
    categories
}
