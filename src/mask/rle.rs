//! COCO's run lengths: column-major, beginning with zeros, as a list of numbers or as the compressed string.

use hotcoco::mask as coco;
use hotcoco::types::Rle;

use super::{Mask, PixelRect};
use crate::geometry::Size;

/// Why run lengths could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RleError {
    /// The runs do not cover the grid exactly.
    #[error("the run lengths sum to {sum}, but {} x {} pixels are {}", size.width, size.height, size.pixels())]
    Sum {
        /// Pixels that the runs cover.
        sum: u64,
        /// The grid.
        size: Size,
    },
    /// A character of the compressed string is not one of the 64 that it may hold.
    #[error("character {at} of the run-length string is not allowed")]
    Character {
        /// Its place, in bytes from 0.
        at: usize,
    },
    /// The compressed string ends within a number.
    #[error("the run-length string ends in the middle of a number")]
    Truncated,
    /// The compressed string holds a run that is negative or does not fit 32 bits.
    #[error("the run-length string holds a run that is negative or too long")]
    Run,
}

/// The run lengths of `mask`, column-major, beginning with zeros; they sum to the number of pixels.
///
/// Reads each row once and compares it with the row above, because nearly all pixels equal their neighbour.
pub fn encode(mask: &Mask) -> Vec<u32> {
    let size = mask.size();
    let (width, height) = (size.width as usize, size.height as usize);
    if size.pixels() == 0 {
        return vec![0];
    }
    // A pixel changes the run where it differs from the pixel above; the top pixel of a column, from the bottom pixel
    // of the column before.
    let mut changes = Vec::new();
    let bottom = mask.row(size.height - 1);
    let top = mask.row(0);
    for x in 0..width {
        if top[x] != if x == 0 { 0 } else { bottom[x - 1] } {
            changes.push(x * height);
        }
    }
    for y in 1..height {
        let (above, row) = (mask.row(y as u32 - 1), mask.row(y as u32));
        for (block, (a, b)) in above.chunks(32).zip(row.chunks(32)).enumerate() {
            if a != b {
                let differs = a.iter().zip(b).enumerate().filter(|(_, (a, b))| a != b);
                changes.extend(differs.map(|(x, _)| (block * 32 + x) * height + y));
            }
        }
    }
    changes.sort_unstable();
    let mut counts = Vec::with_capacity(changes.len() + 1);
    let mut start = 0;
    for change in changes.into_iter().chain([size.pixels()]) {
        counts.push((change - start) as u32);
        start = change;
    }
    counts
}

/// The run lengths, on a grid of `size`, of `mask` with its left top pixel at (`x`, `y`), all of it inside the grid: what
/// lies beside it costs nothing.
pub fn encode_placed(mask: &Mask, x: u32, y: u32, size: Size) -> Vec<u32> {
    let (rows, height) = (u64::from(mask.size().height).max(1), u64::from(size.height));
    let (mut counts, mut end, mut place) = (Vec::new(), 0, 0);
    for (number, &count) in encode(mask).iter().enumerate() {
        let (mut from, to) = (place, place + u64::from(count));
        place = to;
        // What is one run in the mask is one a column in the grid.
        while number % 2 == 1 && from < to {
            let column = from / rows;
            let until = to.min((column + 1) * rows);
            let start = (u64::from(x) + column) * height + u64::from(y) + from % rows;
            match counts.last_mut() {
                Some(last) if start == end => *last += (until - from) as u32,
                _ => counts.extend([(start - end) as u32, (until - from) as u32]),
            }
            end = start + until - from;
            from = until;
        }
    }
    let rest = size.pixels() as u64 - end;
    if rest > 0 || counts.is_empty() {
        counts.push(rest as u32);
    }
    counts
}

/// The run lengths on a grid of `to` of the pixels that `counts` hold on a grid of `from`, (`dx`, `dy`) pixels away; what
/// leaves the grid is cut off. What lies beside the pixels costs nothing.
pub fn moved(from: Size, counts: &[u32], (dx, dy): (i64, i64), to: Size) -> Vec<u32> {
    let window = bounds(from, counts).unwrap_or_default();
    let along = |start: u32, end: u32, by: i64, side: u32| {
        let inside = |place: u32| i64::from(place).saturating_add(by).clamp(0, i64::from(side));
        (inside(start), inside(end))
    };
    let (left, right) = along(window.x, window.right(), dx, to.width);
    let (top, bottom) = along(window.y, window.bottom(), dy, to.height);
    if left == right || top == bottom {
        return encode_placed(&Mask::new(Size::default()), 0, 0, to);
    }
    let source = PixelRect::new((left - dx) as u32, (top - dy) as u32, (right - left) as u32, (bottom - top) as u32);
    encode_placed(&decode_window(from, counts, source), left as u32, top as u32, to)
}

