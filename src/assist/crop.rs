//! Crops around boxes and masks: geometry, resampling, and the input of each network.
//!
//! `tests/reference/crop.py` does the same, step by step; the networks were trained on its output, so the two must agree.

use crate::geometry::{Rect, Size};

/// Mean of each colour channel, 0..255.
pub const MEAN: [f32; 3] = [123.675, 116.28, 103.53];
/// Standard deviation of each colour channel, 0..255.
pub const DEVIATION: [f32; 3] = [58.395, 57.12, 57.375];

/// How much of each side of a box its crop holds beyond it, on every side.
pub const SHARE: f64 = 0.25;

/// The crop around a box: [`SHARE`] of each side (16 pixels at least) more on every side, then the shorter side grown
/// evenly until the aspect is at most 2:1. It may leave the image.
pub fn box_region(rect: Rect) -> Rect {
    region(rect, SHARE)
}

/// [`box_region`] with another share.
pub fn region(rect: Rect, share: f64) -> Rect {
    let (dx, dy) = ((share * rect.width).max(16.0), (share * rect.height).max(16.0));
    let (mut x, mut y, mut w, mut h) = (rect.x - dx, rect.y - dy, rect.width + 2.0 * dx, rect.height + 2.0 * dy);
    if w > 2.0 * h {
        y -= (w / 2.0 - h) / 2.0;
        h = w / 2.0;
    } else if h > 2.0 * w {
        x -= (h / 2.0 - w) / 2.0;
        w = h / 2.0;
    }
    Rect::new(x, y, w, h)
}

/// The crop around a mask with the bounds `bbox`: 10 % of each side (20 pixels at least) more on every side, clipped to
/// the image. All four numbers are whole.
pub fn mask_region(bbox: Rect, image: Size) -> Rect {
    let margin = |side: f64| (0.1 * side).round_ties_even().max(20.0);
    let (dx, dy) = (margin(bbox.width), margin(bbox.height));
    Rect::new(bbox.x - dx, bbox.y - dy, bbox.width + 2.0 * dx, bbox.height + 2.0 * dy).clipped(image)
}

/// Image coordinates of `count` crop-pixel centres along one axis.
fn centres(start: f64, length: f64, count: usize) -> impl Iterator<Item = f64> {
    (0..count).map(move |i| start + (i as f64 + 0.5) * (length / count as f64))
}

/// How one axis is resampled: blocks of `block` pixels are averaged, then two neighbouring blocks are mixed.
struct Axis {
    block: usize,
    origin: i64,
    blocks: usize,
    /// First block, second block, share of the second.
    taps: Vec<(usize, usize, f32)>,
}

impl Axis {
    fn new(start: f64, length: f64, count: usize) -> Self {
        let scale = length / count as f64;
        let block = if scale > 2.0 { scale as usize } else { 1 };
        let origin = start.floor();
        let blocks = (((start + length - origin) / block as f64).ceil()).max(1.0) as usize;
        let tap = |centre: f64| {
            let place = (centre - origin) / block as f64 - 0.5;
            let low = place.floor();
            let clamped = |place: f64| place.clamp(0.0, (blocks - 1) as f64) as usize;
            (clamped(low), clamped(low + 1.0), (place - low) as f32)
        };
        Self { block, origin: origin as i64, blocks, taps: centres(start, length, count).map(tap).collect() }
    }

    /// The source pixels of block `index`; outside 0..`extent` the nearest one stands in.
    fn sources(&self, index: usize, extent: usize) -> impl Iterator<Item = usize> {
        let first = self.origin + (index * self.block) as i64;
        (first..first + self.block as i64).map(move |place| place.clamp(0, extent as i64 - 1) as usize)
    }
}

/// A part of an image stretched to `side` x `side`: bilinear between pixel centres, averaged over whole blocks where
/// the image shrinks more than twice. Pixels outside the image repeat its nearest edge.
///
/// `pixels` is row-major with `channels` bytes a pixel, and so is the result, as f32.
///
/// # Panics
/// When `pixels` is shorter than `size` says, or `size` is empty.
pub fn resampled(pixels: &[u8], size: Size, channels: usize, region: Rect, side: usize) -> Vec<f32> {
    let (width, height) = (size.width as usize, size.height as usize);
    let rows = Axis::new(region.y, region.height, side);
    let from = (region.x.floor() - 1.0).clamp(0.0, width as f64) as usize;
    let to = ((region.x + region.width).ceil() + 1.0).clamp(0.0, width as f64) as usize;
    let (from, to) = if to > from { (from, to) } else { (0, width) };
    let columns = Axis::new(region.x - from as f64, region.width, side);
    let span = (to - from) * channels;

    let mut averaged = vec![0.0_f32; rows.blocks * span];
    for (index, target) in averaged.chunks_exact_mut(span).enumerate() {
        for y in rows.sources(index, height) {
            let source = &pixels[(y * width + from) * channels..][..span];
            for (sum, &value) in target.iter_mut().zip(source) {
                *sum += f32::from(value);
            }
        }
        if rows.block > 1 {
            for sum in target.iter_mut() {
                *sum /= rows.block as f32;
            }
        }
    }

    let mut result = vec![0.0_f32; side * side * channels];
    let mut line = vec![0.0_f32; span];
    let mut blocks = vec![0.0_f32; columns.blocks * channels];
    for (&(low, high, share), target) in rows.taps.iter().zip(result.chunks_exact_mut(side * channels)) {
        for ((mixed, &a), &b) in line.iter_mut().zip(&averaged[low * span..]).zip(&averaged[high * span..]) {
            *mixed = a * (1.0 - share) + b * share;
        }
        for (index, sums) in blocks.chunks_exact_mut(channels).enumerate() {
            sums.fill(0.0);
            for x in columns.sources(index, to - from) {
                for (sum, &value) in sums.iter_mut().zip(&line[x * channels..]) {
                    *sum += value;
                }
            }
            if columns.block > 1 {
                for sum in sums {
                    *sum /= columns.block as f32;
                }
            }
        }
        for (&(low, high, share), pixel) in columns.taps.iter().zip(target.chunks_exact_mut(channels)) {
            for (channel, value) in pixel.iter_mut().enumerate() {
                *value = blocks[low * channels + channel] * (1.0 - share) + blocks[high * channels + channel] * share;
            }
        }
    }
    result
}

