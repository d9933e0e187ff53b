//! Training on a folder of drawn discs with tiny networks: it learns, resumes exactly, and never spoils good weights.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::seeded;
use annotator::assist::calibration::{CALIBRATION_KEY, Observation};
use annotator::assist::{Assistant, Calibration, Engine as _, ModelPaths, ProposeOptions, RefineOptions};
use annotator::formats::coco;
use annotator::job::Cancel;
use annotator::mask::{Mask, metric};
use annotator::model::device::Compute;
use annotator::model::refiner::{self, Refiner, RefinerConfig};
use annotator::model::segmenter::{self, Segmenter, SegmenterConfig};
use annotator::model::weights::{WeightFile, save};
use annotator::train::{Config, Event, Objects, Part, Summary, TrainError, What, run};
use burn::tensor::Device;
use image::metadata::Orientation;
use image::{Rgb, RgbImage};

/// Images with one disc each, their COCO file, and tiny start weights.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new(images: u32) -> Self {
        Self::coloured(images, [[210, 60], [40, 170]])
    }

    /// Discs and background with these reds and blues.
    fn coloured(images: u32, [disc, around]: [[u8; 2]; 2]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (mut pictures, mut annotations) = (Vec::new(), Vec::new());
        for id in 1..=images {
            let (cx, cy, r) = (24.0 + f64::from(id % 3) * 6.0, 30.0 - f64::from(id % 2) * 5.0, 10.0 + f64::from(id % 4) * 2.0);
            let inside = |x: u32, y: u32| (f64::from(x) + 0.5 - cx).hypot(f64::from(y) + 0.5 - cy) < r;
            let picture = RgbImage::from_fn(64, 56, |x, y| {
                let noise = (x * 31 + y * 17 + id * 7) % 23;
                let ([red, blue], green) = if inside(x, y) { (disc, 80) } else { (around, 90) };
                Rgb([red, (green + noise) as u8, blue])
            });
            picture.save(folder.path().join(format!("{id}.png"))).unwrap();
            let ring: Vec<f64> = (0..40)
                .flat_map(|i| {
                    let angle = f64::from(i) / 40.0 * std::f64::consts::TAU;
                    [cx + r * angle.cos(), cy + r * angle.sin()]
                })
                .collect();
            pictures.push(serde_json::json!({"id": id, "file_name": format!("{id}.png"), "width": 64, "height": 56}));
            annotations.push(serde_json::json!({
                "id": id, "image_id": id, "category_id": 1, "iscrowd": 0, "segmentation": [ring],
                "bbox": [cx - r, cy - r, 2.0 * r, 2.0 * r], "area": std::f64::consts::PI * r * r,
            }));
        }
        let categories = [serde_json::json!({"id": 1, "name": "disc"})];
        let json = serde_json::json!({"images": pictures, "annotations": annotations, "categories": categories});
        std::fs::write(folder.path().join("instances.json"), json.to_string()).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn segmenter(&self) -> PathBuf {
        let path = self.path("start.safetensors");
        if !path.exists() {
            let network = seeded(Segmenter::new(&SegmenterConfig::tiny(), &Device::flex()), 1);
            save(&network, segmenter::NETWORK, &network.config, &path).unwrap();
        }
        path
    }

    fn refiner(&self) -> PathBuf {
        let path = self.path("refiner.safetensors");
        let network = seeded(Refiner::new(&RefinerConfig::tiny(), &Device::flex()), 2);
        save(&network, refiner::NETWORK, &network.config, &path).unwrap();
        path
    }

    /// The same file with filled boxes instead of discs.
    fn boxes(&self) -> PathBuf {
        let mut coarse: serde_json::Value = serde_json::from_slice(&std::fs::read(self.path("instances.json")).unwrap()).unwrap();
        for annotation in coarse["annotations"].as_array_mut().unwrap() {
            let [x, y, side] = [0, 1, 2].map(|at| annotation["bbox"][at].as_f64().unwrap());
            annotation["segmentation"] = serde_json::json!([[x, y, x + side, y, x + side, y + side, x, y + side]]);
        }
        let path = self.path("boxes.json");
        std::fs::write(&path, coarse.to_string()).unwrap();
        path
    }

    fn config(&self, out: &str) -> Config {
        Config {
            data: self.path("instances.json"),
            images: self.folder.path().to_owned(),
            out: self.path(out),
            start: Some(self.segmenter()),
            epochs: 3,
            batch: 2,
            learning_rate: 2e-3,
            part: Part::All,
            holdout: 0.25,
            ..Config::default()
        }
    }
}

