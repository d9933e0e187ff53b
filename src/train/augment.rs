//! Random changes of a training example: another box, other colours, a mirror image.

use crate::geometry::Rect;
use crate::model::noise::Noise;

/// A box as a person might have drawn it: often exact, else each edge moved by up to 10 % of its side, now and then by up
/// to 25 %. Without the exact ones the network would learn to distrust good boxes.
pub(super) fn jittered(rect: Rect, noise: &mut Noise) -> Rect {
    if noise.chance(0.4) {
        return rect;
    }
    let share = if noise.chance(0.15) { 0.25 } else { 0.1 } * noise.between(0.3, 1.0);
    let mut edge = |place: f64, side: f64| place + side * noise.between(-share, share);
    let (left, right) = (edge(rect.x, rect.width), edge(rect.right(), rect.width));
    let (top, bottom) = (edge(rect.y, rect.height), edge(rect.bottom(), rect.height));
    Rect::new(left, top, (right - left).max(1.0), (bottom - top).max(1.0))
}

/// Brightness, contrast and colour balance changed a little; `colours` is interleaved RGB, 0..255.
pub(super) fn recoloured(colours: &mut [f32], noise: &mut Noise) {
    let contrast = noise.between(0.8, 1.2) as f32;
    let brightness = noise.between(-20.0, 20.0) as f32;
    let balance: [f32; 3] = std::array::from_fn(|_| noise.between(0.92, 1.08) as f32);
    let mean = colours.iter().sum::<f32>() / colours.len().max(1) as f32;
    for pixel in colours.as_chunks_mut::<3>().0 {
        for (value, balance) in pixel.iter_mut().zip(balance) {
            *value = (((*value - mean) * contrast + mean + brightness) * balance).clamp(0.0, 255.0);
        }
    }
}

/// A mirror image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mirror {
    sideways: bool,
    upside_down: bool,
}

impl Mirror {
    /// Half are mirrored left to right; few top to bottom, since photos have an upside.
    pub(super) fn random(noise: &mut Noise) -> Self {
        Self { sideways: noise.chance(0.5), upside_down: noise.chance(0.1) }
    }

    /// Mirrors square planes of `side` x `side`, in place.
    pub(super) fn apply(self, planes: &mut [f32], side: usize) {
        if self.sideways {
            planes.chunks_exact_mut(side).for_each(<[f32]>::reverse);
        }
        if self.upside_down {
            for plane in planes.chunks_exact_mut(side * side) {
                plane.reverse();
                plane.chunks_exact_mut(side).for_each(<[f32]>::reverse);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jittered_box_stays_near() {
        let rect = Rect::new(10.0, 20.0, 100.0, 40.0);
        let mut noise = Noise::new(1);
        for _ in 0..200 {
            let moved = jittered(rect, &mut noise);
            assert!((moved.x - rect.x).abs() <= 25.0 && (moved.bottom() - rect.bottom()).abs() <= 10.0);
            assert!(moved.is_drawable());
        }
    }

    #[test]
    fn mirroring_twice_changes_nothing() {
        let original: Vec<f32> = (0..32).map(|v| v as f32).collect();
        for (mirror, first) in [
            (Mirror { sideways: true, upside_down: false }, [3.0, 2.0, 1.0, 0.0]),
            (Mirror { sideways: false, upside_down: true }, [12.0, 13.0, 14.0, 15.0]),
        ] {
            let mut planes = original.clone();
            mirror.apply(&mut planes, 4);
            assert_eq!(&planes[..4], first);
            mirror.apply(&mut planes, 4);
            assert_eq!(planes, original);
        }
    }
}
