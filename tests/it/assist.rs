//! The assistant on small networks with random weights, its crops against the reference, and its thread.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use crate::model::seeded;
use annotator::assist::service::{Engine, Reply, Request, RequestId, Service};
use annotator::assist::{
    AssistError, Assistant, ExemplarCrop, Mode, ModelPaths, Patch, Prompt, Proposal, ProposeOptions, ProposeStep, RefineOptions,
    RefineStep, Refinement, Scribble, View, crop,
};
use annotator::geometry::{Point, Rect, Size};
use annotator::job::Cancel;
use annotator::mask::{Mask, metric};
use annotator::model::device::{Compute, ComputeChoice, DeviceError};
use annotator::model::refiner::{Refiner, RefinerConfig};
use annotator::model::segmenter::{ConditioningConfig, Segmenter, SegmenterConfig};
use annotator::model::weights::WeightFile;
use burn::tensor::Device;
use image::{Rgb, RgbImage};

fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([(x * 3) as u8, (y * 5) as u8, if (x / 8 + y / 8) % 2 == 0 { 200 } else { 20 }]))
}

fn assistant() -> Assistant {
    let device = Device::flex();
    let segmenter = seeded(Segmenter::new(&SegmenterConfig::tiny(), &device), 1);
    Assistant::from_networks(Compute::Cpu, segmenter, seeded(Refiner::new(&RefinerConfig::tiny(), &device), 2))
}

fn prompts(boxes: &[Rect]) -> Vec<Prompt> {
    boxes.iter().map(|&rect| rect.into()).collect()
}

struct Reference {
    file: WeightFile,
    image: RgbImage,
    mask: Mask,
}

impl Reference {
    fn read() -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/crop_fixture.safetensors");
        let file = WeightFile::read(&path).unwrap();
        let (shape, pixels) = file.values("image").unwrap();
        let (width, height) = (shape[1] as u32, shape[0] as u32);
        let image = RgbImage::from_raw(width, height, pixels.iter().map(|&v| v as u8).collect()).unwrap();
        let mask = file.values("mask").unwrap().1.iter().map(|&v| v as u8).collect();
        Self { mask: Mask::from_bytes(Size::new(width, height), mask).unwrap(), file, image }
    }

    fn values(&self, name: &str) -> Vec<f32> {
        self.file.values(name).unwrap_or_else(|| panic!("the fixture has no {name}")).1
    }

    fn rect(&self, name: &str) -> Rect {
        let v: Vec<f64> = self.values(name).into_iter().map(f64::from).collect();
        Rect::new(v[0], v[1], v[2], v[3])
    }

    #[track_caller]
    fn assert_close(&self, actual: &[f32], name: &str, tolerance: f32) {
        let expected = self.values(name);
        assert_eq!(actual.len(), expected.len(), "{name}");
        let worst = actual.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst <= tolerance, "{name} is off by {worst}");
    }
}

#[test]
fn crops_are_those_of_the_reference() {
    let reference = Reference::read();
    for (case, side) in [("whole", 24), ("edge", 24), ("shrunk", 12), ("thin", 24)] {
        let name = |part: &str| format!("{case}.{part}");
        let view = View::new(&reference.image, reference.rect(&name("box")), side);
        let region = view.region;
        assert_eq!(region, reference.rect(&name("region")), "{case}");
        let size = Size::new(reference.image.width(), reference.image.height());
        let colours = crop::resampled(reference.image.as_raw(), size, 3, region, side);
        reference.assert_close(&colours, &name("rgb"), 1e-3);
        reference.assert_close(&view.input(), &name("input"), 1e-3);
        reference.assert_close(&crop::mask_crop(&reference.mask, region, side), &name("mask"), 0.0);
    }
}

#[test]
fn soft_maps_come_back_to_the_image_as_in_the_reference() {
    let reference = Reference::read();
    let size = reference.mask.size();
    let patch = Patch { rect: reference.rect("edge.region"), side: 24, soft: reference.values("paste.map") };
    let expected: Vec<u8> = reference.values("paste.edge").iter().map(|&v| u8::from(v >= 0.5)).collect();
    let actual = patch.mask(size);
    let wrong = actual.bytes().iter().zip(&expected).filter(|(a, b)| a != b).count();
    assert_eq!(wrong, 0);
}

