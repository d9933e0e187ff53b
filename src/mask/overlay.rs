//! Masks over an image, drawn on the CPU: the twin of `shaders/overlay.wgsl`, for tests and for machines without a GPU.

use crate::geometry::Size;

/// One mask, placed in a target; the same 80 bytes as the shader's `Overlay`.
///
/// Values come from a row-major grid of bytes, 0 outside and 255 inside; between them the fill fades.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Overlay {
    /// The part of the image that is drawn, in image pixels: left, top, right, bottom.
    pub area: [f32; 4],
    /// Premultiplied colour inside the mask, each part 0..=1.
    pub fill: [f32; 4],
    /// Premultiplied colour along the border, each part 0..=1.
    pub outline: [f32; 4],
    /// Target size, in target pixels.
    pub screen_px: [f32; 2],
    /// Where the image's origin lies, in target pixels.
    pub origin_px: [f32; 2],
    /// The image pixel that the first value of the grid belongs to.
    pub texel_origin: [f32; 2],
    /// Image pixels per target pixel.
    pub pixel: f32,
    /// Width of the outline, in image pixels.
    pub outline_width: f32,
}

impl Overlay {
    /// The premultiplied colour of the target pixel with centre (`x`, `y`); `None` where nothing is drawn.
    pub fn color_at(&self, values: &[u8], size: Size, x: f32, y: f32) -> Option<[f32; 4]> {
        let (x, y) = ((x - self.origin_px[0]) * self.pixel, (y - self.origin_px[1]) * self.pixel);
        let value = |dx: f32, dy: f32| {
            let along = |position: f32, origin: f32, count: u32| ((position - origin).floor().max(0.0) as usize).min(count as usize - 1);
            let column = along(x + dx, self.texel_origin[0], size.width);
            let row = along(y + dy, self.texel_origin[1], size.height);
            f32::from(values[row * size.width as usize + column]) / 255.0
        };
        let (near, far) = (0.125 * self.pixel, 0.375 * self.pixel);
        let coverage = 0.25 * (value(-near, -far) + value(far, -near) + value(near, far) + value(-far, near));
        if coverage == 0.0 {
            return None;
        }
        let (straight, slanted) = (self.outline_width, 0.75 * self.outline_width);
        let around = [
            (straight, 0.0),
            (-straight, 0.0),
            (0.0, straight),
            (0.0, -straight),
            (slanted, slanted),
            (-slanted, slanted),
            (slanted, -slanted),
            (-slanted, -slanted),
        ];
        let low = around.iter().map(|&(dx, dy)| value(dx, dy)).fold(1.0, f32::min);
        let color = if low < 0.5 && coverage >= 0.5 { self.outline } else { self.fill };
        Some(color.map(|part| part * coverage))
    }

    /// Blends the mask over `target`, row-major RGBA bytes with premultiplied alpha of `self.screen_px` pixels.
    ///
    /// # Panics
    /// When `target` or `values` do not have the bytes that their sizes say.
    pub fn blend(&self, values: &[u8], size: Size, target: &mut [u8]) {
        let (width, height) = (self.screen_px[0] as usize, self.screen_px[1] as usize);
        assert_eq!(target.len(), width * height * 4, "the target has another size");
        assert_eq!(values.len(), size.pixels(), "the mask has another size");
        let [left, top, right, bottom] = self.area;
        for (index, pixel) in target.chunks_exact_mut(4).enumerate() {
            let (x, y) = ((index % width) as f32 + 0.5, (index / width) as f32 + 0.5);
            let inside = |at: f32, low: f32, high: f32, origin: f32| at >= low / self.pixel + origin && at < high / self.pixel + origin;
            if !inside(x, left, right, self.origin_px[0]) || !inside(y, top, bottom, self.origin_px[1]) {
                continue;
            }
            let Some(color) = self.color_at(values, size, x, y) else { continue };
            for (part, byte) in color.iter().zip(pixel) {
                let mixed = part + f32::from(*byte) / 255.0 * (1.0 - color[3]);
                *byte = (mixed * 255.0).round().clamp(0.0, 255.0) as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_border_has_the_outline_and_the_middle_the_fill() {
        let overlay = Overlay {
            area: [0.0, 0.0, 8.0, 8.0],
            fill: [0.0, 0.5, 0.0, 0.5],
            outline: [1.0, 0.0, 0.0, 1.0],
            screen_px: [8.0, 8.0],
            origin_px: [0.0, 0.0],
            texel_origin: [-1.0, -1.0],
            pixel: 1.0,
            outline_width: 1.0,
        };
        let size = Size::new(10, 10);
        let values: Vec<u8> = (0..100).map(|i| if (1..9).contains(&(i % 10)) && (1..9).contains(&(i / 10)) { 255 } else { 0 }).collect();
        let mut target = vec![0; 8 * 8 * 4];
        overlay.blend(&values, size, &mut target);
        assert_eq!(&target[..4], &[255, 0, 0, 255]);
        assert_eq!(&target[(4 * 8 + 4) * 4..][..4], &[0, 128, 0, 128]);
    }
}
