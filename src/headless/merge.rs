//! `merge`: the images, classes and objects of several COCO files in one.

use std::path::PathBuf;

use super::terminal::Terminal;
use super::{Outcome, dataset};
use crate::annotation::Dataset;
use crate::formats::loss::Kind;
use crate::formats::merge::{Additions, Endings};
use crate::formats::{coco, lvis};
use crate::job::{Cancel, Progress, Watch};

/// The options of `merge`.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The COCO file that the others are added to; its ids and top-level members stay
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// A COCO file to add; may be given several times. Images are matched by file name, classes by synset or name
    #[arg(long, required = true, value_name = "FILE")]
    with: Vec<PathBuf>,
    /// The COCO file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal, cancel: &Cancel) -> anyhow::Result<Outcome> {
    dataset::writable([&arguments.out])?;
    let mut merged = dataset::read(&arguments.data, terminal, cancel)?;
    let others = arguments.with.iter().map(|path| dataset::read(path, terminal, cancel)).collect::<Result<Vec<Dataset>, _>>()?;
    // A file that comes later can show that the end of a name is not enough.
    let endings = Endings::of(std::iter::once(&merged).chain(&others));
    let mut is_changed = false;
    for (path, other) in arguments.with.iter().zip(others) {
        let mut progress = |progress: Progress| terminal.progress(&progress);
        let added = Additions::among(&merged, &other, &endings, true, &mut Watch { cancel, progress: &mut progress });
        terminal.finish();
        let added = added?;
        for sentence in added.tally.sentences() {
            terminal.warning(&format!("{sentence} ({})", path.display()));
        }
        terminal.message(&format!(
            "{}: {} objects added, {} left out as copies, {} classes added, {} images added",
            path.display(),
            added.instances.len(),
            added.tally.count(Kind::Copy),
            added.categories.len(),
            added.images.len()
        ));
        is_changed |= !added.is_empty();
        added.add_to(&mut merged);
    }
    let save = if is_changed { lvis::save_edited } else { coco::save_with };
    save(&merged, &arguments.out, cancel, &mut |progress| terminal.progress(&progress))?;
    terminal.finish();
    let (images, objects) = (merged.images.len(), merged.instances.len());
    terminal.message(&format!("wrote {}: {images} images, {objects} objects", arguments.out.display()));
    Ok(Outcome::Done)
}
