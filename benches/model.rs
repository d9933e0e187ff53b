//! From a box to its mask and from a mask to a better one, on each device, beside `PyTorch` doing the same networks.
//!
//! `ANNOTATOR_TORCH_PYTHON` names a Python with `PyTorch`. The first run on a graphics adapter compiles kernels and is shown
//! apart. All runs hold the readback: a time ends when the mask is in this program's memory.
#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on has failed")]

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use annotator::assist::{Assistant, Engine as _, ModelPaths, ProposeOptions, RefineOptions};
use annotator::geometry::{Rect, Size};
use annotator::job::Cancel;
use annotator::mask::Mask;
use annotator::model::device::ComputeChoice;
use image::RgbImage;

const RUNS: usize = 5;
const BOX: Rect = Rect::new(120.0, 90.0, 300.0, 260.0);

/// The two networks of `tests/reference`, timed with as many threads as Burn has.
const PYTHON: &str = r"
import sys, time
sys.path.insert(0, sys.argv[1])
import torch
from segmenter import Segmenter, sample
from refiner import Refiner
torch.manual_seed(0)
runs, steps = int(sys.argv[2]), int(sys.argv[3])
def median(call):
    times = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return sorted(times[1:])[runs // 2]
segmenter, refiner = Segmenter().eval(), Refiner().eval()
crop, noise = torch.randn(1, 5, 256, 256), torch.randn(1, 1, 128, 128)
image, mask = torch.randn(1, 3, 256, 256), (torch.rand(1, 1, 256, 256) > .5).float()
with torch.no_grad():
    print(median(lambda: sample(segmenter, crop, noise, steps)), median(lambda: [refiner(image, mask, torch.tensor([t])) for t in (5, 2, 0)]))
";

fn picture() -> RgbImage {
    let shade = |x: u32, y: u32| ((x * 7 + y * 3) % 64) as u8;
    RgbImage::from_fn(640, 480, |x, y| {
        let inside = (f64::from(x) - 270.0).hypot(f64::from(y) - 220.0) < 120.0;
        image::Rgb(if inside { [200, 80 + shade(x, y), 60] } else { [40 + shade(x, y), 60, 120] })
    })
}

/// Seconds of the first propose, of a later one, and of refining one mask.
fn own_seconds(choice: ComputeChoice) -> Result<(String, [f64; 3]), String> {
    let assistant = Assistant::load(choice, &ModelPaths::default()).map_err(|error| error.to_string())?;
    let (picture, cancel) = (picture(), Cancel::new());
    let mask = Mask::filled(Size::new(640, 480), BOX);
    let propose = || drop(assistant.propose(&picture, &[BOX.into()], &ProposeOptions::default(), &cancel, &mut |_| ()).unwrap());
    let refine = || drop(assistant.refine(&picture, std::slice::from_ref(&mask), &RefineOptions::default(), &cancel, &mut |_| ()).unwrap());
    let first = seconds(propose);
    let later = median(propose);
    refine();
    Ok((assistant.compute().to_string(), [first, later, median(refine)]))
}

fn seconds(call: impl FnOnce()) -> f64 {
    let start = Instant::now();
    call();
    start.elapsed().as_secs_f64()
}

fn median(mut call: impl FnMut()) -> f64 {
    let mut times = (0..RUNS).map(|_| seconds(&mut call)).collect::<Vec<_>>();
    times.sort_by(f64::total_cmp);
    times[RUNS / 2]
}

/// Seconds of `PyTorch` for proposing and refining, the networks alone.
fn python_seconds() -> Option<[f64; 2]> {
    let python = std::env::var_os("ANNOTATOR_TORCH_PYTHON")?;
    let reference = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference");
    let steps = ProposeOptions::default().steps.to_string();
    let output = Command::new(python).args(["-c", PYTHON]).arg(reference).args([&RUNS.to_string(), &steps]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut numbers = text.split_whitespace().map(|word| word.parse().unwrap());
    Some([numbers.next()?, numbers.next()?])
}

fn main() {
    let mut out = std::io::stdout();
    let python = python_seconds();
    match python {
        Some([propose, refine]) => writeln!(out, "PyTorch, CPU: box to mask {propose:.3} s, refine {refine:.3} s").unwrap(),
        None => writeln!(out, "ANNOTATOR_TORCH_PYTHON is not set: no comparison with PyTorch").unwrap(),
    }
    for choice in [ComputeChoice::Cpu, ComputeChoice::Gpu] {
        match own_seconds(choice) {
            Ok((name, [first, propose, refine])) => {
                writeln!(out, "{name}: box to mask {propose:.3} s (the first {first:.3} s), refine {refine:.3} s").unwrap();
                if let Some(python) = python {
                    writeln!(out, "  PyTorch takes {:.2} and {:.2} of that", python[0] / propose, python[1] / refine).unwrap();
                }
            }
            Err(error) => writeln!(out, "{choice:?}: skipped, {error}").unwrap(),
        }
    }
}
