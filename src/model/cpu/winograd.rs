//! 3x3 convolutions of stride 1 by Winograd's minimal filtering F(2x2, 3x3): sixteen products for each 2x2 of the output, where
//! its sums take thirty-six.
//!
//! Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (arXiv 1509.09308), section 4.1: of a 4x4 tile d of the
//! input and a kernel g a 2x2 tile of the output is `Aᵀ [Σ GgGᵀ ⊙ BᵀdB] A`, with the sum over channels, which makes a
//! product of matrices for each of the sixteen places. A thread takes some rows of tiles through all three steps, so that what lies
//! between them stays in its cache. Vectors hold neighbouring tiles, as wide as the processor has them.

#![allow(clippy::inline_always, reason = "what is not inlined into its caller is compiled without the caller's instructions")]

use bytemuck::Zeroable;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::Unfolding;

/// Places of a tile.
const PLACES: usize = 16;
/// Channels of the output summed at once: with two vectors of tiles each they fill the registers of AVX2.
const CHANNELS: usize = 6;
/// Channels of the output summed before they are turned back.
const GROUP: usize = 4 * CHANNELS;
/// Floats of one thread's tiles of the input: 400 KiB.
const BLOCK: usize = 100 << 10;
/// With fewer tiles than this the kernels' own way there takes longer than it saves.
const FEW: usize = 64;
/// With fewer channels on either side the tiles' way there and back does.
const THIN: usize = 16;

/// Whether [`add`] is the faster way for `n` samples and `to` channels of the output.
pub(super) fn is_for(unfolding: &Unfolding, n: usize, to: usize) -> bool {
    let Unfolding { from, height, width, side, stride } = *unfolding;
    let tiles = n * height.div_ceil(2) * width.div_ceil(2);
    (side, stride) == (3, 1) && from.min(to) >= THIN && tiles >= FEW && lanes() > 1
}

/// Adds the convolution of `x` with `weight` and `bias` to `output`.
///
/// # Shapes
/// x [N, from, H, W] as `unfolding` has it, weight [to, from, 3, 3], bias `[to]`, output [N, to, H, W]
pub(super) fn add(unfolding: &Unfolding, x: &[f32], weight: &[f32], bias: &[f32], output: &mut [f32]) {
    let (arch, lanes, to) = (Arch::new(), lanes(), bias.len());
    let Unfolding { from, height, width, .. } = *unfolding;
    let [down, across] = [height, width].map(|length| length.div_ceil(2));

    let mut kernels = vec![0.0_f32; to.div_ceil(CHANNELS) * PLACES * from * CHANNELS];
    let parts = kernels.par_chunks_mut(PLACES * from * CHANNELS).zip(weight.par_chunks(CHANNELS * from * 9));
    parts.for_each(|(kernels, weight)| arch.dispatch(KernelTransform { from, weight, kernels }));

    let mut strips: Vec<Strip<'_>> = Vec::new();
    for (index, plane) in output.chunks_mut(height * width).enumerate() {
        let (sample, channel) = (index / to, index % to);
        if channel == 0 {
            strips.extend((0..down).map(|row| Strip { sample, row, planes: Vec::with_capacity(to) }));
        }
        for (strip, rows) in strips[sample * down..].iter_mut().zip(plane.chunks_mut(2 * width)) {
            strip.planes.push(rows);
        }
    }
    // So many strips at once as leave the least of their last vectors empty.
    let most = (BLOCK / (PLACES * from * across)).min(strips.len().div_ceil(rayon::current_num_threads())).max(1);
    let whole = |strips: usize| (strips * across).next_multiple_of(2 * lanes);
    let strips_at_once = (1..=most).max_by_key(|&strips| (1000 * strips * across / whole(strips), strips)).unwrap_or(1);
    let count = whole(strips_at_once);
    let tiling = Tiling { height, width, from, across, count, apart: from * count + lanes };
    let scratch = || {
        let tiles = vec![0.0_f32; PLACES * tiling.apart];
        let sums = vec![0.0_f32; PLACES * GROUP * count + lanes];
        let [input, output] = [8, 4].map(|parts| vec![0.0_f32; parts * (across + 1 + lanes)]);
        (tiles, sums, input, output)
    };
    strips.par_chunks_mut(strips_at_once).for_each_init(scratch, |(tiles, sums, input, output), strips| {
        arch.dispatch(InputTransform { tiling, x, strips, tiles, lines: input });
        for (group, kernels) in kernels.chunks(GROUP * PLACES * from).enumerate() {
            for (part, kernels) in kernels.chunks_exact(PLACES * from * CHANNELS).enumerate() {
                for (place, kernels) in kernels.chunks_exact(from * CHANNELS).enumerate() {
                    let tiles = &tiles[place * tiling.apart..][..from * count];
                    let sums = &mut sums[(place * GROUP + part * CHANNELS) * count..][..CHANNELS * count];
                    arch.dispatch(Product { count, kernels, tiles, sums });
                }
            }
            let channels = group * GROUP..to.min((group + 1) * GROUP);
            arch.dispatch(OutputTransform { tiling, sums, bias: &bias[channels.clone()], first: channels.start, strips, lines: output });
        }
    });
}

