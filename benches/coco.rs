//! Opening and exporting COCO files beside pycocotools and hotcoco: whole processes, one after the other in one run,
//! with seconds, ratios and the most memory that each one held.
//!
//! `ANNOTATOR_BENCH_COCO` lists files as `PATH` lists folders (else the sample's), `ANNOTATOR_PYTHON` names a Python with
//! pycocotools, `ANNOTATOR_BENCH_MANY` the annotations of a file that is grown from the first one (else 860,000, as many
//! as COCO's training set has).
#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on has failed")]

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use annotator::formats::coco;
use serde_json::Value;

/// Loads, and exports where a second path is given; prints seconds and the peak of memory in bytes.
const PYTHON: &str = r"
import contextlib, io, json, resource, sys, time
from pycocotools.coco import COCO
start = time.perf_counter()
with contextlib.redirect_stdout(io.StringIO()):
    coco = COCO(sys.argv[1])
if len(sys.argv) > 2:
    with open(sys.argv[2], 'w') as file:
        json.dump(coco.dataset, file)
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
";

/// The first argument of a process that this one started to be measured.
const CHILD: &str = "--measured-child";

/// Who does the work.
#[derive(Clone, Copy, PartialEq)]
enum Program {
    Own,
    Python,
    Hotcoco,
}

/// What one process took.
#[derive(Clone, Copy)]
struct Cost {
    /// From its start to its end, in seconds.
    whole_secs: f64,
    /// The work alone, in seconds.
    inside_secs: f64,
    /// The most memory that it held, in bytes.
    peak_bytes: f64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).is_some_and(|first| first == CHILD) {
        return child(&arguments[2..]);
    }
    let folder = tempfile::TempDir::new().unwrap();
    let sample = || vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/sample/instances.json")];
    let mut files = std::env::var_os("ANNOTATOR_BENCH_COCO").map_or_else(sample, |list| std::env::split_paths(&list).collect());
    let many = std::env::var("ANNOTATOR_BENCH_MANY").map_or(860_000, |many| many.parse().unwrap());
    let python = std::env::var_os("ANNOTATOR_PYTHON").map(PathBuf::from);
    if python.is_none() {
        say("ANNOTATOR_PYTHON is not set: no comparison with pycocotools");
    }
    let grown = folder.path().join("grown.json");
    grow(&files[0], &grown, many);
    files.push(grown);
    for file in &files {
        // Whoever comes first must not pay for the disk.
        std::fs::read(file).unwrap();
        compare(file, python.as_deref(), folder.path());
    }
}

/// Measures everybody on one file.
fn compare(file: &Path, python: Option<&Path>, folder: &Path) {
    let bytes = std::fs::metadata(file).unwrap().len();
    let runs = if bytes > 100 << 20 { 1 } else { 5 };
    say(&format!("{} ({:.1} MB), medians of {runs}", file.display(), bytes as f64 / 1e6));
    let target = folder.join("out.json");
    for (name, target) in [("load", None), ("load + export", Some(target.as_path()))] {
        let programs = [(Program::Own, true), (Program::Python, python.is_some()), (Program::Hotcoco, target.is_none())];
        let mut costs: Vec<(Program, Vec<Cost>)> =
            programs.into_iter().filter(|(_, takes_part)| *takes_part).map(|(program, _)| (program, Vec::new())).collect();
        for _ in 0..runs {
            for (program, costs) in &mut costs {
                costs.push(measured(*program, python, file, target));
            }
        }
        let costs: Vec<(Program, Cost)> = costs.into_iter().map(|(program, costs)| (program, median(&costs))).collect();
        let own = costs[0].1;
        for (program, cost) in costs {
            let label = match program {
                Program::Own => "annotator",
                Program::Python => "pycocotools",
                Program::Hotcoco => "hotcoco",
            };
            say(&format!(
                "  {name:13} {label:11} {:7.3} s whole ({:5.2} x), {:7.3} s inside ({:5.2} x), {:6.0} MB at most ({:4.2} x)",
                cost.whole_secs,
                cost.whole_secs / own.whole_secs,
                cost.inside_secs,
                cost.inside_secs / own.inside_secs,
                cost.peak_bytes / 1e6,
                cost.peak_bytes / own.peak_bytes,
            ));
        }
    }
}