/// The summary of a run, and what it said but for its progress.
fn trained(config: &Config) -> (Summary, Vec<Event>) {
    let mut events = Vec::new();
    let summary = run(config, &Compute::Cpu, &Cancel::new(), &mut |event| events.push(event)).unwrap();
    events.retain(|event| !matches!(event, Event::Progress(_)));
    (summary, events)
}

/// The image, mask and coarse mask of each object that a run measures.
fn held_out(config: &Config) -> Vec<(Arc<RgbImage>, Mask, Option<Mask>)> {
    let dataset = |path: &PathBuf| coco::read(path).unwrap().0;
    let (mut objects, _) = Objects::new(&dataset(&config.data), &config.images);
    if let Some(path) = &config.coarse {
        objects.add_coarse(&dataset(path));
    }
    let object = |&index: &usize| {
        let (image, mask) = objects.get(index).unwrap();
        let coarse = objects.coarse(index, &mask);
        (image, mask, coarse)
    };
    objects.split(config.holdout, config.seed).held_out.iter().map(object).collect()
}

/// The held-out `IoU` of the network alone: of the start, then of each epoch.
fn alone(events: &[Event]) -> Vec<f64> {
    let alone = |event: &Event| if let Event::Started { iou, .. } | Event::Epoch { iou, .. } = event { Some(*iou) } else { None };
    events.iter().filter_map(alone).collect()
}

fn losses(events: &[Event]) -> Vec<f64> {
    events.iter().filter_map(|event| if let Event::Epoch { loss, .. } = event { Some(*loss) } else { None }).collect()
}

#[track_caller]
fn assert_same_weights(a: &Path, b: &Path) {
    let (a, b) = (WeightFile::read(a).unwrap(), WeightFile::read(b).unwrap());
    assert!(a.names().eq(b.names()));
    for name in a.names() {
        assert_eq!(a.values(name), b.values(name), "{name} differs");
    }
}

#[test]
fn a_segmenter_learns_discs_and_the_file_holds_the_best_weights() {
    let bench = Bench::new(8);
    let config = Config { epochs: 12, ..bench.config("out.safetensors") };
    let (summary, events) = trained(&config);
    let losses = losses(&events);
    assert_eq!(losses.len(), 12);
    assert!(losses[11] < 0.7 * losses[0], "{losses:?}");
    assert!(summary.improved && summary.iou_after >= summary.iou_before, "{summary:?}");
    let alone = alone(&events);
    assert!(alone[summary.best_epoch] > alone[0] + 0.2, "{alone:?}");
    assert!(matches!(events[0], Event::Started { objects: 6, held_out: 2, epoch: 0, .. }), "{:?}", events[0]);
    assert!(matches!(events.last(), Some(Event::Finished(_))));
    Segmenter::load(&WeightFile::read(&config.out).unwrap(), &Device::flex()).unwrap();
}

