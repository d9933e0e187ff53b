//! Where the images of a data set lie, and how large those are whose records do not tell.

use std::ops::Range;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::App;
use super::check::Check;
use super::state::Tone;
use crate::annotation::{Dataset, Image};
use crate::formats::folder::Finder;
use crate::formats::picture;
use crate::geometry::Size;
use crate::job::{Cancel, Meter, Progress};
use crate::store::Contents;

/// Images that are looked at between two looks at the cancel flag.
const CHUNK: usize = 1 << 11;

/// So many of the first images tell whether a folder holds those of a file.
const FIRST_IMAGES: usize = 3;

/// The folder of the images of what is open at `path`: the chosen one as long as it is there, else a folder of images
/// itself, or the one in which the images of a file are found.
pub(super) fn folder_of(contents: &Contents, path: &Path) -> PathBuf {
    match contents.image_folder.as_ref().filter(|folder| folder.is_dir()) {
        Some(chosen) => chosen.clone(),
        None if path.is_dir() => path.to_path_buf(),
        None => found(path, &contents.dataset),
    }
}

/// The folder in which the first images of the file are found in their sizes: beside it, in a folder beside it, or one level
/// up. Where there is none, they belong beside it.
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
    let first: Vec<&Image> = dataset.images.iter().take(FIRST_IMAGES).collect();
    let finder = Finder::new(&dataset.images);
    candidates.into_iter().find(|folder| holds(folder, &finder, &first)).unwrap_or(beside)
}

/// Whether some of `images` are in `folder`, and most of them in their sizes: those of another data set may have the same
/// names.
fn holds(folder: &Path, finder: &Finder, images: &[&Image]) -> bool {
    let paths = images.iter().map(|image| (finder.path(folder, &image.file_name), image.size));
    let fits: Vec<bool> = paths.filter(|(path, _)| path.is_file()).map(|(path, size)| may_be(&path, size)).collect();
    2 * fits.iter().filter(|is_fitting| **is_fitting).count() > fits.len()
}

/// Whether the picture at `path` may be that of a record that tells this size. Records that follow EXIF tell the size after
/// its turn; of a record without a size and a picture that cannot be read nothing speaks against it.
fn may_be(path: &Path, told: Size) -> bool {
    !told.has_pixels() || picture::header(path).ok().is_none_or(|stored| stored.seen_by(told).size == told)
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
    let finder = Finder::new(images);
    let mut lacking: Vec<(usize, &mut Image)> = images.iter_mut().enumerate().filter(|(_, image)| !image.size.has_pixels()).collect();
    let meter = Meter::start("Looking at images", lacking.len() as u64);
    for (number, chunk) in lacking.chunks_mut(CHUNK).enumerate() {
        if cancel.is_cancelled() {
            anyhow::bail!("stopped");
        }
        progress(meter.at((number * CHUNK) as u64));
        chunk.par_iter_mut().for_each(|(_, image)| {
            if let Ok(size) = picture::size(&finder.path(folder, &image.file_name)) {
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
        match self.state.shown() {
            Some(image) if !self.state.document.image_path(image).is_file() => {
                let text = format!("There is no {} in {}", image.file_name, folder.display());
                self.state.say(Tone::Warning, text);
            }
            _ => self.state.say(Tone::Plain, format!("The images are those in {}", folder.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use image::codecs::png::PngEncoder;
    use image::{ExtendedColorType, ImageEncoder as _};

    use super::*;
    use crate::annotation::ImageId;

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

    fn told(sizes: &[(&str, Size)]) -> Dataset {
        let image = |&(file_name, size): &(&str, Size)| Image { id: ImageId(1), file_name: file_name.to_owned(), size, source: None };
        Dataset { images: sizes.iter().map(image).collect(), ..Dataset::default() }
    }

    #[test]
    fn pictures_of_another_data_set_are_not_taken_for_those_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["setA", "setB", "setC"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        let file = at("setA/instances.json");
        let (wide, small) = (Size::new(6, 4), Size::new(3, 3));
        let save = |name: &str, size: Size| image::RgbImage::new(size.width, size.height).save(at(name)).unwrap();
        save("setB/a.png", wide);
        assert_eq!(found(&file, &told(&[("a.png", small)])), at("setA"));
        assert_eq!(found(&file, &told(&[("a.png", Size::new(4, 6))])), at("setA"), "nothing turns it");
        for size in [wide, Size::default()] {
            assert_eq!(found(&file, &told(&[("a.png", size)])), at("setB"));
        }
        save("setC/a.png", small);
        assert_eq!(found(&file, &told(&[("a.png", small)])), at("setC"));
        save("setB/b.png", small);
        let both = [("a.png", small), ("b.png", small)];
        assert_eq!(found(&file, &told(&both)), at("setC"), "one picture of this size is by chance");
        save("setC/b.png", small);
        save("setC/c.png", wide);
        let third = ("c.png", small);
        assert_eq!(found(&file, &told(&[both[0], both[1], third])), at("setC"), "one record may be wrong");
        std::fs::write(at("setC/a.png"), "no picture").unwrap();
        assert_eq!(found(&file, &told(&[("a.png", small)])), at("setC"), "the window says why it cannot be read");
        save("setA/a.png", wide);
        std::fs::remove_file(at("setC/a.png")).unwrap();
        assert_eq!(found(&file, &told(&[("a.png", small)])), at("setA"), "what lies beside the file is its own");
    }

    #[test]
    fn a_record_may_tell_the_size_after_the_turn_by_exif() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        for (orientation, fits) in [(1_u8, false), (3, false), (6, true), (8, true)] {
            // One entry of a TIFF block: orientation, a short.
            let mut block = b"II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
            block.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
            let mut encoder = PngEncoder::new(std::fs::File::create(&path).unwrap());
            encoder.set_exif_metadata(block).unwrap();
            encoder.write_image(&[0; 6 * 4 * 3], 6, 4, ExtendedColorType::Rgb8).unwrap();
            assert_eq!(may_be(&path, Size::new(4, 6)), fits, "{orientation}");
            assert!(may_be(&path, Size::new(6, 4)), "{orientation}");
        }
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
