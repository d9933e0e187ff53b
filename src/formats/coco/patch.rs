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
        let last = members.iter().rposition(|(key, _)| key == name);
        match (last, change) {
            (Some(index), Change::Set(value)) => cuts.push((members[index].1.clone(), value)),
            (None, Change::Set(value)) => {
                let comma = if is_first { "" } else { ", " };
                is_first = false;
                added.extend([comma, "\"", name, "\": ", value]);
            }
            (_, Change::Remove) => {
                for index in (0..members.len()).filter(|index| members[*index].0 == *name) {
                    let leads = members[..index].iter().all(|(name, _)| is_removed(name));
                    cuts.push((removal(text, &members, index, leads)?, ""));
                }
            }
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

/// The part of the text that goes with a member: with the comma before it, or where it `leads`, as nothing before it
/// stays, the comma after it.
fn removal(text: &str, members: &[(String, std::ops::Range<usize>)], index: usize, leads: bool) -> Option<std::ops::Range<usize>> {
    let value = &members[index].1;
    let behind_comma = |at: usize| Some(at + text[at..].find(',')? + 1);
    let start = match index.checked_sub(1) {
        None => text.find('{')? + 1,
        Some(before) if leads => behind_comma(members[before].1.end)?,
        Some(before) => members[before].1.end,
    };
    let end = if leads && index + 1 < members.len() { behind_comma(value.end)? } else { value.end };
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
        let without = |names: &[&str]| patched(text, &names.iter().map(|name| (*name, Change::Remove)).collect::<Vec<_>>()).unwrap();
        assert_eq!(without(&["a", "b"]), "{\"c\":NaN }");
        assert_eq!(without(&["b", "c"]), "{ \"a\" : 1.50 }");
        assert_eq!(without(&["c", "a"]), "{\n \"b\":[1, 2] }");
        assert_eq!(without(&["b", "c", "a"]), "{ }");
    }

    #[test]
    fn small_objects_and_other_values() {
        assert_eq!(patched("{}", &[("a", set("1")), ("b", set("2"))]).unwrap(), "{\"a\": 1, \"b\": 2}");
        assert_eq!(patched("{\"a\":1}", &[("a", Change::Remove)]).unwrap(), "{}");
        assert_eq!(patched("{\"a\":1}", &[("b", set("2")), ("a", Change::Remove), ("c", set("3"))]).unwrap(), "{\"b\": 2, \"c\": 3}");
        assert_eq!(patched("{\"a\":1,\"a\":2}", &[("a", set("3"))]).unwrap(), "{\"a\":1,\"a\":3}");
        assert_eq!(patched("{\"a\":1,\"b\":2,\"a\":3}", &[("a", Change::Remove)]).unwrap(), "{\"b\":2}");
        assert_eq!(patched("[1]", &[("a", set("1"))]), None);
        assert_eq!(patched("null", &[]), None);
    }
}
