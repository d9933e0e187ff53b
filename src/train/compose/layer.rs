//! One object on its way into a picture: turned, scaled and moved, then laid over what is there.

use image::{Rgb32FImage, RgbaImage, imageops};

use super::Colour;
use crate::geometry::{Point, Size};
use crate::model::noise::Noise;

/// Where an object goes: its pixels are `from_canvas` of the picture's.
#[derive(Clone, Debug)]
pub(super) struct Placement {
    /// Row-major 2 x 2, canvas offset from `center` to the object's offset from its own centre, in its own pixels.
    object_from_canvas: [f64; 4],
    center: Point,
}

impl Placement {
    /// A random turn, mirror and stretch of `object` so that its longer side becomes `side` pixels, somewhere in a
    /// picture of `size`; a quarter of all places may lie over the edge.
    pub(super) fn random(object: &RgbaImage, side: f64, size: Size, noise: &mut Noise) -> Self {
        let scale = side / f64::from(object.width().max(object.height()).max(1));
        let degrees = if noise.chance(0.8) { noise.between(-30.0, 30.0) } else { noise.between(-180.0, 180.0) };
        let (sin, cos) = degrees.to_radians().sin_cos();
        let mirror = if noise.chance(0.5) { -1.0 } else { 1.0 };
        let stretch = (f64::from(noise.normals(1)[0]) * 0.12).exp();
        let (along, across) = (scale * mirror * stretch, scale / stretch);
        let reach = 0.5 * side;
        let low = if noise.chance(0.25) { -0.25 * reach } else { 0.8 * reach };
        let mut place = |extent: u32| {
            let high = f64::from(extent) - low;
            if high > low { noise.between(low, high) } else { f64::from(extent) / 2.0 }
        };
        let center = Point::new(place(size.width), place(size.height));
        Self { object_from_canvas: [cos / along, sin / along, -sin / across, cos / across], center }
    }
}

/// An object as it lies on the picture: colours and alpha of each pixel.
#[derive(Clone, Debug)]
pub(super) struct Cast {
    size: Size,
    /// Row-major R, G, B in 0..=255 and alpha in 0..=1.
    pixels: Vec<[f32; 4]>,
}

impl Cast {
    /// How much of the pixel is covered, in 0..=1; 0 outside the picture.
    pub(super) fn alpha(&self, x: u32, y: u32) -> f32 {
        if x < self.size.width && y < self.size.height { self.pixels[(y * self.size.width + x) as usize][3] } else { 0.0 }
    }
}

/// `object` as `placement` puts it on a picture of `size`, sampled bilinearly with its alpha as weight.
pub(super) fn cast(object: &RgbaImage, placement: &Placement, size: Size) -> Cast {
    let [a, b, c, d] = placement.object_from_canvas;
    // A large object is made smaller first, so that sampling skips no pixels.
    let shrink = (a.hypot(c).max(b.hypot(d)) / 1.5).max(1.0);
    let small = |side: u32| ((f64::from(side) / shrink).round() as u32).max(1);
    let (width, height) = (small(object.width()), small(object.height()));
    let object = if shrink > 1.0 { &imageops::resize(object, width, height, imageops::FilterType::Triangle) } else { object };
    let middle = Point::new(f64::from(width) / 2.0, f64::from(height) / 2.0);
    let mut pixels = Vec::with_capacity(size.pixels());
    for y in 0..size.height {
        for x in 0..size.width {
            let (dx, dy) = (f64::from(x) + 0.5 - placement.center.x, f64::from(y) + 0.5 - placement.center.y);
            let at = Point::new((a * dx + b * dy) / shrink + middle.x - 0.5, (c * dx + d * dy) / shrink + middle.y - 0.5);
            pixels.push(sample(object, at));
        }
    }
    Cast { size, pixels }
}

/// The object at a place that counts from its first pixel's centre; nothing outside.
fn sample(object: &RgbaImage, at: Point) -> [f32; 4] {
    let (left, top) = (at.x.floor(), at.y.floor());
    let (right, below) = ((at.x - left) as f32, (at.y - top) as f32);
    let mut sum = [0.0; 4];
    for (dy, row) in [(0.0, 1.0 - below), (1.0, below)] {
        for (dx, column) in [(0.0, 1.0 - right), (1.0, right)] {
            let (x, y) = (left + dx, top + dy);
            if x < 0.0 || y < 0.0 || x >= f64::from(object.width()) || y >= f64::from(object.height()) {
                continue;
            }
            let [r, g, b, alpha] = object.get_pixel(x as u32, y as u32).0.map(f32::from);
            let weight = row * column * alpha / 255.0;
            for (sum, value) in sum.iter_mut().zip([r, g, b, 1.0]) {
                *sum += weight * value;
            }
        }
    }
    let alpha = sum[3];
    if alpha <= 0.0 { [0.0; 4] } else { [sum[0] / alpha, sum[1] / alpha, sum[2] / alpha, alpha] }
}

/// Lays the object over the canvas, its colours changed.
pub(super) fn paste(canvas: &mut Rgb32FImage, object: &Cast, colour: &Colour) {
    for (pixel, &[r, g, b, alpha]) in canvas.pixels_mut().zip(&object.pixels) {
        if alpha > 0.0 {
            let over = colour.apply([r, g, b]);
            for (value, over) in pixel.0.iter_mut().zip(over) {
                *value += (over - *value) * alpha;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgba;

    #[test]
    fn an_upright_object_lands_where_it_is_put() {
        let object = RgbaImage::from_pixel(10, 6, Rgba([200, 100, 50, 255]));
        let placement = Placement { object_from_canvas: [1.0, 0.0, 0.0, 1.0], center: Point::new(15.0, 13.0) };
        let cast = cast(&object, &placement, Size::new(40, 30));
        let covered = |x, y| cast.alpha(x, y) > 0.99;
        assert!(covered(10, 10) && covered(19, 15) && !covered(9, 10) && !covered(20, 15) && !covered(10, 16));
        assert_eq!(cast.alpha(40, 0).to_bits(), 0);
        let total: f32 = cast.pixels.iter().map(|pixel| pixel[3]).sum();
        assert!((total - 60.0).abs() < 1e-3, "{total}");
    }

    #[test]
    fn shrinking_keeps_the_share_of_the_object() {
        let object = RgbaImage::from_fn(200, 200, |x, y| Rgba([255, 255, 255, if (x / 2 + y / 2) % 2 == 0 { 255 } else { 0 }]));
        let placement = Placement { object_from_canvas: [10.0, 0.0, 0.0, 10.0], center: Point::new(20.0, 20.0) };
        let cast = cast(&object, &placement, Size::new(40, 40));
        let total: f32 = cast.pixels.iter().map(|pixel| pixel[3]).sum();
        assert!((total - 200.0).abs() < 20.0, "half of 20 x 20 pixels, not {total}");
    }
}
