//! The tables, and the way from an older format to the newest.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::StoreError;

/// Marks the database as ours: "anno".
const APPLICATION_ID: u32 = 0x616e_6e6f;

/// Each entry leads from the format of its place to the next one; the first one makes a new project. An entry that was
/// released is never changed.
pub(super) const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
    CREATE TABLE member (place INTEGER PRIMARY KEY, key TEXT NOT NULL, source TEXT);
    CREATE TABLE image (place INTEGER PRIMARY KEY, record BLOB NOT NULL, source TEXT);
    CREATE TABLE category (place INTEGER PRIMARY KEY, record BLOB NOT NULL, source TEXT);
    -- File order is the order of ranks, which leave gaps, so that an insertion moves nothing.
    CREATE TABLE instance (rank INTEGER PRIMARY KEY, id INTEGER NOT NULL, image INTEGER NOT NULL, record BLOB NOT NULL, source TEXT);
    CREATE INDEX instance_id ON instance (id);
    CREATE INDEX instance_image ON instance (image);
    CREATE TABLE step (number INTEGER PRIMARY KEY, is_done INTEGER NOT NULL, label TEXT NOT NULL, image INTEGER, edit BLOB NOT NULL);
    CREATE TABLE reviewed (image INTEGER PRIMARY KEY);
",
    "
    -- What was said of the outlines that objects have or had; the fingerprint tells those of one object apart.
    CREATE TABLE judged (
        id INTEGER NOT NULL, fingerprint INTEGER NOT NULL, expected REAL, looked_at INTEGER NOT NULL, PRIMARY KEY (id, fingerprint)
    ) WITHOUT ROWID;
",
    "
    -- Images of a folder that were left out before its file was read anew, which the history no longer tells.
    CREATE TABLE left_out (name TEXT PRIMARY KEY) WITHOUT ROWID;
",
    "
    -- The version that each step leads to. Of older steps only the last one has a known one; no revision is negative.
    ALTER TABLE step ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
    UPDATE step SET version = -number;
    UPDATE step SET version = (SELECT value FROM meta WHERE key = 'revision')
        WHERE number = (SELECT max(number) FROM step WHERE is_done) AND EXISTS (SELECT 1 FROM meta WHERE key = 'revision');
    UPDATE meta SET value = 0 WHERE key = 'exported' AND NOT EXISTS (SELECT 1 FROM step WHERE is_done)
        AND value = (SELECT value FROM meta WHERE key = 'revision');
",
    "
    -- Colours that a person chose for classes, as 0xRRGGBB.
    CREATE TABLE color (class INTEGER PRIMARY KEY, rgb INTEGER NOT NULL);
",
    "
    -- Whether nothing but the brush has made the outline.
    ALTER TABLE judged ADD COLUMN painted INTEGER NOT NULL DEFAULT 0;
",
    "
    -- The objects that are exemplars of a class, the oldest first.
    CREATE TABLE exemplar (place INTEGER PRIMARY KEY, class INTEGER NOT NULL, id INTEGER NOT NULL);
",
    "
    -- The digits that a person gave to classes.
    CREATE TABLE digit (digit INTEGER PRIMARY KEY, class INTEGER NOT NULL);
",
    "
    -- The digits and the exemplars of classes that went, by the version of the step that they went with.
    CREATE TABLE digit_away (
        class INTEGER NOT NULL, version INTEGER NOT NULL, digit INTEGER NOT NULL, PRIMARY KEY (class, version)
    ) WITHOUT ROWID;
    CREATE TABLE exemplar_away (place INTEGER PRIMARY KEY, class INTEGER NOT NULL, version INTEGER NOT NULL, id INTEGER NOT NULL);
",
    "
    -- Which of the usual colours each class has, or had before it went; nothing where all have those of their places.
    CREATE TABLE hue (class INTEGER PRIMARY KEY, hue INTEGER NOT NULL);
",
];

