//! Made pictures with exact masks: objects cut out of photos, and cut-outs with their own alpha, are pasted over
//! backgrounds, hide one another, throw shadows and go through a camera's faults. The recipe of the shipped weights
//! (`tests/reference/data.py` is its twin, with `OpenCV`'s filters).

mod layer;

use image::{Rgb32FImage, RgbImage, RgbaImage, imageops};

use self::layer::{Cast, Placement, cast, paste};
use crate::geometry::{Rect, Size};
use crate::mask::Mask;
use crate::model::noise::Noise;

/// An object that covers fewer pixels of a picture than this is left out of its masks.
const LEAST_AREA: u64 = 500;
/// Pasted objects in a picture, and how often that many are taken.
const COUNTS: [(usize, f64); 5] = [(1, 0.3), (2, 0.3), (3, 0.2), (4, 0.12), (5, 0.08)];

/// What pictures are made of.
pub trait Parts {
    /// Why a part could not be had.
    type Error;

    /// A picture that objects are pasted over.
    ///
    /// # Errors
    /// When it cannot be read.
    fn background(&self, noise: &mut Noise) -> Result<RgbImage, Self::Error>;

    /// An object with its alpha, trimmed to it.
    ///
    /// # Errors
    /// When it cannot be read.
    fn object(&self, noise: &mut Noise) -> Result<Cutout, Self::Error>;
}

/// An object with its alpha.
#[derive(Clone, Debug)]
pub struct Cutout {
    /// Colours, and how much of each pixel the object covers.
    pub pixels: RgbaImage,
    /// The name of its class.
    pub class: String,
}

/// A made picture.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The picture.
    pub picture: RgbImage,
    /// The visible part of each object with its class, from the lowest to the topmost.
    pub objects: Vec<(Mask, String)>,
    /// The JPEG quality that it is to be stored with, in 1..=100.
    pub quality: u8,
}

/// Makes one picture of 224 to 400 pixels a side with 1 to 5 objects.
///
/// # Errors
/// When a part cannot be had.
pub fn scene<P: Parts>(parts: &P, noise: &mut Noise) -> Result<Scene, P::Error> {
    let width = noise.between(224.0, 385.0) as u32;
    let height = (f64::from(width) * noise.between(0.7, 1.4)).clamp(192.0, 400.0) as u32;
    let size = Size::new(width, height);
    let mut canvas = canvas(&parts.background(noise)?, size, noise);
    let mut objects: Vec<(Mask, String)> = Vec::new();
    let side = f64::from(width.min(height));
    for index in 0..count(noise) {
        let cutout = parts.object(noise)?;
        let share = if index == 0 { noise.between(0.35, 0.95) } else { noise.between(0.15, 0.7) };
        let placement = Placement::random(&cutout.pixels, share * side, size, noise);
        let object = cast(&cutout.pixels, &placement, size);
        if noise.chance(0.3) {
            shadow(&mut canvas, &object, share * side, noise);
        }
        paste(&mut canvas, &object, &Colour::random(noise));
        for (below, _) in &mut objects {
            *below = Mask::from_fn(size, |x, y| below.get(x, y) && object.alpha(x, y) < 0.5);
        }
        objects.push((Mask::from_fn(size, |x, y| object.alpha(x, y) >= 0.5), cutout.class));
    }
    objects.retain(|(mask, _)| mask.area() >= LEAST_AREA);
    let quality = if noise.chance(0.5) { noise.between(35.0, 95.0) as u8 } else { 95 };
    Ok(Scene { picture: photographed(canvas, noise), objects, quality })
}

fn count(noise: &mut Noise) -> usize {
    let mut left = noise.between(0.0, 1.0);
    for (count, share) in COUNTS {
        left -= share;
        if left < 0.0 {
            return count;
        }
    }
    1
}

/// A random part of `background`, mirrored half of the time and at times blurred; values in 0..=255.
fn canvas(background: &RgbImage, size: Size, noise: &mut Noise) -> Rgb32FImage {
    let share = noise.between(0.5, 1.0);
    let part = |side: u32| ((f64::from(side) * share) as u32).clamp(1, side);
    let (width, height) = (part(background.width()), part(background.height()));
    let x = noise.below((background.width() - width + 1) as usize) as u32;
    let y = noise.below((background.height() - height + 1) as usize) as u32;
    let view = imageops::crop_imm(background, x, y, width, height).to_image();
    let mut canvas = imageops::resize(&view, size.width, size.height, imageops::FilterType::Triangle);
    if noise.chance(0.5) {
        imageops::flip_horizontal_in_place(&mut canvas);
    }
    if noise.chance(0.25) {
        canvas = imageops::fast_blur(&canvas, noise.between(1.0, 5.0) as f32);
    }
    Rgb32FImage::from_fn(size.width, size.height, |x, y| image::Rgb(canvas.get_pixel(x, y).0.map(f32::from)))
}

