//! One table: how long the networks and what is built on them take on each device, and in `PyTorch`.
//!
//! `ANNOTATOR_TORCH_PYTHON` names a Python with `PyTorch`, which gets as many threads as Burn has; without it that column
//! is empty. `ANNOTATOR_TORCH_DEVICE` is where it runs (`cpu`, or `cuda` to compare graphics adapters).
//! `ANNOTATOR_BENCH_SKIP` leaves out, separated by commas: `cpu`, `adapter` (a graphics adapter compiles its kernels at
//! the first call of each size, which is not timed but may take minutes), `half` (the same adapter with convolutions in half
//! precision, a column of its own), `official` (the published refiner, half a
//! minute a step on two cores; never run on a software adapter) and `layers` (what one layer takes; how often the encoder
//! and the denoiser call it is in its name).
//!
//! A time is the median of at most 5 runs after one that is not counted, and ends when the result is in this program's
//! memory. A run that takes more than 10 seconds is the last one. `PyTorch` runs the networks alone, as often as the row
//! does: a box is looked at once and then six times at once, every look is an encoder and a denoiser call, four boxes go
//! together, further samples are denoiser calls, a rough mask is looked at six times by the segmenter; the rest of such a row
//! (crops, colours, outlines) is work that only the Rust side does, and has rows of its own. The last column is the CPU's
//! time divided by `PyTorch`'s, or the adapter's where `PyTorch` runs on one. The refiners without shipped weights have
//! random ones.
#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on has failed")]

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use annotator::assist::snap::redrawn;
use annotator::assist::{Assistant, Engine as _, ModelPaths, ProposeOptions, RefineOptions, View};
use annotator::geometry::{Rect, Size};
use annotator::job::Cancel;
use annotator::mask::Mask;
use annotator::mask::metric::iou;
use annotator::model::device::{Compute, ComputeChoice, open};
use annotator::model::layer::{conv3, convolved, group_norm, halved, normed_silu};
use annotator::model::refiner::{Refiner, RefinerConfig};
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use image::RgbImage;

const RUNS: usize = 5;
/// Seconds after which a run is not repeated.
const LONG: f64 = 10.0;
/// The box of the picture's object.
const OBJECT: Rect = Rect::new(120.0, 90.0, 300.0, 260.0);
/// The refiner's time indices.
const TIMES: [usize; 3] = [5, 2, 0];

/// 3x3 convolutions of the segmenter at crops of 320 pixels: channels in and out, stride, side, calls of encoder and denoiser.
const CONVOLUTIONS: [([usize; 4], usize, usize); 15] = [
    ([5, 24, 2, 320], 1, 0),
    ([24, 32, 2, 160], 1, 0),
    ([32, 32, 1, 80], 2, 1),
    ([64, 32, 1, 80], 0, 1),
    ([128, 32, 1, 80], 0, 1),
    ([32, 4, 1, 80], 0, 2),
    ([32, 64, 2, 80], 1, 0),
    ([32, 64, 1, 40], 0, 1),
    ([64, 64, 1, 40], 4, 3),
    ([128, 64, 1, 40], 0, 1),
    ([64, 128, 2, 40], 1, 1),
    ([128, 128, 1, 20], 10, 3),
    ([256, 128, 1, 20], 0, 1),
    ([128, 192, 2, 20], 1, 1),
    ([192, 192, 1, 10], 8, 4),
];
/// Group norms with their activation: channels, side, calls of encoder and denoiser.
const NORMS: [([usize; 2], usize, usize); 6] =
    [([24, 160], 1, 0), ([32, 80], 2, 3), ([64, 80], 0, 1), ([64, 40], 4, 4), ([128, 20], 10, 4), ([192, 10], 8, 4)];
/// Groups of every norm.
const GROUPS: usize = 8;