/// The mask on a grid of `size` that `counts` describes.
///
/// # Errors
/// [`RleError::Sum`] when the runs do not cover the grid exactly.
pub fn decode(size: Size, counts: &[u32]) -> Result<Mask, RleError> {
    check(size, counts)?;
    Ok(decode_window(size, counts, PixelRect::of(size)))
}

/// The part of a mask under `window`, without unpacking the rest: a small object on a large image stays cheap.
///
/// `size` is the whole grid; runs that end early leave the rest of it empty, runs past its end are ignored.
pub fn decode_window(size: Size, counts: &[u32], window: PixelRect) -> Mask {
    let mut mask = Mask::new(window.size());
    let width = window.width as usize;
    if mask.data.is_empty() {
        return mask;
    }
    for_each_span(size, counts, |x, top, bottom| {
        if x < window.x || x >= window.right() {
            return;
        }
        let (top, bottom) = (top.max(window.y), bottom.min(window.bottom()));
        let column = (x - window.x) as usize;
        for y in top..bottom {
            mask.data[(y - window.y) as usize * width + column] = 1;
        }
    });
    mask
}

/// The run lengths of the same pixels without runs of length 0 but for the first one: those that [`encode`] gives.
pub fn merged(counts: &[u32]) -> Vec<u32> {
    let mut merged: Vec<u32> = Vec::with_capacity(counts.len());
    for (index, &count) in counts.iter().enumerate() {
        let is_same = merged.len() % 2 != index % 2;
        match merged.last_mut() {
            Some(last) if count == 0 || is_same => *last += count,
            _ => merged.push(count),
        }
    }
    merged
}

/// A number that another mask hardly has.
pub fn fingerprint(counts: &[u32]) -> u64 {
    super::fnv1a(merged(counts).into_iter().flat_map(u32::to_le_bytes))
}

/// Whether `counts` cover a grid of `size` exactly.
///
/// # Errors
/// [`RleError::Sum`] when they do not.
pub fn check(size: Size, counts: &[u32]) -> Result<(), RleError> {
    let sum = counts.iter().map(|&count| u64::from(count)).sum();
    if sum == size.pixels() as u64 { Ok(()) } else { Err(RleError::Sum { sum, size }) }
}

/// The number of pixels inside.
pub fn area(counts: &[u32]) -> u64 {
    counts.iter().skip(1).step_by(2).map(|&count| u64::from(count)).sum()
}

/// The smallest pixel rectangle that holds every pixel; `None` where there is none.
pub fn bounds(size: Size, counts: &[u32]) -> Option<PixelRect> {
    let mut found: Option<(u32, u32, u32, u32)> = None;
    for_each_span(size, counts, |x, top, bottom| {
        let (left, right, up, down) = found.unwrap_or((x, x, top, bottom));
        found = Some((left.min(x), right.max(x), up.min(top), down.max(bottom)));
    });
    found.map(|(left, right, top, bottom)| PixelRect::new(left, top, right - left + 1, bottom - top))
}

/// Shared pixels over all pixels of both masks, which lie on the same grid; `None` where both are empty.
pub fn iou(a: &[u32], b: &[u32]) -> Option<f64> {
    let shared = intersection(a, b);
    let all = area(a) + area(b) - shared;
    (all > 0).then(|| shared as f64 / all as f64)
}

/// The number of pixels inside both masks, which lie on the same grid.
pub fn intersection(a: &[u32], b: &[u32]) -> u64 {
    let (mut i, mut j) = (0, 0);
    let (mut left_a, mut left_b) = (a.first().copied().unwrap_or(0), b.first().copied().unwrap_or(0));
    let mut shared = 0;
    while i < a.len() && j < b.len() {
        let step = left_a.min(left_b);
        if i % 2 == 1 && j % 2 == 1 {
            shared += u64::from(step);
        }
        left_a -= step;
        left_b -= step;
        if left_a == 0 {
            i += 1;
            left_a = a.get(i).copied().unwrap_or(0);
        }
        if left_b == 0 {
            j += 1;
            left_b = b.get(j).copied().unwrap_or(0);
        }
    }
    shared
}

