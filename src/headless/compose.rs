//! `compose`: a COCO data set of made pictures, from photos with masks, cut-outs and backgrounds.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use image::codecs::jpeg::JpegEncoder;
use image::{RgbImage, RgbaImage};
use rayon::prelude::*;

use super::terminal::Terminal;
use super::{Outcome, dataset};
use crate::annotation::{Category, CategoryId, Dataset, Field, Image, ImageId, Instance, InstanceId, Shape};
use crate::formats::{coco, folder, picture};
use crate::geometry::{Rect, Size};
use crate::job::{Cancel, Meter};
use crate::model::noise::Noise;
use crate::train::compose::{Cutout, Parts, Scene, cut_out, scene};

/// Objects of photos that are smaller than this are not pasted elsewhere.
const LEAST_DONOR_AREA: f64 = 3000.0;
/// The class of cut-outs.
const CUTOUT_CLASS: &str = "object";
/// So many pictures are made at a time, on all cores.
const BATCH: usize = 16;

/// The options of `compose`.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// A COCO file of photos with masks, whose objects are pasted
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// The folder that the photos' file names start from
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    /// A folder of pictures with alpha, one object each
    #[arg(long, value_name = "DIR")]
    cutouts: Option<PathBuf>,
    /// A folder of pictures to paste over, besides the photos
    #[arg(long, value_name = "DIR")]
    backgrounds: Option<PathBuf>,
    /// The folder to make, with `images` and `instances.json` in it
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How many pictures to make
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// The same seed makes the same pictures
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal, cancel: &Cancel) -> anyhow::Result<Outcome> {
    let out = std::path::absolute(&arguments.out)?;
    anyhow::ensure!(!out.exists(), "the folder is there already: {}", out.display());
    let parts = Files::open(arguments, terminal, cancel)?;
    // The folder gets its name when all is in it.
    let parent = out.parent().context("the output has no folder around it")?;
    let made = tempfile::Builder::new()
        .prefix(".annotator-")
        .tempdir_in(parent)
        .with_context(|| format!("cannot write into the folder {}", parent.display()))?;
    fs::create_dir(made.path().join("images"))?;
    let mut data = Dataset::default();
    let meter = Meter::start("making pictures", u64::from(arguments.count));
    let numbers: Vec<u32> = (1..=arguments.count).collect();
    for batch in numbers.chunks(BATCH) {
        if cancel.is_cancelled() {
            return Ok(Outcome::Cancelled);
        }
        let make = |&number: &u32| -> anyhow::Result<(u32, Scene)> {
            let scene = scene(&parts, &mut Noise::new(arguments.seed.wrapping_mul(1 << 32) + u64::from(number)))?;
            write(&made.path().join(file_name(number)), &scene)?;
            Ok((number, scene))
        };
        for result in batch.par_iter().map(make).collect::<Vec<_>>() {
            let (number, scene) = result?;
            add(&mut data, number, &scene);
            terminal.progress(&meter.at(u64::from(number)));
        }
    }
    coco::save(&data, &made.path().join("instances.json"))?;
    fs::rename(made.keep(), &out).with_context(|| format!("cannot name the folder {}", out.display()))?;
    terminal.finish();
    terminal.message(&format!("wrote {}: {} pictures, {} objects", out.display(), data.images.len(), data.instances.len()));
    Ok(Outcome::Done)
}

fn file_name(number: u32) -> String {
    format!("images/{number:06}.jpg")
}

fn write(path: &Path, scene: &Scene) -> anyhow::Result<()> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut out = BufWriter::new(file);
    scene
        .picture
        .write_with_encoder(JpegEncoder::new_with_quality(&mut out, scene.quality))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Adds the picture with its objects; a class that is new gets a category.
fn add(data: &mut Dataset, number: u32, scene: &Scene) {
    let image_id = ImageId(i64::from(number));
    let size = Size::new(scene.picture.width(), scene.picture.height());
    // Beside `instances.json` stands the folder that file names start from.
    let file_name = file_name(number).trim_start_matches("images/").to_owned();
    data.images.push(Image { id: image_id, file_name, size, source: None });
    for (mask, class) in &scene.objects {
        let known = data.categories.iter().find(|category| category.name == *class).map(|category| category.id);
        let category_id = known.unwrap_or_else(|| {
            let id = CategoryId(data.categories.len() as i64 + 1);
            data.categories.push(Category { id, name: class.clone(), supercategory: String::new(), source: None });
            id
        });
        let mut instance = Instance {
            id: InstanceId(data.instances.len() as i64 + 1),
            image_id,
            category_id,
            bbox: Rect::default(),
            shape: Shape::Box,
            area: 0.0,
            crowd: false,
            score: None,
            changed: Field::NONE,
            source: None,
        };
        instance.set_shape(Shape::from_mask(mask));
        data.instances.push(instance);
    }
}

