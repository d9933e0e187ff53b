//! 3x3 convolutions with stride 1 on the CPU device with a quarter of the multiplications: Winograd's minimal filtering
//! F(4x4, 3x3) (Lavin and Gray, 2016). A tile of 6 x 6 values gives 4 x 4 results; both and the filters are carried to a
//! form in which a convolution is 36 products of matrices, which Burn multiplies.

use burn::tensor::{Device, Tensor, TensorData};
use bytemuck::cast_slice;
use rayon::prelude::*;

use super::cpu::BLOCK;

/// Results of a tile, a side.
const TILE: usize = 4;
/// Values that a tile needs, a side.
const SPAN: usize = TILE + 2;
/// With fewer tiles than this in a plane, carrying the filters over costs more than it saves.
const LEAST_TILES: usize = 20;

/// Whether [`convolved`] is the faster way for planes of `height` x `width`, however many: a sample's result must not
/// depend on the batch around it.
pub(super) const fn pays(height: usize, width: usize) -> bool {
    height.div_ceil(TILE) * width.div_ceil(TILE) >= LEAST_TILES
}

/// A 3x3 convolution with padding 1; equal to the usual one but for rounding, about 1e-5 of the largest result.
///
/// # Shapes
/// x [N, from, H, W], weight [to, from, 3, 3], bias [to] -> [N, to, H, W]
pub(super) fn convolved(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>) -> Tensor<4> {
    let device = x.device();
    let [n, from, height, width] = x.dims();
    let to = weight.dims()[0];
    let filters = filters(weight, &device);
    let (input, bias) = (x.into_data(), bias.into_data());
    let (input, bias): (&[f32], &[f32]) = (cast_slice(input.as_bytes()), cast_slice(bias.as_bytes()));

    // A line is a row of tiles of one sample; each gets the part of the output that it makes, a slice a channel.
    let [down, across] = [height, width].map(|side| side.div_ceil(TILE));
    let mut output = vec![0.0_f32; n * to * height * width];
    let mut lines: Vec<Vec<&mut [f32]>> = (0..n * down).map(|_| Vec::with_capacity(to)).collect();
    for (index, plane) in output.chunks_mut(height * width).enumerate() {
        for (line, part) in lines[index / to * down..].iter_mut().zip(plane.chunks_mut(TILE * width)) {
            line.push(part);
        }
    }
    let share = lines.len().div_ceil(rayon::current_num_threads());
    let group = (BLOCK / (SPAN * SPAN * from.max(to) * across)).clamp(1, share);
    lines.par_chunks_mut(group).enumerate().for_each(|(index, lines)| {
        let tiles = lines.len() * across;
        let mut spread = vec![0.0_f32; SPAN * SPAN * from * tiles];
        let mut rows = [(); SPAN].map(|()| vec![0.0_f32; TILE * (across + 1)]);
        for place in 0..lines.len() {
            let (sample, top) = ((index * group + place) / down, (index * group + place) % down * TILE);
            for channel in 0..from {
                let plane = &input[(sample * from + channel) * height * width..][..height * width];
                spread_rows(plane, width, top, &mut rows);
                spread_columns(&rows, &mut spread, from * tiles, channel * tiles + place * across, across);
            }
        }
        let spread = Tensor::<3>::from_data(TensorData::new(spread, [SPAN * SPAN, from, tiles]), &device);
        let sums = filters.clone().matmul(spread).into_data();
        let sums: &[f32] = cast_slice(sums.as_bytes());
        let mut columns = vec![0.0_f32; TILE * SPAN * across];
        let mut row = vec![[0.0_f32; TILE]; across];
        for (place, line) in lines.iter_mut().enumerate() {
            for (channel, (part, bias)) in line.iter_mut().zip(bias).enumerate() {
                gather_columns(sums, to * tiles, channel * tiles + place * across, &mut columns, across);
                for (part, columns) in part.chunks_mut(width).zip(columns.chunks_exact(SPAN * across)) {
                    gather_row(columns, *bias, &mut row);
                    part.copy_from_slice(&row.as_flattened()[..width]);
                }
            }
        }
    });
    Tensor::from_data(TensorData::new(output, [n, to, height, width]), &device)
}

