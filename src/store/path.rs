//! Paths in the database: as text, or as bytes where they are none.

use std::path::{Path, PathBuf};

use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, Value, ValueRef};

use crate::disk;

/// A path that is written to or read from the database.
#[derive(Debug)]
pub(super) struct Stored<P>(pub P);

impl ToSql for Stored<&Path> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0.to_str() {
            Some(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            None => ToSqlOutput::Owned(Value::Blob(disk::path_bytes(self.0))),
        })
    }
}

impl FromSql for Stored<PathBuf> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Blob(bytes) => Ok(Self(disk::path_of(bytes))),
            value => value.as_str().map(|text| Self(PathBuf::from(text))),
        }
    }
}