#[test]
fn a_stopped_run_goes_on_exactly_where_it_was() {
    let bench = Bench::new(6);
    for part in [Part::All, Part::Deep, Part::Denoiser, Part::Conditioning] {
        let whole = Config {
            part,
            conditioned: part == Part::Conditioning,
            snp_step: 0.5,
            snp_noisy: 0.5,
            epochs: 2,
            ..bench.config("whole.safetensors")
        };
        let stopped = Config { out: bench.path("stopped.safetensors"), ..whole.clone() };
        let (summary, _) = trained(&whole);

        let (cancel, mut steps) = (Cancel::new(), 0);
        let halted = run(&stopped, &Compute::Cpu, &cancel, &mut |event| {
            steps += u32::from(matches!(event, Event::Progress(progress) if progress.label.starts_with("Epoch ")));
            if steps == 4 {
                cancel.cancel();
            }
        });
        assert!(matches!(halted, Err(TrainError::Cancelled { .. })), "{halted:?}");
        let share = annotator::train::halted(&stopped.out).unwrap().share;
        assert!((0.5..=1.0).contains(&share), "{share}");
        let resumed = Config { resume: true, ..stopped };
        let (again, events) = trained(&resumed);
        assert!(matches!(events[0], Event::Started { epoch: 1, .. }), "{:?}", events[0]);
        assert_eq!(Summary { out: summary.out.clone(), ..again }, summary);
        let bytes = |name: &str| std::fs::read(bench.path(name)).unwrap();
        assert!(bytes("whole.checkpoint") == bytes("stopped.checkpoint"), "the checkpoints differ for {part:?}");
        assert!(bytes("whole.safetensors") == bytes("stopped.safetensors"), "the weights differ for {part:?}");
    }
}

#[test]
fn a_resume_says_at_once_what_is_missing() {
    let bench = Bench::new(8);
    let config = Config { epochs: 12, ..bench.config("out.safetensors") };
    assert!(trained(&config).0.improved);
    std::fs::remove_file(&config.out).unwrap();
    let resumed = Config { resume: true, ..config };
    let mut events = Vec::new();
    let error = run(&resumed, &Compute::Cpu, &Cancel::new(), &mut |event| events.push(event)).unwrap_err();
    assert!(error.to_string().contains("out.safetensors") && events.is_empty(), "{error} after {events:?}");
    std::fs::remove_file(bench.path("out.checkpoint")).unwrap();
    let error = run(&resumed, &Compute::Cpu, &Cancel::new(), &mut |_| {}).unwrap_err();
    assert!(matches!(&error, TrainError::NoCheckpoint { path } if *path == bench.path("out.checkpoint")), "{error}");
}

#[test]
fn measuring_and_judging_show_how_far_they_are() {
    let bench = Bench::new(4);
    let mut told = Vec::new();
    let mut each = |event: Event| {
        if let Event::Progress(progress) = event {
            told.push(progress.label);
        }
    };
    run(&Config { epochs: 1, ..bench.config("out.safetensors") }, &Compute::Cpu, &Cancel::new(), &mut each).unwrap();
    told.dedup();
    assert_eq!(told[..4], ["Measuring held-out objects", "Epoch 1 of 1", "Measuring held-out objects", "Judging the start"]);
}

#[test]
fn a_broken_picture_is_left_out_wherever_it_lies() {
    let bench = Bench::new(4);
    let config = Config { epochs: 1, ..bench.config("out.safetensors") };
    let mut counts = Vec::new();
    for id in 1..=4 {
        let name = format!("{id}.png");
        let whole = std::fs::read(bench.path(&name)).unwrap();
        std::fs::write(bench.path(&name), &whole[..whole.len() / 2]).unwrap();
        let (_, events) = trained(&config);
        let told = events.iter().filter(|event| matches!(event, Event::Warning { message } if message.contains(&name)));
        assert_eq!(told.count(), 1, "{events:?}");
        let started = |event: &Event| if let Event::Started { objects, held_out, .. } = event { Some((*objects, *held_out)) } else { None };
        counts.extend(events.iter().filter_map(started));
        std::fs::write(bench.path(&name), whole).unwrap();
    }
    counts.sort_unstable();
    assert_eq!(counts, [(2, 1), (3, 1), (3, 1), (3, 1)], "one of four is held out");
}

#[test]
fn each_snp_loss_has_its_own_switch() {
    let bench = Bench::new(8);
    let loss = |snp_step, snp_noisy, epochs| {
        let config = Config { snp_step, snp_noisy, epochs, learning_rate: 1e-9, ..bench.config("out.safetensors") };
        losses(&trained(&config).1)[0]
    };
    let (neither, step, noisy, both) = (loss(0.0, 0.0, 1), loss(0.5, 0.0, 1), loss(0.0, 0.5, 1), loss(0.5, 0.5, 1));
    // The masks of random weights hardly depend on the noise level.
    assert!(step > neither + 1e-4 && noisy > neither + 1e-2, "{neither} {step} {noisy}");
    assert!(both > step + 1e-2 && both > noisy + 1e-4, "{step} {noisy} {both}");
    let early = loss(0.5, 0.5, 20);
    assert!(early < 0.5 * (neither + both), "the first steps of a longer run know little of them: {early} between {neither} and {both}");
}

