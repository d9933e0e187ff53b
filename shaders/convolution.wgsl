// Convolves the planes of each sample: output = bias + onto + the sum over FROM channels and SIDE x SIDE taps, where cells beyond
// the plane count as 0. A matrix product whose right side is gathered on the way: channels by terms, times terms by cells.
// Dispatch unit: one workgroup for TILE cells (x) of TILE channels (y) of a sample (z); 16 sums a thread.
// CPU twin: src/model/cpu.rs

// Channels of the input and of the output.
override FROM: u32;
override TO: u32;
// The input's planes, in cells.
override HEIGHT: u32;
override WIDTH: u32;
// Side of the kernel, 1 or 3, and the stride.
override SIDE: u32;
override STRIDE: u32;
// 1 where `onto` is added.
override ONTO: u32;
// 1 where `Real` is f16: then the terms that are held at once are added up in it, and only their sums in f32.
override HALF: u32;

// What weights are stored in and products are taken in.
alias Real = f32;

const TILE: u32 = 32u;
// The terms of a sum are cut into as many parts, which threads with another z add up at the same time.
const PARTS: u32 = 4u;
// Terms of each part that are held at once.
const SPAN: u32 = 8u;
// From one term to the next in `held`; more than TILE, so that threads that write at once hit different banks.
const PITCH: u32 = 36u;
// Cells, and channels, of one thread.
const OWN: u32 = 4u;

@group(0) @binding(0) var<storage, read_write> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> weight: array<Real>;
@group(0) @binding(2) var<storage, read_write> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> onto: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

// First weights and cells, PARTS times SPAN rows of each; then the sums of all parts but the first.
var<workgroup> held: array<Real, 3072>;

fn four(at: u32) -> vec4<Real> {
    return vec4<Real>(held[at], held[at + 1u], held[at + 2u], held[at + 3u]);
}

fn hold(at: u32, values: vec4<f32>) {
    held[at] = Real(values.x);
    held[at + 1u] = Real(values.y);
    held[at + 2u] = Real(values.z);
    held[at + 3u] = Real(values.w);
}

fn write(at: u32, value: f32) {
    if ONTO == 1u {
        output[at] = value + onto[at];
    } else {
        output[at] = value;
    }
}

// Adds what the other parts hold at `own_at`, and writes the cells from `cell` on of a channel.
fn finish(sample: u32, channel: u32, cell: u32, cells: u32, sum: vec4<f32>, own_at: u32) {
    if channel >= TO {
        return;
    }
    var all = sum + bias[channel];
    for (var part = 0u; part < PARTS - 1u; part++) {
        all += vec4<f32>(four(part * TILE * TILE + own_at));
    }
    let at = (sample * TO + channel) * cells + cell;
    if cell < cells {
        write(at, all.x);
    }
    if cell + 1u < cells {
        write(at + 1u, all.y);
    }
    if cell + 2u < cells {
        write(at + 2u, all.z);
    }
    if cell + 3u < cells {
        write(at + 3u, all.w);
    }
}

@compute @workgroup_size(8, 8, 4)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let columns = (WIDTH + STRIDE - 1u) / STRIDE;
    let cells = (HEIGHT + STRIDE - 1u) / STRIDE * columns;
    let terms = FROM * SIDE * SIDE;
    let share = (terms + PARTS * SPAN - 1u) / (PARTS * SPAN) * SPAN;
    let first_cell = group.x * TILE;
    let first_channel = group.y * TILE;

    let thread = local.y * 8u + local.x;
    let weights_at = local.z * SPAN * PITCH;
    let cells_at = (PARTS + local.z) * SPAN * PITCH;
    let gathered = first_cell + thread % TILE;
    let top = i32(gathered / columns * STRIDE) - i32(SIDE / 2u);
    let left = i32(gathered % columns * STRIDE) - i32(SIDE / 2u);
    let sample_at = group.z * FROM * HEIGHT * WIDTH;

    var sums = array<vec4<f32>, 4>();
    for (var done = 0u; done < share; done += SPAN) {
        let start = local.z * share + done;
        for (var row = thread / TILE; row < SPAN; row += 2u) {
            let term = start + row;
            let tap = term % (SIDE * SIDE);
            let y = top + i32(tap / SIDE);
            let x = left + i32(tap % SIDE);
            var value = 0.0;
            if term < terms && gathered < cells && y >= 0 && y < i32(HEIGHT) && x >= 0 && x < i32(WIDTH) {
                value = input[sample_at + (term / (SIDE * SIDE) * HEIGHT + u32(y)) * WIDTH + u32(x)];
            }
            held[cells_at + row * PITCH + thread % TILE] = Real(value);
        }
        for (var channel = thread / SPAN; channel < TILE; channel += 8u) {
            let term = start + thread % SPAN;
            var value = Real(0.0);
            if term < terms && first_channel + channel < TO {
                value = weight[(first_channel + channel) * terms + term];
            }
            held[weights_at + thread % SPAN * PITCH + channel] = value;
        }
        workgroupBarrier();
        var few = array<vec4<Real>, 4>();
        for (var row = 0u; row < SPAN; row++) {
            let weights = four(weights_at + row * PITCH + local.y * OWN);
            let values = four(cells_at + row * PITCH + local.x * OWN);
            if HALF == 1u {
                few[0] += weights.x * values;
                few[1] += weights.y * values;
                few[2] += weights.z * values;
                few[3] += weights.w * values;
            } else {
                sums[0] += vec4<f32>(weights.x * values);
                sums[1] += vec4<f32>(weights.y * values);
                sums[2] += vec4<f32>(weights.z * values);
                sums[3] += vec4<f32>(weights.w * values);
            }
        }
        if HALF == 1u {
            sums[0] += vec4<f32>(few[0]);
            sums[1] += vec4<f32>(few[1]);
            sums[2] += vec4<f32>(few[2]);
            sums[3] += vec4<f32>(few[3]);
        }
        workgroupBarrier();
    }

    let own_at = thread * OWN * OWN;
    if local.z > 0u {
        let part_at = (local.z - 1u) * TILE * TILE + own_at;
        hold(part_at, sums[0]);
        hold(part_at + OWN, sums[1]);
        hold(part_at + 2u * OWN, sums[2]);
        hold(part_at + 3u * OWN, sums[3]);
    }
    workgroupBarrier();
    if local.z == 0u {
        let channel = first_channel + local.y * OWN;
        let cell = first_cell + local.x * OWN;
        finish(group.z, channel, cell, cells, sums[0], own_at);
        finish(group.z, channel + 1u, cell, cells, sums[1], own_at + OWN);
        finish(group.z, channel + 2u, cell, cells, sums[2], own_at + 2u * OWN);
        finish(group.z, channel + 3u, cell, cells, sums[3], own_at + 3u * OWN);
    }
}
