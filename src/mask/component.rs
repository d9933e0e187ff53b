//! Connected parts of a mask, found over row runs with a union-find, so that the cost follows the outline.

use super::{Mask, PixelRect};
use crate::geometry::Size;

/// Which pixels touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connectivity {
    /// Pixels that share an edge.
    Four,
    /// Pixels that share an edge or a corner.
    Eight,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    start: u32,
    end: u32,
    part: usize,
}

/// The connected parts of one mask, numbered from 0 in the order of their first pixel.
#[derive(Clone, Debug)]
pub struct Components {
    runs: Vec<Run>,
    /// `first_run[y]..first_run[y + 1]` are the runs of row y.
    first_run: Vec<usize>,
    areas: Vec<u64>,
}

impl Components {
    /// The parts of the pixels inside `mask`.
    pub fn of(mask: &Mask, connectivity: Connectivity) -> Self {
        Self::labelled(mask, 1, connectivity)
    }

    /// The parts of the pixels outside `mask`.
    pub fn of_background(mask: &Mask, connectivity: Connectivity) -> Self {
        Self::labelled(mask, 0, connectivity)
    }

    fn labelled(mask: &Mask, value: u8, connectivity: Connectivity) -> Self {
        let reach = u32::from(connectivity == Connectivity::Eight);
        let mut runs: Vec<Run> = Vec::new();
        let mut first_run = vec![0];
        let mut parents: Vec<usize> = Vec::new();
        let mut above = 0..0;
        for y in 0..mask.size().height {
            let begin = runs.len();
            let mut candidate = above.start;
            for (start, end) in spans(mask.row(y), value) {
                let id = parents.len();
                parents.push(id);
                runs.push(Run { start, end, part: id });
                while candidate < above.end && runs[candidate].end + reach <= start {
                    candidate += 1;
                }
                let mut touching = candidate;
                while touching < above.end && runs[touching].start < end + reach {
                    union(&mut parents, runs[touching].part, id);
                    touching += 1;
                }
            }
            above = begin..runs.len();
            first_run.push(runs.len());
        }
        let mut names: Vec<Option<usize>> = vec![None; parents.len()];
        let mut areas = Vec::new();
        for run in &mut runs {
            let root = find(&mut parents, run.part);
            run.part = *names[root].get_or_insert_with(|| {
                areas.push(0);
                areas.len() - 1
            });
            areas[run.part] += u64::from(run.end - run.start);
        }
        Self { runs, first_run, areas }
    }

    /// The number of parts.
    pub const fn len(&self) -> usize {
        self.areas.len()
    }

    /// Whether there are no parts.
    pub const fn is_empty(&self) -> bool {
        self.areas.is_empty()
    }

    /// The pixels of each part.
    pub fn areas(&self) -> &[u64] {
        &self.areas
    }

    /// The part that holds pixel (x, y); `None` where no part does.
    pub fn part_at(&self, x: u32, y: u32) -> Option<usize> {
        let row = &self.runs[*self.first_run.get(y as usize)?..*self.first_run.get(y as usize + 1)?];
        let index = row.partition_point(|run| run.end <= x);
        row.get(index).filter(|run| run.start <= x).map(|run| run.part)
    }

    /// The bounds of each part.
    pub(crate) fn bounds(&self) -> Vec<PixelRect> {
        let mut bounds = vec![PixelRect::default(); self.len()];
        self.for_each_run(|y, start, end, part| bounds[part] = bounds[part].union(PixelRect::new(start, y, end - start, 1)));
        bounds
    }

    /// Those parts that are wanted, on a grid of the mask's `size`.
    pub(crate) fn drawn(&self, size: Size, is_wanted: impl Fn(usize) -> bool) -> Mask {
        let mut drawn = Mask::new(size);
        self.for_each_run(|y, start, end, part| {
            if is_wanted(part) {
                drawn.row_mut(y)[start as usize..end as usize].fill(1);
            }
        });
        drawn
    }

    /// Each part on a grid of its own bounds, and where those lie.
    pub fn parts(&self) -> Vec<(PixelRect, Mask)> {
        let mut parts: Vec<(PixelRect, Mask)> = self.bounds().into_iter().map(|bounds| (bounds, Mask::new(bounds.size()))).collect();
        self.for_each_run(|y, start, end, part| {
            let (bounds, mask) = &mut parts[part];
            mask.row_mut(y - bounds.y)[(start - bounds.x) as usize..(end - bounds.x) as usize].fill(1);
        });
        parts
    }

    /// Calls `visit` with (row, first column, column past the last, part) for every run.
    pub(crate) fn for_each_run(&self, mut visit: impl FnMut(u32, u32, u32, usize)) {
        for (y, bounds) in self.first_run.windows(2).enumerate() {
            for run in &self.runs[bounds[0]..bounds[1]] {
                visit(y as u32, run.start, run.end, run.part);
            }
        }
    }
}

/// The runs of `value` in a row, as (first column, column past the last).
fn spans(row: &[u8], value: u8) -> impl Iterator<Item = (u32, u32)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + row[at..].iter().position(|&v| v == value)?;
        at = row[start..].iter().position(|&v| v != value).map_or(row.len(), |length| start + length);
        Some((start as u32, at as u32))
    })
}

fn find(parents: &mut [usize], mut node: usize) -> usize {
    while parents[node] != node {
        parents[node] = parents[parents[node]];
        node = parents[node];
    }
    node
}

fn union(parents: &mut [usize], a: usize, b: usize) {
    let (a, b) = (find(parents, a), find(parents, b));
    parents[a.max(b)] = a.min(b);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Size;

    #[test]
    fn a_corner_joins_only_with_eight() {
        let mask = Mask::from_fn(Size::new(4, 4), |x, y| x == y || (x, y) == (3, 0));
        assert_eq!(Components::of(&mask, Connectivity::Four).areas(), [1, 1, 1, 1, 1]);
        assert_eq!(Components::of(&mask, Connectivity::Eight).areas(), [4, 1]);
        let other = Mask::from_fn(Size::new(4, 4), |x, y| x + y == 3);
        assert_eq!(Components::of(&other, Connectivity::Eight).areas(), [4]);
    }

    #[test]
    fn the_parts_together_are_the_mask() {
        let mask = Mask::from_fn(Size::new(12, 9), |x, y| (x / 3 + y / 4) % 2 == 0 && !(x == 1 && y == 1));
        let parts = Components::of(&mask, Connectivity::Four).parts();
        let mut whole = Mask::new(mask.size());
        for (bounds, part) in &parts {
            assert_eq!(part.bounds(), Some(PixelRect::of(bounds.size())));
            whole.paste(part, bounds.x, bounds.y);
        }
        assert_eq!((parts.len(), whole), (6, mask));
    }

    #[test]
    fn a_late_bridge_joins_two_parts() {
        let mask = Mask::from_fn(Size::new(5, 3), |x, y| x == 0 || x == 4 || y == 2);
        let parts = Components::of(&mask, Connectivity::Four);
        assert_eq!(parts.areas(), [9]);
        assert_eq!((parts.part_at(4, 0), parts.part_at(2, 0), parts.part_at(9, 9)), (Some(0), None, None));
    }
}