#[test]
fn proposals_repeat_with_the_seed_and_do_not_depend_on_the_batch() {
    let (assistant, image) = (assistant(), picture(90, 60));
    let boxes = [Rect::new(10.0, 10.0, 30.0, 20.0), Rect::new(50.0, 20.0, 30.0, 30.0)];
    let options = ProposeOptions { steps: 2, seed: 5, ..ProposeOptions::default() };
    let mut steps = Vec::new();
    let both = assistant.propose(&image, &prompts(&boxes), &options, &Cancel::new(), &mut |step| steps.push(step)).unwrap();
    assert_eq!(
        steps.iter().map(|step| (step.step, step.of, step.masks.len())).collect::<Vec<_>>(),
        [(1, 4, 2), (2, 4, 2), (3, 4, 2), (4, 4, 2)],
        "two looks"
    );
    let second = assistant.propose(&image, &prompts(&boxes[1..]), &options, &Cancel::new(), &mut |_| {}).unwrap();
    let worst = both[1].patch.soft.iter().zip(&second[0].patch.soft).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-5, "the batch changed the soft map by {worst}");
    assert_eq!(both[0].mask.size(), Size::new(90, 60));
    assert!((0.0..=1.0).contains(&both[0].expected_iou));
}

fn proposed(assistant: &Assistant, image: &RgbImage, prompt: Prompt, options: &ProposeOptions) -> Proposal {
    assistant.propose(image, &[prompt], options, &Cancel::new(), &mut |_| {}).unwrap().remove(0)
}

#[test]
fn each_of_many_boxes_gets_its_own_mask() {
    let (assistant, image, options) = (assistant(), picture(90, 60), ProposeOptions::default());
    let boxes: Vec<Rect> = (0..5).map(|index| Rect::new(4.0 + 16.0 * f64::from(index), 8.0, 14.0, 30.0)).collect();
    let mut shown = vec![None; boxes.len()];
    let each = &mut |step: ProposeStep| {
        for (index, patch) in step.masks.iter().enumerate() {
            shown[step.first + index] = Some(patch.rect);
        }
    };
    let all = assistant.propose(&image, &prompts(&boxes), &options, &Cancel::new(), each).unwrap();
    for ((all, shown), &rect) in all.iter().zip(shown).zip(&boxes) {
        let one = proposed(&assistant, &image, rect.into(), &options);
        assert_eq!((all.patch.rect, shown), (one.patch.rect, Some(one.patch.rect)));
        let worst = all.patch.soft.iter().zip(&one.patch.soft).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-4, "{worst}");
    }
}

#[test]
fn strokes_are_obeyed_to_the_pixel() {
    let (assistant, image) = (assistant(), picture(90, 60));
    let rect = Rect::new(10.0, 10.0, 50.0, 40.0);
    let stroke = |points: &[(f64, f64)], inside| Scribble {
        points: points.iter().map(|&(x, y)| Point::new(x, y)).collect(),
        radius_px: 2.5,
        inside,
    };
    let scribbles =
        vec![stroke(&[(15.0, 15.0), (40.0, 30.0)], true), stroke(&[(30.0, 12.0), (30.0, 45.0)], false), stroke(&[(80.0, 50.0)], true)];
    let fresh = Prompt { scribbles: scribbles.clone(), ..rect.into() };
    let edit = Prompt { mask: Some(Arc::new(Mask::filled(Size::new(90, 60), rect))), ..fresh.clone() };
    for (prompt, samples, steps) in [(&fresh, 1, 1), (&edit, 1, 3), (&edit, 4, 1)] {
        let options = ProposeOptions { samples, steps, ..ProposeOptions::default() };
        let found = proposed(&assistant, &image, prompt.clone(), &options);
        for mask in std::iter::once(&found.mask).chain(found.others.iter().map(|other| &other.mask)) {
            let mut painted = mask.clone();
            for scribble in &scribbles {
                scribble.paint(&mut painted);
            }
            assert_eq!(&painted, mask, "a stroke is not obeyed");
        }
    }
    let other_size = Prompt { mask: Some(Arc::new(Mask::new(Size::new(4, 4)))), ..rect.into() };
    let wrong = assistant.propose(&image, &[other_size], &ProposeOptions::default(), &Cancel::new(), &mut |_| {});
    assert!(matches!(wrong, Err(AssistError::MaskSize { .. })));
}

#[test]
fn alternatives_differ_and_the_first_is_what_one_sample_gives() {
    let (assistant, image) = (assistant(), picture(90, 60));
    let rect = Rect::new(10.0, 10.0, 50.0, 40.0);
    let one = proposed(&assistant, &image, rect.into(), &ProposeOptions::default());
    let mut steps = Vec::new();
    let options = ProposeOptions { samples: 5, ..ProposeOptions::default() };
    let many = assistant
        .propose(&image, &[rect.into()], &options, &Cancel::new(), &mut |step| steps.push((step.step, step.of)))
        .unwrap()
        .remove(0);
    assert_eq!(many.mask, one.mask);
    assert_eq!(steps, [(1, 3), (2, 3), (3, 3)], "two looks and the alternatives");
    assert!(one.spread.is_none() && one.others.is_empty());
    let spread = many.spread.unwrap();
    assert!(spread.soft.iter().any(|&value| value > 0.0) && spread.soft.iter().all(|value| (0.0..=1.0).contains(value)));
    for other in &many.others {
        assert!(metric::iou(&other.mask, &many.mask) <= 0.9);
    }
    assert!(many.others.is_sorted_by(|a, b| a.expected_iou >= b.expected_iou));
}