/// Which crop pixels have their centre in `rect`, row-major.
pub fn centres_inside(region: Rect, side: usize, rect: Rect) -> Vec<bool> {
    let in_x: Vec<bool> = centres(region.x, region.width, side).map(|x| x >= rect.x && x < rect.x + rect.width).collect();
    centres(region.y, region.height, side)
        .flat_map(|y| {
            let row = y >= rect.y && y < rect.y + rect.height;
            in_x.iter().map(move |&column| row && column)
        })
        .collect()
}

/// The image's own rectangle.
pub fn frame(size: Size) -> Rect {
    Rect::new(0.0, 0.0, f64::from(size.width), f64::from(size.height))
}

/// Interleaved 0..255 colours as three planes, normalised; 0 where not `inside`.
pub fn normalised(colours: &[f32], inside: &[bool]) -> Vec<f32> {
    let mut planes = Vec::with_capacity(colours.len());
    for channel in 0..3 {
        let value = |(pixel, &inside): (&[f32; 3], &bool)| {
            if inside { (pixel[channel] - MEAN[channel]) / DEVIATION[channel] } else { 0.0 }
        };
        planes.extend(colours.as_chunks::<3>().0.iter().zip(inside).map(value));
    }
    planes
}

/// A binary mask through a crop's geometry: 0 or 1, row-major, 0 outside the image.
pub fn mask_crop(mask: &crate::mask::Mask, region: Rect, side: usize) -> Vec<f32> {
    let inside = centres_inside(region, side, frame(mask.size()));
    let soft = resampled(mask.bytes(), mask.size(), 1, region, side);
    soft.into_iter().zip(inside).map(|(value, inside)| f32::from(u8::from(inside && value >= 0.5))).collect()
}

/// The mean of a square grid of values in each of `cells` x `cells` blocks of it.
pub(super) fn shares(values: &[f32], cells: usize) -> Vec<f32> {
    let side = values.len().isqrt();
    let block = side / cells;
    let share = |cell: usize| {
        let corner = cell / cells * block * side + cell % cells * block;
        (0..block).map(|row| values[corner + row * side..][..block].iter().sum::<f32>()).sum::<f32>() / (block * block) as f32
    };
    (0..cells * cells).map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Point;
    use crate::mask::Mask;

    #[test]
    fn regions_follow_the_policy() {
        assert_eq!(box_region(Rect::new(100.0, 50.0, 40.0, 80.0)), Rect::new(84.0, 30.0, 72.0, 120.0));
        assert_eq!(box_region(Rect::new(0.0, 0.0, 400.0, 20.0)), Rect::new(-100.0, -140.0, 600.0, 300.0));
        let size = Size::new(300, 100);
        assert_eq!(mask_region(Rect::new(10.0, 10.0, 250.0, 50.0), size), Rect::new(0.0, 0.0, 285.0, 80.0));
    }

    #[test]
    fn an_identity_crop_keeps_every_pixel() {
        let size = Size::new(5, 5);
        let pixels: Vec<u8> = (0..75).collect();
        let crop = resampled(&pixels, size, 3, frame(size), 5);
        assert!(crop.iter().zip(&pixels).all(|(a, &b)| (a - f32::from(b)).abs() < 1e-6));
    }

    #[test]
    fn shrinking_averages_and_enlarging_is_bilinear() {
        let pixels = [0, 0, 90, 90, 0, 0, 90, 90, 90, 90, 90];
        let wide = resampled(&pixels[..9], Size::new(9, 1), 1, Rect::new(0.0, 0.0, 9.0, 1.0), 3);
        assert_eq!(&wide[..3], [30.0, 30.0, 90.0]);
        let up = resampled(&[0, 100], Size::new(2, 1), 1, Rect::new(0.0, 0.0, 2.0, 1.0), 4);
        assert_eq!(&up[..4], [0.0, 25.0, 75.0, 100.0]);
    }

    #[test]
    fn outside_the_image_repeats_the_edge_and_is_known_to_be_outside() {
        let size = Size::new(2, 2);
        let region = Rect::new(-2.0, -2.0, 6.0, 6.0);
        let crop = resampled(&[10, 20, 30, 40], size, 1, region, 6);
        assert_eq!((crop[0], crop[5], crop[35]), (10.0, 20.0, 40.0));
        let inside = centres_inside(region, 6, frame(size));
        assert_eq!(inside.iter().filter(|&&v| v).count(), 4);
        assert!(inside[2 * 6 + 2] && !inside[0]);
    }

    #[test]
    fn a_mask_survives_its_own_crop() {
        let mask = Mask::from_fn(Size::new(64, 64), |x, y| Point::new(f64::from(x), f64::from(y)).distance(Point::new(30.0, 34.0)) < 15.0);
        let crop = mask_crop(&mask, frame(mask.size()), 64);
        assert!(crop.iter().zip(mask.bytes()).all(|(a, &b)| (a - f32::from(b)).abs() < 1e-6));
    }
}
