//! How much a pixel's colour speaks for the object: two coarse colour histograms, one of what is taken for the object and
//! one of what is around it, compared pixel by pixel.

const BINS: usize = 16;
/// The least share that a colour is given in a ratio, so that a rare colour says little.
const RARE: f32 = 1e-5;

/// `(p_in - p_out) / (p_in + p_out + 1e-6)` of each pixel's colour, in [-1, 1]; 0 outside the image, and 0 everywhere
/// when the object or its surroundings hold no pixel.
///
/// `colours` is interleaved RGB, 0..255; `object` and `inside` say which pixels are taken for the object (those in its box,
/// or in a first mask) and which lie in the image.
pub fn colour_evidence(colours: &[f32], object: &[bool], inside: &[bool]) -> Vec<f32> {
    let codes = codes(colours);
    let histogram = |within: bool| {
        let chosen = |((&code, &object), &inside): ((&usize, &bool), &bool)| (inside && object == within).then_some((code, 1.0));
        histogram(codes.iter().zip(object).zip(inside).filter_map(chosen))
    };
    let (Some(within), Some(around)) = (histogram(true), histogram(false)) else { return vec![0.0; codes.len()] };
    let table: Vec<f32> = within.iter().zip(&around).map(|(a, b)| (a - b) / (a + b + 1e-6)).collect();
    codes.iter().zip(inside).map(|(&code, &inside)| if inside { table[code] } else { 0.0 }).collect()
}

/// `ln(p_in / p_out)` of each pixel's colour; 0 outside the image, and 0 everywhere when one side holds nothing. A pixel
/// counts for both sides, by `soft`, its probability in [0, 1] to belong to the object.
pub fn colour_log_ratio(colours: &[f32], soft: &[f32], inside: &[bool]) -> Vec<f32> {
    let codes = codes(colours);
    let histogram = |share: fn(f32) -> f32| {
        let counted = |((&code, &soft), &inside): ((&usize, &f32), &bool)| inside.then_some((code, share(soft)));
        histogram(codes.iter().zip(soft).zip(inside).filter_map(counted))
    };
    let (Some(within), Some(around)) = (histogram(|soft| soft), histogram(|soft| 1.0 - soft)) else { return vec![0.0; codes.len()] };
    let table: Vec<f32> = within.iter().zip(&around).map(|(a, b)| ((a + RARE) / (b + RARE)).ln()).collect();
    codes.iter().zip(inside).map(|(&code, &inside)| if inside { table[code] } else { 0.0 }).collect()
}

/// The bin of each pixel's colour.
fn codes(colours: &[f32]) -> Vec<usize> {
    let bin = |value: f32| usize::from(value.round_ties_even().clamp(0.0, 255.0) as u8 >> 4);
    colours.as_chunks::<3>().0.iter().map(|pixel| (bin(pixel[0]) * BINS + bin(pixel[1])) * BINS + bin(pixel[2])).collect()
}

/// Shares of each colour from (bin, weight), blurred once along each axis with [1, 2, 1] / 4; `None` without weight.
fn histogram(pixels: impl Iterator<Item = (usize, f32)>) -> Option<Vec<f32>> {
    let mut counts = vec![0.0_f32; BINS * BINS * BINS];
    for (code, weight) in pixels {
        counts[code] += weight;
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
    if total <= 0.0 {
        return None;
    }
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
    fn a_ratio_counts_by_probability() {
        let (red, blue) = ([200.0, 10.0, 10.0], [10.0, 10.0, 200.0]);
        let colours: Vec<f32> = [red, red, blue, blue].concat();
        let ratio = colour_log_ratio(&colours, &[0.9, 0.7, 0.2, 0.2], &[true, true, true, false]);
        // Red has .8 of the object's 1.8 pixels and .4 of the others' 1.2.
        assert!((ratio[0] - (1.6_f32 / 1.8 / (0.4 / 1.2)).ln()).abs() < 1e-3, "{ratio:?}");
        assert!(ratio[2] < -1.0 && ratio[3].abs() < 1e-9);
        assert_eq!(colour_log_ratio(&colours, &[1.0; 4], &[true; 4]), [0.0; 4], "nothing around it");
    }

    #[test]
    fn without_surroundings_there_is_no_evidence() {
        assert_eq!(colour_evidence(&[5.0; 6], &[true, true], &[true, true]), [0.0, 0.0]);
    }
}
