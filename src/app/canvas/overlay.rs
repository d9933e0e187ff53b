//! The masks of a frame as one paint callback. A layer says what a texture must hold (the crop, then the strokes on
//! it); the callback makes it so, uploading only what the device does not have yet. So a frame that was never drawn
//! loses nothing.

use std::collections::HashMap;
use std::sync::Arc;

use eframe::egui_wgpu::{CallbackResources, CallbackTrait, ScreenDescriptor};
use eframe::wgpu;
use egui::PaintCallbackInfo;

use crate::geometry::Point;
use crate::gpu::pass::MaskTexture;
use crate::gpu::pass::brush::{BrushPass, Stamp};
use crate::gpu::pass::overlay::OverlayPass;
use crate::mask::PixelRect;
use crate::mask::overlay::Overlay;

/// A brush stroke's capsule, in image coordinates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Capsule {
    /// Start of the segment.
    pub start: Point,
    /// End of the segment.
    pub end: Point,
    /// Radius, in image pixels.
    pub radius_px: f64,
    /// Whether it adds.
    pub inside: bool,
}

/// One mask texture in the frame.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    /// The texture's name.
    pub key: u64,
    /// Columns and rows of the values.
    pub size: (u32, u32),
    /// Row-major bytes.
    pub values: Arc<[u8]>,
    /// The image position of the first value.
    pub texel_origin: [f64; 2],
    /// Strokes over the values, oldest first; only ever grows under one key.
    pub strokes: Arc<Vec<Capsule>>,
    /// How it is drawn; the target's size is filled in later.
    pub draw: Overlay,
}

/// The callback of a frame.
#[derive(Clone, Debug)]
pub(super) struct Masks {
    /// Bottom to top.
    pub layers: Vec<Layer>,
    /// The format of the target.
    pub format: wgpu::TextureFormat,
}

struct Resident {
    texture: MaskTexture,
    stamped: usize,
    used: u64,
}

struct Resources {
    overlay: OverlayPass,
    brush: BrushPass,
    residents: HashMap<u64, Resident>,
    frame: u64,
}

/// Textures that were not drawn for so many frames are dropped.
const KEPT_FRAMES: u64 = 90;

impl CallbackTrait for Masks {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        screen: &ScreenDescriptor,
        encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        if !resources.contains::<Resources>() {
            match (OverlayPass::new(device, self.format), BrushPass::new(device)) {
                (Ok(overlay), Ok(brush)) => {
                    resources.insert(Resources { overlay, brush, residents: HashMap::new(), frame: 0 });
                }
                (Err(error), _) | (_, Err(error)) => tracing::error!(%error, "masks cannot be drawn"),
            }
        }
        let Some(resources) = resources.get_mut::<Resources>() else { return Vec::new() };
        resources.frame += 1;
        resources.upload(device, queue, &self.layers);
        resources.stamp(device, queue, encoder, &self.layers);
        let screen_px = [screen.size_in_pixels[0] as f32, screen.size_in_pixels[1] as f32];
        let draws: Vec<Overlay> = self.layers.iter().map(|layer| Overlay { screen_px, ..layer.draw }).collect();
        resources.overlay.prepare(device, queue, &draws);
        Vec::new()
    }

    fn paint(&self, info: PaintCallbackInfo, pass: &mut wgpu::RenderPass<'static>, resources: &CallbackResources) {
        let Some(resources) = resources.get::<Resources>() else { return };
        let [width, height] = info.screen_size_px;
        pass.set_viewport(0.0, 0.0, width as f32, height as f32, 0.0, 1.0);
        let textures = self.layers.iter().filter_map(|layer| resources.residents.get(&layer.key)).map(|resident| &resident.texture);
        resources.overlay.draw(pass, textures);
    }
}

impl Resources {
    fn upload(&mut self, device: &wgpu::Device, queue: &wgpu::Queue, layers: &[Layer]) {
        for layer in layers {
            let resident = self.residents.entry(layer.key).or_insert_with(|| {
                let texture = self.overlay.texture(device, layer.size.0, layer.size.1);
                texture.write(queue, (0, 0), layer.size, &layer.values);
                Resident { texture, stamped: 0, used: 0 }
            });
            resident.used = self.frame;
        }
        let oldest = self.frame.saturating_sub(KEPT_FRAMES);
        self.residents.retain(|_, resident| resident.used >= oldest);
    }

    fn stamp(&mut self, device: &wgpu::Device, queue: &wgpu::Queue, encoder: &mut wgpu::CommandEncoder, layers: &[Layer]) {
        let mut strokes = Vec::new();
        for layer in layers.iter().filter(|layer| !layer.strokes.is_empty()) {
            let Some(resident) = self.residents.get_mut(&layer.key) else { continue };
            let new = layer.strokes.get(resident.stamped..).unwrap_or_default();
            resident.stamped = layer.strokes.len();
            strokes.push((layer.key, new.iter().map(|capsule| stamp(capsule, layer)).collect::<Vec<Stamp>>()));
        }
        let targets: Vec<(&MaskTexture, Vec<Stamp>)> =
            strokes.into_iter().filter_map(|(key, stamps)| Some((&self.residents.get(&key)?.texture, stamps))).collect();
        if !targets.is_empty() {
            self.brush.stamp(device, queue, encoder, &targets);
        }
    }
}

fn stamp(capsule: &Capsule, layer: &Layer) -> Stamp {
    // Relative to the texture, so that 32 bits are exact far from the image's origin.
    let [left, top] = layer.texel_origin;
    let place = |point: Point| [(point.x - left) as f32, (point.y - top) as f32];
    Stamp {
        start: place(capsule.start),
        end: place(capsule.end),
        texel_origin: [0.0, 0.0],
        size_px: [layer.size.0 as f32, layer.size.1 as f32],
        radius: capsule.radius_px as f32,
        value: f32::from(u8::from(capsule.inside)),
    }
}

/// Whether a capsule may touch the pixels of `area`.
pub(super) fn touches(capsule: &Capsule, area: PixelRect) -> bool {
    super::crop::meets(area, crate::geometry::Rect::from_corners(capsule.start, capsule.end).expanded(capsule.radius_px + 1.0))
}