/// Prints the median seconds of each `NETWORK:BATCH` in the arguments.
const PYTHON: &str = r"
import sys, time
sys.path.insert(0, sys.argv[1])
import torch
from segmenter import Segmenter, conv3, group_norm
from refiner import LITE, NANO, OFFICIAL, PICO, Refiner
runs, long, threads, side, device = int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]), sys.argv[6]
torch.set_num_threads(threads)
torch.set_grad_enabled(False)
torch.set_default_device(device)
presets = {'pico': PICO, 'nano': NANO, 'lite': LITE, 'official': OFFICIAL}
segmenter = Segmenter().eval()
def call(name, n):
    if name.startswith('conv.'):
        c, out, stride, cells = map(int, name.split('.')[1:])
        layer, x = conv3(c, out, stride), torch.randn(n, c, cells, cells)
        return lambda: layer(x)
    if name.startswith('norm.'):
        c, cells = map(int, name.split('.')[1:])
        layer, x = group_norm(c), torch.randn(n, c, cells, cells)
        return lambda: torch.nn.functional.silu(layer(x))
    crop, plane = torch.randn(n, 5, side, side), torch.randn(n, 1, side // 2, side // 2)
    if name == 'encoder':
        return lambda: segmenter.encoder(crop)
    if name == 'denoiser':
        features = segmenter.encoder(crop)
        return lambda: segmenter.denoiser(features, plane, torch.ones(n), plane)
    refiner, image, mask = Refiner(presets[name]).eval(), torch.randn(n, 3, 256, 256), (torch.rand(n, 1, 256, 256) > .5).float()
    return lambda: refiner(image, mask, torch.full((n,), 5))
for part in sys.argv[7:]:
    name, n = part.split(':')
    work, times = call(name, int(n)), []
    while len(times) < 2 or (len(times) <= runs and times[-1] <= long):
        start = time.perf_counter()
        out = work()
        (out[-1] if isinstance(out, tuple) else out).cpu()
        times.append(time.perf_counter() - start)
    times = sorted(times[1:])
    print(times[len(times) // 2], flush=True)
";

/// One row of the table.
struct Row {
    name: String,
    /// Network calls as `PyTorch` is asked for them: how often, which, for how many at once.
    parts: Vec<(f64, String)>,
    work: Work,
}

/// What a row times.
enum Work {
    Encoder(usize),
    Denoiser(usize),
    /// Boxes, and samples of each.
    Propose(usize, usize),
    /// The inputs of six looks, which are three crops and their mirror images, one crop after the other.
    Inputs,
    /// These brought to the device.
    Upload,
    /// One outline drawn to the picture's edges.
    Outline,
    /// The refiner that ships, on one mask of a picture.
    Refine,
    Refiner(RefinerConfig),
    /// Channels in and out, stride, side.
    Convolution([usize; 4]),
    /// Channels, side.
    Norm([usize; 2]),
}

fn rows(skips: impl Fn(&str) -> bool) -> Vec<Row> {
    let row = |name: &str, parts: &[(f64, &str)], work| Row {
        name: name.to_owned(),
        parts: parts.iter().map(|(count, part)| (*count, (*part).to_owned())).collect(),
        work,
    };
    let looks = |batches: f64| ["encoder:4", "denoiser:4", "encoder:24", "denoiser:24"].map(|part| (batches, part));
    let again = [(1.0, "encoder:6"), (1.0, "denoiser:6")];
    let one = [[(1.0, "encoder:1"), (1.0, "denoiser:1")], again].concat();
    let samples = |more| [one.as_slice(), &[(1.0, more)]].concat();
    let steps = TIMES.len() as f64;
    let mut rows = vec![
        row("encoder", &[(1.0, "encoder:1")], Work::Encoder(1)),
        row("encoder, batch of 8", &[(1.0, "encoder:8")], Work::Encoder(8)),
        row("denoiser step", &[(1.0, "denoiser:1")], Work::Denoiser(1)),
        row("denoiser step, batch of 8", &[(1.0, "denoiser:8")], Work::Denoiser(8)),
        row("box to mask", &one, Work::Propose(1, 1)),
        row("inputs of six looks", &[], Work::Inputs),
        row("these to the device", &[], Work::Upload),
        row("an outline to the edges", &[], Work::Outline),
        row("8 boxes", &looks(2.0), Work::Propose(8, 1)),
        row("32 boxes", &looks(8.0), Work::Propose(32, 1)),
        row("box to 4 samples", &samples("denoiser:3"), Work::Propose(1, 4)),
        row("box to 16 samples", &samples("denoiser:15"), Work::Propose(1, 16)),
        row("a rough mask refined (pico)", &[(steps, "pico:1"), again[0], again[1]], Work::Refine),
        row("refiner pico, 3 steps", &[(steps, "pico:1")], Work::Refiner(RefinerConfig::pico())),
        row("refiner nano, 3 steps", &[(steps, "nano:1")], Work::Refiner(RefinerConfig::nano())),
        row("refiner lite, 3 steps", &[(steps, "lite:1")], Work::Refiner(RefinerConfig::lite())),
        row("refiner official, 3 steps", &[(steps, "official:1")], Work::Refiner(RefinerConfig::official())),
    ];
    if !skips("layers") {
        rows.extend(layers());
    }
    rows.retain(|row| !(row.is_official() && skips("official")));
    rows
}

fn layers() -> impl Iterator<Item = Row> {
    let convolutions = CONVOLUTIONS.into_iter().map(|(shape @ [from, to, stride, side], encoder, denoiser)| Row {
        name: format!("conv {from} to {to}, {side}/{stride} ({encoder} + {denoiser})"),
        parts: vec![(1.0, format!("conv.{from}.{to}.{stride}.{side}:1"))],
        work: Work::Convolution(shape),
    });
    let norms = NORMS.into_iter().map(|(shape @ [channels, side], encoder, denoiser)| Row {
        name: format!("norm {channels}, {side} ({encoder} + {denoiser})"),
        parts: vec![(1.0, format!("norm.{channels}.{side}:1"))],
        work: Work::Norm(shape),
    });
    convolutions.chain(norms)
}

impl Row {
    fn is_official(&self) -> bool {
        matches!(&self.work, Work::Refiner(config) if *config == RefinerConfig::official())
    }

    /// Seconds on the assistant's device.
    fn seconds(&self, assistant: &Assistant) -> f64 {
        let device = assistant.compute().device();
        let config = &assistant.segmenter().config;
        let zeros = |[n, channels, side]: [usize; 3]| Tensor::<4>::zeros([n, channels, side, side], &device);
        match &self.work {
            Work::Encoder(n) => median(|_| drop(assistant.segmenter().encoder.forward(zeros([*n, 5, config.crop])).f32.into_data())),
            Work::Denoiser(n) => {
                let features = assistant.segmenter().encoder.forward(zeros([*n, 5, config.crop]));
                let plane = || zeros([*n, 1, config.mask]);
                median(|_| drop(assistant.segmenter().denoise(&features, plane(), &vec![1.0; *n], plane(), None).logits.into_data()))
            }
            Work::Propose(boxes, samples) => {
                let (picture, options) = (picture(), ProposeOptions { samples: *samples, ..ProposeOptions::default() });
                // Never the box of an earlier run, whose features would be remembered.
                let prompt = |run: usize, index: usize| Rect::new(120.0 - index as f64, 90.0 - run as f64, 300.0, 260.0).into();
                median(|run| {
                    let prompts: Vec<_> = (0..*boxes).map(|index| prompt(run, index)).collect();
                    drop(assistant.propose(&picture, &prompts, &options, &Cancel::new(), &mut |_| ()).unwrap());
                })
            }
            Work::Inputs => {
                let picture = picture();
                median(|_| {
                    for _ in 0..3 {
                        drop(std::hint::black_box(View::new(&picture, OBJECT, config.crop).input()));
                    }
                })
            }
            Work::Upload => {
                let (values, shape) = (vec![0.5_f32; 3 * 5 * config.crop * config.crop], [3, 5, config.crop, config.crop]);
                median(|_| {
                    let input = Tensor::<4>::from_data(TensorData::new(values.clone(), shape), &device);
                    drop(input.slice([0..1, 0..1, 0..1, 0..1]).into_data());
                })
            }
            Work::Outline => {
                let view = View::new(&picture(), OBJECT, config.crop);
                // A disc, sure but near its outline.
                let (side, half) = (config.crop, config.crop as f32 / 2.0);
                let far = |cell: usize| ((cell % side) as f32 - half).hypot((cell / side) as f32 - half);
                let leaning: Vec<f32> = (0..side * side).map(|cell| 0.1 * (0.6 * half - far(cell))).collect();
                median(|_| drop(std::hint::black_box(redrawn(&leaning, &view))))
            }
            Work::Refine => {
                let (picture, mask) = (picture(), Mask::filled(Size::new(640, 480), OBJECT));
                let options = RefineOptions::default();
                median(|_| {
                    drop(assistant.refine(&picture, std::slice::from_ref(&mask), &options, &Cancel::new(), &mut |_| ()).unwrap());
                })
            }
            Work::Refiner(config) => steps_seconds(&as_on(assistant, Refiner::new(config, &device)), &device),
            Work::Convolution([from, to, stride, side]) => {
                let (conv, x) =
                    (as_on(assistant, conv3([*from, *to], *stride, &device)), Tensor::<4>::ones([1, *from, *side, *side], &device));
                median(|_| drop(convolved(&conv, x.clone()).into_data()))
            }
            Work::Norm([channels, side]) => {
                let (norm, x) = (group_norm(GROUPS, *channels, &device), Tensor::<4>::ones([1, *channels, *side, *side], &device));
                median(|_| drop(normed_silu(&norm, x.clone()).into_data()))
            }
        }
    }
}

/// `module` in the precision of the assistant's networks.
fn as_on<M: Module>(assistant: &Assistant, module: M) -> M {
    if assistant.compute().is_half() { halved(module) } else { module }
}

/// All time indices of one mask, the network alone.
fn steps_seconds(refiner: &Refiner, device: &Device) -> f64 {
    let (image, mask) = (Tensor::<4>::ones([1, 3, 256, 256], device), Tensor::<4>::ones([1, 1, 256, 256], device));
    median(|_| TIMES.iter().for_each(|&time| drop(refiner.forward(image.clone(), mask.clone(), &[time]).into_data())))
}

fn picture() -> RgbImage {
    let shade = |x: u32, y: u32| ((x * 7 + y * 3) % 64) as u8;
    RgbImage::from_fn(640, 480, |x, y| {
        let inside = (f64::from(x) - 270.0).hypot(f64::from(y) - 220.0) < 120.0;
        image::Rgb(if inside { [200, 80 + shade(x, y), 60] } else { [40 + shade(x, y), 60, 120] })
    })
}

/// What becomes of the picture's box, and of a rough mask in it.
fn masks(assistant: &Assistant) -> [Mask; 2] {
    let (picture, cancel) = (picture(), Cancel::new());
    let proposed = assistant.propose(&picture, &[OBJECT.into()], &ProposeOptions::default(), &cancel, &mut |_| ()).unwrap();
    let rough = Mask::from_fn(Size::new(640, 480), |x, y| x.abs_diff(290) + y.abs_diff(230) < 130);
    let refined = assistant.refine(&picture, &[rough], &RefineOptions::default(), &cancel, &mut |_| ()).unwrap();
    [proposed[0].mask.clone(), refined[0].mask.clone()]
}

/// The median seconds of `call`, which gets the number of the run.
fn median(mut call: impl FnMut(usize)) -> f64 {
    let mut times: Vec<f64> = Vec::new();
    // The first one compiles a graphics adapter's kernels.
    while times.len() < 2 || (times.len() <= RUNS && times.last().is_some_and(|&last| last <= LONG)) {
        let start = Instant::now();
        call(times.len());
        times.push(start.elapsed().as_secs_f64());
    }
    times.remove(0);
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Seconds of `PyTorch` for each row, with crops of `side` pixels a side for the segmenter; `None` where no Python is named.
fn python_seconds(rows: &[Row], side: usize, device: &str) -> Option<Vec<f64>> {
    let python = std::env::var_os("ANNOTATOR_TORCH_PYTHON")?;
    let reference = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference");
    let mut parts: Vec<&str> = rows.iter().flat_map(|row| row.parts.iter().map(|(_, part)| part.as_str())).collect();
    parts.sort_unstable();
    parts.dedup();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let settings = [RUNS.to_string(), LONG.to_string(), threads.to_string(), side.to_string(), device.to_owned()];
    let output = Command::new(python).args(["-c", PYTHON]).arg(reference).args(settings).args(&parts).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let times: Vec<f64> = text.split_whitespace().map(|word| word.parse().unwrap()).collect();
    let of = |part: &str| times[parts.binary_search(&part).unwrap()];
    Some(rows.iter().map(|row| row.parts.iter().map(|(count, part)| count * of(part)).sum()).collect())
}

fn cell(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{:.1}", 1e3 * seconds))
}

fn main() {
    let mut out = std::io::stdout();
    let skipped = std::env::var("ANNOTATOR_BENCH_SKIP").unwrap_or_default();
    let skips = |name: &str| skipped.split(',').any(|skipped| skipped == name);
    let torch_device = std::env::var("ANNOTATOR_TORCH_DEVICE").unwrap_or_else(|_| "cpu".to_owned());
    let rows = rows(skips);
    let cpu = (!skips("cpu")).then(|| Assistant::load(ComputeChoice::Cpu, &ModelPaths::default()).unwrap());
    let mut on_adapter = |choice| {
        let compute = open(choice).inspect_err(|error| writeln!(out, "left out: {error}").unwrap());
        compute.ok().map(|compute| Assistant::load_on(compute, &ModelPaths::default()).unwrap())
    };
    let adapter = if skips("adapter") { None } else { on_adapter(ComputeChoice::Gpu) };
    let half = if skips("adapter") || skips("half") { None } else { on_adapter(ComputeChoice::GpuHalf) };
    let software = adapter.as_ref().is_some_and(|assistant| matches!(assistant.compute(), Compute::Gpu(gpu) if gpu.software));
    let Some(any) = cpu.as_ref().or(adapter.as_ref()) else { return };
    let python = python_seconds(&rows, any.segmenter().config.crop, &torch_device);
    if let Some(adapter) = &adapter {
        writeln!(out, "adapter: {}", adapter.compute()).unwrap();
    }
    for (other, name) in [(&adapter, "the adapter's"), (&half, "those in half precision")] {
        let (Some(cpu), Some(other)) = (&cpu, other) else { continue };
        let [[proposed, refined], [other_proposed, other_refined]] = [cpu, other].map(masks);
        let (proposed, refined) = (iou(&proposed, &other_proposed), iou(&refined, &other_refined));
        writeln!(out, "IoU of the CPU's masks with {name}: {proposed:.5} of a box, {refined:.5} of a rough mask").unwrap();
    }
    writeln!(out, "{:<32}{:>12}{:>12}{:>12}{:>12}{:>8}", "milliseconds", "CPU", "adapter", "half", "PyTorch", "ratio").unwrap();
    for (index, row) in rows.iter().enumerate() {
        let own = cpu.as_ref().map(|assistant| row.seconds(assistant));
        let [other, halved] =
            [&adapter, &half].map(|other| other.as_ref().filter(|_| !(software && row.is_official())).map(|other| row.seconds(other)));
        let torch = python.as_ref().map(|times| times[index]).filter(|&seconds| seconds > 0.0);
        let compared = if torch_device == "cpu" { own } else { other };
        let ratio = compared.zip(torch).map_or_else(|| "-".to_owned(), |(seconds, torch)| format!("{:.2}", seconds / torch));
        let [own, other, halved, torch] = [own, other, halved, torch].map(cell);
        writeln!(out, "{:<32}{own:>12}{other:>12}{halved:>12}{torch:>12}{ratio:>8}", row.name).unwrap();
    }
}
