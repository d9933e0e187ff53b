//! Changes some members of an object in its text and leaves every other character as it is.

use super::document::{Members, range_in, standard};

/// What becomes of a member.
pub(in crate::formats) enum Change {
    /// It gets this JSON text, in its place or behind the others.
    Set(String),
    /// It goes, where there is one.
    Remove,
}

/// `text` with `changes` made to it; `None` where `text` is no object.
pub(in crate::formats) fn patched(text: &str, changes: &[(&str, Change)]) -> Option<String> {
    let twin;
    let members = if let Ok(members) = serde_json::from_str::<Members<'_>>(text) {
        ranges(text, &members)
    } else {
        twin = standard(text)?;
        ranges(&twin, &serde_json::from_str(&twin).ok()?)
    };
    // Pieces of the old text with what stands between them now, in order.
    let mut cuts: Vec<(std::ops::Range<usize>, &str)> = Vec::new();
    let mut added = String::new();
    let end = members.last().map_or_else(|| text.find('{').map(|at| at + 1), |(_, value)| Some(value.end))?;
    let is_removed = |name: &str| changes.iter().any(|(other, change)| *other == name && matches!(change, Change::Remove));
    let mut is_first = members.iter().all(|(name, _)| is_removed(name));
    for (name, change) in changes {
        // Readers take the last of equal names.
        let found = members.iter().rposition(|(key, _)| key == name);
        match (found, change) {
            (Some(index), Change::Set(value)) => cuts.push((members[index].1.clone(), value)),
            (Some(index), Change::Remove) => cuts.push((removal(text, &members, index)?, "")),
            (None, Change::Set(value)) => {
                let comma = if is_first { "" } else { ", " };
                is_first = false;
                added.extend([comma, "\"", name, "\": ", value]);
            }
            (None, Change::Remove) => (),
        }
    }
    cuts.push((end..end, &added));
    cuts.sort_by_key(|(range, _)| (range.start, range.end));
    let mut result = String::with_capacity(text.len() + added.len());
    let mut copied = 0;
    for (range, new) in cuts {
        result.push_str(text.get(copied..range.start)?);
        result.push_str(new);
        copied = range.end;
    }
    result.push_str(&text[copied..]);
    Some(result)
}

fn ranges(text: &str, members: &Members<'_>) -> Vec<(String, std::ops::Range<usize>)> {
    members.0.iter().map(|(key, value)| (key.clone(), range_in(text, value.get()))).collect()
}

/// The part of the text that goes with a member: with the comma before it, or for the first one the comma after it.
fn removal(text: &str, members: &[(String, std::ops::Range<usize>)], index: usize) -> Option<std::ops::Range<usize>> {
    let value = &members[index].1;
    if index > 0 {
        return Some(members[index - 1].1.end..value.end);
    }
    let start = text.find('{')? + 1;
    let end = if members.len() > 1 { value.end + text[value.end..].find(',')? + 1 } else { value.end };
    Some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(value: &str) -> Change {
        Change::Set(value.to_owned())
    }

    #[test]
    fn only_the_named_members_change() {
        let text = "{ \"a\" : 1.50,\n \"b\":[1, 2],\"c\":NaN }";
        assert_eq!(patched(text, &[("b", set("[]"))]).unwrap(), "{ \"a\" : 1.50,\n \"b\":[],\"c\":NaN }");
        assert_eq!(patched(text, &[("d", set("3")), ("a", set("2"))]).unwrap(), "{ \"a\" : 2,\n \"b\":[1, 2],\"c\":NaN, \"d\": 3 }");
        assert_eq!(patched(text, &[("a", Change::Remove)]).unwrap(), "{\n \"b\":[1, 2],\"c\":NaN }");
        assert_eq!(patched(text, &[("b", Change::Remove)]).unwrap(), "{ \"a\" : 1.50,\"c\":NaN }");
        assert_eq!(patched(text, &[("c", Change::Remove), ("d", set("4"))]).unwrap(), "{ \"a\" : 1.50,\n \"b\":[1, 2], \"d\": 4 }");
        assert_eq!(patched(text, &[("x", Change::Remove)]).unwrap(), text);
    }

    #[test]
    fn small_objects_and_other_values() {
        assert_eq!(patched("{}", &[("a", set("1")), ("b", set("2"))]).unwrap(), "{\"a\": 1, \"b\": 2}");
        assert_eq!(patched("{\"a\":1}", &[("a", Change::Remove)]).unwrap(), "{}");
        assert_eq!(patched("{\"a\":1}", &[("b", set("2")), ("a", Change::Remove), ("c", set("3"))]).unwrap(), "{\"b\": 2, \"c\": 3}");
        assert_eq!(patched("{\"a\":1,\"a\":2}", &[("a", set("3"))]).unwrap(), "{\"a\":1,\"a\":3}");
        assert_eq!(patched("[1]", &[("a", set("1"))]), None);
        assert_eq!(patched("null", &[]), None);
    }
}
