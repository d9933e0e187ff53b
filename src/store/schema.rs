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