/// Floats of a vector.
fn lanes() -> usize {
    struct Lanes;
    impl WithSimd for Lanes {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    Arch::new().dispatch(Lanes)
}

/// A row of tiles of one sample: two rows of each plane of the output, or its last one.
struct Strip<'a> {
    sample: usize,
    /// Of tiles.
    row: usize,
    planes: Vec<&'a mut [f32]>,
}

/// How the tiles that a thread has at once lie: of each place and channel all in a row, strip after strip.
#[derive(Clone, Copy)]
struct Tiling {
    height: usize,
    width: usize,
    /// Channels.
    from: usize,
    /// Tiles of a strip.
    across: usize,
    /// Tiles of a row, those included that only fill its last vector.
    count: usize,
    /// Floats from one place to the next: vectors may write beyond the last row.
    apart: usize,
}

/// `GgGᵀ` of the kernels of [`CHANNELS`] channels of the output, or fewer.
struct KernelTransform<'a> {
    from: usize,
    /// [CHANNELS, from, 3, 3]
    weight: &'a [f32],
    /// [PLACES, from, CHANNELS]
    kernels: &'a mut [f32],
}

impl WithSimd for KernelTransform<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (to, weight) in self.weight.chunks_exact(self.from * 9).enumerate() {
            for (channel, g) in weight.as_chunks::<9>().0.iter().enumerate() {
                let columns = [spread([g[0], g[3], g[6]]), spread([g[1], g[4], g[7]]), spread([g[2], g[5], g[8]])];
                for (y, row) in turned(columns).into_iter().enumerate() {
                    for (x, value) in spread(row).into_iter().enumerate() {
                        self.kernels[((4 * y + x) * self.from + channel) * CHANNELS + to] = value;
                    }
                }
            }
        }
    }
}

/// G of three numbers.
#[inline(always)]
fn spread([a, b, c]: [f32; 3]) -> [f32; 4] {
    [a, 0.5 * (a + b + c), 0.5 * (a - b + c), c]
}

/// `BᵀdB` of the tiles of some strips.
struct InputTransform<'a, 'b> {
    tiling: Tiling,
    /// [N, from, H, W]
    x: &'a [f32],
    strips: &'a [Strip<'b>],
    /// [PLACES, from, count]
    tiles: &'a mut [f32],
    /// Four rows of a plane from one above the tiles' output on, each as its columns -1, 1, 3, … and 0, 2, 4, …
    lines: &'a mut [f32],
}

impl WithSimd for InputTransform<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { tiling: Tiling { height, width, from, across, count, apart }, x, strips, tiles, lines } = self;
        let half = lines.len() / 8;
        for channel in 0..from {
            for (index, strip) in strips.iter().enumerate() {
                let plane = &x[(strip.sample * from + channel) * height * width..][..height * width];
                for (row, line) in lines.chunks_exact_mut(2 * half).enumerate() {
                    // Row -1 is larger than any.
                    let source = (2 * strip.row + row).wrapping_sub(1);
                    let (before, after) = line.split_at_mut(half);
                    if source < height {
                        let (pairs, rest) = plane[source * width..][..width].as_chunks::<2>();
                        for ((pair, before), after) in pairs.iter().zip(&mut before[1..]).zip(&mut *after) {
                            [*after, *before] = *pair;
                        }
                        if let [last] = rest {
                            after[pairs.len()] = *last;
                        }
                    } else {
                        before.fill(0.0);
                        after.fill(0.0);
                    }
                }
                for tile in (0..across).step_by(S::F32_LANES) {
                    let mut columns = [[simd.splat_f32s(0.0); 4]; 4];
                    for (x, column) in columns.iter_mut().enumerate() {
                        let first = x % 2 * half + tile + x / 2;
                        *column = crossed(simd, column_of::<S>(lines, first, 2 * half));
                    }
                    for (y, row) in turned(columns).into_iter().enumerate() {
                        for (x, values) in crossed(simd, row).into_iter().enumerate() {
                            store::<S>(tiles, (4 * y + x) * apart + channel * count + index * across + tile, values);
                        }
                    }
                }
            }
        }
    }
}

/// `Bᵀ` of four vectors.
#[inline(always)]
fn crossed<S: Simd>(simd: S, [a, b, c, d]: [S::f32s; 4]) -> [S::f32s; 4] {
    [simd.sub_f32s(a, c), simd.add_f32s(b, c), simd.sub_f32s(c, b), simd.sub_f32s(b, d)]
}

