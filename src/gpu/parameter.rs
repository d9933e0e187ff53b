//! Parameter structs of many draws in one uniform buffer, chosen by a dynamic offset.

use std::marker::PhantomData;

/// A growing uniform buffer of `T`s, each on its own aligned place.
#[derive(Debug)]
pub(super) struct Parameters<T> {
    layout: wgpu::BindGroupLayout,
    buffer: wgpu::Buffer,
    bind_group: wgpu::BindGroup,
    capacity: usize,
    stride: usize,
    marker: PhantomData<T>,
}

impl<T: bytemuck::Pod> Parameters<T> {
    /// A buffer with room for a few values.
    pub(super) fn new(device: &wgpu::Device, label: &str) -> Self {
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(label),
            entries: &[wgpu::BindGroupLayoutEntry {
                binding: 0,
                visibility: wgpu::ShaderStages::VERTEX_FRAGMENT,
                ty: wgpu::BindingType::Buffer {
                    ty: wgpu::BufferBindingType::Uniform,
                    has_dynamic_offset: true,
                    min_binding_size: wgpu::BufferSize::new(size_of::<T>() as u64),
                },
                count: None,
            }],
        });
        let stride = size_of::<T>().next_multiple_of(device.limits().min_uniform_buffer_offset_alignment as usize);
        let capacity = 64;
        let (buffer, bind_group) = allocated::<T>(device, &layout, capacity * stride);
        Self { layout, buffer, bind_group, capacity, stride, marker: PhantomData }
    }

    /// The layout of the bind group, for the pipeline.
    pub(super) const fn layout(&self) -> &wgpu::BindGroupLayout {
        &self.layout
    }

    /// Writes `values`; they hold from the next submission on.
    pub(super) fn write(&mut self, device: &wgpu::Device, queue: &wgpu::Queue, values: &[T]) {
        if values.is_empty() {
            return;
        }
        if values.len() > self.capacity {
            self.capacity = values.len().next_power_of_two();
            (self.buffer, self.bind_group) = allocated::<T>(device, &self.layout, self.capacity * self.stride);
        }
        let mut bytes = vec![0; values.len() * self.stride];
        for (place, value) in bytes.chunks_exact_mut(self.stride).zip(values) {
            place[..size_of::<T>()].copy_from_slice(bytemuck::bytes_of(value));
        }
        queue.write_buffer(&self.buffer, 0, &bytes);
    }

    /// Binds value `index` to group 0.
    pub(super) fn bind(&self, pass: &mut wgpu::RenderPass<'_>, index: usize) {
        pass.set_bind_group(0, &self.bind_group, &[(index * self.stride) as u32]);
    }
}

fn allocated<T>(device: &wgpu::Device, layout: &wgpu::BindGroupLayout, size_bytes: usize) -> (wgpu::Buffer, wgpu::BindGroup) {
    let buffer = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("parameters"),
        size: size_bytes as u64,
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("parameters"),
        layout,
        entries: &[wgpu::BindGroupEntry {
            binding: 0,
            resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: &buffer,
                offset: 0,
                size: wgpu::BufferSize::new(size_of::<T>() as u64),
            }),
        }],
    });
    (buffer, bind_group)
}