#[test]
fn exemplars_change_masks_of_weights_that_know_them_and_of_no_others() {
    let (device, image) = (Device::flex(), picture(90, 60));
    let refiner = || seeded(Refiner::new(&RefinerConfig::tiny(), &device), 2);
    let own = ConditioningConfig { classes: vec!["cat".to_owned()], concat: false };
    let config = SegmenterConfig { conditioning: Some(own.clone()), ..SegmenterConfig::tiny() };
    let plain = Segmenter::new(&SegmenterConfig::tiny(), &device);
    let plain = seeded(plain, 1);
    let fresh = Assistant::from_networks(Compute::Cpu, plain.clone().conditioned(own, 3, &device), refiner());
    let plain = Assistant::from_networks(Compute::Cpu, plain, refiner());
    let trained = Assistant::from_networks(Compute::Cpu, seeded(Segmenter::new(&config, &device), 1), refiner());
    let rect = Rect::new(10.0, 10.0, 50.0, 40.0);
    let shown = Arc::new(ExemplarCrop::new(&image, &Mask::filled(Size::new(90, 60), Rect::new(30.0, 20.0, 30.0, 30.0))).unwrap());
    let told = Prompt { exemplars: vec![shown; 3], class: Some("cat".to_owned()), ..rect.into() };
    let soft = |assistant: &Assistant, prompt: Prompt| proposed(assistant, &image, prompt, &ProposeOptions::default()).patch.soft;
    assert_eq!(soft(&plain, told.clone()), soft(&plain, rect.into()));
    assert_eq!(soft(&fresh, told.clone()), soft(&plain, rect.into()), "untrained layers change nothing");
    assert_ne!(soft(&trained, told.clone()), soft(&trained, rect.into()));
    let unknown = Prompt { class: Some("dog".to_owned()), ..rect.into() };
    assert_eq!(soft(&trained, unknown.clone()), soft(&trained, rect.into()));
    let more = ConditioningConfig { classes: vec!["Cat".to_owned(), "dog".to_owned()], concat: false };
    let taught = seeded(Segmenter::new(&config, &device), 1).conditioned(more, 3, &device);
    assert_eq!(taught.config.conditioning.as_ref().unwrap().classes, ["cat", "dog"]);
    let taught = Assistant::from_networks(Compute::Cpu, taught, refiner());
    assert_eq!(soft(&taught, told.clone()), soft(&trained, told), "what the weights knew they know still");
    assert_ne!(soft(&taught, unknown.clone()), soft(&trained, unknown));
    assert!(fresh.takes_exemplars() && !plain.takes_exemplars());
    assert!(ExemplarCrop::new(&image, &Mask::new(Size::new(90, 60))).is_none());
}

#[test]
fn work_stops_between_steps() {
    let (assistant, image, cancel) = (assistant(), picture(40, 40), Cancel::new());
    let mut seen = 0;
    let mut each = |_: ProposeStep| {
        seen += 1;
        cancel.cancel();
    };
    let options = ProposeOptions { steps: 8, ..ProposeOptions::default() };
    let stopped = assistant.propose(&image, &[Rect::new(5.0, 5.0, 20.0, 20.0).into()], &options, &cancel, &mut each);
    assert!(matches!(stopped, Err(AssistError::Cancelled)));
    assert_eq!(seen, 1);
}

