// Stamps a brush stroke's capsule into a mask texture: every texel whose centre lies within `radius` of the segment gets `value`.
// Dispatch unit: one fragment a texel inside the capsule's bounds.
// CPU twin: src/mask/brush.rs

#import "lib/quad.wgsl"
#import "lib/segment.wgsl"

// One capsule. Equals `gpu::pass::brush::Stamp`.
struct Stamp {
    // Start of the segment, in image pixels.
    start: vec2<f32>,
    // End of the segment, in image pixels.
    end: vec2<f32>,
    // The image pixel that texel (0, 0) holds.
    texel_origin: vec2<f32>,
    // Texture size, in texels.
    size_px: vec2<f32>,
    // Radius, in image pixels.
    radius: f32,
    // What is written: 1 inside the mask, 0 outside.
    value: f32,
}

@group(0) @binding(0) var<uniform> stamp: Stamp;

@vertex
fn vertex(@builtin(vertex_index) index: u32) -> @builtin(position) vec4<f32> {
    let low = floor(min(stamp.start, stamp.end) - stamp.radius - stamp.texel_origin);
    let high = ceil(max(stamp.start, stamp.end) + stamp.radius - stamp.texel_origin);
    return clip_from_px(quad_corner(index, low, high), stamp.size_px);
}

@fragment
fn fragment(@builtin(position) texel: vec4<f32>) -> @location(0) f32 {
    let center = texel.xy + stamp.texel_origin;
    if segment_distance_squared(center, stamp.start, stamp.end) > stamp.radius * stamp.radius {
        discard;
    }
    return stamp.value;
}
