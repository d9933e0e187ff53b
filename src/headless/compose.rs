//! `compose`: a COCO data set of made pictures, from photos with masks, cut-outs and backgrounds.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use image::codecs::jpeg::JpegEncoder;
use image::{RgbImage, RgbaImage};
use rayon::prelude::*;

use super::terminal::Terminal;
use super::{Outcome, dataset};
use crate::annotation::{Image, ImageId, Instance, Shape};
use crate::formats::exchange::Builder;
use crate::formats::stage::Stage;
use crate::formats::{coco, folder, picture};
use crate::geometry::{Rect, Size};
use crate::job::{Cancel, Meter};
use crate::mask::Mask;
use crate::model::noise::Noise;
use crate::train::compose::{Cutout, Parts, Scene, cut_out, scene};

/// Objects of photos that are smaller than this are not pasted elsewhere.
const LEAST_DONOR_AREA: f64 = 3000.0;
/// The class of cut-outs.
const CUTOUT_CLASS: &str = "object";
/// A part that is broken is drawn again; so many in a row are no accident.
const TRIES: u32 = 20;
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
    let stage = Stage::new(&out)?;
    let mut data = Builder::default();
    let meter = Meter::start("making pictures", u64::from(arguments.count));
    let numbers: Vec<u32> = (1..=arguments.count).collect();
    for batch in numbers.chunks(BATCH) {
        if cancel.is_cancelled() {
            return Ok(Outcome::Cancelled);
        }
        let make = |&number: &u32| -> anyhow::Result<(u32, Scene)> {
            let scene = scene(&parts, &mut Noise::new(arguments.seed.wrapping_mul(1 << 32) + u64::from(number)))?;
            stage.write(&format!("images/{}", file_name(number)), &jpeg(&scene)?)?;
            Ok((number, scene))
        };
        for result in batch.par_iter().map(make).collect::<Vec<_>>() {
            let (number, scene) = result?;
            let image = data.image(file_name(number), Size::new(scene.picture.width(), scene.picture.height()));
            for (mask, class) in &scene.objects {
                let class = data.class(class);
                data.object(image, class, Rect::default(), Shape::from_mask(mask));
            }
            terminal.progress(&meter.at(u64::from(number)));
        }
        for message in parts.news() {
            terminal.warning(&message);
        }
    }
    let data = data.dataset;
    coco::save(&data, &stage.path().join("instances.json"))?;
    stage.publish()?;
    terminal.finish();
    terminal.message(&format!("wrote {}: {} pictures, {} objects", out.display(), data.images.len(), data.instances.len()));
    Ok(Outcome::Done)
}

/// The name of a picture in the folder `images`.
fn file_name(number: u32) -> String {
    format!("{number:06}.jpg")
}

fn jpeg(scene: &Scene) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    scene.picture.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, scene.quality))?;
    Ok(bytes)
}

/// The parts as files, read when they are needed: memory does not grow with the folders.
struct Files {
    photos: Vec<PathBuf>,
    /// Objects that can be cut out of photos: the photo's path and size, the object, its class.
    donors: Vec<(PathBuf, Size, Instance, String)>,
    cutouts: Vec<PathBuf>,
    backgrounds: Vec<PathBuf>,
    broken: Mutex<Broken>,
}

/// What cannot be used of the parts, in words; each is told of once.
#[derive(Default)]
struct Broken {
    known: BTreeSet<String>,
    news: Vec<String>,
}

impl Files {
    /// What of the parts was found to be broken since this was asked last.
    fn news(&self) -> Vec<String> {
        let mut news = std::mem::take(&mut self.broken.lock().unwrap_or_else(PoisonError::into_inner).news);
        news.sort();
        news
    }

