//! The region of like colour around a pixel, as a magic wand takes it.

use super::Mask;
use crate::geometry::Size;

/// The pixels that edges join to (`x`, `y`) and whose three channels each differ from its by at most `tolerance`. `colours`
/// are the RGB bytes of an image of `size`, row-major. `None` where the pixel lies outside, or where the region has more
/// than `most` pixels.
pub fn like_region(colours: &[u8], size: Size, (x, y): (u32, u32), tolerance: u8, most: u64) -> Option<Mask> {
    if x >= size.width || y >= size.height || colours.len() != size.pixels() * 3 {
        return None;
    }
    let (width, pixels) = (size.width as usize, colours.as_chunks::<3>().0);
    let seed = pixels[y as usize * width + x as usize];
    let is_like = |place: usize| pixels[place].iter().zip(seed).all(|(a, b)| a.abs_diff(b) <= tolerance);
    let mut mask = Mask::new(size);
    let mut area = 0;
    let mut waiting = vec![(x as usize, y as usize)];
    while let Some((x, y)) = waiting.pop() {
        let row = y * width;
        if mask.data[row + x] != 0 || !is_like(row + x) {
            continue;
        }
        let is_open = |mask: &Mask, x: usize| mask.data[row + x] == 0 && is_like(row + x);
        let left = (0..x).rev().take_while(|&x| is_open(&mask, x)).last().unwrap_or(x);
        let right = (x + 1..width).take_while(|&x| is_open(&mask, x)).last().unwrap_or(x);
        mask.data[row + left..=row + right].fill(1);
        area += (right - left + 1) as u64;
        if area > most {
            return None;
        }
        for next in [y.checked_sub(1), (y + 1 < size.height as usize).then_some(y + 1)].into_iter().flatten() {
            let mut before = false;
            for x in left..=right {
                let open = mask.data[next * width + x] == 0 && is_like(next * width + x);
                if open && !before {
                    waiting.push((x, next));
                }
                before = open;
            }
        }
    }
    Some(mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(rows: &[&str]) -> (Vec<u8>, Size) {
        let size = Size::new(rows[0].len() as u32, rows.len() as u32);
        (rows.iter().flat_map(|row| row.bytes()).flat_map(|byte| [byte, 0, 255 - byte]).collect(), size)
    }

    #[test]
    fn only_what_edges_join_is_taken() {
        let (colours, size) = picture(&["aazaa", "zazaz", "aaazz", "zzzzz", "aazaa"]);
        let region = like_region(&colours, size, (0, 0), 0, 100).unwrap();
        let expected = ["11000", "01000", "11100", "00000", "00000"];
        let expected = Mask::from_fn(size, |x, y| expected[y as usize].as_bytes()[x as usize] == b'1');
        assert_eq!(region, expected);
        assert_eq!(like_region(&colours, size, (0, 0), 25, 100).unwrap().area(), 25, "a is 25 from z");
        assert_eq!(like_region(&colours, size, (0, 0), 24, 100).unwrap(), expected);
        assert_eq!(like_region(&colours, size, (0, 0), 0, 5), None, "six pixels are more than five");
        assert_eq!(like_region(&colours, size, (5, 0), 0, 100), None);
    }
}
