//! `convert`: a data set from one format into another, and what that loses.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::ValueEnum;

use super::terminal::Terminal;
use super::{Outcome, dataset};
use crate::annotation::Dataset;
use crate::formats::convert::Policy;
use crate::formats::exchange::{self, Format, Watch};
use crate::formats::loss::Kind;
use crate::formats::save::replace;
use crate::job::Cancel;

/// The options of `convert`.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The file or folder to convert
    #[arg(long, value_name = "PATH")]
    data: PathBuf,
    /// The file or folder to write; a folder must be new or empty
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    /// The format of the data
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Name::Coco)]
    from: Name,
    /// The format to write
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Name::Coco)]
    to: Name,
    /// The form of the masks to write, where the format has several; without it each keeps its own
    #[arg(long, value_enum, value_name = "FORM")]
    shape: Option<Form>,
    /// How far a polygon may lie from the pixels' edge; 0 keeps every pixel
    #[arg(long, value_name = "PIXELS", default_value_t = 0.75)]
    tolerance: f64,
    /// The folder of the pictures: their sizes where yolo is read (else `images` in the data), their file names for masks
    /// and semantic (else STEM.png); where yolo is written they are copied into `images` beside the labels
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Leave the pictures of --images out where yolo is written
    #[arg(long)]
    labels_only: bool,
    /// A COCO or LVIS file: the data set that results belong to, and whose classes COCO and LVIS output get, with their ids,
    /// matched by synset, else by name; without it the output has the classes of the data under their own ids
    #[arg(long, value_name = "FILE")]
    reference: Option<PathBuf>,
    /// Where to write all losses, with the IoU of each mask that took another form, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// A format for data sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    /// A COCO JSON file
    Coco,
    /// A LVIS JSON file
    Lvis,
    /// A bare list of COCO results
    Results,
    /// A folder with data.yaml and YOLO's text files, a polygon a line; boxes are read too
    YoloSeg,
    /// The same, a box a line; polygons are read too
    YoloBoxes,
    /// A folder of Pascal VOC's XML files; boxes only
    Voc,
    /// A CVAT for images 1.1 XML file
    Cvat,
    /// A folder of labelme's JSON files
    Labelme,
    /// A folder with a PNG for each object
    Masks,
    /// A folder with a PNG of class numbers for each image
    Semantic,
}

impl Name {
    const fn format(self) -> Format {
        match self {
            Self::Coco => Format::Coco,
            Self::Lvis => Format::Lvis,
            Self::Results => Format::Results,
            Self::YoloSeg => Format::YoloSeg,
            Self::YoloBoxes => Format::YoloBoxes,
            Self::Voc => Format::Voc,
            Self::Cvat => Format::Cvat,
            Self::Labelme => Format::Labelme,
            Self::Masks => Format::Masks,
            Self::Semantic => Format::Semantic,
        }
    }
}

/// The form of a mask in a COCO file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Polygons for all; a hole is joined to the outside by a cut
    Polygon,
    /// Compressed run lengths
    Rle,
    /// Polygons, but run lengths for a mask with holes or where a polygon would lose more than 2 %
    Auto,
}

impl Form {
    const fn policy(self, tolerance_px: f64) -> Policy {
        match self {
            Self::Polygon => Policy::Polygons { tolerance_px },
            Self::Rle => Policy::Rle { compressed: true },
            Self::Auto => Policy::Auto { tolerance_px, least_iou: 0.98 },
        }
    }
}

pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal, cancel: &Cancel) -> anyhow::Result<Outcome> {
    anyhow::ensure!(arguments.tolerance >= 0.0, "the tolerance {} is less than 0", arguments.tolerance);
    let (from, to) = (arguments.from.format(), arguments.to.format());
    let takes_reference = [from, to].iter().any(|format| format.is_json());
    anyhow::ensure!(arguments.reference.is_none() || takes_reference, "--reference is for coco, lvis and results");
    anyhow::ensure!(arguments.shape.is_none() || to.has_forms(), "--shape is for coco and lvis: {} has one form of masks", to.name());
    anyhow::ensure!(!arguments.labels_only || to.is_yolo(), "--labels-only is for yolo-seg and yolo-boxes");
    let pictures = arguments.images.as_deref().filter(|_| to.is_yolo() && !arguments.labels_only);
    pictures.map_or(Ok(()), dataset::folder)?;
    if !to.is_folder() {
        dataset::writable([&arguments.out])?;
    }
    dataset::writable(&arguments.report)?;
    dataset::apart(&arguments.report, [&arguments.data, &arguments.out].into_iter().chain(&arguments.reference))?;
    let reference = arguments.reference.as_ref().map(|path| dataset::read(path, terminal, cancel)).transpose()?;
    let imported = read(arguments, from, reference.as_ref(), terminal, cancel)?;
    dataset::warn(&imported.report, &arguments.data, terminal);
    let counts = (imported.dataset.images.len(), imported.dataset.instances.len());
    let policy = match arguments.shape {
        Some(form) => Some(form.policy(arguments.tolerance)),
        None if to.has_forms() => None,
        None => Some(Policy::Polygons { tolerance_px: arguments.tolerance }),
    };
    // Results belong to their reference already.
    let classes = reference.as_ref().filter(|_| to != Format::Results && from != Format::Results).map(|other| other.categories.as_slice());
    let mut progress = |progress: crate::job::Progress| terminal.progress(&progress);
    let watch = &mut Watch { cancel, progress: &mut progress };
    let written = exchange::export_with(imported.dataset, to, &arguments.out, policy, classes, pictures, watch);
    terminal.finish();
    let written = written?;
    for sentence in imported.tally.sentences() {
        terminal.warning(&format!("reading {}: {sentence}", from.read_name()));
    }
    for sentence in written.sentences() {
        terminal.warning(&format!("writing {}: {sentence}", to.name()));
    }
    if to.is_yolo() && arguments.images.is_none() && !arguments.labels_only {
        terminal.warning(&format!("the pictures belong into {}; --images copies them there", arguments.out.join("images").display()));
    }
    if to == Format::Labelme {
        terminal.warning(&format!("labelme looks for each picture beside its JSON file, in {}: copy them there", arguments.out.display()));
    }
    if let Some(path) = &arguments.report {
        let report = serde_json::json!({ "read": imported.tally, "written": written });
        replace(path, |out| writeln!(out, "{report:#}")).with_context(|| format!("cannot write the report {}", path.display()))?;
    }
    let ious = written.iou_range().map_or_else(String::new, |(mean, least)| {
        format!("; {} masks took another form, IoU {mean:.4} on average, {least:.4} at least", written.ious.len())
    });
    let left_out = written.count(Kind::Object) + written.count(Kind::CrowdObject);
    let left_out = if left_out > 0 { format!(", {left_out} left out") } else { String::new() };
    terminal.message(&format!("wrote {}: {} images, {} objects read{left_out}{ious}", arguments.out.display(), counts.0, counts.1));
    Ok(Outcome::Done)
}

fn read(
    arguments: &Arguments,
    from: Format,
    reference: Option<&Dataset>,
    terminal: &mut Terminal,
    cancel: &Cancel,
) -> Result<exchange::Imported, exchange::ExchangeError> {
    let mut progress = |progress: crate::job::Progress| terminal.progress(&progress);
    let images = arguments.images.as_deref().map(Path::new);
    let imported = exchange::import(from, &arguments.data, images, reference, &mut Watch { cancel, progress: &mut progress });
    terminal.finish();
    imported
}