/// The filters in their other form: G w Gᵀ.
///
/// # Shapes
/// [to, from, 3, 3] -> [36, to, from]
fn filters(weight: Tensor<4>, device: &Device) -> Tensor<3> {
    let [to, from, ..] = weight.dims();
    let weight = weight.into_data();
    let weight = cast_slice::<u8, f32>(weight.as_bytes()).as_chunks::<9>().0;
    let carried = |[a, b, c]: [f32; 3]| {
        let (even, odd) = (a + c, a / 4.0 + c);
        [a / 4.0, -(even + b) / 6.0, (b - even) / 6.0, (odd + b / 2.0) / 6.0, (odd - b / 2.0) / 6.0, c]
    };
    let mut filters = vec![0.0_f32; SPAN * SPAN * to * from];
    let (count, row) = (to * from, 64);
    // Blocks of filters, so that what is written stays in the cache.
    let mut parts: Vec<Vec<&mut [f32]>> = (0..count.div_ceil(row)).map(|_| Vec::with_capacity(SPAN * SPAN)).collect();
    for plane in filters.chunks_mut(count) {
        for (part, values) in parts.iter_mut().zip(plane.chunks_mut(row)) {
            part.push(values);
        }
    }
    parts.into_par_iter().zip(weight.par_chunks(row)).for_each(|(mut planes, weights)| {
        for (at, &[a, b, c, d, e, f, g, h, i]) in weights.iter().enumerate() {
            let columns = [carried([a, d, g]), carried([b, e, h]), carried([c, f, i])];
            for y in 0..SPAN {
                for (x, value) in carried([columns[0][y], columns[1][y], columns[2][y]]).into_iter().enumerate() {
                    planes[y * SPAN + x][at] = value;
                }
            }
        }
    });
    Tensor::from_data(TensorData::new(filters, [SPAN * SPAN, to, from]), device)
}

/// Bᵀ d of six values.
#[inline]
fn spread([a, b, c, d, e, f]: [f32; SPAN]) -> [f32; SPAN] {
    let (even, odd, far, wide) = (e - 4.0 * c, d - 4.0 * b, e - c, 2.0 * (d - b));
    [4.0 * a - 5.0 * c + e, even + odd, even - odd, far + wide, far - wide, 4.0 * b - 5.0 * d + f]
}

/// Aᵀ m of six values.
#[inline]
fn gathered([a, b, c, d, e, f]: [f32; SPAN]) -> [f32; TILE] {
    let (near, apart, far, wide) = (b + c, b - c, d + e, d - e);
    [a + near + far, apart + 2.0 * wide, near + 4.0 * far, apart + 8.0 * wide + f]
}

/// Carries six rows of a plane over, from one above row `top`, into `rows`, which begin one column left of the plane.
fn spread_rows(plane: &[f32], width: usize, top: usize, rows: &mut [Vec<f32>; SPAN]) {
    const NONE: &[f32] = &[];
    let sources: [&[f32]; SPAN] = std::array::from_fn(|row| {
        // Row -1 is larger than any.
        let start = (top + row).wrapping_sub(1).saturating_mul(width);
        plane.get(start..).map_or(NONE, |rest| rest.get(..width).unwrap_or(NONE))
    });
    let [r0, r1, r2, r3, r4, r5] = rows.each_mut().map(|row| &mut row[1..=width]);
    if sources.iter().all(|source| source.len() == width) {
        let [s0, s1, s2, s3, s4, s5] = sources.map(|source| &source[..width]);
        for x in 0..width {
            [r0[x], r1[x], r2[x], r3[x], r4[x], r5[x]] = spread([s0[x], s1[x], s2[x], s3[x], s4[x], s5[x]]);
        }
    } else {
        for x in 0..width {
            [r0[x], r1[x], r2[x], r3[x], r4[x], r5[x]] = spread(sources.map(|source| source.get(x).copied().unwrap_or(0.0)));
        }
    }
}

