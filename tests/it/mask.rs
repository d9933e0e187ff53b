//! Masks against frozen numbers of pycocotools and of `OpenCV`, and properties over random masks.

use annotator::geometry::{Point, Rect, Size};
use annotator::mask::component::{Components, Connectivity};
use annotator::mask::morphology::{self, Border};
use annotator::mask::{Mask, PixelRect, brush, metric, polygon, rle};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Polygons {
    size: [u32; 2],
    #[serde(rename = "polygons")]
    rings: Vec<Vec<f64>>,
    counts: String,
    area: u64,
    bbox: [f64; 4],
}

#[derive(Deserialize)]
struct Agreement {
    size: [u32; 2],
    truth: String,
    prediction: String,
    iou: f64,
    boundary_iou: f64,
    boundary_accuracy: f64,
}

fn data<T: for<'de> Deserialize<'de>>(name: &str) -> T {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn polygons_give_the_pixels_of_pycocotools() {
    for (index, case) in data::<Vec<Polygons>>("polygons.json").into_iter().enumerate() {
        let size = Size::new(case.size[0], case.size[1]);
        let runs = polygon::runs(&case.rings, size);
        assert_eq!(rle::to_text(&runs), case.counts, "case {index}");
        assert_eq!(rle::area(&runs), case.area, "case {index}");
        let mask = polygon::rasterize(&case.rings, size);
        assert_eq!((rle::encode(&mask), mask.area()), (rle::from_text(&case.counts).unwrap(), case.area), "case {index}");
        if let Some(bounds) = rle::bounds(size, &runs) {
            let [x, y, width, height] = case.bbox;
            assert_eq!(bounds.to_rect(), Rect::new(x, y, width, height), "case {index}");
        }
    }
}

#[test]
fn agreement_is_that_of_the_reference_code() {
    for (index, case) in data::<Vec<Agreement>>("agreement.json").into_iter().enumerate() {
        let size = Size::new(case.size[0], case.size[1]);
        let mask = |text: &str| rle::decode(size, &rle::from_text(text).unwrap()).unwrap();
        let (truth, prediction) = (mask(&case.truth), mask(&case.prediction));
        let found = [
            metric::iou(&truth, &prediction),
            metric::boundary_iou(&truth, &prediction),
            metric::mean_boundary_accuracy(&truth, &prediction),
        ];
        for (found, expected) in found.into_iter().zip([case.iou, case.boundary_iou, case.boundary_accuracy]) {
            assert!((found - expected).abs() < 1e-12, "case {index}: {found} is not {expected}");
        }
    }
}

prop_compose! {
    /// Masks of all densities, some smooth and some noise.
    fn mask()(width in 1_u32..24, height in 1_u32..24, density in 0_u64..=8, scale in 1_u32..5, seed in any::<u64>()) -> Mask {
        Mask::from_fn(Size::new(width, height), |x, y| {
            let cell = u64::from(x / scale) << 32 | u64::from(y / scale);
            let mut hash = (cell ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            hash ^= hash >> 29;
            hash = hash.wrapping_mul(0xbf58_476d_1ce4_e5b9);
            (hash >> 40) % 8 < density
        })
    }
}

/// The pixels whose centre has an odd number of ring edges to its left.
fn even_odd(rings: &[Vec<Point>], size: Size) -> Mask {
    Mask::from_fn(size, |x, y| {
        let (x, y) = (f64::from(x) + 0.5, f64::from(y) + 0.5);
        let crossings = |ring: &Vec<Point>| {
            let next = ring.iter().cycle().skip(1);
            ring.iter().zip(next).filter(|(a, b)| (a.y > y) != (b.y > y) && a.x < x).count()
        };
        rings.iter().map(crossings).sum::<usize>() % 2 == 1
    })
}

fn square(mask: &Mask, x: u32, y: u32, reach: i64, outside: bool) -> (bool, bool) {
    let (mut any, mut all) = (false, true);
    for dy in -reach..=reach {
        for dx in -reach..=reach {
            let (x, y) = (i64::from(x) + dx, i64::from(y) + dy);
            let on_grid = x >= 0 && y >= 0 && x < i64::from(mask.size().width) && y < i64::from(mask.size().height);
            let value = if on_grid { mask.get(x as u32, y as u32) } else { outside };
            any |= value && on_grid;
            all &= value;
        }
    }
    (any, all)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn run_lengths_are_lossless(mask in mask()) {
        let counts = rle::encode(&mask);
        prop_assert_eq!(&rle::decode(mask.size(), &counts).unwrap(), &mask);
        prop_assert_eq!(&rle::from_text(&rle::to_text(&counts)).unwrap(), &counts);
        prop_assert_eq!(rle::area(&counts), mask.area());
        prop_assert_eq!(rle::bounds(mask.size(), &counts), mask.bounds());
    }

    #[test]
    fn any_runs_come_back_from_their_text(counts in prop::collection::vec(prop_oneof![0_u32..50, any::<u32>()], 0..40)) {
        let text = rle::to_text(&counts);
        prop_assert!(text.bytes().all(|byte| (48..112).contains(&byte)));
        prop_assert_eq!(rle::from_text(&text).unwrap(), counts);
    }

    #[test]
    fn any_text_is_runs_or_an_error(text in prop_oneof!["[0-o]{0,30}", ".{0,10}"]) {
        if let Ok(counts) = rle::from_text(&text) {
            prop_assert_eq!(rle::from_text(&rle::to_text(&counts)).unwrap(), counts);
        }
    }

    #[test]
    fn a_window_is_a_crop(mask in mask(), x in 0_u32..30, y in 0_u32..30, w in 0_u32..30, h in 0_u32..30) {
        let window = PixelRect::new(x, y, w, h);
        prop_assert_eq!(rle::decode_window(mask.size(), &rle::encode(&mask), window), mask.cropped(window));
    }

    #[test]
    fn shared_pixels_of_runs_are_those_of_masks(a in mask(), seed in mask()) {
        let b = Mask::from_fn(a.size(), |x, y| seed.get(x, y));
        let shared = a.bytes().iter().zip(b.bytes()).filter(|(a, b)| **a == 1 && **b == 1).count() as u64;
        prop_assert_eq!(rle::intersection(&rle::encode(&a), &rle::encode(&b)), shared);
        let all = a.area() + b.area() - shared;
        let expected = if all == 0 { 1.0 } else { shared as f64 / all as f64 };
        prop_assert!((metric::iou(&a, &b) - expected).abs() < 1e-12);
    }

    #[test]
    fn outlines_give_the_mask_back(mask in mask()) {
        let rings = polygon::outline(&mask);
        prop_assert_eq!(&even_odd(&rings, mask.size()), &mask);
        let polygons = polygon::keyholes(&mask, 0.0);
        prop_assert_eq!(&polygon::rasterize(&polygons, mask.size()), &mask);
        let area: f64 = polygons.iter().map(|polygon| polygon::shoelace_area(polygon)).sum();
        prop_assert!((area - mask.area() as f64).abs() < 1e-6);
        prop_assert_eq!(polygons.len(), Components::of(&mask, Connectivity::Four).len());
    }

    #[test]
    fn simplified_rings_stay_within_the_tolerance(mask in mask(), tolerance in 0.0_f64..3.0) {
        for ring in polygon::outline(&mask) {
            let simple = polygon::simplified(&ring, tolerance);
            prop_assert!(simple.len() >= 3 && simple.len() <= ring.len());
            for point in &ring {
                let next = simple.iter().cycle().skip(1);
                let nearest = simple.iter().zip(next).map(|(a, b)| polygon::distance_to_segment(*point, *a, *b)).fold(f64::MAX, f64::min);
                prop_assert!(nearest <= tolerance + 1e-9);
            }
        }
    }

    #[test]
    fn squares_grow_and_shrink_as_defined(mask in mask(), times in 0_u32..6) {
        let grown = morphology::dilated(&mask, times);
        let shrunk = morphology::eroded(&mask, times, Border::Empty);
        let neutral = morphology::eroded(&mask, times, Border::Neutral);
        for y in 0..mask.size().height {
            for x in 0..mask.size().width {
                prop_assert_eq!(grown.get(x, y), square(&mask, x, y, i64::from(times), false).0);
                prop_assert_eq!(shrunk.get(x, y), square(&mask, x, y, i64::from(times), false).1);
                prop_assert_eq!(neutral.get(x, y), square(&mask, x, y, i64::from(times), true).1);
            }
        }
    }

    #[test]
    fn parts_are_the_whole(mask in mask()) {
        for connectivity in [Connectivity::Four, Connectivity::Eight] {
            let parts = Components::of(&mask, connectivity);
            prop_assert_eq!(parts.areas().iter().sum::<u64>(), mask.area());
            for y in 0..mask.size().height {
                for x in 0..mask.size().width {
                    prop_assert_eq!(parts.part_at(x, y).is_some(), mask.get(x, y));
                    if mask.get(x, y) && mask.get(x + 1, y) {
                        prop_assert_eq!(parts.part_at(x, y), parts.part_at(x + 1, y));
                    }
                }
            }
        }
        let filled = morphology::fill_holes(&mask);
        prop_assert_eq!(morphology::fill_holes(&filled), filled);
    }

    #[test]
    fn a_stroke_covers_exactly_its_capsule(
        mask in mask(),
        ends in prop::array::uniform4(-8.0_f64..32.0),
        radius in 0.0_f64..12.0,
        inside in any::<bool>(),
    ) {
        let (from, to) = (Point::new(ends[0], ends[1]), Point::new(ends[2], ends[3]));
        let mut painted = mask.clone();
        let dirty = brush::stroke(&mut painted, from, to, radius, inside);
        let expected = Mask::from_fn(mask.size(), |x, y| if brush::covers(from, to, radius, x, y) { inside } else { mask.get(x, y) });
        prop_assert_eq!(&painted, &expected);
        let changed = Mask::from_fn(mask.size(), |x, y| painted.get(x, y) != mask.get(x, y));
        prop_assert_eq!(dirty, changed.bounds());
    }
}
