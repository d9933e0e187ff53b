//! Where the images of a data set lie, and how large those are whose records do not tell.

use std::ops::Range;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::App;
use super::check::Check;
use super::state::Tone;
use crate::annotation::{Dataset, Image};
use crate::formats::picture;
use crate::job::{Cancel, Meter, Progress};
use crate::store::Contents;

/// Images that are looked at between two looks at the cancel flag.
const CHUNK: usize = 1 << 11;

/// The folder of the images of what is open at `path`: the chosen one as long as it is there, else a folder of images
/// itself, or the one in which the images of a file are found.
pub(super) fn folder_of(contents: &Contents, path: &Path) -> PathBuf {
    match contents.image_folder.as_ref().filter(|folder| folder.is_dir()) {
        Some(chosen) => chosen.clone(),
        None if path.is_dir() => path.to_path_buf(),
        None => found(path, &contents.dataset),
    }
}

/// The folder in which the first images of the file are found: beside it, in a folder beside it, or one level up.
fn found(file: &Path, dataset: &Dataset) -> PathBuf {
    let beside = file.parent().unwrap_or(Path::new(".")).to_path_buf();
    let above = beside.parent().map(Path::to_path_buf);
    let mut candidates = vec![beside.clone()];
    for root in [Some(beside.clone()), above].into_iter().flatten() {
        let mut inside: Vec<PathBuf> =
            std::fs::read_dir(&root).into_iter().flatten().flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        inside.sort_by_key(|path| (!path.ends_with("images"), path.clone()));
        candidates.push(root);
        candidates.extend(inside.into_iter().take(64));
    }
    let has = |folder: &PathBuf| dataset.images.iter().take(3).any(|image| folder.join(&image.file_name).is_file());
    candidates.into_iter().find(has).unwrap_or(beside)
}

/// Takes the sizes of images that have none from their files in `folder`; gives back the places from the first to the last
/// that has one now. A picture that cannot be read leaves its image without one.
///
/// # Errors
/// When it was cancelled.
pub(super) fn measure(
    images: &mut [Image],
    folder: &Path,
    cancel: &Cancel,
    progress: &mut dyn FnMut(Progress),
) -> anyhow::Result<Range<usize>> {
    let mut lacking: Vec<(usize, &mut Image)> = images.iter_mut().enumerate().filter(|(_, image)| !image.size.has_pixels()).collect();
    let meter = Meter::start("Looking at images", lacking.len() as u64);
    for (number, chunk) in lacking.chunks_mut(CHUNK).enumerate() {
        if cancel.is_cancelled() {
            anyhow::bail!("stopped");
        }
        progress(meter.at((number * CHUNK) as u64));
        chunk.par_iter_mut().for_each(|(_, image)| {
            if let Ok(size) = picture::size(&folder.join(&image.file_name)) {
                image.size = size;
            }
        });
    }
    let mut sized = lacking.into_iter().filter(|(_, image)| image.size.has_pixels()).map(|(place, _)| place);
    let Some(first) = sized.next() else { return Ok(0..0) };
    Ok(first..sized.next_back().unwrap_or(first) + 1)
}

impl App {
    /// Takes the images from `folder` from now on.
    pub(super) fn use_image_folder(&mut self, folder: &Path, ctx: &egui::Context) {
        let Some(path) = self.state.document.source.path().map(Path::to_path_buf) else { return };
        if self.is_loading() {
            return;
        }
        if !folder.is_dir() {
            return self.state.say(Tone::Error, format!("There is no folder {}", folder.display()));
        }
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
        self.state.document.move_images(folder.clone());
        self.pictures.clear();
        self.check = Check::default();
        if self.state.document.dataset().images.iter().any(|image| !image.size.has_pixels()) {
            // Opening reads the sizes.
            return self.open(&path, ctx);
        }
        self.crop_exemplars(ctx);
        match self.state.shown().map(|image| image.file_name.clone()) {
            Some(name) if !folder.join(&name).is_file() => {
                self.state.say(Tone::Warning, format!("There is no {name} in {}", folder.display()));
            }
            _ => self.state.say(Tone::Plain, format!("The images are those in {}", folder.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotation::ImageId;
    use crate::geometry::Size;

    #[test]
    fn images_without_a_size_get_that_of_their_files() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.png", "b.png", "c.png"] {
            image::RgbImage::new(6, 4).save(folder.path().join(name)).unwrap();
        }
        std::fs::write(folder.path().join("broken.png"), "no picture").unwrap();
        let (none, told, real) = (Size::default(), Size::new(9, 9), Size::new(6, 4));
        let names = [("gone.png", none), ("a.png", none), ("b.png", told), ("broken.png", none), ("c.png", none), ("gone.png", none)];
        let image = |(file_name, size): (&str, Size)| Image { id: ImageId(1), file_name: file_name.to_owned(), size, source: None };
        let mut images: Vec<Image> = names.map(image).into();
        let stopped = Cancel::new();
        stopped.cancel();
        assert!(measure(&mut images, folder.path(), &stopped, &mut |_| ()).is_err());
        let mut total = 0;
        let places = measure(&mut images, folder.path(), &Cancel::new(), &mut |progress: Progress| total = progress.total).unwrap();
        assert_eq!((places, total), (1..5, 5));
        let sizes: Vec<Size> = images.iter().map(|image| image.size).collect();
        assert_eq!(sizes, [none, real, told, none, real, none]);
        assert_eq!(measure(&mut images, folder.path(), &Cancel::new(), &mut |_| ()).unwrap(), 0..0);
    }

    #[test]
    fn a_chosen_folder_counts_as_long_as_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let (file, chosen) = (folder.path().join("set.json"), folder.path().join("far"));
        let contents = Contents { image_folder: Some(chosen.clone()), ..Contents::default() };
        assert_eq!(folder_of(&contents, &file), folder.path());
        assert_eq!(folder_of(&contents, folder.path()), folder.path());
        std::fs::create_dir(&chosen).unwrap();
        assert_eq!(folder_of(&contents, &file), chosen);
        assert_eq!(folder_of(&contents, folder.path()), chosen);
    }
}
