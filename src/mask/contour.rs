//! The lines between the pixels inside a mask and those outside, as closed rings on pixel corners.

use super::Mask;
use super::component::{Components, Connectivity};
use crate::geometry::Point;

/// One closed ring of an outline.
#[derive(Clone, Debug, PartialEq)]
pub struct Contour {
    /// Corners only, the inside on the right hand: clockwise around a part, counter-clockwise around a hole.
    pub points: Vec<Point>,
    /// For a hole, the index of the ring around the part that it lies in; `None` for such an outer ring.
    pub outer: Option<usize>,
}

/// The rings of `mask`, outer ones and holes, in the order of their first row. Filled by the even-odd rule they give
/// the mask back exactly. Pixels that touch only at a corner belong to different parts.
pub fn outline(mask: &Mask) -> Vec<Vec<Point>> {
    rings(mask).into_iter().map(|ring| ring.points).collect()
}

/// The same rings with the part that each hole belongs to.
pub fn rings(mask: &Mask) -> Vec<Contour> {
    let Some(bounds) = mask.bounds() else { return Vec::new() };
    let crop = mask.cropped(bounds);
    let components = Components::of(&crop, Connectivity::Four);
    let mut walker = Walker { walked: vec![false; crop.bytes().len()], mask: &crop };
    let mut rings = Vec::new();
    let mut outer_of_part: Vec<Option<usize>> = vec![None; components.len()];
    let mut part_of_ring = Vec::new();
    for y in 0..crop.size().height {
        for x in tops(&crop, y) {
            if walker.is_walked(x, y) {
                continue;
            }
            let (corners, twice_area) = walker.walk(x, y);
            let points = corners.into_iter().map(|(x, y)| Point::new(f64::from(x + bounds.x), f64::from(y + bounds.y))).collect();
            let part = components.part_at(x, y);
            if twice_area > 0
                && let Some(part) = part
            {
                outer_of_part[part] = Some(rings.len());
            }
            part_of_ring.push((twice_area <= 0).then_some(part).flatten());
            rings.push(Contour { points, outer: None });
        }
    }
    for (ring, part) in rings.iter_mut().zip(part_of_ring) {
        ring.outer = part.and_then(|part| outer_of_part[part]);
    }
    rings
}

/// The pixels of a row that are inside while their upper neighbours are not.
fn tops(mask: &Mask, y: u32) -> Vec<u32> {
    let row = mask.row(y);
    if y == 0 {
        return (0..row.len() as u32).filter(|&x| row[x as usize] != 0).collect();
    }
    let above = mask.row(y - 1);
    let mut tops = Vec::new();
    for (block, (row, above)) in row.chunks(32).zip(above.chunks(32)).enumerate() {
        if row != above {
            let differs = row.iter().zip(above).enumerate().filter(|(_, (row, above))| row > above);
            tops.extend(differs.map(|(x, _)| (block * 32 + x) as u32));
        }
    }
    tops
}

struct Walker<'a> {
    mask: &'a Mask,
    walked: Vec<bool>,
}

#[derive(Clone, Copy, PartialEq)]
enum Heading {
    Right,
    Down,
    Left,
    Up,
}

impl Heading {
    const fn right_turn(self) -> Self {
        match self {
            Self::Right => Self::Down,
            Self::Down => Self::Left,
            Self::Left => Self::Up,
            Self::Up => Self::Right,
        }
    }

    const fn left_turn(self) -> Self {
        self.right_turn().right_turn().right_turn()
    }
}

impl Walker<'_> {
    /// Whether a ring has taken the top edge of (x, y).
    fn is_walked(&self, x: u32, y: u32) -> bool {
        self.walked[self.index(x, y)]
    }

    fn index(&self, x: u32, y: u32) -> usize {
        y as usize * self.mask.size().width as usize + x as usize
    }

    /// Whether the pixel whose left top corner is (x, y) is inside.
    fn inside(&self, x: i64, y: i64) -> bool {
        x >= 0 && y >= 0 && self.mask.get(x as u32, y as u32)
    }

    /// The ring that begins with the top edge of pixel (x, y), and twice its signed area: positive for a part.
    fn walk(&mut self, x: u32, y: u32) -> (Vec<(u32, u32)>, i64) {
        let start = (i64::from(x), i64::from(y));
        let (mut at, mut heading) = (start, Heading::Right);
        let mut corners = Vec::new();
        let mut twice_area = 0;
        loop {
            // One step along the edge; a rightward edge is the top of the pixel under it.
            let next = match heading {
                Heading::Right => {
                    let index = self.index(at.0 as u32, at.1 as u32);
                    self.walked[index] = true;
                    (at.0 + 1, at.1)
                }
                Heading::Down => (at.0, at.1 + 1),
                Heading::Left => (at.0 - 1, at.1),
                Heading::Up => (at.0, at.1 - 1),
            };
            twice_area += at.0 * next.1 - next.0 * at.1;
            at = next;
            // The two pixels ahead of the corner, seen in walking direction.
            let (left, right) = match heading {
                Heading::Right => (self.inside(at.0, at.1 - 1), self.inside(at.0, at.1)),
                Heading::Down => (self.inside(at.0, at.1), self.inside(at.0 - 1, at.1)),
                Heading::Left => (self.inside(at.0 - 1, at.1), self.inside(at.0 - 1, at.1 - 1)),
                Heading::Up => (self.inside(at.0 - 1, at.1 - 1), self.inside(at.0, at.1 - 1)),
            };
            let turned = match (left, right) {
                (_, false) => heading.right_turn(),
                (true, true) => heading.left_turn(),
                (false, true) => heading,
            };
            if turned != heading {
                corners.push((at.0 as u32, at.1 as u32));
                heading = turned;
            }
            if at == start && heading == Heading::Right {
                return (corners, twice_area);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Size;

    #[test]
    fn corner_neighbours_are_two_parts() {
        let mask = Mask::from_fn(Size::new(2, 2), |x, y| x == y);
        let rings = rings(&mask);
        assert_eq!(rings.len(), 2);
        assert!(rings.iter().all(|ring| ring.points.len() == 4 && ring.outer.is_none()));
    }

    #[test]
    fn a_hole_names_its_part() {
        let mask = Mask::from_fn(Size::new(9, 5), |x, y| x < 5 && !(x == 2 && y == 2) || x > 6);
        let rings = rings(&mask);
        assert_eq!(rings.iter().map(|ring| ring.outer).collect::<Vec<_>>(), [None, None, Some(0)]);
        assert_eq!(rings[2].points.len(), 4);
        assert!(outline(&Mask::new(Size::new(3, 3))).is_empty());
    }

    #[test]
    fn a_part_inside_a_hole_of_another() {
        let square = |x: u32, y: u32, r: u32| x.abs_diff(5).max(y.abs_diff(5)) <= r;
        let mask = Mask::from_fn(Size::new(11, 11), |x, y| square(x, y, 4) && !square(x, y, 2) || square(x, y, 0));
        let rings = rings(&mask);
        assert_eq!(rings.len(), 3);
        let hole = rings.iter().find(|ring| ring.outer.is_some()).unwrap();
        assert_eq!(rings[hole.outer.unwrap()].points[0], Point::new(10.0, 1.0));
    }
}
