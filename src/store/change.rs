//! What is written in one transaction, and how the rows change.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::path::Stored;
use super::{Judgement, Judgements, Target, codec};
use crate::annotation::{Category, CategoryId, Dataset, Edit, Entry, History, Image, ImageId, Instance, InstanceId};

/// Ranks between two neighbours of a new project: as many halvings as bits until ranks are given anew.
pub(super) const GAP: i64 = 1 << 20;

/// How the history moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// A new step.
    Commit,
    /// The last step was taken back.
    Undo,
    /// A step was done again.
    Redo,
}

/// A change of the project: one transaction.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The history moved.
    Step(Box<Step>),
    /// Images in a row: new ones behind the others, or ones whose sizes are known now.
    Images {
        /// The place of the first one.
        first: usize,
        /// The images.
        images: Vec<Image>,
    },
    /// An image was marked as reviewed, or the mark was taken off.
    Reviewed(ImageId, bool),
    /// This is known of outlines by now.
    Judged(Judgements),
    /// Another image is shown.
    Shown(ImageId),
    /// Another class is chosen.
    Class(CategoryId),
    /// A person chose a class's colour, or took it off again.
    Color(CategoryId, Option<[u8; 3]>),
    /// These are the usual colours that classes have, or had before they went.
    Hues(BTreeMap<CategoryId, usize>),
    /// These are the digits that a person gave to classes.
    Digits(BTreeMap<u8, CategoryId>),
    /// These objects are exemplars of a class, the oldest first.
    Exemplars(Vec<(CategoryId, InstanceId)>),
    /// These are the digits of classes that went, by the version of the step that they went with.
    DigitsAway(BTreeMap<(CategoryId, u64), u8>),
    /// These are the exemplars of classes that went, with the version of the step that they went with.
    ExemplarsAway(Vec<(CategoryId, u64, InstanceId)>),
    /// An annotation file holds what the project held at a version.
    Exported(Target, u64),
    /// A person chose the folder of the images.
    ImageFolder(PathBuf),
    /// Images that were left out before the history begins are no longer.
    BroughtBack,
}

/// A move of the history with the rows that are different after it.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    revision: u64,
    number: usize,
    made: Move,
    entry: Entry,
    removed: Vec<InstanceId>,
    put: Vec<Put>,
    images: Vec<(usize, Image)>,
    /// Where images come or go: the place of the first one that is another, and the images from there on.
    last_images: Option<(usize, Vec<Image>)>,
    categories: Option<Vec<Category>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Put {
    instance: Instance,
    /// For an instance without a row: the one before it in the file, `None` for the first.
    after: Option<InstanceId>,
}

impl Change {
    /// The change that `made` was, after it; `place` finds an instance in `dataset`. `None` where there was no step.
    pub fn of_step(made: Move, dataset: &Dataset, history: &History, place: impl Fn(InstanceId) -> Option<usize>) -> Option<Self> {
        let (entry, number) = match made {
            Move::Undo => (history.undone().last()?, history.done().len() + 1),
            Move::Commit | Move::Redo => (history.done().last()?, history.done().len()),
        };
        let mut touched = Touched::default();
        touched.add(entry.edit(), dataset);
        let mut present: Vec<(usize, bool)> = touched.instances.iter().filter_map(|(&id, &moves)| Some((place(id)?, moves))).collect();
        // In file order, so that each new row finds the row before it.
        present.sort_unstable();
        let put = present.iter().filter_map(|&(place, _)| {
            let after = place.checked_sub(1).and_then(|before| dataset.instances.get(before)).map(|before| before.id);
            Some(Put { instance: dataset.instances.get(place)?.clone(), after })
        });
        // Few edits are about images, of which there may be many.
        let all: &[Image] = if touched.images.is_empty() { &[] } else { &dataset.images };
        let images = all.iter().enumerate().filter(|(_, image)| touched.images.contains(&image.id));
        Some(Self::Step(Box::new(Step {
            revision: history.revision(),
            number,
            made,
            entry: entry.clone(),
            put: put.collect(),
            removed: touched.instances.into_iter().filter(|(_, moves)| *moves).map(|(id, _)| id).collect(),
            images: images.map(|(place, image)| (place, image.clone())).collect(),
            last_images: touched.first_image.map(|first| (first, dataset.images.iter().skip(first).cloned().collect())),
            categories: touched.categories.then(|| dataset.categories.clone()),
        })))
    }

