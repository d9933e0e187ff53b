//! The assistant on small networks with random weights, its crops against the reference, and its thread.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::model::seeded;
use annotator::assist::service::{Engine, Reply, Request, RequestId, Service};
use annotator::assist::{
    AssistError, Assistant, ModelPaths, Patch, Proposal, ProposeOptions, ProposeStep, RefineOptions, RefineStep, Refinement, crop,
    refiner_input, segmenter_input,
};
use annotator::geometry::{Rect, Size};
use annotator::job::Cancel;
use annotator::mask::Mask;
use annotator::model::device::Compute;
use annotator::model::refiner::{Refiner, RefinerConfig};
use annotator::model::segmenter::{Segmenter, SegmenterConfig};
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
        let (input, region) = segmenter_input(&reference.image, reference.rect(&name("box")), side);
        assert_eq!(region, reference.rect(&name("region")), "{case}");
        let size = Size::new(reference.image.width(), reference.image.height());
        let colours = crop::resampled(reference.image.as_raw(), size, 3, region, side);
        reference.assert_close(&colours, &name("rgb"), 1e-3);
        reference.assert_close(&input, &name("input"), 1e-3);
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
    let options = ProposeOptions { steps: 2, seed: 5 };
    let mut steps = Vec::new();
    let both = assistant.propose(&image, &boxes, &options, &Cancel::new(), &mut |step| steps.push(step)).unwrap();
    assert_eq!(steps.iter().map(|step| (step.step, step.of, step.masks.len())).collect::<Vec<_>>(), [(1, 2, 2), (2, 2, 2)]);
    let second = assistant.propose(&image, &boxes[1..], &options, &Cancel::new(), &mut |_| {}).unwrap();
    let worst = both[1].patch.soft.iter().zip(&second[0].patch.soft).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-5, "the batch changed the soft map by {worst}");
    assert_eq!(both[0].mask.size(), Size::new(90, 60));
    assert!((0.0..=1.0).contains(&both[0].expected_iou));
}

#[test]
fn work_stops_between_steps() {
    let (assistant, image, cancel) = (assistant(), picture(40, 40), Cancel::new());
    let mut seen = 0;
    let mut each = |_: ProposeStep| {
        seen += 1;
        cancel.cancel();
    };
    let stopped = assistant.propose(&image, &[Rect::new(5.0, 5.0, 20.0, 20.0)], &ProposeOptions { steps: 8, seed: 0 }, &cancel, &mut each);
    assert!(matches!(stopped, Err(AssistError::Cancelled)));
    assert_eq!(seen, 1);
}

