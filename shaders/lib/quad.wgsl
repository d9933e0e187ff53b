// A quad as a triangle strip of four vertices, placed in pixels of the target.

// Corner `index` (0..4) of the box from `low` to `high`.
fn quad_corner(index: u32, low: vec2<f32>, high: vec2<f32>) -> vec2<f32> {
    return select(low, high, vec2<bool>((index & 1u) == 1u, (index & 2u) == 2u));
}

// Clip-space position of a point given in pixels of a target of `size_px`, y downwards.
fn clip_from_px(point_px: vec2<f32>, size_px: vec2<f32>) -> vec4<f32> {
    let unit = point_px / size_px;
    return vec4<f32>(unit.x * 2.0 - 1.0, 1.0 - unit.y * 2.0, 0.0, 1.0);
}
