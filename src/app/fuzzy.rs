//! Fuzzy matching of a few typed letters against names.

/// How well `query` matches `name`: its letters must stand in `name` in order; letters that follow each other or begin
/// a word count more, a short name a little more. `None` where it does not match; an empty query matches everything.
pub(super) fn score(query: &str, name: &str) -> Option<i32> {
    let name: Vec<char> = name.to_lowercase().chars().collect();
    let mut total = 0;
    let mut next = 0;
    let mut last_hit = None;
    for letter in query.to_lowercase().chars().filter(|letter| !letter.is_whitespace()) {
        let index = next + name[next..].iter().position(|&other| other == letter)?;
        let begins = index == 0 || !name[index - 1].is_alphanumeric();
        let follows = index > 0 && last_hit == Some(index - 1);
        total += 1 + i32::from(begins) * 8 + i32::from(follows) * 5;
        last_hit = Some(index);
        next = index + 1;
    }
    Some(total * 16 - name.len() as i32)
}

/// How much of a name was typed, whatever the case; the most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Typed {
    /// All of it.
    Whole,
    /// Its beginning.
    Beginning,
    /// Letters of it, if any.
    Letters,
}

impl Typed {
    /// What `query` is of `name`.
    pub(super) fn of(query: &str, name: &str) -> Self {
        let (query, name) = (query.trim().to_lowercase(), name.to_lowercase());
        match name.strip_prefix(&query) {
            Some("") => Self::Whole,
            Some(_) => Self::Beginning,
            None => Self::Letters,
        }
    }
}

/// The indices of the names that match: what was typed whole, then what begins with it, then the best first, equal ones in
/// their order.
pub(super) fn ranked<'a>(query: &str, names: impl Iterator<Item = &'a str>) -> Vec<usize> {
    if query.trim().is_empty() {
        return (0..names.count()).collect();
    }
    let rank = |(index, name): (usize, &str)| Some((Typed::of(query, name), -score(query, name)?, index));
    let mut found: Vec<(Typed, i32, usize)> = names.enumerate().filter_map(rank).collect();
    found.sort_unstable();
    found.into_iter().map(|(_, _, index)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_runs_come_first() {
        let names = ["traffic light", "teddy bear", "bear"];
        assert_eq!(ranked("bear", names.into_iter()), [2, 1]);
        assert_eq!(ranked("tl", names.into_iter()), [0]);
        assert_eq!(ranked("", names.into_iter()), [0, 1, 2]);
    }

    #[test]
    fn a_whole_name_and_its_beginning_come_before_scattered_letters() {
        let names = ["a b", "about", "AB", "abacus"];
        assert_eq!(ranked("ab", names.into_iter()), [2, 1, 3, 0]);
        assert_eq!([" aB ", "ABO", "b"].map(|query| Typed::of(query, "ab")), [Typed::Whole, Typed::Letters, Typed::Letters]);
        assert_eq!(Typed::of("AB", "about"), Typed::Beginning);
    }
}