/// The sum over channels for one place and [`CHANNELS`] channels of the output.
struct Product<'a> {
    count: usize,
    /// [from, CHANNELS]
    kernels: &'a [f32],
    /// [from, count]
    tiles: &'a [f32],
    /// [CHANNELS, count]
    sums: &'a mut [f32],
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (kernels, _) = self.kernels.as_chunks::<CHANNELS>();
        for first in (0..self.count).step_by(2 * S::F32_LANES) {
            let second = first + S::F32_LANES;
            let mut sums = [[simd.splat_f32s(0.0); 2]; CHANNELS];
            for (tiles, kernel) in self.tiles.chunks_exact(self.count).zip(kernels) {
                let tiles = [loaded::<S>(tiles, first), loaded::<S>(tiles, second)];
                for (sums, factor) in sums.iter_mut().zip(kernel) {
                    let factor = simd.splat_f32s(*factor);
                    *sums = [simd.mul_add_e_f32s(factor, tiles[0], sums[0]), simd.mul_add_e_f32s(factor, tiles[1], sums[1])];
                }
            }
            for (row, [left, right]) in self.sums.chunks_exact_mut(self.count).zip(sums) {
                store::<S>(row, first, left);
                store::<S>(row, second, right);
            }
        }
    }
}

/// `Aᵀ [sums] A` and the bias, added to the output.
struct OutputTransform<'a, 'b> {
    tiling: Tiling,
    /// [PLACES, GROUP, count]
    sums: &'a [f32],
    /// Of at most [`GROUP`] channels.
    bias: &'a [f32],
    /// The first of these channels.
    first: usize,
    strips: &'a mut [Strip<'b>],
    /// Two rows of the output, each as its columns 0, 2, 4, … and 1, 3, 5, …
    lines: &'a mut [f32],
}

impl WithSimd for OutputTransform<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { tiling: Tiling { width, across, count, .. }, sums, bias, first, strips, lines } = self;
        let half = lines.len() / 4;
        for (channel, bias) in bias.iter().enumerate() {
            let bias = simd.splat_f32s(*bias);
            for (index, strip) in strips.iter_mut().enumerate() {
                for tile in (0..across).step_by(S::F32_LANES) {
                    let mut columns = [[simd.splat_f32s(0.0); 2]; 4];
                    for (x, column) in columns.iter_mut().enumerate() {
                        let first = (x * GROUP + channel) * count + index * across + tile;
                        *column = shrunk(simd, column_of::<S>(sums, first, 4 * GROUP * count));
                    }
                    for (row, values) in turned(columns).into_iter().enumerate() {
                        for (x, values) in shrunk(simd, values).into_iter().enumerate() {
                            store::<S>(lines, (2 * row + x) * half + tile, simd.add_f32s(values, bias));
                        }
                    }
                }
                let plane = &mut *strip.planes[first + channel];
                for (row, line) in plane.chunks_exact_mut(width).zip(lines.chunks_exact(2 * half)) {
                    let (even, odd) = line.split_at(half);
                    let (pairs, rest) = row.as_chunks_mut::<2>();
                    if let [last] = rest {
                        *last += even[pairs.len()];
                    }
                    for ((pair, even), odd) in pairs.iter_mut().zip(even).zip(odd) {
                        *pair = [pair[0] + even, pair[1] + odd];
                    }
                }
            }
        }
    }
}

/// `Aᵀ` of four vectors.
#[inline(always)]
fn shrunk<S: Simd>(simd: S, [a, b, c, d]: [S::f32s; 4]) -> [S::f32s; 2] {
    [simd.add_f32s(simd.add_f32s(a, b), c), simd.sub_f32s(simd.sub_f32s(b, c), d)]
}

/// Rows instead of columns.
#[inline(always)]
fn turned<T: Zeroable + Copy, const N: usize, const M: usize>(columns: [[T; M]; N]) -> [[T; N]; M] {
    let mut rows = [[T::zeroed(); N]; M];
    for (x, column) in columns.into_iter().enumerate() {
        for (row, value) in rows.iter_mut().zip(column) {
            row[x] = value;
        }
    }
    rows
}

/// Four vectors, each `apart` from the one before.
#[inline(always)]
fn column_of<S: Simd>(values: &[f32], first: usize, apart: usize) -> [S::f32s; 4] {
    [
        loaded::<S>(values, first),
        loaded::<S>(values, first + apart),
        loaded::<S>(values, first + 2 * apart),
        loaded::<S>(values, first + 3 * apart),
    ]
}

#[inline(always)]
fn loaded<S: Simd>(values: &[f32], first: usize) -> S::f32s {
    S::as_simd_f32s(&values[first..][..S::F32_LANES]).0[0]
}

#[inline(always)]
fn store<S: Simd>(values: &mut [f32], first: usize, vector: S::f32s) {
    S::as_mut_simd_f32s(&mut values[first..][..S::F32_LANES]).0[0] = vector;
}