#[test]
fn hostile_requests_give_errors() {
    let (assistant, image, cancel) = (assistant(), picture(40, 30), Cancel::new());
    let propose = |rect: Rect| assistant.propose(&image, &[rect.into()], &ProposeOptions::default(), &cancel, &mut |_| {});
    assert!(matches!(propose(Rect::new(0.0, 0.0, 0.0, 5.0)), Err(AssistError::BadBox(0))));
    assert!(matches!(propose(Rect::new(f64::NAN, 0.0, 5.0, 5.0)), Err(AssistError::BadBox(0))));
    assert!(matches!(propose(Rect::new(500.0, 500.0, 9.0, 9.0)), Err(AssistError::BadBox(0))));
    assert_eq!(propose(Rect::new(50.0, 31.0, 9.0, 9.0)).unwrap()[0].mask.size(), Size::new(40, 30));
    assert_eq!(propose(Rect::new(-1e12, -1e12, 2e12, 2e12)).unwrap()[0].mask.size(), Size::new(40, 30));
    let refine = |mask: Mask, timesteps: &[usize]| {
        assistant.refine(
            &image,
            &[mask],
            &RefineOptions { timesteps: timesteps.to_vec(), ..RefineOptions::default() },
            &cancel,
            &mut |_| {},
        )
    };
    assert!(matches!(refine(Mask::new(Size::new(4, 4)), &[0]), Err(AssistError::MaskSize { index: 0, .. })));
    assert!(matches!(refine(Mask::new(Size::new(40, 30)), &[2]), Err(AssistError::Steps(_))));
    let empty = RgbImage::new(0, 0);
    let nothing = assistant.propose(&empty, &[], &ProposeOptions::default(), &cancel, &mut |_| {});
    assert!(matches!(nothing, Err(AssistError::EmptyImage)));
}

#[test]
fn small_and_empty_masks_are_left_alone() {
    let (assistant, image) = (assistant(), picture(60, 60));
    let small = Mask::filled(Size::new(60, 60), Rect::new(3.0, 3.0, 4.0, 4.0));
    let disc = Mask::from_fn(Size::new(60, 60), |x, y| x.abs_diff(25).pow(2) + y.abs_diff(25).pow(2) < 225);
    let masks = [small.clone(), Mask::new(Size::new(60, 60)), disc];
    let mut steps = Vec::new();
    let mut each = |step: RefineStep| steps.push(step.indices);
    let refined = assistant.refine(&image, &masks, &RefineOptions::default(), &Cancel::new(), &mut each).unwrap();
    assert_eq!(refined[0], Refinement { mask: small, kept_original: true, change: 0.0 });
    assert!(refined[1].kept_original);
    assert_eq!(steps, [[2], [2], [2]]);
}

#[test]
fn a_mask_that_merely_fills_its_box_becomes_what_is_proposed_for_that() {
    let (assistant, image, rect) = (assistant(), picture(60, 60), Rect::new(10.0, 10.0, 36.0, 30.0));
    let filled = Mask::filled(Size::new(60, 60), rect);
    let disc = Mask::from_fn(filled.size(), |x, y| x.abs_diff(30).pow(2) + y.abs_diff(30).pow(2) < 225);
    let refine = |masks: &[Mask], options: RefineOptions| {
        let mut steps = Vec::new();
        let mut each = |step: RefineStep| steps.push((step.step, step.of, step.indices, step.masks.len()));
        (assistant.refine(&image, masks, &options, &Cancel::new(), &mut each).unwrap(), steps)
    };
    let options = RefineOptions { strength: 1.0, ..RefineOptions::default() };
    let (refined, steps) = refine(&[disc.clone(), filled.clone(), filled.clone()], options.clone());
    let proposal = assistant.propose(&image, &[rect.into()], &ProposeOptions::default(), &Cancel::new(), &mut |_| {}).unwrap().remove(0);
    assert_ne!(proposal.mask, filled);
    let expected = Refinement { change: 1.0 - metric::iou(&filled, &proposal.mask), mask: proposal.mask.clone(), kept_original: false };
    assert_eq!(refined[1..], [expected.clone(), expected]);
    assert_eq!(refined[..1], refine(&[disc], options.clone()).0);
    assert_eq!(steps[..2], [(1, 2, vec![1, 2], 2), (2, 2, vec![1, 2], 2)], "two looks");
    assert!(steps[2..].iter().all(|step| step.2 == [0]), "{steps:?}");

    let bar = Mask::filled(filled.size(), Rect::new(2.0, 40.0, 56.0, 4.0));
    assert_eq!(refine(&[bar], options.clone()).1.len(), 3, "no box, and the steps are the refiner's");
    let banded = refine(std::slice::from_ref(&filled), RefineOptions { band_px: Some(0), ..options }).0;
    assert_eq!(banded, [Refinement { mask: filled, kept_original: false, change: 0.0 }]);
}

#[test]
fn a_plain_result_is_what_the_refiner_says_last() {
    let (assistant, image) = (assistant(), picture(60, 60));
    let mask = Mask::filled(Size::new(60, 60), Rect::new(10.0, 10.0, 36.0, 30.0));
    let options = RefineOptions::plain(&assistant.refiner().config);
    let mut last = None;
    let mut each = |step: RefineStep| last = step.masks.into_iter().next();
    let refined = assistant.refine(&image, std::slice::from_ref(&mask), &options, &Cancel::new(), &mut each).unwrap().remove(0);
    let said = last.unwrap().mask(mask.size());
    assert_ne!(said, mask);
    assert_eq!(refined, Refinement { change: 1.0 - metric::iou(&mask, &said), mask: said, kept_original: false });
}

