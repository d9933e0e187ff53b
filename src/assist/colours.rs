//! Masks that colours alone would draw, such as `GrabCut`'s (Rother, Kolmogorov, Blake, "`GrabCut`: Interactive Foreground
//! Extraction using Iterated Graph Cuts", 2004) or a wand's.
//!
//! They follow the picture's edges, so that nothing about their outlines looks coarse, and lack whatever of an object has
//! the colours of what is around it. What gives them away is that the same method changes nothing of them any more:
//! colours learned from such a mask, and a cut by these within its box, give that mask again. What people draw goes
//! by what things are and rarely does so.

use image::RgbImage;
use rayon::prelude::*;

use super::snap::Apart;
use crate::mask::cut::least_cost;
use crate::mask::{Mask, metric};

/// A mask that agrees with the cut by its own colours this much (`IoU`) is theirs.
const SAME: f64 = 0.95;
/// Colours beside a mask are learned within this share of its longer side.
const SURROUNDINGS: f64 = 0.5;
/// Of a mask longer than this, every second pixel counts, and so on.
const MOST_CELLS: u32 = 640;
/// Colours are learned from no more pixels than this a side.
const MOST_SAMPLES: usize = 5_000;
/// Gaussians a side, and what neighbours of one colour pay for lying on different sides, as published.
const PARTS: usize = 5;
const SMOOTHNESS: f32 = 50.0;
/// Rounds of k-means that the Gaussians begin with.
const ROUNDS: usize = 10;
/// Added to the variance of colours that are all alike.
const LEAST_VARIANCE: f64 = 0.01;

/// Whether the colours inside and around `mask` would draw it in its box as it is.
///
/// # Panics
/// When `mask` and `image` differ in size.
pub(super) fn would_draw(image: &RgbImage, mask: &Mask) -> bool {
    let Some(bounds) = mask.bounds() else { return false };
    let longest = bounds.width.max(bounds.height);
    let stride = longest.div_ceil(MOST_CELLS);
    let window = bounds.grown((SURROUNDINGS * f64::from(longest)).ceil() as u32, mask.size());
    let width = window.width.div_ceil(stride) as usize;
    let places = || {
        let rows = (window.y..window.bottom()).step_by(stride as usize);
        rows.flat_map(|y| (window.x..window.right()).step_by(stride as usize).map(move |x| (x, y)))
    };
    let pixels: Vec<[f32; 3]> = places().map(|(x, y)| image.get_pixel(x, y).0.map(f32::from)).collect();
    let before: Vec<bool> = places().map(|(x, y)| mask.get(x, y)).collect();
    let boxed: Vec<bool> = places().map(|(x, y)| bounds.contains(x, y)).collect();
    let of_side = |side: bool| pixels.iter().zip(&before).filter(move |(_, inside)| **inside == side).map(|(pixel, _)| *pixel);
    let learned = rayon::join(|| Mixture::of(of_side(true)), || Mixture::of(of_side(false)));
    let (Some(object), Some(around)) = learned else { return false };
    let leaning = |(pixel, &boxed): (&[f32; 3], &bool)| if boxed { (object.log(*pixel) - around.log(*pixel)) as f32 } else { -1.0 };
    let sides: Vec<f32> = pixels.par_iter().zip(&boxed).map(leaning).collect();
    let apart = Apart::new(&pixels, width, SMOOTHNESS, 1.0, |_| true);
    let after = least_cost(&sides, width, |cell| boxed[cell], |a, b| apart.cost(a, b));
    metric::cell_iou(before.into_iter().zip(after)) >= SAME
}

/// Gaussians over colours.
struct Mixture(Vec<Gaussian>);

struct Gaussian {
    mean: [f64; 3],
    /// The inverse of the covariance.
    precision: [[f64; 3]; 3],
    /// Its share of the pixels by the square root of the covariance's determinant.
    height: f64,
}