    /// What `draw` gives; it draws again where that is broken, a few times.
    fn tried<T>(&self, noise: &mut Noise, draw: impl Fn(&mut Noise) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let mut left = TRIES;
        loop {
            let error = match draw(noise) {
                Ok(drawn) => return Ok(drawn),
                Err(error) => error,
            };
            left -= 1;
            if left == 0 {
                return Err(error);
            }
            let message = format!("left out: {error:#}");
            let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
            if broken.known.insert(message.clone()) {
                broken.news.push(message);
            }
        }
    }

    fn open(arguments: &Arguments, terminal: &mut Terminal, cancel: &Cancel) -> anyhow::Result<Self> {
        dataset::folder(&arguments.images)?;
        let data = dataset::read(&arguments.data, terminal, cancel)?;
        let finder = folder::Finder::new(&data.images);
        let place = |image: &Image| finder.path(&arguments.images, &image.file_name);
        let images: HashMap<ImageId, &Image> = data.images.iter().map(|image| (image.id, image)).collect();
        let donor = |instance: &Instance| {
            let image = images.get(&instance.image_id)?;
            let fits = !instance.crowd && instance.shape != Shape::Box && instance.area >= LEAST_DONOR_AREA;
            let class = data.category(instance.category_id).map_or(CUTOUT_CLASS, |category| &category.name);
            fits.then(|| (place(image), image.size, instance.clone(), class.to_owned()))
        };
        let mut list = |path: &Option<PathBuf>| -> anyhow::Result<Vec<PathBuf>> {
            let Some(path) = path else { return Ok(Vec::new()) };
            let (found, report) = folder::scan(path).with_context(|| format!("cannot list the folder {}", path.display()))?;
            dataset::warn(&report, path, terminal);
            Ok(found.images.iter().map(|image| path.join(&image.file_name)).collect())
        };
        let files = Self {
            photos: data.images.iter().map(place).collect(),
            donors: data.instances.iter().filter_map(donor).collect(),
            cutouts: list(&arguments.cutouts)?,
            backgrounds: list(&arguments.backgrounds)?,
            broken: Mutex::default(),
        };
        anyhow::ensure!(!files.photos.is_empty(), "no photos in {}", arguments.data.display());
        anyhow::ensure!(
            !files.donors.is_empty() || !files.cutouts.is_empty(),
            "no object of {LEAST_DONOR_AREA} pixels or more, and no cut-outs: {}",
            arguments.data.display()
        );
        Ok(files)
    }

    /// A cut-out, or an object out of a photo.
    fn cut(&self, noise: &mut Noise) -> anyhow::Result<Cutout> {
        let ready = self.donors.is_empty() || !self.cutouts.is_empty() && noise.chance(0.6);
        if ready {
            let path = &self.cutouts[noise.below(self.cutouts.len())];
            let pixels = image::open(path).with_context(|| format!("cannot read the cut-out {}", path.display()))?.into_rgba8();
            return Ok(Cutout { pixels: trimmed(&pixels), class: CUTOUT_CLASS.to_owned() });
        }
        let (path, size, instance, class) = &self.donors[noise.below(self.donors.len())];
        let photo = picture::load_for(path, *size)?;
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

impl Parts for Files {
    type Error = anyhow::Error;

    fn background(&self, noise: &mut Noise) -> anyhow::Result<RgbImage> {
        self.tried(noise, |noise| {
            let own = !self.backgrounds.is_empty() && noise.chance(0.4);
            let among = if own { &self.backgrounds } else { &self.photos };
            Ok(picture::load(&among[noise.below(among.len())])?)
        })
    }

    fn object(&self, noise: &mut Noise) -> anyhow::Result<Cutout> {
        self.tried(noise, |noise| self.cut(noise))
    }
}

/// The part of a picture that its alpha covers.
fn trimmed(pixels: &RgbaImage) -> RgbaImage {
    let solid = Mask::from_fn(Size::new(pixels.width(), pixels.height()), |x, y| pixels.get_pixel(x, y).0[3] > 127);
    let Some(bounds) = solid.bounds() else { return pixels.clone() };
    image::imageops::crop_imm(pixels, bounds.x, bounds.y, bounds.width, bounds.height).to_image()
}