/// Darkens what lies under the object's alpha when that is moved a little and blurred.
fn shadow(canvas: &mut Rgb32FImage, object: &Cast, side: f64, noise: &mut Noise) {
    let (dx, dy) = (noise.between(-0.15, 0.15) * side, noise.between(-0.15, 0.15) * side);
    let blur = (noise.between(0.02, 0.08) * side).max(1.0) as f32;
    let dark = noise.between(0.2, 0.6) as f32;
    let moved = image::GrayImage::from_fn(canvas.width(), canvas.height(), |x, y| {
        let (x, y) = (i64::from(x) - dx as i64, i64::from(y) - dy as i64);
        let alpha = u32::try_from(x).ok().zip(u32::try_from(y).ok()).map_or(0.0, |(x, y)| object.alpha(x, y));
        image::Luma([(alpha * 255.0) as u8])
    });
    let soft = imageops::fast_blur(&moved, blur);
    for (pixel, shade) in canvas.pixels_mut().zip(soft.pixels()) {
        let keep = 1.0 - dark * f32::from(shade.0[0]) / 255.0;
        pixel.0 = pixel.0.map(|value| value * keep);
    }
}

/// A change of an object's colours: saturation, gain of each channel, contrast, gamma.
#[derive(Clone, Debug)]
pub(super) struct Colour {
    saturation: f32,
    gain: [f32; 3],
    contrast: f32,
    shift: f32,
    gamma: f32,
}

impl Colour {
    fn random(noise: &mut Noise) -> Self {
        let saturation = if noise.chance(0.04) { 0.0 } else { 1.0 + noise.between(-0.3, 0.24) as f32 };
        Self {
            saturation,
            gain: std::array::from_fn(|_| 1.0 + noise.between(-0.07, 0.07) as f32),
            contrast: 1.0 + noise.between(-0.18, 0.18) as f32,
            shift: noise.between(-0.07, 0.07) as f32,
            gamma: noise.between(-0.21, 0.21).exp() as f32,
        }
    }

    /// `rgb` in 0..=255, changed.
    fn apply(&self, rgb: [f32; 3]) -> [f32; 3] {
        let grey = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
        std::array::from_fn(|channel| {
            let value = (grey + (rgb[channel] - grey) * self.saturation) * self.gain[channel];
            let value = (value / 255.0).clamp(0.0, 1.0).powf(self.gamma);
            (((value - 0.5) * self.contrast + 0.5 + self.shift) * 255.0).clamp(0.0, 255.0)
        })
    }
}

/// The canvas through a camera: at times blurred, at times noisy.
fn photographed(canvas: Rgb32FImage, noise: &mut Noise) -> RgbImage {
    let blur = noise.chance(0.3).then(|| noise.between(0.4, 1.4) as f32);
    let grain = noise.chance(0.3).then(|| noise.between(2.0, 12.0) as f32);
    let (width, height) = canvas.dimensions();
    let mut values = canvas.into_raw();
    if let Some(deviation) = grain {
        let normals = noise.normals(values.len());
        values.iter_mut().zip(normals).for_each(|(value, normal)| *value += deviation * normal);
    }
    let bytes = values.into_iter().map(|value| value.round().clamp(0.0, 255.0) as u8).collect();
    let picture = RgbImage::from_raw(width, height, bytes).unwrap_or_default();
    match blur {
        Some(deviation) => imageops::fast_blur(&picture, deviation),
        None => picture,
    }
}

/// The object of `mask` cut out of its photo; the edge gets a soft alpha of about a pixel. `None` where it has no pixel.
pub fn cut_out(photo: &RgbImage, mask: &Mask) -> Option<RgbaImage> {
    let Rect { x, y, width, height } = mask.bbox()?;
    let (x, y, width, height) = (x as u32, y as u32, width as u32, height as u32);
    let hard = image::GrayImage::from_fn(width, height, |i, j| image::Luma([u8::from(mask.get(x + i, y + j)) * 255]));
    let soft = imageops::fast_blur(&hard, 0.8);
    Some(RgbaImage::from_fn(width, height, |i, j| {
        let [r, g, b] = photo.get_pixel(x + i, y + j).0;
        image::Rgba([r, g, b, soft.get_pixel(i, j).0[0]])
    }))
}
