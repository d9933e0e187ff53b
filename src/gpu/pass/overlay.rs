//! Draws masks over an image inside somebody else's render pass: `shaders/overlay.wgsl`, twin [`crate::mask::overlay`].

use super::{MASK_FORMAT, MaskTexture, Recipe, pipeline};
use crate::gpu::parameter::Parameters;
use crate::gpu::registry::{ImportError, Shader};
use crate::mask::overlay::Overlay;

/// The pipeline and the parameters of a frame's draws.
#[derive(Debug)]
pub struct OverlayPass {
    pipeline: wgpu::RenderPipeline,
    values: wgpu::BindGroupLayout,
    parameters: Parameters<Overlay>,
}

impl OverlayPass {
    /// A pass that draws into a target of `format`, blended over what is there with premultiplied alpha.
    ///
    /// # Errors
    /// When the shader's text is broken.
    pub fn new(device: &wgpu::Device, format: wgpu::TextureFormat) -> Result<Self, ImportError> {
        let parameters = Parameters::new(device, "overlay");
        let values = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("mask"),
            entries: &[wgpu::BindGroupLayoutEntry {
                binding: 0,
                visibility: wgpu::ShaderStages::FRAGMENT,
                ty: wgpu::BindingType::Texture {
                    sample_type: wgpu::TextureSampleType::Float { filterable: false },
                    view_dimension: wgpu::TextureViewDimension::D2,
                    multisampled: false,
                },
                count: None,
            }],
        });
        let recipe = Recipe {
            shader: Shader::Overlay,
            groups: &[Some(parameters.layout()), Some(&values)],
            format,
            blend: Some(wgpu::BlendState::PREMULTIPLIED_ALPHA_BLENDING),
        };
        Ok(Self { pipeline: pipeline(device, &recipe)?, values, parameters })
    }

    /// An empty mask texture that this pass can draw and the brush can write.
    pub fn texture(&self, device: &wgpu::Device, width: u32, height: u32) -> MaskTexture {
        let texture = device.create_texture(&wgpu::TextureDescriptor {
            label: Some("mask"),
            size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: MASK_FORMAT,
            usage: wgpu::TextureUsages::TEXTURE_BINDING
                | wgpu::TextureUsages::COPY_DST
                | wgpu::TextureUsages::COPY_SRC
                | wgpu::TextureUsages::RENDER_ATTACHMENT,
            view_formats: &[],
        });
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("mask"),
            layout: &self.values,
            entries: &[wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::TextureView(&view) }],
        });
        MaskTexture { texture, view, bind_group }
    }

    /// Takes the parameters of all draws of the frame.
    pub fn prepare(&mut self, device: &wgpu::Device, queue: &wgpu::Queue, draws: &[Overlay]) {
        self.parameters.write(device, queue, draws);
    }

    /// Draws the masks in order; `masks[i]` belongs to the `i`th prepared draw. The viewport must be the whole target.
    pub fn draw<'a>(&self, pass: &mut wgpu::RenderPass<'_>, masks: impl Iterator<Item = &'a MaskTexture>) {
        pass.set_pipeline(&self.pipeline);
        for (index, mask) in masks.enumerate() {
            self.parameters.bind(pass, index);
            pass.set_bind_group(1, &mask.bind_group, &[]);
            pass.draw(0..4, 0..1);
        }
    }
}
