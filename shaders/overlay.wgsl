// Draws one mask over an image: a translucent fill and an outline of constant width along the inside of its border.
// Dispatch unit: one fragment a target pixel inside the quad `area`.
// CPU twin: src/mask/overlay.rs

#import "lib/quad.wgsl"

// One mask, placed in the target. Equals `mask::overlay::Overlay`.
struct Overlay {
    // The part of the image that the quad covers, in image pixels: left, top, right, bottom.
    area: vec4<f32>,
    // Premultiplied colour inside the mask.
    fill: vec4<f32>,
    // Premultiplied colour along the border.
    outline: vec4<f32>,
    // Target size, in target pixels.
    screen_px: vec2<f32>,
    // Where the image's origin lies, in target pixels.
    origin_px: vec2<f32>,
    // The image pixel that texel (0, 0) holds.
    texel_origin: vec2<f32>,
    // Image pixels per target pixel.
    pixel: f32,
    // Width of the outline, in image pixels.
    outline_width: f32,
}

@group(0) @binding(0) var<uniform> overlay: Overlay;
@group(1) @binding(0) var values: texture_2d<f32>;

@vertex
fn vertex(@builtin(vertex_index) index: u32) -> @builtin(position) vec4<f32> {
    let corner = quad_corner(index, overlay.area.xy, overlay.area.zw);
    return clip_from_px(corner / overlay.pixel + overlay.origin_px, overlay.screen_px);
}

// The mask's value at an image position; the outermost texels reach on for ever.
fn value_at(position: vec2<f32>) -> f32 {
    let texel = vec2<i32>(floor(position - overlay.texel_origin));
    let last = vec2<i32>(textureDimensions(values)) - vec2<i32>(1);
    return textureLoad(values, clamp(texel, vec2<i32>(0), last), 0).r;
}

@fragment
fn fragment(@builtin(position) target_px: vec4<f32>) -> @location(0) vec4<f32> {
    let here = (target_px.xy - overlay.origin_px) * overlay.pixel;
    let near = 0.125 * overlay.pixel;
    let far = 0.375 * overlay.pixel;
    let coverage = 0.25 * (value_at(here + vec2<f32>(-near, -far)) + value_at(here + vec2<f32>(far, -near))
        + value_at(here + vec2<f32>(near, far)) + value_at(here + vec2<f32>(-far, near)));
    if coverage == 0.0 {
        discard;
    }
    let straight = overlay.outline_width;
    let slanted = 0.75 * overlay.outline_width;
    var low = value_at(here + vec2<f32>(straight, 0.0));
    low = min(low, value_at(here + vec2<f32>(-straight, 0.0)));
    low = min(low, value_at(here + vec2<f32>(0.0, straight)));
    low = min(low, value_at(here + vec2<f32>(0.0, -straight)));
    low = min(low, value_at(here + vec2<f32>(slanted, slanted)));
    low = min(low, value_at(here + vec2<f32>(-slanted, slanted)));
    low = min(low, value_at(here + vec2<f32>(slanted, -slanted)));
    low = min(low, value_at(here + vec2<f32>(-slanted, -slanted)));
    return coverage * select(overlay.fill, overlay.outline, low < 0.5 && coverage >= 0.5);
}
