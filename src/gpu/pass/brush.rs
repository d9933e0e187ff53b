//! Stamps brush strokes into mask textures: `shaders/brush.wgsl`, twin `mask::brush`. The cost follows the stroke's
//! bounds, not the image: nothing is uploaded but the capsule's parameters.

use super::{MASK_FORMAT, MaskTexture, Recipe, pipeline};
use crate::gpu::parameter::Parameters;
use crate::gpu::registry::{ImportError, Shader};

/// One capsule; the same 40 bytes as the shader's `Stamp`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Stamp {
    /// Start of the segment, in image pixels.
    pub start: [f32; 2],
    /// End of the segment, in image pixels.
    pub end: [f32; 2],
    /// The image pixel that texel (0, 0) holds.
    pub texel_origin: [f32; 2],
    /// Texture size, in texels.
    pub size_px: [f32; 2],
    /// Radius, in image pixels.
    pub radius: f32,
    /// What is written: 1 inside the mask, 0 outside.
    pub value: f32,
}

/// The pipeline and the parameters of a frame's stamps.
#[derive(Debug)]
pub struct BrushPass {
    pipeline: wgpu::RenderPipeline,
    parameters: Parameters<Stamp>,
}

impl BrushPass {
    /// A pass that writes into mask textures.
    ///
    /// # Errors
    /// When the shader's text is broken.
    pub fn new(device: &wgpu::Device) -> Result<Self, ImportError> {
        let parameters = Parameters::new(device, "brush");
        let recipe = Recipe { shader: Shader::Brush, groups: &[Some(parameters.layout())], format: MASK_FORMAT, blend: None };
        Ok(Self { pipeline: pipeline(device, &recipe)?, parameters })
    }

    /// Stamps `strokes` in order, each into its texture. Once a frame: the parameters of an earlier call that was not
    /// submitted yet would be lost.
    pub fn stamp(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        encoder: &mut wgpu::CommandEncoder,
        strokes: &[(&MaskTexture, Vec<Stamp>)],
    ) {
        let all: Vec<Stamp> = strokes.iter().flat_map(|(_, stamps)| stamps.iter().copied()).collect();
        self.parameters.write(device, queue, &all);
        let mut first = 0;
        for (mask, stamps) in strokes.iter().filter(|(_, stamps)| !stamps.is_empty()) {
            let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
                label: Some("brush"),
                color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                    view: &mask.view,
                    depth_slice: None,
                    resolve_target: None,
                    ops: wgpu::Operations { load: wgpu::LoadOp::Load, store: wgpu::StoreOp::Store },
                })],
                ..Default::default()
            });
            pass.set_pipeline(&self.pipeline);
            for index in first..first + stamps.len() {
                self.parameters.bind(&mut pass, index);
                pass.draw(0..4, 0..1);
            }
            first += stamps.len();
        }
    }
}