    /// Writes the change in one transaction; it is there as a whole or not at all.
    pub(super) fn write(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        match self {
            Self::Step(step) => step.write(&transaction)?,
            Self::Images { first, images } => {
                for (index, image) in images.iter().enumerate() {
                    put_image(&transaction, first + index, image)?;
                }
            }
            Self::Reviewed(image, true) => {
                transaction.prepare_cached("INSERT OR IGNORE INTO reviewed VALUES (?1)")?.execute([image.0])?;
            }
            Self::Reviewed(image, false) => {
                transaction.prepare_cached("DELETE FROM reviewed WHERE image = ?1")?.execute([image.0])?;
            }
            Self::Judged(judged) => {
                for (&outline, judgement) in judged {
                    put_judgement(&transaction, outline, judgement)?;
                }
            }
            Self::Shown(image) => set(&transaction, "shown", image.0)?,
            Self::Class(class) => set(&transaction, "class", class.0)?,
            Self::Color(class, Some(color)) => put_color(&transaction, *class, *color)?,
            Self::Color(class, None) => {
                transaction.prepare_cached("DELETE FROM color WHERE class = ?1")?.execute([class.0])?;
            }
            Self::Hues(hues) => {
                transaction.execute("DELETE FROM hue", [])?;
                put_hues(&transaction, hues)?;
            }
            Self::Digits(digits) => {
                transaction.execute("DELETE FROM digit", [])?;
                put_digits(&transaction, digits)?;
            }
            Self::Exemplars(exemplars) => {
                transaction.execute("DELETE FROM exemplar", [])?;
                put_exemplars(&transaction, exemplars)?;
            }
            Self::DigitsAway(digits) => {
                transaction.execute("DELETE FROM digit_away", [])?;
                put_digits_away(&transaction, digits)?;
            }
            Self::ExemplarsAway(exemplars) => {
                transaction.execute("DELETE FROM exemplar_away", [])?;
                put_exemplars_away(&transaction, exemplars)?;
            }
            Self::Exported(target, version) => put_target(&transaction, target, *version)?,
            Self::ImageFolder(folder) => set(&transaction, "image_folder", Stored(folder.as_path()))?,
            Self::BroughtBack => {
                transaction.execute("DELETE FROM left_out", [])?;
            }
        }
        transaction.commit()
    }
}

/// The instances that an edit changes, with whether they come or go, the images, the first place from which on images
/// come or go, and whether it changes categories.
#[derive(Default)]
struct Touched {
    instances: BTreeMap<InstanceId, bool>,
    images: BTreeSet<ImageId>,
    first_image: Option<usize>,
    categories: bool,
}

impl Touched {
    /// Adds what `edit` will change in `dataset`.
    fn add(&mut self, edit: &Edit, dataset: &Dataset) {
        match edit {
            Edit::Insert { instance, .. } => *self.instances.entry(instance.id).or_default() = true,
            Edit::Remove(id) => *self.instances.entry(*id).or_default() = true,
            Edit::Replace(instance) => *self.instances.entry(instance.id).or_default() |= false,
            Edit::InsertCategory { .. } | Edit::RemoveCategory(_) | Edit::ReplaceCategory(_) => self.categories = true,
            Edit::ReplaceImage(image) => {
                self.images.insert(image.id);
            }
            Edit::InsertImage { index, .. } => self.move_images(Some(*index)),
            Edit::RemoveImage(id) => self.move_images(dataset.images.iter().position(|image| image.id == *id)),
            Edit::Batch(edits) => edits.iter().for_each(|edit| self.add(edit, dataset)),
        }
    }

