//! Several objects of one picture: what two of them claim goes to the one that claims it more.
//!
//! The network looks at one box at a time, and takes parts of what stands before or beside an object for its own. Of objects
//! that overlap in part hardly a pixel belongs to both; of one that lies within another (a tie on a person, a bowl on a
//! table) most do, in COCO as in a person's mind, so these are left alone.

use rayon::prelude::*;

use super::crop::centres_inside;
use super::looks::carried;
use crate::geometry::Rect;

/// A claim counts by what it exceeds this logit, so that two weak ones or two equal ones both stand.
const MARGIN: f32 = 1.0;
/// Objects of which more than this share of the smaller one lies in the other lie within each other.
const WITHIN: f64 = 0.95;

/// What the network says of an object.
#[derive(Clone, Copy)]
pub(super) struct Claim<'a> {
    /// Its box; nothing beyond it is claimed.
    pub(super) rect: Rect,
    /// The part of the image that the logits cover.
    pub(super) region: Rect,
    /// A square grid, row-major.
    pub(super) logits: &'a [f32],
}

impl Claim<'_> {
    /// The logits on the grid of `other`; none beyond the box, where nothing is claimed.
    fn seen_by(&self, other: &Claim<'_>) -> Vec<f32> {
        let mut seen = carried(self.logits, self.region, other.region);
        for (logit, is_boxed) in seen.iter_mut().zip(centres_inside(other.region, other.side(), self.rect)) {
            if !is_boxed {
                *logit = f32::NEG_INFINITY;
            }
        }
        seen
    }

    fn side(&self) -> usize {
        self.logits.len().isqrt()
    }

    /// Image pixels in a cell of the grid.
    fn cell_px(&self) -> f64 {
        self.region.area() / self.logits.len() as f64
    }

    fn area_px(&self) -> f64 {
        self.cell_px() * self.seen_by(self).iter().filter(|&&logit| logit > 0.0).count() as f64
    }
}

/// The logits of each of `claims`, less what others that it shares a part with claim beyond [`MARGIN`]: where both were
/// sure, the one that is surer by more than that keeps a pixel.
pub(super) fn settled(claims: &[Claim<'_>]) -> Vec<Vec<f32>> {
    let areas: Vec<f64> = claims.par_iter().map(Claim::area_px).collect();
    let of = |index: usize| {
        let own = &claims[index];
        let mut theirs = vec![0.0_f32; own.logits.len()];
        for (rival, claim) in claims.iter().enumerate().filter(|&(rival, claim)| rival != index && own.rect.shared(claim.rect) > 0.0) {
            let (small, large) = if own.cell_px() <= claim.cell_px() { (own, claim) } else { (claim, own) };
            let both = small.seen_by(small).into_iter().zip(large.seen_by(small)).filter(|&(a, b)| a > 0.0 && b > 0.0).count();
            let shared_px = small.cell_px() * both as f64;
            if both > 0 && shared_px <= WITHIN * areas[index].min(areas[rival]) {
                for (most, logit) in theirs.iter_mut().zip(claim.seen_by(own)) {
                    *most = most.max(logit - MARGIN);
                }
            }
        }
        own.logits.iter().zip(theirs).map(|(logit, theirs)| logit - theirs).collect()
    };
    (0..claims.len()).into_par_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 32;

    /// The logits of a box: `inside` in the part of it within `object`, -4 elsewhere.
    fn of(rect: Rect, object: Rect, inside: f32) -> Vec<f32> {
        centres_inside(rect, SIDE, object).into_iter().map(|is_object| if is_object { inside } else { -4.0 }).collect()
    }

    /// How many cells of each claim on its own box, as (box, object, logit), are its own once all are settled, of 1024.
    fn kept(objects: &[(Rect, Rect, f32)]) -> Vec<usize> {
        let logits: Vec<Vec<f32>> = objects.iter().map(|&(rect, object, inside)| of(rect, object, inside)).collect();
        let claims: Vec<Claim<'_>> =
            objects.iter().zip(&logits).map(|(&(rect, ..), logits)| Claim { rect, region: rect, logits }).collect();
        settled(&claims).iter().map(|logits| logits.iter().filter(|&&logit| logit > 0.0).count()).collect()
    }

    #[test]
    fn what_two_objects_claim_goes_to_the_surer_one() {
        let (left, right) = (Rect::new(0.0, 0.0, 32.0, 32.0), Rect::new(16.0, 0.0, 32.0, 32.0));
        assert_eq!(kept(&[(left, left, 1.0), (right, right, 4.0)]), [512, 1024], "the left one loses its right half");
        assert_eq!(kept(&[(left, left, 4.0), (right, right, 1.0)]), [1024, 512]);
        assert_eq!(kept(&[(left, left, 2.0), (right, right, 2.5)]), [1024, 1024], "neither is surer by the margin");
        assert_eq!(kept(&[(left, left, 0.2), (right, right, 0.9)]), [1024, 1024], "two weak claims");
    }

    #[test]
    fn a_coarser_grid_gives_way_in_the_same_places() {
        let (small, large) = (Rect::new(24.0, 0.0, 16.0, 16.0), Rect::new(0.0, 0.0, 32.0, 32.0));
        let kept = kept(&[(small, small, 4.0), (large, large, 1.0)]);
        assert_eq!(kept[0], 1024);
        assert!(kept[1].abs_diff(1024 - 8 * 16) <= 16, "{} cells", kept[1]);
    }

    #[test]
    fn what_lies_within_another_object_or_beside_it_changes_nothing() {
        let (table, bowl, chair) = (Rect::new(0.0, 0.0, 64.0, 64.0), Rect::new(8.0, 8.0, 16.0, 16.0), Rect::new(64.0, 0.0, 32.0, 64.0));
        assert_eq!(kept(&[(table, table, 1.0), (bowl, bowl, 5.0), (chair, chair, 5.0)]), [1024; 3]);
        // Of what is claimed beyond its own box by a grid that reaches farther, nothing counts.
        let logits = [vec![1.0; 1024], vec![5.0; 1024]];
        let claims = [Claim { rect: table, region: table, logits: &logits[0] }, Claim { rect: chair, region: table, logits: &logits[1] }];
        assert_eq!(settled(&claims)[0], logits[0]);
    }
}