impl Mixture {
    /// What describes `pixels`; `None` where these are fewer than the parts.
    fn of(pixels: impl Iterator<Item = [f32; 3]> + Clone) -> Option<Self> {
        let step = pixels.clone().count().div_ceil(MOST_SAMPLES).max(1);
        let pixels: Vec<[f64; 3]> = pixels.step_by(step).map(|pixel| pixel.map(f64::from)).collect();
        if pixels.len() < PARTS {
            return None;
        }
        // From dark to bright in equal shares, then by k-means.
        let mut order: Vec<usize> = (0..pixels.len()).collect();
        order.sort_by(|&a, &b| pixels[a].iter().sum::<f64>().total_cmp(&pixels[b].iter().sum()));
        let mut parts = vec![0; pixels.len()];
        for (rank, pixel) in order.into_iter().enumerate() {
            parts[pixel] = rank * PARTS / pixels.len();
        }
        for _ in 0..ROUNDS {
            let means: Vec<[f64; 3]> = split(&pixels, &parts).iter().map(|part| mean(part)).collect();
            parts = likeliest(&pixels, means.len(), |pixel, part| -squared(pixel, means[part]));
        }
        let first = Self::learned(&pixels, &parts);
        parts = likeliest(&pixels, first.0.len(), |pixel, part| first.0[part].density(pixel));
        Some(Self::learned(&pixels, &parts))
    }

    fn learned(pixels: &[[f64; 3]], parts: &[usize]) -> Self {
        Self(split(pixels, parts).iter().map(|part| Gaussian::of(part, pixels.len())).collect())
    }

    /// The logarithm of how often `pixel` comes, up to a constant that all mixtures share.
    fn log(&self, pixel: [f32; 3]) -> f64 {
        let pixel = pixel.map(f64::from);
        self.0.iter().map(|part| part.density(pixel)).sum::<f64>().max(f64::MIN_POSITIVE).ln()
    }
}

impl Gaussian {
    /// Of the colours of `part`, one of `all` pixels' parts.
    fn of(part: &[[f64; 3]], all: usize) -> Self {
        let (mean, count) = (mean(part), part.len() as f64);
        let mut covariance = [[0.0; 3]; 3];
        for pixel in part {
            for (a, row) in covariance.iter_mut().enumerate() {
                for (b, value) in row.iter_mut().enumerate() {
                    *value += (pixel[a] - mean[a]) * (pixel[b] - mean[b]) / count;
                }
            }
        }
        if determinant(covariance) <= LEAST_VARIANCE.powi(3) {
            (0..3).for_each(|axis| covariance[axis][axis] += LEAST_VARIANCE);
        }
        let determinant = determinant(covariance);
        Self { mean, precision: inverse(covariance, determinant), height: count / all as f64 / determinant.sqrt() }
    }

    fn density(&self, pixel: [f64; 3]) -> f64 {
        let off: [f64; 3] = std::array::from_fn(|axis| pixel[axis] - self.mean[axis]);
        let far: f64 =
            self.precision.iter().zip(off).map(|(row, a)| a * row.iter().zip(off).map(|(value, b)| value * b).sum::<f64>()).sum();
        self.height * (-0.5 * far).exp()
    }
}

/// The pixels of each part, without empty ones.
fn split(pixels: &[[f64; 3]], parts: &[usize]) -> Vec<Vec<[f64; 3]>> {
    let mut split = vec![Vec::new(); PARTS];
    for (&pixel, &part) in pixels.iter().zip(parts) {
        split[part].push(pixel);
    }
    split.retain(|part| !part.is_empty());
    split
}

/// Which of so many parts has the largest `value` for each pixel.
fn likeliest(pixels: &[[f64; 3]], parts: usize, value: impl Fn([f64; 3], usize) -> f64) -> Vec<usize> {
    let largest = |&pixel: &[f64; 3]| {
        let values = (0..parts).map(|part| (part, value(pixel, part)));
        values.max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(part, _)| part)
    };
    pixels.iter().map(largest).collect()
}