/// The parts as files, read when they are needed: memory does not grow with the folders.
struct Files {
    photos: Vec<PathBuf>,
    /// Objects that can be cut out of photos: the photo's path and size, the object, its class.
    donors: Vec<(PathBuf, Size, Instance, String)>,
    cutouts: Vec<PathBuf>,
    backgrounds: Vec<PathBuf>,
}

impl Files {
    fn open(arguments: &Arguments, terminal: &mut Terminal, cancel: &Cancel) -> anyhow::Result<Self> {
        let data = dataset::read(&arguments.data, terminal, cancel)?;
        let place = |image: &Image| arguments.images.join(&image.file_name);
        let images: HashMap<ImageId, &Image> = data.images.iter().map(|image| (image.id, image)).collect();
        let donor = |instance: &Instance| {
            let image = images.get(&instance.image_id)?;
            let fits = !instance.crowd && instance.shape != Shape::Box && instance.area >= LEAST_DONOR_AREA;
            let class = data.category(instance.category_id).map_or(CUTOUT_CLASS, |category| &category.name);
            fits.then(|| (place(image), image.size, instance.clone(), class.to_owned()))
        };
        let list = |path: &Option<PathBuf>| -> anyhow::Result<Vec<PathBuf>> {
            let Some(path) = path else { return Ok(Vec::new()) };
            let (found, _) = folder::scan(path).with_context(|| format!("cannot list the folder {}", path.display()))?;
            Ok(found.images.iter().map(|image| path.join(&image.file_name)).collect())
        };
        let files = Self {
            photos: data.images.iter().map(place).collect(),
            donors: data.instances.iter().filter_map(donor).collect(),
            cutouts: list(&arguments.cutouts)?,
            backgrounds: list(&arguments.backgrounds)?,
        };
        anyhow::ensure!(!files.photos.is_empty(), "no photos in {}", arguments.data.display());
        anyhow::ensure!(
            !files.donors.is_empty() || !files.cutouts.is_empty(),
            "no object of {LEAST_DONOR_AREA} pixels or more, and no cut-outs: {}",
            arguments.data.display()
        );
        Ok(files)
    }
}

impl Parts for Files {
    type Error = anyhow::Error;

    fn background(&self, noise: &mut Noise) -> anyhow::Result<RgbImage> {
        let own = !self.backgrounds.is_empty() && noise.chance(0.4);
        let among = if own { &self.backgrounds } else { &self.photos };
        Ok(picture::load(&among[noise.below(among.len())])?)
    }

    fn object(&self, noise: &mut Noise) -> anyhow::Result<Cutout> {
        let ready = self.donors.is_empty() || !self.cutouts.is_empty() && noise.chance(0.6);
        if ready {
            let path = &self.cutouts[noise.below(self.cutouts.len())];
            let pixels = image::open(path).with_context(|| format!("cannot read the cut-out {}", path.display()))?.into_rgba8();
            return Ok(Cutout { pixels: trimmed(&pixels), class: CUTOUT_CLASS.to_owned() });
        }
        let (path, size, instance, class) = &self.donors[noise.below(self.donors.len())];
        let photo = picture::load(path)?;
        let found = Size::new(photo.width(), photo.height());
        anyhow::ensure!(
            found == *size,
            "the photo is {}x{} pixels and not as its record says: {}",
            found.width,
            found.height,
            path.display()
        );
        let mask = instance.mask(*size).with_context(|| format!("annotation {} on {}", instance.id, path.display()))?;
        let pixels = cut_out(&photo, &mask).with_context(|| format!("annotation {} is empty on {}", instance.id, path.display()))?;
        Ok(Cutout { pixels, class: class.clone() })
    }
}

/// The part of a picture that its alpha covers.
fn trimmed(pixels: &RgbaImage) -> RgbaImage {
    let solid = pixels.enumerate_pixels().filter(|(_, _, pixel)| pixel.0[3] > 127);
    let bounds = solid.fold(None, |bounds: Option<[u32; 4]>, (x, y, _)| {
        let [left, top, right, bottom] = bounds.unwrap_or([x, y, x, y]);
        Some([left.min(x), top.min(y), right.max(x), bottom.max(y)])
    });
    let Some([left, top, right, bottom]) = bounds else { return pixels.clone() };
    image::imageops::crop_imm(pixels, left, top, right - left + 1, bottom - top + 1).to_image()
}