/// The run lengths of the pixels inside exactly one of two masks, which lie on the same grid; some may be 0.
pub fn difference(a: &[u32], b: &[u32]) -> Vec<u32> {
    // It begins or ends where one of the masks does, and not where both do.
    let mut turns: Vec<u64> = Vec::with_capacity(a.len() + b.len());
    for counts in [a, b] {
        turns.extend(counts.iter().scan(0, |at, &count| {
            *at += u64::from(count);
            Some(*at)
        }));
    }
    turns.sort_unstable();
    let mut start = 0;
    turns.into_iter().map(|turn| (turn - std::mem::replace(&mut start, turn)) as u32).collect()
}

/// The run lengths of the pixels inside any of some masks on a grid of `size`, each of which [`check`] takes.
pub fn union(size: Size, masks: impl IntoIterator<Item = Vec<u32>>) -> Vec<u32> {
    let placed = |counts| Rle { h: size.height, w: size.width, counts };
    let masks: Vec<Rle> = masks.into_iter().map(placed).collect();
    // Masks of one size can be united.
    coco::merge(&masks, false).map(|united| united.counts).unwrap_or_default()
}

/// COCO's compressed string for `counts`.
pub fn to_text(counts: &[u32]) -> String {
    coco::rle_to_string(&Rle { h: 0, w: 0, counts: counts.to_vec() })
}

/// The run lengths that COCO's compressed string holds; whether they fit a grid is for [`check`] to say.
///
/// # Errors
/// When the string holds a character outside 48..=111, ends within a number, or holds an impossible run.
pub fn from_text(text: &str) -> Result<Vec<u32>, RleError> {
    if let Some(at) = text.bytes().position(|byte| !(48..112).contains(&byte)) {
        return Err(RleError::Character { at });
    }
    if text.bytes().next_back().is_some_and(|byte| (byte - 48) & 0x20 != 0) {
        return Err(RleError::Truncated);
    }
    coco::rle_from_string(text, u32::MAX, u32::MAX).map(|rle| rle.counts).or(Err(RleError::Run))
}