fn measured(program: Program, python: Option<&Path>, file: &Path, target: Option<&Path>) -> Cost {
    let mut command = Command::new(std::env::current_exe().unwrap());
    match program {
        Program::Own => command.args([CHILD, "own"]),
        Program::Hotcoco => command.args([CHILD, "hotcoco"]),
        Program::Python => {
            command = Command::new(python.unwrap());
            command.args(["-c", PYTHON])
        }
    };
    command.arg(file).args(target);
    let start = Instant::now();
    let output = command.output().unwrap();
    let whole_secs = start.elapsed().as_secs_f64();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut numbers = text.split_whitespace().map(|word| word.parse::<f64>().unwrap());
    Cost { whole_secs, inside_secs: numbers.next().unwrap(), peak_bytes: numbers.next().unwrap() }
}

/// The work of a measured process.
fn child(arguments: &[String]) {
    let file = Path::new(&arguments[1]);
    let start = Instant::now();
    if arguments[0] == "hotcoco" {
        let coco = hotcoco::COCO::new(file).unwrap();
        assert!(!coco.dataset.images.is_empty());
        say(&format!("{} {}", start.elapsed().as_secs_f64(), peak_bytes()));
        return;
    }
    let (dataset, _) = coco::read(file).unwrap();
    if let Some(target) = arguments.get(2) {
        coco::save(&dataset, Path::new(target)).unwrap();
    }
    say(&format!("{} {}", start.elapsed().as_secs_f64(), peak_bytes()));
}

/// The most memory that this process has held; 0 where the system does not tell.
fn peak_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().map_or(0.0, |kilobytes| kilobytes.parse::<f64>().unwrap() * 1024.0)
}

fn median(costs: &[Cost]) -> Cost {
    let middle = |value: fn(&Cost) -> f64| {
        let mut values: Vec<f64> = costs.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Cost {
        whole_secs: middle(|cost| cost.whole_secs),
        inside_secs: middle(|cost| cost.inside_secs),
        peak_bytes: middle(|cost| cost.peak_bytes),
    }
}

/// Writes the data set at `from` again and again, with new ids and file names, until it has `many` annotations. Two
/// copies share their images, so that an image has as many objects as in COCO's training set.
fn grow(from: &Path, to: &Path, many: usize) {
    let mut document: Value = serde_json::from_reader(std::io::BufReader::new(std::fs::File::open(from).unwrap())).unwrap();
    let mut take = |name: &str| match document[name].take() {
        Value::Array(records) => records,
        _ => Vec::new(),
    };
    let (images, annotations, categories) = (take("images"), take("annotations"), take("categories"));
    let span = |records: &[Value]| records.iter().filter_map(|record| record["id"].as_i64()).max().unwrap_or(0) + 1;
    let (image_span, annotation_span) = (span(&images), span(&annotations));
    let copies = many.div_ceil(annotations.len()) as i64;
    let mut out = BufWriter::new(std::fs::File::create(to).unwrap());
    let shifted = |record: &Value, member: &str, by: i64| Value::from(record[member].as_i64().unwrap() + by);
    let mut list = |name: &str, records: &[Value], copies: i64, most: usize, change: &dyn Fn(&mut Value, i64)| {
        write!(out, "{}\"{name}\": [", if name == "images" { "{" } else { ", " }).unwrap();
        for number in 0..(records.len() * copies as usize).min(most) {
            let mut record = records[number % records.len()].clone();
            change(&mut record, (number / records.len()) as i64);
            write!(out, "{}{record}", if number > 0 { ", " } else { "" }).unwrap();
        }
        write!(out, "]").unwrap();
    };
    list("images", &images, (copies + 1) / 2, usize::MAX, &|record, copy| {
        record["id"] = shifted(record, "id", copy * image_span);
        record["file_name"] = format!("{copy}/{}", record["file_name"].as_str().unwrap()).into();
    });
    list("annotations", &annotations, copies, many, &|record, copy| {
        record["id"] = shifted(record, "id", copy * annotation_span);
        record["image_id"] = shifted(record, "image_id", copy / 2 * image_span);
    });
    list("categories", &categories, 1, usize::MAX, &|_, _| ());
    out.write_all(b"}").unwrap();
    out.flush().unwrap();
}

#[allow(clippy::print_stdout, reason = "the numbers are what this program is for")]
fn say(text: &str) {
    println!("{text}");
}
