//! Opening and saving a COCO file, beside pycocotools doing the same.
//!
//! `ANNOTATOR_BENCH_COCO` names the file (else the sample's), `ANNOTATOR_PYTHON` a Python with pycocotools.
#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on has failed")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use annotator::formats::coco;

const RUNS: usize = 5;

/// Loads with pycocotools and writes with `json.dump`; prints the seconds of each run.
const PYTHON: &str = r"
import contextlib, io, json, os, sys, time
from pycocotools.coco import COCO
for _ in range(int(sys.argv[3])):
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(sys.argv[1])
    loaded = time.perf_counter()
    with open(sys.argv[2], 'w') as file:
        json.dump(coco.dataset, file)
        file.flush()
        os.fsync(file.fileno())
    print(loaded - start, time.perf_counter() - loaded)
";

fn file() -> PathBuf {
    let sample = || Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/sample/instances.json");
    std::env::var_os("ANNOTATOR_BENCH_COCO").map_or_else(sample, PathBuf::from)
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn load(bencher: divan::Bencher<'_, '_>) {
    let file = file();
    bencher.bench_local(|| coco::read(&file).unwrap());
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn save(bencher: divan::Bencher<'_, '_>) {
    let (dataset, _) = coco::read(&file()).unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    bencher.bench_local(|| coco::save(&dataset, &folder.path().join("out.json")).unwrap());
}

/// The median of the seconds that loading and saving take here.
fn own_seconds(file: &Path, target: &Path) -> [f64; 2] {
    let runs = (0..RUNS).map(|_| {
        let start = Instant::now();
        let (dataset, _) = coco::read(file).unwrap();
        let loaded = start.elapsed().as_secs_f64();
        coco::save(&dataset, target).unwrap();
        [loaded, start.elapsed().as_secs_f64() - loaded]
    });
    medians(&runs.collect::<Vec<_>>())
}

fn python_seconds(python: &Path, file: &Path, target: &Path) -> [f64; 2] {
    let output = Command::new(python).args(["-c", PYTHON]).arg(file).arg(target).arg(RUNS.to_string()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let row = |line: &str| {
        let mut numbers = line.split_whitespace().map(|word| word.parse::<f64>().unwrap());
        [numbers.next().unwrap(), numbers.next().unwrap()]
    };
    medians(&text.lines().map(row).collect::<Vec<_>>())
}

fn medians(runs: &[[f64; 2]]) -> [f64; 2] {
    [0, 1].map(|column| {
        let mut values = runs.iter().map(|run| run[column]).collect::<Vec<_>>();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    })
}

fn main() {
    divan::main();
    let mut out = std::io::stdout();
    let Some(python) = std::env::var_os("ANNOTATOR_PYTHON") else {
        writeln!(out, "ANNOTATOR_PYTHON is not set: no comparison with pycocotools").unwrap();
        return;
    };
    let folder = tempfile::TempDir::new().unwrap();
    let (file, target) = (file(), folder.path().join("out.json"));
    let own = own_seconds(&file, &target);
    let python = python_seconds(Path::new(&python), &file, &target);
    writeln!(out, "{} ({} bytes), medians of {RUNS} runs", file.display(), std::fs::metadata(&file).unwrap().len()).unwrap();
    for (name, column) in [("load", 0), ("save", 1)] {
        let (own, python) = (own[column], python[column]);
        writeln!(out, "{name}: {own:.3} s here, {python:.3} s in Python, ratio {:.2}", python / own).unwrap();
    }
    let (own, python) = (own[0] + own[1], python[0] + python[1]);
    writeln!(out, "load + save: {own:.3} s here, {python:.3} s in Python, {:.2} times as fast", python / own).unwrap();
}