#[test]
fn hostile_requests_give_errors() {
    let (assistant, image, cancel) = (assistant(), picture(40, 30), Cancel::new());
    let propose = |rect| assistant.propose(&image, &[rect], &ProposeOptions::default(), &cancel, &mut |_| {});
    assert!(matches!(propose(Rect::new(0.0, 0.0, 0.0, 5.0)), Err(AssistError::BadBox(0))));
    assert!(matches!(propose(Rect::new(f64::NAN, 0.0, 5.0, 5.0)), Err(AssistError::BadBox(0))));
    assert!(matches!(propose(Rect::new(500.0, 500.0, 9.0, 9.0)), Err(AssistError::BadBox(0))));
    assert_eq!(propose(Rect::new(50.0, 31.0, 9.0, 9.0)).unwrap()[0].mask.size(), Size::new(40, 30));
    assert_eq!(propose(Rect::new(-1e12, -1e12, 2e12, 2e12)).unwrap()[0].mask.size(), Size::new(40, 30));
    let refine = |mask: Mask, timesteps: &[usize]| {
        assistant.refine(&image, &[mask], &RefineOptions { timesteps: timesteps.to_vec(), ..RefineOptions::default() }, &cancel, &mut |_| {})
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
    let masks = [small.clone(), Mask::new(Size::new(60, 60)), Mask::filled(Size::new(60, 60), Rect::new(10.0, 10.0, 30.0, 30.0))];
    let mut steps = Vec::new();
    let mut each = |step: RefineStep| steps.push(step.indices);
    let refined = assistant.refine(&image, &masks, &RefineOptions::default(), &Cancel::new(), &mut each).unwrap();
    assert_eq!(refined[0], Refinement { mask: small, kept_original: true, change: 0.0 });
    assert!(refined[1].kept_original);
    assert_eq!(steps, [[2], [2], [2]]);
    assert!(refiner_input(&image, &masks[1], 32).is_none());
}

/// An engine that waits, or breaks, as the first box says: its width is the number of steps of 5 ms, a height of 13 a
/// panic.
struct Slow(Arc<AtomicUsize>);

impl Engine for Slow {
    fn propose(
        &self,
        _: &RgbImage,
        boxes: &[Rect],
        _: &ProposeOptions,
        cancel: &Cancel,
        each: &mut dyn FnMut(ProposeStep),
    ) -> Result<Vec<Proposal>, AssistError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        assert!(boxes[0].height < 12.5, "thirteen");
        let of = boxes[0].width as usize;
        for step in 1..=of {
            std::thread::sleep(Duration::from_millis(5));
            each(ProposeStep { step, of, first: 0, masks: Vec::new() });
            if cancel.is_cancelled() {
                return Err(AssistError::Cancelled);
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

fn slow_service() -> (Service, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let engine = Arc::clone(&calls);
    let load = move |_: &ModelPaths| Ok(Slow(Arc::clone(&engine)));
    (Service::start_with(load, ModelPaths::default(), || {}).unwrap(), calls)
}

fn propose(steps: f64, height: f64) -> Request {
    Request::Propose {
        image: Arc::new(RgbImage::new(1, 1)),
        boxes: vec![Rect::new(0.0, 0.0, steps, height)],
        options: ProposeOptions::default(),
    }
}

/// The replies up to the first that `last` accepts.
fn replies(service: &Service, last: impl Fn(&Reply) -> bool) -> Vec<Reply> {
    let (start, mut all) = (Instant::now(), Vec::new());
    while start.elapsed() < Duration::from_secs(20) {
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
    assert!(matches!(ready.last(), Some(Reply::Ready { device }) if device == "slow"));
    let first = service.request(propose(4000.0, 1.0));
    replies(&service, |reply| matches!(reply, Reply::Proposing { .. }));
    service.request(propose(4000.0, 1.0));
    let last = service.request(propose(2.0, 1.0));
    let all = replies(&service, |reply| matches!(reply, Reply::Proposed { .. }));
    assert!(matches!(all.last(), Some(Reply::Proposed { id, .. }) if *id == last));
    assert!(first < last);
    assert!(!all.iter().any(|reply| matches!(reply, Reply::Failed { .. })));
}

#[test]
fn a_panic_becomes_an_event_and_the_thread_goes_on() {
    let (service, calls) = slow_service();
    let id = service.request(propose(1.0, 13.0));
    let all = replies(&service, |reply| matches!(reply, Reply::Failed { .. }));
    assert!(matches!(all.last(), Some(Reply::Failed { id: failed, message }) if *failed == id && message.contains("thirteen")));
    service.request(propose(1.0, 1.0));
    replies(&service, |reply| matches!(reply, Reply::Proposed { .. }));
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[test]
fn cancelling_silences_a_request_and_dropping_the_service_ends_it() {
    let (service, _) = slow_service();
    service.request(propose(4000.0, 1.0));
    replies(&service, |reply| matches!(reply, Reply::Proposing { .. }));
    service.cancel();
    let refine = Request::Refine { image: Arc::new(RgbImage::new(1, 1)), masks: Vec::new(), options: RefineOptions::default() };
    let id = service.request(refine);
    let all = replies(&service, |reply| matches!(reply, Reply::Refined { .. }));
    assert!(matches!(all.last(), Some(Reply::Refined { id: refined, .. }) if *refined == id));
    assert!(!all.iter().any(|reply| matches!(reply, Reply::Proposed { .. } | Reply::Failed { .. })));
    service.request(propose(4000.0, 1.0));
    let start = Instant::now();
    drop(service);
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn weights_that_cannot_be_loaded_are_reported() {
    let paths = ModelPaths { segmenter: Some("/nowhere/segmenter.safetensors".into()), refiner: None };
    let service = Service::start(annotator::model::device::ComputeChoice::Cpu, paths, || {}).unwrap();
    let all = replies(&service, |reply| matches!(reply, Reply::Failed { .. }));
    assert!(matches!(all.last(), Some(Reply::Failed { id: RequestId(0), message }) if message.contains("/nowhere/segmenter")));
}