#[test]
fn what_the_start_expects_of_masks_is_kept_where_few_are_held_out() {
    let bench = Bench::new(8);
    let known = Calibration { single: [0.1, 0.8], several: [0.05, 0.5, 0.4] };
    let (start, known_text) = (WeightFile::read(&bench.segmenter()).unwrap(), serde_json::to_string(&known).unwrap());
    start.save_with(CALIBRATION_KEY, &known_text, &bench.path("noted.safetensors")).unwrap();
    let config = Config { start: Some(bench.path("noted.safetensors")), epochs: 12, ..bench.config("out.safetensors") };
    let (summary, _) = trained(&config);
    assert!(summary.improved && summary.held_out == 2, "{summary:?}");
    assert_eq!(Calibration::of(&WeightFile::read(&config.out).unwrap()), known);
}

#[test]
fn the_agreement_of_samples_is_calibrated_too() {
    let bench = Bench::new(24);
    for seed in 0..3 {
        let config = Config { holdout: 0.5, epochs: 1, seed, ..bench.config("out.safetensors") };
        trained(&config);
        let file = WeightFile::read(&config.out).unwrap();
        let network = Segmenter::load(&file, &Device::flex()).unwrap();
        let assistant = Assistant::from_networks(Compute::Cpu, network, Refiner::new(&RefinerConfig::tiny(), &Device::flex()));
        let options = ProposeOptions { samples: 4, ..ProposeOptions::default() };
        let observed = |(image, mask, _): &(Arc<RgbImage>, Mask, Option<Mask>)| {
            let rect = mask.bbox().unwrap();
            let found = assistant.propose(image, &[rect.into()], &options, &Cancel::new(), &mut |_| {}).unwrap().remove(0);
            assert!(found.agreement.is_some());
            Observation::of(&found, mask)
        };
        let observed: Vec<Observation> = held_out(&config).iter().map(observed).collect();
        let (expected, noted) = (Calibration::fitted(&observed).unwrap(), Calibration::of(&file));
        for (expected, noted) in expected.single.iter().chain(&expected.several).zip(noted.single.iter().chain(&noted.several)) {
            assert!((expected - noted).abs() < 1e-6, "seed {seed}: {noted} is not {expected}");
        }
    }
}

#[test]
fn only_the_conditioning_learns_where_only_it_is_asked_for() {
    // So faint that colours and edges alone do not find them.
    let bench = Bench::coloured(8, [[100, 100], [96, 104]]);
    let config = Config { part: Part::Conditioning, conditioned: true, epochs: 8, learning_rate: 2e-2, ..bench.config("out.safetensors") };
    let (summary, events) = trained(&config);
    assert!(matches!(events[0], Event::Started { parameters, trained, .. } if trained > 0 && trained < parameters / 2), "{:?}", events[0]);
    assert!(summary.improved, "{summary:?}");
    let (start, out) = (WeightFile::read(&bench.segmenter()).unwrap(), WeightFile::read(&config.out).unwrap());
    for name in start.names() {
        assert_eq!(start.values(name), out.values(name), "{name} was to stay");
    }
    assert!(out.values("conditioning.cross16.proj.weight").unwrap().1.iter().any(|&value| value != 0.0));
    let network = Segmenter::load(&out, &Device::flex()).unwrap();
    assert_eq!(network.config.conditioning.unwrap().classes, ["disc"]);
    for unready in [Config { conditioned: false, ..config.clone() }, Config { part: Part::All, conditioned: false, concat: true, ..config }]
    {
        assert!(matches!(run(&unready, &Compute::Cpu, &Cancel::new(), &mut |_| {}), Err(TrainError::Setting(_))));
    }
}

