//! Each pass against its CPU twin on the machine's adapter, software Vulkan included. Without an adapter a test says
//! *skipped*; with `ANNOTATOR_REQUIRE_GPU=1` it fails.

#![allow(clippy::print_stderr, reason = "a skipped test says so aloud")]

use annotator::geometry::{Point, Size};
use annotator::gpu::device::Gpu;
use annotator::gpu::pass::brush::{BrushPass, Stamp};
use annotator::gpu::pass::overlay::OverlayPass;
use annotator::mask::overlay::Overlay;
use annotator::mask::{Mask, brush};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

/// Grids that break careless indexing; the last has more than 65,535 pixels in each of two ways.
const SIZES: [Size; 7] =
    [Size::new(1, 1), Size::new(37, 1), Size::new(1, 29), Size::new(7, 5), Size::new(255, 3), Size::new(300, 301), Size::new(8192, 9)];

pub(crate) fn gpu() -> Option<Gpu> {
    match Gpu::open() {
        Ok(gpu) => Some(gpu),
        Err(error) => {
            assert!(std::env::var_os("ANNOTATOR_REQUIRE_GPU").is_none(), "a graphics adapter is required: {error}");
            eprintln!("*skipped*: {error}");
            None
        }
    }
}

fn read(gpu: &Gpu, texture: &wgpu::Texture, bytes_per_pixel: u32) -> Vec<u8> {
    let row = texture.width() * bytes_per_pixel;
    let padded = row.next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
    let buffer = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: u64::from(padded) * u64::from(texture.height()),
        usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
        mapped_at_creation: false,
    });
    let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    encoder.copy_texture_to_buffer(
        texture.as_image_copy(),
        wgpu::TexelCopyBufferInfo {
            buffer: &buffer,
            layout: wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(padded), rows_per_image: None },
        },
        texture.size(),
    );
    gpu.queue.submit([encoder.finish()]);
    buffer.slice(..).map_async(wgpu::MapMode::Read, Result::unwrap);
    gpu.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    let bytes = buffer.slice(..).get_mapped_range().unwrap();
    bytes.chunks_exact(padded as usize).flat_map(|line| line[..row as usize].to_vec()).collect()
}

fn noise(random: &mut SmallRng, count: usize) -> Vec<u8> {
    (0..count).map(|_| random.random_range(0..=255)).collect()
}

#[test]
fn the_overlay_equals_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut random = SmallRng::seed_from_u64(1);
    let mut overlay = OverlayPass::new(&gpu.device, wgpu::TextureFormat::Rgba8Unorm).unwrap();
    for size in SIZES {
        for (pixel, outline_width) in [(1.0, 1.5), (0.25, 0.75), (2.0, 3.0)] {
            let screen = (((size.width as f32 / pixel) as u32 + 3).min(8192), ((size.height as f32 / pixel) as u32 + 2).min(8192));
            let values = noise(&mut random, size.pixels()).iter().map(|v| if v & 1 == 0 { 0 } else { 255 }).collect::<Vec<u8>>();
            let mut expected = noise(&mut random, screen.0 as usize * screen.1 as usize * 4);
            let target = gpu.device.create_texture(&wgpu::TextureDescriptor {
                label: None,
                size: wgpu::Extent3d { width: screen.0, height: screen.1, depth_or_array_layers: 1 },
                mip_level_count: 1,
                sample_count: 1,
                dimension: wgpu::TextureDimension::D2,
                format: wgpu::TextureFormat::Rgba8Unorm,
                usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC | wgpu::TextureUsages::COPY_DST,
                view_formats: &[],
            });
            let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(screen.0 * 4), rows_per_image: None };
            gpu.queue.write_texture(target.as_image_copy(), &expected, layout, target.size());
            let draw = Overlay {
                area: [1.0, 0.0, size.width as f32, size.height as f32],
                fill: [0.125, 0.25, 0.0625, 0.375],
                outline: [0.75, 0.5, 0.25, 0.75],
                screen_px: [screen.0 as f32, screen.1 as f32],
                // Off the pixel grid, so that no sample lies on the border of two texels or of the quad.
                origin_px: [1.03125, 0.53125],
                texel_origin: [0.0, 0.0],
                pixel,
                outline_width: outline_width + 0.015_625,
            };
            let mask = overlay.texture(&gpu.device, size.width, size.height);
            mask.write(&gpu.queue, (0, 0), (size.width, size.height), &values);
            overlay.prepare(&gpu.device, &gpu.queue, &[draw]);
            let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            let view = target.create_view(&wgpu::TextureViewDescriptor::default());
            {
                let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
                    color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                        view: &view,
                        depth_slice: None,
                        resolve_target: None,
                        ops: wgpu::Operations { load: wgpu::LoadOp::Load, store: wgpu::StoreOp::Store },
                    })],
                    ..Default::default()
                });
                overlay.draw(&mut pass, std::iter::once(&mask));
            }
            gpu.queue.submit([encoder.finish()]);
            draw.blend(&values, size, &mut expected);
            let drawn = read(&gpu, &target, 4);
            let worst = drawn.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(worst <= Some(1), "{size:?} at {pixel}: differs by {worst:?}, more than the rounding to 8 bits");
        }
    }
}

#[test]
fn the_brush_equals_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut random = SmallRng::seed_from_u64(2);
    let overlay = OverlayPass::new(&gpu.device, wgpu::TextureFormat::Rgba8Unorm).unwrap();
    let mut brush_pass = BrushPass::new(&gpu.device).unwrap();
    for size in SIZES {
        let mask = overlay.texture(&gpu.device, size.width, size.height);
        let before: Vec<u8> = noise(&mut random, size.pixels()).iter().map(|v| v & 1).collect();
        let scaled: Vec<u8> = before.iter().map(|v| v * 255).collect();
        mask.write(&gpu.queue, (0, 0), (size.width, size.height), &scaled);
        let mut expected = Mask::from_bytes(size, before).unwrap();
        let mut stamps = Vec::new();
        for _ in 0..12 {
            // Eighths of a pixel: their squares are exact in 32 bits, and no centre lies on the capsule's border by rounding alone.
            let mut along = |extent: u32| f64::from(random.random_range(-8..=extent as i32 * 8 + 8)) / 8.0;
            let (start, end) = (Point::new(along(size.width), along(size.height)), Point::new(along(size.width), along(size.height)));
            let end = if stamps.len() % 3 == 0 { start } else { Point::new(end.x, start.y) };
            let radius = f64::from(random.random_range(1..60)) / 8.0 + 0.062_5;
            let inside = random.random_bool(0.5);
            brush::stroke(&mut expected, start, end, radius, inside);
            stamps.push(Stamp {
                start: [start.x as f32, start.y as f32],
                end: [end.x as f32, end.y as f32],
                texel_origin: [0.0, 0.0],
                size_px: [size.width as f32, size.height as f32],
                radius: radius as f32,
                value: f32::from(u8::from(inside)),
            });
        }
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        brush_pass.stamp(&gpu.device, &gpu.queue, &mut encoder, &[(&mask, stamps)]);
        gpu.queue.submit([encoder.finish()]);
        let drawn: Vec<u8> = read(&gpu, mask.texture(), 1).iter().map(|v| v / 255).collect();
        let wrong = drawn.iter().zip(expected.bytes()).filter(|(a, b)| a != b).count();
        assert_eq!(wrong, 0, "{size:?}: {wrong} of {} pixels differ", size.pixels());
    }
}