fn large() -> (RgbImage, Mask) {
    let image = picture(420, 260);
    let mask = Mask::from_fn(Size::new(420, 260), |x, y| {
        let (dx, dy) = ((f64::from(x) - 200.0) / 170.0, (f64::from(y) - 130.0) / 100.0);
        dx * dx + dy * dy < 1.0
    });
    (image, mask)
}

#[test]
fn large_objects_are_refined_in_tiles() {
    let (assistant, (image, mask), options) = (assistant(), large(), RefineOptions { strength: 1.0, ..RefineOptions::default() });
    let mut steps = Vec::new();
    let mut each = |step: RefineStep| steps.push((step.step, step.of, step.masks.len(), step.masks[0].side));
    let refined = assistant.refine(&image, std::slice::from_ref(&mask), &options, &Cancel::new(), &mut each).unwrap();
    let of = steps.last().unwrap().1;
    assert!(of > 3, "two steps on the thumbnail and some tiles, but {steps:?}");
    assert_eq!(steps.iter().map(|step| step.0).collect::<Vec<_>>(), (1..=of).collect::<Vec<_>>());
    assert!(steps.iter().all(|step| step.2 == 1 && step.3 == 32), "each step shows the whole object");
    let again = assistant.refine(&image, std::slice::from_ref(&mask), &options, &Cancel::new(), &mut |_| {}).unwrap();
    assert_eq!(refined, again);
    let instance = RefineOptions { mode: Mode::Instance, ..options.clone() };
    let mut count = 0;
    assistant.refine(&image, std::slice::from_ref(&mask), &instance, &Cancel::new(), &mut |_| count += 1).unwrap();
    assert_eq!(count, 3);

    let (cancel, mut seen) = (Cancel::new(), 0);
    let mut each = |_: RefineStep| {
        seen += 1;
        if seen == 3 {
            cancel.cancel();
        }
    };
    let stopped = assistant.refine(&image, std::slice::from_ref(&mask), &options, &cancel, &mut each);
    assert!(matches!(stopped, Err(AssistError::Cancelled)) && seen == 3);
    let short = RefineOptions { timesteps: vec![0], mode: Mode::HighResolution, ..options };
    let refused = assistant.refine(&image, &[mask], &short, &Cancel::new(), &mut |_| {});
    assert!(refused.unwrap_err().to_string().contains("at least two"));
}

#[test]
fn shipped_weights_give_a_large_outline_back() {
    let assistant = Assistant::load(ComputeChoice::Cpu, &ModelPaths::default()).unwrap();
    let size = Size::new(900, 700);
    let beyond = |x: u32, y: u32, wobble: f64| {
        let (dx, dy) = (f64::from(x) - 450.0, f64::from(y) - 350.0);
        let angle = dy.atan2(dx);
        dx.hypot(dy) - 270.0 * (1.0 + 0.1 * (5.0 * angle).sin() + wobble * (13.0 * angle).sin())
    };
    let truth = Mask::from_fn(size, |x, y| beyond(x, y, 0.0) < 0.0);
    let coarse = Mask::from_fn(size, |x, y| beyond(x, y, 0.06) < 0.0);
    let grain = |x: u32, y: u32| (x.wrapping_mul(2_654_435_761).wrapping_add(y.wrapping_mul(40_503)) >> 7) as u8 % 24;
    let image = RgbImage::from_fn(900, 700, |x, y| {
        let base = if truth.get(x, y) { [200, 110, 50] } else { [70, 100, 80] };
        Rgb(base.map(|value: u8| value + grain(x, y)))
    });
    let refined = |mask: &Mask, mode| {
        let options = RefineOptions { mode, ..RefineOptions::default() };
        metric::iou(&assistant.refine(&image, std::slice::from_ref(mask), &options, &Cancel::new(), &mut |_| {}).unwrap()[0].mask, &truth)
    };
    let (before, once, closely) = (metric::iou(&coarse, &truth), refined(&coarse, Mode::Instance), refined(&coarse, Mode::HighResolution));
    assert!(once > before + 0.01, "{before} -> {once}");
    assert!(closely > once, "{before} -> {once}, in tiles {closely}");
    assert!(refined(&truth, Mode::Auto) > 0.997, "a mask that is exact stays");
}