#[test]
fn the_colours_of_an_exemplar_can_be_an_input() {
    let bench = Bench::coloured(8, [[100, 100], [96, 104]]);
    let config =
        Config { part: Part::Conditioning, conditioned: true, epochs: 8, learning_rate: 2e-2, ..bench.config("plain.safetensors") };
    let concat = Config { concat: true, out: bench.path("concat.safetensors"), ..config.clone() };
    let (plain, told) = (trained(&config).1, trained(&concat).1);
    assert!(losses(&plain).iter().zip(losses(&told)).any(|(plain, told)| plain.to_bits() != told.to_bits()));
    let network = Segmenter::load(&WeightFile::read(&concat.out).unwrap(), &Device::flex()).unwrap();
    assert!(network.config.conditioning.unwrap().concat);
    assert!(WeightFile::read(&concat.out).unwrap().names().any(|name| name == "conditioning.concat.weight"));
}

#[test]
fn weights_that_nothing_beats_are_kept() {
    let bench = Bench::new(4);
    let config = Config { learning_rate: 1e-12, epochs: 1, ..bench.config("out.safetensors") };
    let (summary, _) = trained(&config);
    assert!(!summary.improved && summary.best_epoch == 0);
    assert_same_weights(&bench.segmenter(), &config.out);
}

#[test]
fn a_refiner_trains_too() {
    let bench = Bench::new(5);
    let config = Config { what: What::Refiner, start: Some(bench.refiner()), epochs: 6, ..bench.config("out.safetensors") };
    let (_, events) = trained(&config);
    let losses = losses(&events);
    assert!(losses[5] < losses[0], "{losses:?}");
    Refiner::load(&WeightFile::read(&config.out).unwrap(), &Device::flex()).unwrap();
}

#[test]
fn a_refiner_is_judged_by_masks_as_a_person_gets_them() {
    let bench = Bench::new(5);
    let start =
        Config { what: What::Refiner, start: Some(bench.refiner()), coarse: Some(bench.boxes()), ..bench.config("out.safetensors") };
    let config = Config { epochs: 1, learning_rate: 1e-12, ..start };
    let (summary, events) = trained(&config);
    let paths = ModelPaths { segmenter: None, refiner: config.start.clone() };
    let assistant = Assistant::load_on(Compute::Cpu, &paths).unwrap();
    let overlap = |(image, mask, coarse): &(Arc<RgbImage>, Mask, Option<Mask>)| {
        let refined = assistant.refine(image, coarse.as_slice(), &RefineOptions::default(), &Cancel::new(), &mut |_| {}).unwrap();
        metric::iou(&refined[0].mask, mask)
    };
    let overlaps: Vec<f64> = held_out(&config).iter().map(overlap).collect();
    let mean = overlaps.iter().sum::<f64>() / overlaps.len() as f64;
    assert!((summary.iou_before - mean).abs() < 1e-9, "{} is not {mean}", summary.iou_before);
    let alone = alone(&events)[0];
    assert!((summary.iou_before - alone).abs() > 1e-3, "{alone} is of the network alone, whose weights are random");
}