fn mean(pixels: &[[f64; 3]]) -> [f64; 3] {
    std::array::from_fn(|axis| pixels.iter().map(|pixel| pixel[axis]).sum::<f64>() / pixels.len() as f64)
}

fn squared(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.into_iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn determinant([a, b, c]: [[f64; 3]; 3]) -> f64 {
    a.into_iter().zip(cross(b, c)).map(|(a, b)| a * b).sum()
}

/// Of a symmetric matrix.
fn inverse([a, b, c]: [[f64; 3]; 3], determinant: f64) -> [[f64; 3]; 3] {
    [cross(b, c), cross(c, a), cross(a, b)].map(|row| row.map(|value| value / determinant))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Size;
    use crate::model::noise::Noise;

    const RADIUS_PX: i32 = 40;

    /// A noisy picture of a disc, `times` as large as usual, that is red on the left and as green as all around it on the
    /// right; the disc's mask and that of its red half.
    fn two_coloured(times: u32) -> (RgbImage, Mask, Mask) {
        let size = Size::new(160 * times, 130 * times);
        let is_in = |x: u32, y: u32| ((x / times) as i32 - 70).pow(2) + ((y / times) as i32 - 60).pow(2) < RADIUS_PX.pow(2);
        let is_red = |x: u32, y: u32| is_in(x, y) && x < 70 * times;
        let mut noise = Noise::new(3);
        let image = RgbImage::from_fn(size.width, size.height, |x, y| {
            let colour = if is_red(x, y) { [190.0, 50.0, 60.0] } else { [60.0, 150.0, 70.0] };
            image::Rgb(colour.map(|value| (value + noise.between(-25.0, 25.0)) as u8))
        });
        (image, Mask::from_fn(size, is_in), Mask::from_fn(size, is_red))
    }

    #[test]
    fn what_colours_give_is_told_from_what_they_do_not() {
        for times in [1, 9] {
            let (image, disc, half) = two_coloured(times);
            assert!(would_draw(&image, &half), "{times}");
            assert!(!would_draw(&image, &disc), "{times}: colours give half of it");
        }
    }

    #[test]
    fn what_has_no_colours_of_its_own_is_not_theirs() {
        let (image, disc, _) = two_coloured(1);
        let size = disc.size();
        let spot = Mask::from_fn(size, |x, y| x < 2 && y < 2);
        let none = Mask::new(size);
        let all = Mask::from_fn(size, |_, _| true);
        assert!([spot, none, all].iter().all(|mask| !would_draw(&image, mask)));
        let even = RgbImage::from_pixel(size.width, size.height, image::Rgb([9, 9, 9]));
        assert!(!would_draw(&even, &disc));
    }

    #[test]
    fn a_gaussian_is_that_of_its_pixels() {
        let mut noise = Noise::new(5);
        let pixels: Vec<[f64; 3]> = (0..4000)
            .map(|_| {
                let (a, b, c) = (noise.between(-9.0, 9.0), noise.between(-5.0, 5.0), noise.between(-3.0, 3.0));
                [100.0 + a, 80.0 + a + b, 60.0 + b - c]
            })
            .collect();
        let gaussian = Gaussian::of(&pixels, 2 * pixels.len());
        // The mean of the squared distances by the own covariance is the number of axes.
        let far = |pixel: &[f64; 3]| -2.0 * (gaussian.density(*pixel) / gaussian.height).ln();
        let mean_far = pixels.iter().map(far).sum::<f64>() / pixels.len() as f64;
        assert!((mean_far - 3.0).abs() < 1e-6, "{mean_far}");
        let alike = Gaussian::of(&[[7.0; 3]; 8], 16);
        assert!((alike.density([7.0; 3]) - 0.5 / LEAST_VARIANCE.powf(1.5)).abs() < 1e-6);
    }
}
