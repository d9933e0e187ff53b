// Group norm by the moments of its chunks (moments.wgsl), scaled and shifted by channel and where FILM is 1 by sample too, then
// where SILU is 1 the activation v * sigmoid(v).
// Dispatch unit: one workgroup a chunk (x) of a group (y) of a sample (z).
// CPU twin: src/model/cpu.rs

// Channels and groups of a sample, and cells of a channel.
override CHANNELS: u32;
override GROUPS: u32;
override CELLS: u32;
override FILM: u32;
override SILU: u32;

const EPSILON: f32 = 1e-5;
const THREADS: u32 = 256u;
// Values of one thread. Equals `model::adapter::CHUNK` / THREADS.
const OWN: u32 = 16u;

@group(0) @binding(0) var<storage, read_write> input: array<f32>;
// [sample, group, chunk, 2]
@group(0) @binding(1) var<storage, read_write> moments: array<f32>;
@group(0) @binding(2) var<storage, read_write> gamma: array<f32>;
@group(0) @binding(3) var<storage, read_write> beta: array<f32>;
// [sample, channel]
@group(0) @binding(4) var<storage, read_write> scale: array<f32>;
@group(0) @binding(5) var<storage, read_write> shift: array<f32>;
@group(0) @binding(6) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let values = CHANNELS / GROUPS * CELLS;
    let chunk = THREADS * OWN;
    let chunks = (values + chunk - 1u) / chunk;
    let of_group = group.z * GROUPS + group.y;

    var sum = 0.0;
    for (var at = 0u; at < chunks; at++) {
        sum += f32(min(chunk, values - at * chunk)) * moments[(of_group * chunks + at) * 2u];
    }
    let mean = sum / f32(values);
    var squares = 0.0;
    for (var at = 0u; at < chunks; at++) {
        let off = moments[(of_group * chunks + at) * 2u] - mean;
        squares += moments[(of_group * chunks + at) * 2u + 1u] + f32(min(chunk, values - at * chunk)) * off * off;
    }
    let gain = inverseSqrt(squares / f32(values) + EPSILON);

    for (var own = 0u; own < OWN; own++) {
        let at = group.x * chunk + own * THREADS + thread;
        if at < values {
            let channel = group.y * (CHANNELS / GROUPS) + at / CELLS;
            var value = (input[of_group * values + at] - mean) * gain * gamma[channel] + beta[channel];
            if FILM == 1u {
                value = value * (1.0 + scale[group.z * CHANNELS + channel]) + shift[group.z * CHANNELS + channel];
            }
            if SILU == 1u {
                value = value / (1.0 + exp(min(-value, 80.0)));
            }
            output[of_group * values + at] = value;
        }
    }
}
