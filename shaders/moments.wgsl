// Mean of each chunk of the values of each group of channels, and the sum of squares of what they differ from it.
// Dispatch unit: one workgroup a chunk (x) of a group (y) of a sample (z).
// CPU twin: src/model/cpu.rs

// Groups of a sample, and values of a group.
override GROUPS: u32;
override VALUES: u32;

const THREADS: u32 = 256u;
// Values of one thread. Equals `model::adapter::CHUNK` / THREADS.
const OWN: u32 = 16u;

@group(0) @binding(0) var<storage, read_write> input: array<f32>;
// [sample, group, chunk, 2]
@group(0) @binding(1) var<storage, read_write> moments: array<f32>;

var<workgroup> sums: array<f32, 256>;

// The sum of every thread's value.
fn total(thread: u32, value: f32) -> f32 {
    workgroupBarrier();
    sums[thread] = value;
    for (var reach = THREADS / 2u; reach > 0u; reach /= 2u) {
        workgroupBarrier();
        if thread < reach {
            sums[thread] += sums[thread + reach];
        }
    }
    workgroupBarrier();
    return sums[0];
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let chunk = THREADS * OWN;
    let chunks = (VALUES + chunk - 1u) / chunk;
    let count = min(chunk, VALUES - group.x * chunk);
    let of_group = group.z * GROUPS + group.y;
    let first = of_group * VALUES + group.x * chunk;
    var values = array<f32, 16>();
    var sum = 0.0;
    for (var own = 0u; own < OWN; own++) {
        if own * THREADS + thread < count {
            values[own] = input[first + own * THREADS + thread];
            sum += values[own];
        }
    }
    let mean = total(thread, sum) / f32(count);
    var squares = 0.0;
    for (var own = 0u; own < OWN; own++) {
        if own * THREADS + thread < count {
            squares += (values[own] - mean) * (values[own] - mean);
        }
    }
    let spread = total(thread, squares);
    if thread == 0u {
        moments[(of_group * chunks + group.x) * 2u] = mean;
        moments[(of_group * chunks + group.x) * 2u + 1u] = spread;
    }
}