/// Brings the project at `path` to the newest format; a new database gets all tables.
///
/// # Errors
/// When the file is of a newer format or no project.
pub(super) fn migrate(connection: &mut Connection, migrations: &[&str], path: &Path) -> Result<(), StoreError> {
    let sql = |error| StoreError::of(path, error);
    let (application, found) = marks(connection).map_err(sql)?;
    let is_new = application == 0 && found == 0 && is_empty(connection).map_err(sql)?;
    if application != APPLICATION_ID && !is_new {
        return Err(StoreError::NotAProject { path: path.to_owned() });
    }
    let known = migrations.len() as u32;
    if found > known {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    if found < known {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive).map_err(sql)?;
        for migration in &migrations[found as usize..] {
            transaction.execute_batch(migration).map_err(sql)?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(sql)?;
        transaction.pragma_update(None, "user_version", known).map_err(sql)?;
        transaction.commit().map_err(sql)?;
    }
    Ok(())
}

fn marks(connection: &Connection) -> rusqlite::Result<(u32, u32)> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get(0));
    Ok((number("application_id")?, number("user_version")?))
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path() -> &'static Path {
        Path::new("a.annotator.db")
    }

    /// The migrations with one more behind them.
    fn followed_by(migration: &'static str) -> Vec<&'static str> {
        MIGRATIONS.iter().copied().chain([migration]).collect()
    }

    #[test]
    fn an_old_project_becomes_a_new_one_and_keeps_its_rows() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, &MIGRATIONS[..1], path()).unwrap();
        connection.execute("INSERT INTO reviewed VALUES (7)", []).unwrap();
        migrate(&mut connection, MIGRATIONS, path()).unwrap();
        let row =
            connection.query_row("SELECT image, (SELECT count(*) FROM judged) FROM reviewed", [], |row| Ok((row.get(0)?, row.get(1)?)));
        assert_eq!(row, Ok((7, 0)));
        assert_eq!(marks(&connection), Ok((APPLICATION_ID, MIGRATIONS.len() as u32)));
        let next = followed_by("ALTER TABLE reviewed ADD COLUMN by TEXT NOT NULL DEFAULT 'me'");
        migrate(&mut connection, &next, path()).unwrap();
        migrate(&mut connection, &next, path()).unwrap();
        let row = connection.query_row("SELECT image, by FROM reviewed", [], |row| Ok((row.get(0)?, row.get(1)?)));
        assert_eq!(row, Ok((7, "me".to_owned())));
        assert_eq!(marks(&connection), Ok((APPLICATION_ID, next.len() as u32)));
    }

    #[test]
    fn of_older_steps_the_last_one_has_a_version() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, &MIGRATIONS[..3], path()).unwrap();
        let steps = "INSERT INTO step VALUES (1, 1, 'a', NULL, x''), (2, 1, 'b', NULL, x''), (3, 0, 'c', NULL, x'')";
        connection.execute(steps, []).unwrap();
        connection.execute("INSERT INTO meta VALUES ('revision', 9), ('exported', 9)", []).unwrap();
        migrate(&mut connection, MIGRATIONS, path()).unwrap();
        let number = |query: &str| connection.query_row(query, [], |row| row.get::<_, i64>(0));
        let versions = [1, 2, 3].map(|step| number(&format!("SELECT version FROM step WHERE number = {step}")));
        assert_eq!(versions, [Ok(-1), Ok(9), Ok(-3)]);
        assert_eq!(number("SELECT value FROM meta WHERE key = 'exported'"), Ok(9));
    }

    #[test]
    fn a_failed_migration_leaves_the_old_format() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, MIGRATIONS, path()).unwrap();
        let broken = followed_by("DROP TABLE reviewed; DROP TABLE nothing");
        assert!(migrate(&mut connection, &broken, path()).is_err());
        assert_eq!(marks(&connection), Ok((APPLICATION_ID, MIGRATIONS.len() as u32)));
        connection.execute("INSERT INTO reviewed VALUES (7)", []).unwrap();
    }

    #[test]
    fn a_newer_project_and_other_databases_are_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        let newer = followed_by("SELECT 1");
        migrate(&mut connection, &newer, path()).unwrap();
        let error = migrate(&mut connection, MIGRATIONS, path()).unwrap_err();
        assert!(matches!(error, StoreError::Newer { found, known, .. } if (found, known) == (newer.len() as u32, found - 1)), "{error}");
        let mut other = Connection::open_in_memory().unwrap();
        other.execute_batch("CREATE TABLE birds (name TEXT)").unwrap();
        assert!(matches!(migrate(&mut other, MIGRATIONS, path()), Err(StoreError::NotAProject { .. })));
    }
}
