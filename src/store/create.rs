//! Fills a project.

use std::path::Path;

use rusqlite::{Connection, params};

use super::change::{
    GAP, put_category, put_color, put_digits, put_digits_away, put_exemplars, put_exemplars_away, put_hues, put_image, put_instance,
    put_judgement, put_step, put_target, set,
};
use super::path::Stored;
use super::{Contents, StoreError};
use crate::job::{Cancel, Meter, Progress};

/// The tables of what a project holds.
const TABLES: [&str; 14] = [
    "member",
    "image",
    "category",
    "instance",
    "step",
    "reviewed",
    "judged",
    "left_out",
    "color",
    "hue",
    "digit",
    "exemplar",
    "digit_away",
    "exemplar_away",
];

/// Instances between two looks at the cancel flag.
const CHUNK: usize = 1 << 13;

/// Writes everything in one transaction, in the place of what was there. `path` names the project in errors.
pub(super) fn fill(
    connection: &Connection,
    path: &Path,
    contents: &Contents,
    cancel: &Cancel,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), StoreError> {
    let sql = |error| StoreError::of(path, error);
    let transaction = connection.unchecked_transaction().map_err(sql)?;
    // Indices of sorted rows are made faster than kept.
    transaction.execute_batch("DROP INDEX instance_id; DROP INDEX instance_image;").map_err(sql)?;
    for table in TABLES {
        transaction.execute(&format!("DELETE FROM {table}"), []).map_err(sql)?;
    }
    // What a person's own copy began from stays.
    transaction.execute("DELETE FROM meta WHERE key NOT LIKE 'origin%'", []).map_err(sql)?;
    small(&transaction, contents).map_err(sql)?;
    let instances = &contents.dataset.instances;
    let meter = Meter::start("Storing the project", instances.len() as u64);
    let mut rank = 0;
    for (number, chunk) in instances.chunks(CHUNK).enumerate() {
        if cancel.is_cancelled() {
            return Err(StoreError::Cancelled { path: path.to_owned() });
        }
        progress(meter.at((number * CHUNK) as u64));
        for instance in chunk {
            rank += GAP;
            put_instance(&transaction, rank, instance).map_err(sql)?;
        }
    }
    progress(meter.at(instances.len() as u64));
    let indices = "CREATE INDEX instance_id ON instance (id); CREATE INDEX instance_image ON instance (image);";
    transaction.execute_batch(indices).map_err(sql)?;
    transaction.commit().map_err(sql)
}

fn small(connection: &Connection, contents: &Contents) -> rusqlite::Result<()> {
    let Contents {
        dataset,
        history,
        reviewed,
        judged,
        shown,
        class,
        colors,
        hues,
        digits,
        exemplars,
        digits_away,
        exemplars_away,
        target,
        exported,
        image_folder,
        left_out,
    } = contents;
    for (place, (key, value)) in dataset.document.iter().enumerate() {
        let values = params![place as i64, key, value.as_ref().map(crate::annotation::Verbatim::text)];
        connection.prepare_cached("INSERT INTO member VALUES (?1, ?2, ?3)")?.execute(values)?;
    }
    for (place, image) in dataset.images.iter().enumerate() {
        put_image(connection, place, image)?;
    }
    for (place, category) in dataset.categories.iter().enumerate() {
        put_category(connection, place, category)?;
    }
    for image in reviewed {
        connection.prepare_cached("INSERT INTO reviewed VALUES (?1)")?.execute([image.0])?;
    }
    for (&outline, judgement) in judged {
        put_judgement(connection, outline, judgement)?;
    }
    for name in left_out {
        connection.prepare_cached("INSERT INTO left_out VALUES (?1)")?.execute([name])?;
    }
    for (index, entry) in history.done().iter().enumerate() {
        put_step(connection, index + 1, true, entry)?;
    }
    for (index, entry) in history.undone().iter().rev().enumerate() {
        put_step(connection, history.done().len() + index + 1, false, entry)?;
    }
    if let Some(shown) = shown {
        set(connection, "shown", shown.0)?;
    }
    if let Some(class) = class {
        set(connection, "class", class.0)?;
    }
    for (&class, &color) in colors {
        put_color(connection, class, color)?;
    }
    put_hues(connection, hues)?;
    put_digits(connection, digits)?;
    put_exemplars(connection, exemplars)?;
    put_digits_away(connection, digits_away)?;
    put_exemplars_away(connection, exemplars_away)?;
    if let Some(folder) = image_folder {
        set(connection, "image_folder", Stored(folder.as_path()))?;
    }
    set(connection, "revision", history.revision() as i64)?;
    set(connection, "exported", *exported as i64)?;
    target.as_ref().map_or(Ok(()), |target| put_target(connection, target, *exported))
}
