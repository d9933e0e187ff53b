//! Compressed run lengths: what can be read is written as a text that reads the same, and its pixels agree with it.
#![no_main]

use annotator_fuzz::geometry::Size;
use annotator_fuzz::mask::rle;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(counts) = rle::from_text(text) else { return };
    assert_eq!(rle::from_text(&rle::to_text(&counts)).as_ref(), Ok(&counts));
    let sum: u64 = counts.iter().map(|&count| u64::from(count)).sum();
    if sum == 0 || sum > 1 << 20 {
        return;
    }
    let height = (1..=64).rev().find(|height| sum % height == 0).unwrap_or(1);
    let size = Size::new((sum / height) as u32, height as u32);
    let mask = rle::decode(size, &counts).expect("the runs cover the grid");
    assert_eq!((rle::area(&counts), rle::bounds(size, &counts)), (mask.area(), mask.bounds()));
    assert_eq!(rle::decode(size, &rle::encode(&mask)).as_ref(), Ok(&mask));
    assert_eq!(rle::intersection(&counts, &rle::encode(&mask)), mask.area());
});
