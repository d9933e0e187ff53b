// Squared distance from `point` to the segment from `a` to `b`.
fn segment_distance_squared(point: vec2<f32>, a: vec2<f32>, b: vec2<f32>) -> f32 {
    let along = b - a;
    let length_squared = dot(along, along);
    var share = 0.0;
    if length_squared > 0.0 {
        share = clamp(dot(point - a, along) / length_squared, 0.0, 1.0);
    }
    let apart = point - (a + along * share);
    return dot(apart, apart);
}