#[test]
fn strength_and_band_bound_the_change() {
    let (assistant, image) = (assistant(), picture(60, 60));
    let mask = Mask::filled(Size::new(60, 60), Rect::new(10.0, 10.0, 36.0, 30.0));
    let refine = |strength, band_px, deterministic, seed| {
        let options = RefineOptions { strength, band_px, deterministic, seed, ..RefineOptions::default() };
        assistant.refine(&image, std::slice::from_ref(&mask), &options, &Cancel::new(), &mut |_| {}).unwrap().remove(0)
    };
    let changed = |strength, band_px| {
        let after = refine(strength, band_px, true, 0).mask;
        after.bytes().iter().zip(mask.bytes()).filter(|(a, b)| a != b).count()
    };
    assert!(refine(0.0, None, true, 0).kept_original);
    assert_eq!(changed(1.0, Some(0)), 0);
    let banded = refine(1.0, Some(2), true, 0).mask;
    let near = |x: u32, y: u32| {
        let inside = |v: u32, low: u32, high: u32| v >= low && v < high;
        inside(x, 8, 48) && inside(y, 8, 42) && !(inside(x, 12, 44) && inside(y, 12, 38))
    };
    assert!((0..60).all(|y| (0..60).all(|x| near(x, y) || banded.get(x, y) == mask.get(x, y))));
    assert_eq!(refine(1.0, Some(3), true, 1), refine(1.0, Some(3), true, 2), "a deterministic walk has no seed");
}

/// What a test sees of a slow engine and tells it.
#[derive(Default)]
struct Control {
    calls: AtomicUsize,
    /// Whether it leaves out the steps that are left.
    hurries: AtomicBool,
}