/// Calls `span` with (column, first row, row past the last) for each piece of a column that lies inside.
fn for_each_span(size: Size, counts: &[u32], mut span: impl FnMut(u32, u32, u32)) {
    let (height, pixels) = (u64::from(size.height), size.pixels() as u64);
    if height == 0 {
        return;
    }
    let mut at = 0;
    for (index, &count) in counts.iter().enumerate() {
        let end = (at + u64::from(count)).min(pixels);
        if index % 2 == 1 {
            while at < end {
                let (x, top) = (at / height, at % height);
                let bottom = (top + end - at).min(height);
                span(x as u32, top as u32, bottom as u32);
                at += bottom - top;
            }
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placed_mask_has_the_runs_of_the_whole_one() {
        let size = Size::new(9, 7);
        let inside = |x: u32, y: u32| (x * 7 + y * 5 + x * y) % 3 != 1;
        for window in [PixelRect::new(0, 0, 9, 7), PixelRect::new(2, 0, 4, 7), PixelRect::new(3, 2, 6, 5), PixelRect::new(0, 6, 1, 1)] {
            let local = Mask::from_fn(window.size(), inside);
            let mut whole = Mask::new(size);
            whole.paste(&local, window.x, window.y);
            assert_eq!(encode_placed(&local, window.x, window.y, size), encode(&whole), "{window:?}");
        }
        assert_eq!(encode_placed(&Mask::new(Size::default()), 0, 0, size), [63]);
        assert_eq!(encode_placed(&Mask::from_fn(size, |_, _| true), 0, 0, size), [0, 63]);
    }

    #[test]
    fn moved_runs_are_those_of_the_moved_mask() {
        let mask = Mask::from_fn(Size::new(9, 7), |x, y| x > 1 && y > 0 && (x * 7 + y * 5 + x * y) % 3 != 1);
        let counts = encode(&mask);
        for to in [mask.size(), Size::new(5, 12), Size::new(0, 0)] {
            for (dx, dy) in [(0, 0), (2, -1), (-3, 4), (i64::MAX, 0), (0, -40)] {
                let from = |place: u32, by: i64| u32::try_from(i64::from(place) - by);
                let inside = |x, y| from(x, dx).is_ok_and(|x| from(y, dy).is_ok_and(|y| mask.get(x, y)));
                assert_eq!(moved(mask.size(), &counts, (dx, dy), to), encode(&Mask::from_fn(to, inside)), "{to:?} {dx} {dy}");
            }
        }
    }

    /// Masks from a full one over finer and finer ones to an empty one.
    fn patterns(size: Size) -> Vec<Mask> {
        (0..9).map(|step| Mask::from_fn(size, |x, y| (x * step + y) % (step + 1) == 0 && step < 8)).collect()
    }

    #[test]
    fn a_union_has_the_runs_of_the_united_mask() {
        let size = Size::new(7, 5);
        let masks = patterns(size);
        for a in &masks {
            for b in &masks {
                let both = Mask::from_fn(size, |x, y| a.get(x, y) || b.get(x, y));
                assert_eq!(union(size, [encode(a), encode(b)]), encode(&both));
            }
        }
        assert_eq!(union(Size::new(3, 3), [vec![3, 0, 4, 2], vec![7, 1, 0, 1], vec![9]]), [7, 2]);
    }

    #[test]
    fn a_difference_has_the_pixels_of_exactly_one_mask() {
        let size = Size::new(7, 5);
        let masks = patterns(size);
        for a in &masks {
            for b in &masks {
                let one = Mask::from_fn(size, |x, y| a.get(x, y) != b.get(x, y));
                let difference = difference(&encode(a), &encode(b));
                assert_eq!(merged(&difference), encode(&one));
                assert_eq!(bounds(size, &difference), one.bounds());
            }
        }
    }

    #[test]
    fn empty_runs_are_merged() {
        for (counts, expected) in
            [(&[3_u32, 0, 4, 2][..], &[7_u32, 2][..]), (&[0, 5, 0, 0, 1], &[0, 5, 1]), (&[0, 0, 6], &[6]), (&[2, 1, 0, 3, 4], &[2, 4, 4])]
        {
            assert_eq!(merged(counts), expected);
            assert_eq!(fingerprint(counts), fingerprint(expected));
            let size = Size::new(counts.iter().sum(), 1);
            assert_eq!(encode(&decode(size, counts).unwrap()), expected);
        }
    }

    #[test]
    fn a_fingerprint_stays_what_files_hold() {
        assert_eq!(fingerprint(&[7, 2]), 0x0be2_4b06_5ae0_e240);
        assert_ne!(fingerprint(&[7, 2]), fingerprint(&[7, 2, 1]));
    }

    #[test]
    fn the_known_answer_of_the_standard() {
        let mask = Mask::from_fn(Size::new(6, 4), |x, y| (1..=2).contains(&y) && (2..=4).contains(&x));
        let counts = encode(&mask);
        assert_eq!(counts, [9, 2, 2, 2, 2, 2, 5]);
        assert_eq!(to_text(&counts), "9220003");
        assert_eq!(from_text("9220003").unwrap(), counts);
        assert_eq!(decode(mask.size(), &counts).unwrap(), mask);
        assert_eq!(bounds(mask.size(), &counts), mask.bounds());
        assert_eq!(area(&counts), 6);
    }

    #[test]
    fn edge_shapes() {
        for size in [Size::new(0, 0), Size::new(0, 5), Size::new(1, 1), Size::new(1, 9), Size::new(9, 1)] {
            for full in [false, true] {
                let mask = Mask::from_fn(size, |_, _| full);
                let counts = encode(&mask);
                assert_eq!(decode(size, &counts).unwrap(), mask, "{size:?}");
                assert_eq!(bounds(size, &counts), mask.bounds());
            }
        }
    }

    #[test]
    fn bad_runs_are_named() {
        let size = Size::new(2, 2);
        assert_eq!(decode(size, &[1, 2]), Err(RleError::Sum { sum: 3, size }));
        assert_eq!(from_text("9 2"), Err(RleError::Character { at: 1 }));
        assert_eq!(from_text("9é"), Err(RleError::Character { at: 1 }));
        assert_eq!(from_text("9Q"), Err(RleError::Truncated));
        assert_eq!(from_text("oooooooooooooooo0"), Err(RleError::Run));
        assert_eq!(from_text("O"), Err(RleError::Run));
        assert_eq!(from_text(""), Ok(Vec::new()));
    }

    #[test]
    fn runs_past_the_grid_are_cut() {
        let mask = decode_window(Size::new(2, 2), &[1, 900, 1, 7], PixelRect::new(0, 0, 2, 2));
        assert_eq!(mask.area(), 3);
    }
}