    fn move_images(&mut self, first: Option<usize>) {
        self.first_image = self.first_image.into_iter().chain(first).min();
    }
}

impl Step {
    fn write(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        for id in &self.removed {
            if let Some(rank) = rank_of(transaction, *id)? {
                transaction.prepare_cached("DELETE FROM instance WHERE rank = ?1")?.execute([rank])?;
            }
        }
        for Put { instance, after } in &self.put {
            let rank = match rank_of(transaction, instance.id)? {
                Some(rank) => rank,
                None => rank_after(transaction, *after)?,
            };
            put_instance(transaction, rank, instance)?;
        }
        if let Some((first, images)) = &self.last_images {
            transaction.prepare_cached("DELETE FROM image WHERE place >= ?1")?.execute([*first as i64])?;
            for (index, image) in images.iter().enumerate() {
                put_image(transaction, first + index, image)?;
            }
        }
        for (place, image) in &self.images {
            put_image(transaction, *place, image)?;
        }
        if let Some(categories) = &self.categories {
            transaction.execute("DELETE FROM category", [])?;
            for (place, category) in categories.iter().enumerate() {
                put_category(transaction, place, category)?;
            }
        }
        if self.made == Move::Commit {
            transaction.prepare_cached("DELETE FROM step WHERE number >= ?1")?.execute([self.number as i64])?;
        }
        put_step(transaction, self.number, self.made != Move::Undo, &self.entry)?;
        set(transaction, "revision", self.revision as i64)
    }
}

fn rank_of(transaction: &Transaction<'_>, id: InstanceId) -> rusqlite::Result<Option<i64>> {
    let mut statement = transaction.prepare_cached("SELECT rank FROM instance WHERE id = ?1 ORDER BY rank LIMIT 1")?;
    statement.query_row([id.0], |row| row.get(0)).optional()
}

/// A free rank right behind that of an instance; ranks are given anew where there is none.
fn rank_after(transaction: &Transaction<'_>, after: Option<InstanceId>) -> rusqlite::Result<i64> {
    loop {
        let before = after.map_or(Ok(None), |id| rank_of(transaction, id))?.unwrap_or(0);
        let mut statement = transaction.prepare_cached("SELECT min(rank) FROM instance WHERE rank > ?1")?;
        let Some(next) = statement.query_row([before], |row| row.get::<_, Option<i64>>(0))? else { return Ok(before + GAP) };
        let middle = before + (next - before) / 2;
        if middle > before {
            return Ok(middle);
        }
        // By way of negative ranks, because no two rows may have the same one meanwhile.
        transaction.execute_batch(&format!(
            "CREATE TEMP TABLE fresh AS SELECT rank AS old, row_number() OVER (ORDER BY rank) AS number FROM instance;
             CREATE INDEX temp.fresh_old ON fresh (old);
             UPDATE instance SET rank = -(SELECT number FROM fresh WHERE old = rank);
             UPDATE instance SET rank = rank * -{GAP};
             DROP TABLE fresh;"
        ))?;
    }
}

pub(super) fn set(connection: &Connection, key: &str, value: impl rusqlite::ToSql) -> rusqlite::Result<()> {
    connection.prepare_cached("INSERT OR REPLACE INTO meta VALUES (?1, ?2)")?.execute(params![key, value])?;
    Ok(())
}

pub(super) fn put_target(connection: &Connection, target: &Target, version: u64) -> rusqlite::Result<()> {
    set(connection, "target", Stored(target.path.as_path()))?;
    set(connection, "target_length", target.length_bytes as i64)?;
    set(connection, "target_modified", target.modified_ns as i64)?;
    set(connection, "target_hash", target.hash.map(|hash| hash as i64))?;
    set(connection, "exported", version as i64)
}

pub(super) fn put_image(connection: &Connection, place: usize, image: &Image) -> rusqlite::Result<()> {
    let source = image.source.as_ref().map(crate::annotation::Verbatim::text);
    let values = params![place as i64, codec::image_bytes(image), source];
    connection.prepare_cached("INSERT OR REPLACE INTO image VALUES (?1, ?2, ?3)")?.execute(values)?;
    Ok(())
}