/// Carries the columns of each of `rows` over: 36 runs of `across` values, each `stride` after the one before, from `at`.
fn spread_columns(rows: &[Vec<f32>; SPAN], values: &mut [f32], stride: usize, at: usize, across: usize) {
    for (row, planes) in rows.iter().zip(values.chunks_exact_mut(SPAN * stride)) {
        let mut planes = planes.chunks_exact_mut(stride).map(|plane| &mut plane[at..][..across]);
        let [Some(p0), Some(p1), Some(p2), Some(p3), Some(p4), Some(p5)] = [(); SPAN].map(|()| planes.next()) else { return };
        let cells = &row.as_chunks::<TILE>().0[..=across];
        for x in 0..across {
            let ([a, b, c, d], [e, f, ..]) = (cells[x], cells[x + 1]);
            [p0[x], p1[x], p2[x], p3[x], p4[x], p5[x]] = spread([a, b, c, d, e, f]);
        }
    }
}

/// The inverse way: 36 runs of `across` values, each `stride` after the one before, from `at`, to four rows of six runs.
fn gather_columns(values: &[f32], stride: usize, at: usize, columns: &mut [f32], across: usize) {
    for column in 0..SPAN {
        let [m0, m1, m2, m3, m4, m5] = std::array::from_fn(|row| &values[(row * SPAN + column) * stride + at..][..across]);
        let mut runs = columns.chunks_exact_mut(SPAN * across).map(|rows| &mut rows[column * across..][..across]);
        let [Some(r0), Some(r1), Some(r2), Some(r3)] = [(); TILE].map(|()| runs.next()) else { return };
        for x in 0..across {
            [r0[x], r1[x], r2[x], r3[x]] = gathered([m0[x], m1[x], m2[x], m3[x], m4[x], m5[x]]);
        }
    }
}

/// One row of results from its six runs, with the bias added.
fn gather_row(columns: &[f32], bias: f32, row: &mut [[f32; TILE]]) {
    let across = row.len();
    let [c0, c1, c2, c3, c4, c5] = std::array::from_fn(|column| &columns[column * across..][..across]);
    for (x, cells) in row.iter_mut().enumerate() {
        *cells = gathered([c0[x], c1[x], c2[x], c3[x], c4[x], c5[x]]).map(|value| value + bias);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::noise::Noise;
    use burn::tensor::module::conv2d;
    use burn::tensor::ops::ConvOptions;

    fn random<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
        let values = Noise::new(seed).normals(shape.iter().product());
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    #[test]
    fn it_is_the_convolution_of_burn() {
        let shapes =
            [(1, 3, 2, [1, 1]), (2, 7, 5, [13, 9]), (1, 40, 8, [64, 50]), (3, 4, 6, [2, 3]), (5, 1, 1, [6, 1]), (2, 96, 64, [16, 17])];
        for (n, from, to, [height, width]) in shapes {
            let (x, weight, bias) = (random([n, from, height, width], 1), random([to, from, 3, 3], 2), random([to], 3));
            let options = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
            let expected = conv2d(x.clone(), weight.clone(), Some(bias.clone()), options);
            let largest = expected.clone().abs().max().into_scalar::<f32>();
            let found = convolved(x, weight, bias);
            assert_eq!(found.dims(), expected.dims());
            let worst = (found - expected).abs().max().into_scalar::<f32>();
            assert!(worst < 2e-5 * largest, "{n} x {from} -> {to}, {height} x {width}: off by {worst} of {largest}");
        }
    }

    #[test]
    fn few_tiles_go_the_usual_way() {
        assert!(pays(32, 32) && pays(20, 20));
        assert!(!pays(16, 16) && !pays(1, 70));
    }
}