#[test]
fn a_refiner_learns_from_the_coarse_masks_of_a_file() {
    let bench = Bench::new(5);
    let plain = Config { what: What::Refiner, start: Some(bench.refiner()), epochs: 6, ..bench.config("plain.safetensors") };
    let own = Config { coarse: Some(bench.boxes()), out: bench.path("own.safetensors"), ..plain.clone() };
    let (_, without) = trained(&plain);
    let (with, events) = trained(&own);
    let losses = losses(&events);
    assert!(losses[5] < losses[0], "{losses:?}");
    assert!((alone(&events)[0] - alone(&without)[0]).abs() > 1e-6, "the filled boxes are what is measured");
    assert!(with.iou_after >= with.iou_before);

    let failed = |config: Config| run(&config, &Compute::Cpu, &Cancel::new(), &mut |_| {}).unwrap_err();
    assert!(matches!(failed(Config { resume: true, coarse: None, ..own.clone() }), TrainError::OtherRun { what: "coarse masks", .. }));
    assert!(matches!(failed(Config { what: What::Segmenter, start: Some(bench.segmenter()), ..own.clone() }), TrainError::Setting(_)));
    assert!(matches!(failed(Config { snp_step: 0.5, ..own.clone() }), TrainError::Setting(_)));
    std::fs::write(bench.path("boxes.json"), r#"{"images": [], "annotations": [], "categories": []}"#).unwrap();
    assert!(matches!(failed(own.clone()), TrainError::Setting(_)));
    let gone = failed(Config { start: Some(bench.path("gone.pth")), coarse: None, ..own });
    assert!(gone.to_string().contains("gone.pth"), "{gone}");
}

#[test]
fn wrong_settings_and_data_are_named() {
    let bench = Bench::new(3);
    let failed = |config: Config| run(&config, &Compute::Cpu, &Cancel::new(), &mut |_| {}).unwrap_err();
    let good = bench.config("out.safetensors");
    assert!(matches!(failed(Config { epochs: 0, ..good.clone() }), TrainError::Setting(_)));
    assert!(matches!(failed(Config { learning_rate: f64::NAN, ..good.clone() }), TrainError::Setting(_)));
    assert!(matches!(failed(Config { data: bench.path("gone.json"), ..good.clone() }), TrainError::Data(_)));
    let nowhere = Config { images: bench.path("nowhere"), ..good.clone() };
    assert!(matches!(failed(nowhere.clone()), TrainError::TooFew { usable: 0, .. }));
    let mut told = Vec::new();
    run(&nowhere, &Compute::Cpu, &Cancel::new(), &mut |event| told.push(event)).unwrap_err();
    let names = |event: &Event| matches!(event, Event::Warning { message } if message.contains("(1.png, 2.png, 3.png)"));
    assert!(told.iter().any(names), "{told:?}");
    let other = failed(Config { start: Some(bench.refiner()), ..good.clone() });
    assert!(other.to_string().contains("refiner.safetensors"), "{other}");
    trained(&Config { epochs: 1, ..good.clone() });
    let changed = failed(Config { epochs: 1, batch: 3, resume: true, ..good.clone() });
    assert!(matches!(changed, TrainError::OtherRun { what: "batch", .. }), "{changed}");
    // The start must outlive the run, which goes back to it where nothing helps.
    let onto_itself = failed(Config { start: Some(bench.path("out.safetensors")), ..good.clone() });
    assert!(matches!(onto_itself, TrainError::Setting(_)), "{onto_itself}");
    // A run that is stopped before it learned anything does not send one to the checkpoint of the run before.
    let cancel = Cancel::new();
    cancel.cancel();
    let stopped = run(&good, &Compute::Cpu, &cancel, &mut |_| {}).unwrap_err();
    assert!(matches!(stopped, TrainError::Cancelled { checkpoint: None }), "{stopped}");
}

#[test]
fn pictures_of_other_paths_are_found_and_those_that_exif_turns_upright_or_named() {
    let bench = Bench::new(3);
    let config = bench.config("a.safetensors");
    let mut dataset = coco::read(&config.data).unwrap().0;
    "/elsewhere/3.png".clone_into(&mut dataset.images[2].file_name);
    let [half, upright] = ["1.png", "2.png"].map(|name| image::open(bench.path(name)).unwrap());
    let write = |name: &str, pixels: image::DynamicImage, orientation: Orientation| {
        std::fs::write(bench.path(name), crate::picture::png(&pixels.into_rgb8(), orientation)).unwrap();
    };
    write("1.png", half.clone(), Orientation::Rotate180);
    write("2.png", upright.rotate270(), Orientation::Rotate90);
    let (objects, warnings) = Objects::new(&dataset, &config.images);
    assert_eq!(objects.len(), 3);
    assert!(warnings.len() == 1 && warnings[0].starts_with("1 picture ") && warnings[0].ends_with("1.png"), "{warnings:?}");
    for (index, expected) in [half, upright].into_iter().enumerate() {
        assert!(*objects.get(index).unwrap().0 == expected.into_rgb8(), "{index}");
    }
    assert!(objects.get(2).is_ok());
}
