//! How much a pixel's colour speaks for the inside of the box: two coarse colour histograms, one of the crop's pixels in
//! the box, one of the others, compared pixel by pixel.

const BINS: usize = 16;

/// `(p_in - p_out) / (p_in + p_out + 1e-6)` of each pixel's colour, in [-1, 1]; 0 outside the image, and 0 everywhere
/// when the box or its surroundings hold no pixel.
///
/// `colours` is interleaved RGB, 0..255; `boxed` and `inside` say which pixels lie in the box and in the image.
pub fn colour_evidence(colours: &[f32], boxed: &[bool], inside: &[bool]) -> Vec<f32> {
    let bin = |value: f32| usize::from(value.round_ties_even().clamp(0.0, 255.0) as u8 >> 4);
    let code = |pixel: &[f32; 3]| (bin(pixel[0]) * BINS + bin(pixel[1])) * BINS + bin(pixel[2]);
    let codes: Vec<usize> = colours.as_chunks::<3>().0.iter().map(code).collect();
    let histogram = |in_box: bool| {
        let chosen = |((&code, &boxed), &inside): ((&usize, &bool), &bool)| (inside && boxed == in_box).then_some(code);
        histogram(codes.iter().zip(boxed).zip(inside).filter_map(chosen))
    };
    let (Some(within), Some(around)) = (histogram(true), histogram(false)) else { return vec![0.0; codes.len()] };
    let table: Vec<f32> = within.iter().zip(&around).map(|(a, b)| (a - b) / (a + b + 1e-6)).collect();
    codes.iter().zip(inside).map(|(&code, &inside)| if inside { table[code] } else { 0.0 }).collect()
}

/// Shares of each colour, blurred once along each axis with [1, 2, 1] / 4; `None` without a pixel.
fn histogram(codes: impl Iterator<Item = usize>) -> Option<Vec<f32>> {
    let mut counts = vec![0.0_f32; BINS * BINS * BINS];
    let mut empty = true;
    for code in codes {
        counts[code] += 1.0;
        empty = false;
    }
    if empty {
        return None;
    }
    for stride in [BINS * BINS, BINS, 1] {
        let source = counts.clone();
        for (index, value) in counts.iter_mut().enumerate() {
            let place = index / stride % BINS;
            let before = if place > 0 { index - stride } else { index };
            let after = if place + 1 < BINS { index + stride } else { index };
            *value = (source[before] + 2.0 * source[index] + source[after]) / 4.0;
        }
    }
    let total: f32 = counts.iter().sum();
    for value in &mut counts {
        *value /= total;
    }
    Some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_of_the_box_speak_for_it_and_others_against() {
        let (red, blue) = ([200.0, 10.0, 10.0], [10.0, 10.0, 200.0]);
        let colours: Vec<f32> = [red, red, blue, blue, red].concat();
        let boxed = [true, true, false, false, false];
        let evidence = colour_evidence(&colours, &boxed, &[true, true, true, true, false]);
        assert!(evidence[0] > 0.999 && evidence[2] < -0.999);
        assert!(evidence[4].abs() < 1e-9, "a pixel outside the image says nothing");
    }

    #[test]
    fn without_surroundings_there_is_no_evidence() {
        assert_eq!(colour_evidence(&[5.0; 6], &[true, true], &[true, true]), [0.0, 0.0]);
    }
}
