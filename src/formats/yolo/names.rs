//! What `data.yaml` says: the names of the classes, which may be a line each in `classes.txt` instead, the numbers of a pose,
//! and plain texts.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::str::Chars;

use yaml_rust2::ScanError;
use yaml_rust2::parser::{Event, Parser};

use crate::formats::exchange::{ExchangeError, Fault, read_text};
use crate::formats::loss::{Kind, Tally};

/// The highest class number that is still believed.
const MOST_CLASSES: usize = 1 << 20;
/// The most points of a pose that are still believed.
const MOST_POINTS: usize = 1 << 16;

/// What the file with the names says of the labels.
pub(super) struct Classes {
    /// The names by their numbers. A number without a name is named by itself.
    pub(super) names: Vec<String>,
    /// How many numbers of a pose stand behind each box; 0 where the labels have none.
    pub(super) pose: usize,
}

/// What `file` says of the labels. A count of classes that is not that of the names is counted.
pub(super) fn classes(file: &Path, tally: &mut Tally) -> Result<Classes, ExchangeError> {
    let fault = |fault| ExchangeError::record(file, "the file", fault);
    let text = read_text(file)?;
    let is_list = file.extension() == Some(OsStr::new("txt"));
    let names = if is_list {
        let lines = text.lines().map(|line| line.trim().to_owned()).enumerate();
        Some(lines.filter(|(_, name)| !name.is_empty()).collect())
    } else {
        scalars(&text).map_err(|error| fault(Fault::Yaml(error)))?
    };
    let names = names.filter(|names| !names.is_empty()).ok_or_else(|| fault(Fault::Member("names")))?;
    let count = names.keys().last().map_or(0, |last| last + 1);
    let numbers = |name: &'static str| -> Result<Vec<usize>, ExchangeError> {
        let texts = if is_list { Some(Vec::new()) } else { strings(&text, name).map_err(|error| fault(Fault::Yaml(error)))? };
        let parsed = texts.and_then(|texts| texts.iter().map(|text| text.parse().ok()).collect::<Option<_>>());
        parsed.ok_or_else(|| fault(Fault::Member(name)))
    };
    if let Ok(&[stated]) = numbers("nc").as_deref()
        && stated != count
    {
        tally.add(Kind::ClassCount, format_args!("{} (`nc` is {stated}, and {count} have names)", file.display()));
    }
    let pose = match numbers("kpt_shape")?.as_slice() {
        [] => 0,
        [points @ 1..=MOST_POINTS, sides @ 2..=3] => points * sides,
        _ => return Err(fault(Fault::Member("kpt_shape"))),
    };
    Ok(Classes { names: (0..count).map(|number| names.get(&number).cloned().unwrap_or_else(|| number.to_string())).collect(), pose })
}

/// The file with the names: `path`, or the one in the folder `path`.
pub(super) fn file(path: &Path) -> Result<PathBuf, ExchangeError> {
    if path.is_file() {
        return Ok(path.to_owned());
    }
    let mut files = ["data.yaml", "classes.txt", "labels/classes.txt"].into_iter().map(|name| path.join(name));
    let nothing = || ExchangeError::Nothing { what: "data.yaml or classes.txt", path: path.to_owned() };
    files.find(|file| file.is_file()).ok_or_else(nothing)
}

/// The scalars of the top level's `names` by their numbers; `None` where these are something else.
fn scalars(text: &str) -> Result<Option<BTreeMap<usize, String>>, ScanError> {
    let mut parser = Parser::new_from_str(text);
    if !seek(&mut parser, "names")? {
        return Ok(None);
    }
    let is_list = match parser.next_token()?.0 {
        Event::SequenceStart(..) => true,
        Event::MappingStart(..) => false,
        _ => return Ok(None),
    };
    let (mut names, mut number) = (BTreeMap::new(), None::<String>);
    loop {
        match parser.next_token()?.0 {
            Event::Scalar(name, ..) if is_list => drop(names.insert(names.len(), name)),
            Event::Scalar(text, ..) => match number.take() {
                None => number = Some(text),
                Some(number) => match number.parse().ok().filter(|number| *number <= MOST_CLASSES) {
                    Some(number) => drop(names.insert(number, text)),
                    None => return Ok(None),
                },
            },
            Event::SequenceEnd | Event::MappingEnd => return Ok(Some(names)),
            _ => return Ok(None),
        }
    }
}

/// The text of the top level's member `name`, or of each of its parts where it is a list; none where there is no such member
/// or it is empty, `None` where it is something else.
pub(super) fn strings(text: &str, name: &str) -> Result<Option<Vec<String>>, ScanError> {
    let mut parser = Parser::new_from_str(text);
    if !seek(&mut parser, name)? {
        return Ok(Some(Vec::new()));
    }
    let is_text = |text: &String| !matches!(text.as_str(), "" | "~" | "null");
    match parser.next_token()?.0 {
        Event::Scalar(text, ..) => return Ok(Some(Some(text).filter(is_text).into_iter().collect())),
        Event::SequenceStart(..) => {}
        _ => return Ok(None),
    }
    let mut texts = Vec::new();
    loop {
        match parser.next_token()?.0 {
            Event::Scalar(text, ..) => texts.extend(Some(text).filter(is_text)),
            Event::SequenceEnd => return Ok(Some(texts)),
            _ => return Ok(None),
        }
    }
}

/// Goes to the value of the top level's member `name`; whether there is one. Events are read one by one, so that neither
/// depth nor aliases of a hostile file cost anything.
fn seek(parser: &mut Parser<Chars<'_>>, name: &str) -> Result<bool, ScanError> {
    let (mut depth, mut is_key) = (0_usize, false);
    loop {
        match parser.next_token()?.0 {
            Event::Scalar(key, ..) if depth == 1 && is_key && key == name => return Ok(true),
            // At the top level keys and values take turns.
            Event::Scalar(..) | Event::Alias(_) if depth == 1 => is_key = !is_key,
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                depth += 1;
                is_key = depth == 1;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                depth = depth.saturating_sub(1);
                is_key = depth == 1;
            }
            Event::StreamEnd => return Ok(false),
            _ => {}
        }
    }
}
