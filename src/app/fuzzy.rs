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
    /// All of it but for one letter.
    Nearly,
    /// A part of it.
    Part,
    /// Letters of it, if any.
    Letters,
}

impl Typed {
    /// What `query` is of `name`, slips aside.
    pub(super) fn of(query: &str, name: &str) -> Self {
        let (query, name) = (query.trim().to_lowercase(), name.to_lowercase());
        match name.strip_prefix(&query) {
            Some("") => Self::Whole,
            Some(_) => Self::Beginning,
            None if name.contains(&query) => Self::Part,
            None => Self::Letters,
        }
    }

    /// As [`Self::of`], and whether it is all of the name but for one letter.
    pub(super) fn with_slips(query: &str, name: &str) -> Self {
        match Self::of(query, name) {
            Self::Part | Self::Letters if is_near(query, name) => Self::Nearly,
            typed => typed,
        }
    }
}

/// The indices of the names that match: what was typed whole, then what begins with it, then the best first, equal ones in
/// their order.
pub(super) fn ranked<'a>(query: &str, names: impl Iterator<Item = &'a str>) -> Vec<usize> {
    sorted(query, names, |name| Some((Typed::of(query, name), -score(query, name)?)))
}

/// As [`ranked`], with the names that are one letter away from what was typed before those that only have its letters.
pub(super) fn ranked_with_near<'a>(query: &str, names: impl Iterator<Item = &'a str>) -> Vec<usize> {
    sorted(query, names, |name| match Typed::with_slips(query, name) {
        Typed::Nearly => Some((Typed::Nearly, 0)),
        typed => Some((typed, -score(query, name)?)),
    })
}

/// The indices of the names that have a rank, in its order; all where nothing was typed.
fn sorted<'a>(query: &str, names: impl Iterator<Item = &'a str>, rank: impl Fn(&str) -> Option<(Typed, i32)>) -> Vec<usize> {
    if query.trim().is_empty() {
        return (0..names.count()).collect();
    }
    let mut found: Vec<((Typed, i32), usize)> = names.enumerate().filter_map(|(index, name)| Some((rank(name)?, index))).collect();
    found.sort_unstable();
    found.into_iter().map(|(_, index)| index).collect()
}

/// Whether one letter of `query` is missing, too much or another one than in `name`, whatever the case. Of fewer than
/// three letters too many names are.
fn is_near(query: &str, name: &str) -> bool {
    let [query, name] = [query, name].map(|text| text.trim().to_lowercase().chars().collect::<Vec<char>>());
    let same = query.iter().zip(&name).take_while(|(one, other)| one == other).count();
    let (rest, of_name) = (&query[same..], &name[same..]);
    let same_end = rest.iter().rev().zip(of_name.iter().rev()).take_while(|(one, other)| one == other).count();
    query.len() >= 3 && rest.len().max(of_name.len()) == same_end + 1
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
        assert_eq!([" aB ", "ABO", "b"].map(|query| Typed::of(query, "ab")), [Typed::Whole, Typed::Letters, Typed::Part]);
        assert_eq!(ranked("49", ["4a9", "4x9 long", "x49"].into_iter()), [2, 0, 1], "what stands in a name comes before its letters");
        assert_eq!(Typed::of("AB", "about"), Typed::Beginning);
    }

    #[test]
    fn a_name_one_letter_away_comes_before_scattered_letters() {
        let names = ["canal tact", "cat", "catt", "cattle", "dog", "caat"];
        assert_eq!(ranked_with_near("catt", names.into_iter()), [2, 3, 1, 5, 0]);
        assert_eq!(ranked("catt", names.into_iter()), [2, 3, 0], "only where it is asked for");
        for query in ["ca", "atc", "cat", "cattle", "frog"] {
            assert!(!is_near(query, "CAT"), "{query}");
        }
        for query in ["cot", "cart", "scat", "Catt", "aat", " cap "] {
            assert!(is_near(query, "cat"), "{query}");
        }
        assert!(is_near("remte_control", "remote_control"));
        assert_eq!(ranked_with_near("", names.into_iter()), [0, 1, 2, 3, 4, 5]);
    }
}
