//! Reads a project: first what one image needs, then everything.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use rusqlite::{Connection, OptionalExtension as _, Row, Rows, types::FromSql};

use super::codec::{self, Damage, Decoder};
use super::path::Stored;
use super::{Contents, Judgement, Judgements, StoreError, Target};
use crate::annotation::{CategoryId, Dataset, Entry, History, ImageId, Instance, InstanceId, Verbatim};
use crate::job::{Cancel, Meter, Progress};

/// Rows whose source texts share one text in memory, and that are decoded at once on all cores.
const CHUNK: usize = 1 << 14;

/// A connection with the path that errors name.
pub(super) struct Reader<'a> {
    pub connection: &'a Connection,
    pub path: &'a Path,
}

impl Reader<'_> {
    /// What is needed to show one image: all but the history, the judgements and the instances of other images.
    pub(super) fn first(&self) -> Result<Contents, StoreError> {
        let mut contents = self.frame()?;
        let images = &contents.dataset.images;
        let shown = contents.shown.filter(|shown| images.iter().any(|image| image.id == *shown));
        contents.shown = shown.or_else(|| images.first().map(|image| image.id));
        if let Some(shown) = contents.shown {
            let mut statement = self.sql(self.connection.prepare("SELECT record, source FROM instance WHERE image = ?1 ORDER BY rank"))?;
            let mut rows = self.sql(statement.query([shown.0]))?;
            while let Some(instances) = self.chunk(&mut rows)? {
                contents.dataset.instances.extend(instances);
            }
        }
        Ok(contents)
    }

    /// Everything.
    pub(super) fn all(&self, cancel: &Cancel, progress: &mut dyn FnMut(Progress)) -> Result<Contents, StoreError> {
        let mut contents = self.frame()?;
        contents.history = self.history()?;
        contents.judged = self.judged()?;
        let count: i64 = self.sql(self.connection.query_row("SELECT count(*) FROM instance", [], |row| row.get(0)))?;
        let meter = Meter::start("Reading the project", count as u64);
        let instances = &mut contents.dataset.instances;
        instances.reserve_exact(count as usize);
        let mut statement = self.sql(self.connection.prepare("SELECT record, source FROM instance ORDER BY rank"))?;
        let mut rows = self.sql(statement.query([]))?;
        while let Some(chunk) = self.chunk(&mut rows)? {
            instances.extend(chunk);
            progress(meter.at(instances.len() as u64));
            if cancel.is_cancelled() {
                return Err(StoreError::Cancelled { path: self.path.to_owned() });
            }
        }
        Ok(contents)
    }

    /// All but the history, the judgements and the instances.
    fn frame(&self) -> Result<Contents, StoreError> {
        let source = |row: &Row<'_>, column| -> rusqlite::Result<Option<Verbatim>> {
            Ok(row.get_ref(column)?.as_str_or_null()?.and_then(codec::whole))
        };
        let images = self.records("SELECT record, source, place FROM image ORDER BY place", |row| {
            Ok((Decoder::new(row.get_ref(0)?.as_blob()?).image(), source(row, 1)?))
        })?;
        let images = images.into_iter().map(|(image, source)| Ok(crate::annotation::Image { source, ..image? }));
        let categories = self.records("SELECT record, source, place FROM category ORDER BY place", |row| {
            Ok((Decoder::new(row.get_ref(0)?.as_blob()?).category(), source(row, 1)?))
        })?;
        let categories = categories.into_iter().map(|(category, source)| Ok(crate::annotation::Category { source, ..category? }));
        let dataset = Dataset {
            images: images.collect::<Result<_, Damage>>().or_else(|_| self.damaged("an image"))?,
            categories: categories.collect::<Result<_, Damage>>().or_else(|_| self.damaged("a class"))?,
            instances: Vec::new(),
            document: self.records("SELECT key, source FROM member ORDER BY place", |row| Ok((row.get(0)?, source(row, 1)?)))?,
        };
        let reviewed = self.records("SELECT image FROM reviewed", |row| row.get(0).map(ImageId))?;
        Ok(Contents {
            dataset,
            history: History::unknown(self.number("revision")?.unwrap_or(0), self.version()?),
            reviewed: reviewed.into_iter().collect(),
            judged: Judgements::new(),
            shown: self.meta("shown")?.map(ImageId),
            class: self.meta("class")?.map(CategoryId),
            colors: self.records("SELECT class, rgb FROM color", color)?.into_iter().collect(),
            hues: self.records("SELECT class, hue FROM hue", hue)?.into_iter().collect(),
            digits: self.records("SELECT digit, class FROM digit", digit)?.into_iter().collect(),
            exemplars: self.records("SELECT class, id FROM exemplar ORDER BY place", exemplar)?,
            digits_away: self.records("SELECT class, version, digit FROM digit_away", digit_away)?.into_iter().collect(),
            exemplars_away: self.records("SELECT class, version, id FROM exemplar_away ORDER BY place", exemplar_away)?,
            target: self.target()?,
            exported: self.number("exported")?.unwrap_or(0),
            image_folder: self.meta::<Stored<PathBuf>>("image_folder")?.map(|folder| folder.0),
            left_out: self.records("SELECT name FROM left_out", |row| row.get(0))?.into_iter().collect(),
        })
    }

    fn target(&self) -> Result<Option<Target>, StoreError> {
        let Some(Stored(path)) = self.meta::<Stored<PathBuf>>("target")? else { return Ok(None) };
        let (length, modified) = (self.number("target_length")?, self.number("target_modified")?);
        // Older versions kept none.
        let hash = self.meta::<Option<i64>>("target_hash")?.flatten().map(|hash| hash as u64);
        Ok(Some(Target { path, length_bytes: length.unwrap_or(0), modified_ns: modified.unwrap_or(0), hash }))
    }

    /// The version that the last step led to.
    pub(super) fn version(&self) -> Result<u64, StoreError> {
        let last = "SELECT version FROM step WHERE is_done ORDER BY number DESC LIMIT 1";
        let version: Option<i64> = self.sql(self.connection.query_row(last, [], |row| row.get(0)).optional())?;
        Ok(version.map_or(0, |version| version as u64))
    }

    /// The steps.
    pub(super) fn history(&self) -> Result<History, StoreError> {
        let steps = self.records("SELECT is_done, label, image, edit, version FROM step ORDER BY number", |row| {
            let mut decoder = Decoder::new(row.get_ref(3)?.as_blob()?);
            let edit = decoder.edit().and_then(|edit| decoder.end(edit));
            let image = row.get::<_, Option<i64>>(2)?.map(ImageId);
            Ok((row.get::<_, bool>(0)?, row.get::<_, String>(1)?, image, edit, row.get::<_, i64>(4)? as u64))
        })?;
        let (mut done, mut undone) = (Vec::new(), Vec::new());
        for (is_done, label, image, edit, version) in steps {
            let edit = edit.or_else(|_| self.damaged("a step of the history"))?;
            let steps = if is_done { &mut done } else { &mut undone };
            steps.push(Entry::new(label, image, edit, version));
        }
        undone.reverse();
        Ok(History::restored(done, undone, self.number("revision")?.unwrap_or(0)))
    }

    /// What was said of outlines.
    pub(super) fn judged(&self) -> Result<Judgements, StoreError> {
        let judged = self.records("SELECT id, fingerprint, expected, looked_at, painted FROM judged ORDER BY id, fingerprint", |row| {
            let outline = (InstanceId(row.get(0)?), row.get::<_, i64>(1)? as u64);
            Ok((outline, Judgement { expected_iou: row.get(2)?, looked_at: row.get(3)?, painted: row.get(4)? }))
        })?;
        Ok(judged.into_iter().collect())
    }

    /// The next instances of a query for record and source; `None` behind the last one.
    fn chunk(&self, rows: &mut Rows<'_>) -> Result<Option<Vec<Instance>>, StoreError> {
        let mut parts: Vec<(Range<usize>, Option<Range<usize>>)> = Vec::new();
        let (mut bytes, mut text) = (Vec::new(), String::new());
        while parts.len() < CHUNK
            && let Some(row) = self.sql(rows.next())?
        {
            let start = (bytes.len(), text.len());
            let columns = row.get_ref(0).and_then(|record| Ok((record.as_blob()?, row.get_ref(1)?.as_str_or_null()?)));
            let (record, source) = self.sql(columns)?;
            bytes.extend_from_slice(record);
            text.push_str(source.unwrap_or_default());
            parts.push((start.0..bytes.len(), source.map(|_| start.1..text.len())));
        }
        if parts.is_empty() {
            return Ok(None);
        }
        let text: Arc<str> = text.into();
        let decode = |(record, source): (Range<usize>, Option<Range<usize>>)| {
            let mut decoder = Decoder::new(&bytes[record]);
            let instance = decoder.instance().and_then(|instance| decoder.end(instance))?;
            Ok(Instance { source: source.and_then(|range| Verbatim::new(&text, range)), ..instance })
        };
        let instances: Result<_, Damage> = parts.into_par_iter().map(decode).collect();
        instances.map(Some).or_else(|_| self.damaged("an object"))
    }

    fn records<T>(&self, query: &str, record: impl FnMut(&Row<'_>) -> rusqlite::Result<T>) -> Result<Vec<T>, StoreError> {
        let mut statement = self.sql(self.connection.prepare(query))?;
        self.sql(statement.query_map([], record).and_then(Iterator::collect))
    }

    pub(super) fn meta<T: FromSql>(&self, key: &str) -> Result<Option<T>, StoreError> {
        self.sql(self.connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional())
    }

    /// A whole number that is kept under this key.
    pub(super) fn number(&self, key: &str) -> Result<Option<u64>, StoreError> {
        Ok(self.meta::<i64>(key)?.map(|number| number as u64))
    }

    fn sql<T>(&self, result: rusqlite::Result<T>) -> Result<T, StoreError> {
        result.map_err(|error| StoreError::of(self.path, error))
    }

    fn damaged<T>(&self, record: &str) -> Result<T, StoreError> {
        Err(StoreError::Damaged { path: self.path.to_owned(), record: record.to_owned() })
    }
}