pub(super) fn put_category(connection: &Connection, place: usize, category: &Category) -> rusqlite::Result<()> {
    let source = category.source.as_ref().map(crate::annotation::Verbatim::text);
    let values = params![place as i64, codec::category_bytes(category), source];
    connection.prepare_cached("INSERT OR REPLACE INTO category VALUES (?1, ?2, ?3)")?.execute(values)?;
    Ok(())
}

pub(super) fn put_instance(connection: &Connection, rank: i64, instance: &Instance) -> rusqlite::Result<()> {
    let source = instance.source.as_ref().map(crate::annotation::Verbatim::text);
    let values = params![rank, instance.id.0, instance.image_id.0, codec::instance_bytes(instance), source];
    connection.prepare_cached("INSERT OR REPLACE INTO instance VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(values)?;
    Ok(())
}

pub(super) fn put_judgement(connection: &Connection, outline: (InstanceId, u64), judgement: &Judgement) -> rusqlite::Result<()> {
    let (id, fingerprint) = outline;
    let values = params![id.0, fingerprint as i64, judgement.expected_iou, judgement.looked_at, judgement.painted];
    connection.prepare_cached("INSERT OR REPLACE INTO judged VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(values)?;
    Ok(())
}

pub(super) fn put_color(connection: &Connection, class: CategoryId, [red, green, blue]: [u8; 3]) -> rusqlite::Result<()> {
    let values = params![class.0, u32::from_be_bytes([0, red, green, blue])];
    connection.prepare_cached("INSERT OR REPLACE INTO color VALUES (?1, ?2)")?.execute(values)?;
    Ok(())
}

pub(super) fn put_hues(connection: &Connection, hues: &BTreeMap<CategoryId, usize>) -> rusqlite::Result<()> {
    for (class, &hue) in hues {
        connection.prepare_cached("INSERT INTO hue VALUES (?1, ?2)")?.execute([class.0, hue as i64])?;
    }
    Ok(())
}

pub(super) fn put_digits(connection: &Connection, digits: &BTreeMap<u8, CategoryId>) -> rusqlite::Result<()> {
    for (&digit, class) in digits {
        connection.prepare_cached("INSERT INTO digit VALUES (?1, ?2)")?.execute(params![digit, class.0])?;
    }
    Ok(())
}

pub(super) fn put_exemplars(connection: &Connection, exemplars: &[(CategoryId, InstanceId)]) -> rusqlite::Result<()> {
    for (place, (class, object)) in exemplars.iter().enumerate() {
        connection.prepare_cached("INSERT INTO exemplar VALUES (?1, ?2, ?3)")?.execute([place as i64, class.0, object.0])?;
    }
    Ok(())
}

pub(super) fn put_digits_away(connection: &Connection, digits: &BTreeMap<(CategoryId, u64), u8>) -> rusqlite::Result<()> {
    for (&(class, version), digit) in digits {
        let values = params![class.0, version as i64, digit];
        connection.prepare_cached("INSERT INTO digit_away VALUES (?1, ?2, ?3)")?.execute(values)?;
    }
    Ok(())
}

pub(super) fn put_exemplars_away(connection: &Connection, exemplars: &[(CategoryId, u64, InstanceId)]) -> rusqlite::Result<()> {
    for (place, &(class, version, object)) in exemplars.iter().enumerate() {
        let values = [place as i64, class.0, version as i64, object.0];
        connection.prepare_cached("INSERT INTO exemplar_away VALUES (?1, ?2, ?3, ?4)")?.execute(values)?;
    }
    Ok(())
}

pub(super) fn put_step(connection: &Connection, number: usize, is_done: bool, entry: &Entry) -> rusqlite::Result<()> {
    let (image, edit) = (entry.image.map(|image| image.0), codec::edit_bytes(entry.edit()));
    let values = params![number as i64, is_done, entry.label, image, edit, entry.version() as i64];
    connection.prepare_cached("INSERT OR REPLACE INTO step VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(values)?;
    Ok(())
}