impl Control {
    /// Waits for the call of this number.
    fn called(&self, number: usize) {
        let start = Instant::now();
        while self.calls.load(Ordering::Relaxed) < number {
            assert!(start.elapsed() < Duration::from_mins(1), "call {number} never comes");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// An engine that waits, or breaks, as the first box says: its width is the number of steps of 5 ms, a height of 13 a
/// panic.
struct Slow(Arc<Control>);

/// A width of more steps than any test waits for.
const ENDLESS: f64 = 1e9;

impl Engine for Slow {
    fn propose(
        &self,
        _: &RgbImage,
        prompts: &[Prompt],
        _: &ProposeOptions,
        cancel: &Cancel,
        each: &mut dyn FnMut(ProposeStep),
    ) -> Result<Vec<Proposal>, AssistError> {
        self.0.calls.fetch_add(1, Ordering::Relaxed);
        assert!(prompts[0].rect.height < 12.5, "thirteen");
        let of = prompts[0].rect.width as usize;
        for step in 1..=of {
            std::thread::sleep(Duration::from_millis(5));
            each(ProposeStep { step, of, first: 0, masks: Vec::new() });
            if cancel.is_cancelled() {
                return Err(AssistError::Cancelled);
            }
            if self.0.hurries.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(Vec::new())
    }

    fn refine(
        &self,
        _: &RgbImage,
        _: &[Mask],
        _: &RefineOptions,
        _: &Cancel,
        _: &mut dyn FnMut(RefineStep),
    ) -> Result<Vec<Refinement>, AssistError> {
        Ok(Vec::new())
    }

    fn device(&self) -> String {
        "slow".to_owned()
    }
}

fn slow_service() -> (Service, Arc<Control>) {
    let control = Arc::<Control>::default();
    let engine = Arc::clone(&control);
    let load = move |_: &ModelPaths| Ok(Slow(Arc::clone(&engine)));
    (Service::start_with(load, ModelPaths::default(), || {}).unwrap(), control)
}

fn propose(steps: f64, height: f64) -> Request {
    Request::Propose {
        image: Arc::new(RgbImage::new(1, 1)),
        prompts: vec![Rect::new(0.0, 0.0, steps, height).into()],
        options: ProposeOptions::default(),
    }
}

fn refine_nothing() -> Request {
    Request::Refine { image: Arc::new(RgbImage::new(1, 1)), masks: Vec::new(), options: RefineOptions::default() }
}

/// The replies up to the first that `last` accepts.
fn replies(service: &Service, last: impl Fn(&Reply) -> bool) -> Vec<Reply> {
    let (start, mut all) = (Instant::now(), Vec::new());
    while start.elapsed() < Duration::from_mins(2) {
        match service.poll() {
            Some(reply) => {
                all.push(reply);
                if last(&all[all.len() - 1]) {
                    return all;
                }
            }
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    panic!("the reply did not come; before it: {all:?}");
}

#[test]
fn the_newest_request_wins() {
    let (service, _) = slow_service();
    let ready = replies(&service, |reply| matches!(reply, Reply::Ready { .. }));
    assert!(matches!(ready.last(), Some(Reply::Ready { device, .. }) if device == "slow"));
    let first = service.request(propose(ENDLESS, 1.0));
    replies(&service, |reply| matches!(reply, Reply::Proposing { .. }));
    service.request(propose(ENDLESS, 1.0));
    let last = service.request(propose(2.0, 1.0));
    let all = replies(&service, |reply| matches!(reply, Reply::Proposed { .. }));
    assert!(matches!(all.last(), Some(Reply::Proposed { id, .. }) if *id == last));
    assert!(first < last);
    assert!(!all.iter().any(|reply| matches!(reply, Reply::Failed { .. })));
}

#[test]
fn a_panic_becomes_an_event_and_the_thread_goes_on() {
    let (service, engine) = slow_service();
    let id = service.request(propose(1.0, 13.0));
    let all = replies(&service, |reply| matches!(reply, Reply::Failed { .. }));
    assert!(matches!(all.last(), Some(Reply::Failed { id: failed, message }) if *failed == id && message.contains("thirteen")));
    service.request(propose(1.0, 1.0));
    replies(&service, |reply| matches!(reply, Reply::Proposed { .. }));
    assert_eq!(engine.calls.load(Ordering::Relaxed), 2);
}

#[test]
fn cancelling_silences_a_request_and_dropping_the_service_ends_it() {
    let (service, _) = slow_service();
    service.request(propose(ENDLESS, 1.0));
    replies(&service, |reply| matches!(reply, Reply::Proposing { .. }));
    service.cancel();
    let id = service.request(refine_nothing());
    let all = replies(&service, |reply| matches!(reply, Reply::Refined { .. }));
    assert!(matches!(all.last(), Some(Reply::Refined { id: refined, .. }) if *refined == id));
    assert!(!all.iter().any(|reply| matches!(reply, Reply::Proposed { .. } | Reply::Failed { .. })));
    service.request(propose(ENDLESS, 1.0));
    let start = Instant::now();
    drop(service);
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn what_can_wait_lets_others_go_first_and_comes_all_the_same() {
    let (service, engine) = slow_service();
    let later = service.request_later(propose(ENDLESS, 1.0));
    engine.called(1);
    let first = service.request(propose(3.0, 1.0));
    let all = replies(&service, |reply| matches!(reply, Reply::Proposed { .. }));
    assert!(matches!(all.last(), Some(Reply::Proposed { id, .. }) if *id == first), "{all:?}");
    assert!(!all.iter().any(|reply| matches!(reply, Reply::Proposing { id, .. } if *id == later)), "its steps are not told");
    engine.called(3);
    engine.hurries.store(true, Ordering::Relaxed);
    let all = replies(&service, |reply| matches!(reply, Reply::Proposed { .. }));
    assert!(matches!(all.as_slice(), [Reply::Proposed { id, .. }] if *id == later), "{all:?}");
    assert_eq!(engine.calls.load(Ordering::Relaxed), 3, "it was started anew");

    engine.hurries.store(false, Ordering::Relaxed);
    service.request_later(propose(ENDLESS, 1.0));
    engine.called(4);
    service.cancel();
    service.cancel_later();
    let id = service.request_later(propose(1.0, 1.0));
    let all = replies(&service, |reply| matches!(reply, Reply::Proposed { .. }));
    assert!(matches!(all.as_slice(), [Reply::Proposed { id: last, .. }] if *last == id), "{all:?}");
}

/// A graphics card with its driver. An engine works until the next reset; none is to be had while the card is away.
#[derive(Default)]
struct Card {
    resets: AtomicUsize,
    is_away: AtomicBool,
}

impl Card {
    fn service(self: &Arc<Self>) -> Service {
        let card = Arc::clone(self);
        Service::start_with(move |_: &ModelPaths| card.engine(), ModelPaths::default(), || {}).unwrap()
    }

    fn engine(self: &Arc<Self>) -> Result<Frail, AssistError> {
        if self.is_away.load(Ordering::Relaxed) {
            return Err(DeviceError::NoAdapter.into());
        }
        Ok(Frail { card: Arc::clone(self), resets: self.resets.load(Ordering::Relaxed) })
    }

    fn reset(&self) {
        self.resets.fetch_add(1, Ordering::Relaxed);
    }
}

/// An engine on a card that was reset so often before.
struct Frail {
    card: Arc<Card>,
    resets: usize,
}

impl Engine for Frail {
    fn propose(
        &self,
        _: &RgbImage,
        _: &[Prompt],
        _: &ProposeOptions,
        _: &Cancel,
        _: &mut dyn FnMut(ProposeStep),
    ) -> Result<Vec<Proposal>, AssistError> {
        Ok(Vec::new())
    }

    fn refine(
        &self,
        _: &RgbImage,
        _: &[Mask],
        _: &RefineOptions,
        _: &Cancel,
        _: &mut dyn FnMut(RefineStep),
    ) -> Result<Vec<Refinement>, AssistError> {
        if self.answers() { Ok(Vec::new()) } else { Err(AssistError::Read("nothing came back".to_owned())) }
    }

    fn device(&self) -> String {
        format!("card after {} resets", self.resets)
    }

    fn answers(&self) -> bool {
        self.card.resets.load(Ordering::Relaxed) == self.resets
    }
}

/// Both ways to ask.
const WAYS: [fn(&Service, Request) -> RequestId; 2] = [Service::request, Service::request_later];

#[test]
fn a_lost_device_is_replaced_whatever_work_found_it_lost() {
    let card = Arc::<Card>::default();
    let service = card.service();
    replies(&service, |reply| matches!(reply, Reply::Ready { .. }));
    for (resets, ask) in (1..).zip(WAYS) {
        card.reset();
        let failed = ask(&service, refine_nothing());
        let all = replies(&service, |reply| matches!(reply, Reply::Ready { .. }));
        let [Reply::Failed { id, message }, Reply::Progress(_), Reply::Ready { device, .. }] = all.as_slice() else { panic!("{all:?}") };
        assert!(*id == failed && message.contains("nothing came back"), "{message}");
        assert_eq!(*device, format!("card after {resets} resets"));
        let next = ask(&service, refine_nothing());
        let all = replies(&service, |reply| matches!(reply, Reply::Refined { .. }));
        assert!(matches!(all.as_slice(), [Reply::Refined { id, .. }] if *id == next), "{all:?}");
    }
}

#[test]
fn each_request_is_one_more_attempt_to_get_a_device() {
    let is_failure = |reply: &Reply| matches!(reply, Reply::Failed { .. });
    let card = Arc::<Card>::default();
    card.is_away.store(true, Ordering::Relaxed);
    let service = card.service();
    let all = replies(&service, is_failure);
    assert!(matches!(all.as_slice(), [Reply::Progress(_), Reply::Failed { id: RequestId(0), .. }]), "{all:?}");
    for ask in WAYS {
        // At the first turn the card was never there, at the second one it is lost.
        for _ in 0..2 {
            let asked = ask(&service, refine_nothing());
            let all = replies(&service, is_failure);
            let [Reply::Progress(_), Reply::Lost { message: lost }, Reply::Failed { id, message }] = all.as_slice() else {
                panic!("{all:?}")
            };
            assert!(*id == asked && lost == message && message.contains("no graphics adapter"), "{all:?}");
        }
        card.is_away.store(false, Ordering::Relaxed);
        let asked = ask(&service, refine_nothing());
        let all = replies(&service, |reply| matches!(reply, Reply::Refined { .. }));
        let [Reply::Progress(_), Reply::Ready { .. }, Reply::Refined { id, .. }] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!(*id, asked);

        card.is_away.store(true, Ordering::Relaxed);
        card.reset();
        let asked = ask(&service, refine_nothing());
        let all = replies(&service, |reply| matches!(reply, Reply::Lost { .. }));
        let [Reply::Failed { id, .. }, Reply::Progress(_), Reply::Lost { message }] = all.as_slice() else { panic!("{all:?}") };
        assert!(*id == asked && message.contains("no graphics adapter"), "{all:?}");
    }
}

#[test]
fn closing_does_not_wait_for_a_device() {
    let card = Arc::<Card>::default();
    let (begins, begun) = sync_channel(1);
    let (closed, ends) = sync_channel::<()>(1);
    let load = {
        let card = Arc::clone(&card);
        move |_: &ModelPaths| {
            if card.resets.load(Ordering::Relaxed) > 0 {
                begins.send(()).ok();
                ends.recv_timeout(Duration::from_mins(1)).ok();
            }
            card.engine()
        }
    };
    let service = Service::start_with(load, ModelPaths::default(), || {}).unwrap();
    replies(&service, |reply| matches!(reply, Reply::Ready { .. }));
    card.reset();
    service.request(refine_nothing());
    begun.recv_timeout(Duration::from_mins(1)).unwrap();
    let start = Instant::now();
    drop(service);
    assert!(start.elapsed() < Duration::from_secs(30), "it waited for the device");
    drop(closed);
}

#[test]
fn weights_that_cannot_be_loaded_are_reported() {
    let paths = ModelPaths { segmenter: Some("/nowhere/segmenter.safetensors".into()), refiner: None };
    let service = Service::start(ComputeChoice::Cpu, paths, || {}).unwrap();
    let all = replies(&service, |reply| matches!(reply, Reply::Failed { .. }));
    assert!(matches!(all.last(), Some(Reply::Failed { id: RequestId(0), message }) if message.contains("/nowhere/segmenter")));
}