/// A class with an object that is an exemplar of it.
fn exemplar(row: &Row<'_>) -> rusqlite::Result<(CategoryId, InstanceId)> {
    Ok((CategoryId(row.get(0)?), InstanceId(row.get(1)?)))
}

/// A digit with the class that it was given to.
fn digit(row: &Row<'_>) -> rusqlite::Result<(u8, CategoryId)> {
    Ok((row.get(0)?, CategoryId(row.get(1)?)))
}

/// A class that went and the version of the step that it went with, with the digit that it had.
fn digit_away(row: &Row<'_>) -> rusqlite::Result<((CategoryId, u64), u8)> {
    Ok(((CategoryId(row.get(0)?), row.get::<_, i64>(1)? as u64), row.get(2)?))
}

/// A class that went and the version of the step that it went with, with an exemplar that it had.
fn exemplar_away(row: &Row<'_>) -> rusqlite::Result<(CategoryId, u64, InstanceId)> {
    Ok((CategoryId(row.get(0)?), row.get::<_, i64>(1)? as u64, InstanceId(row.get(2)?)))
}

/// A class with the place of its usual colour.
fn hue(row: &Row<'_>) -> rusqlite::Result<(CategoryId, usize)> {
    Ok((CategoryId(row.get(0)?), row.get::<_, i64>(1)? as usize))
}

/// A class with its colour.
fn color(row: &Row<'_>) -> rusqlite::Result<(CategoryId, [u8; 3])> {
    let [_, red, green, blue] = row.get::<_, u32>(1)?.to_be_bytes();
    Ok((CategoryId(row.get(0)?), [red, green, blue]))
}
