//! The objects of a data set that can be learned from, and which of them are held out.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::RgbImage;
use rayon::prelude::*;

use super::{Event, TrainError};
use crate::annotation::{CategoryId, Dataset, ImageId, Instance, Shape};
use crate::formats::folder::Finder;
use crate::formats::picture;
use crate::geometry::Size;
use crate::mask::{Mask, metric};
use crate::model::noise::Noise;

/// Objects with fewer pixels are not learned from.
const SMALLEST_AREA: f64 = 16.0;
/// A coarse mask with a smaller `IoU` with the true one is of another object.
const LEAST_LIKENESS: f64 = 0.5;
/// Decoded images are kept up to this many bytes.
const CACHE_BYTES: usize = 1 << 30;
/// No more objects than this are measured after each epoch.
const MOST_HELD_OUT: usize = 64;
/// So many images that are missing are named.
const MOST_NAMED: usize = 5;

/// The usable objects of a data set; images are decoded when needed.
pub struct Objects {
    pictures: Vec<Picture>,
    items: Vec<Object>,
    cache: RefCell<Cache>,
}

struct Picture {
    path: PathBuf,
    size: Size,
}

struct Object {
    picture: usize,
    instance: Instance,
    /// The same object with a mask that some method or hasty hand made.
    coarse: Option<Instance>,
}

#[derive(Default)]
struct Cache {
    images: HashMap<usize, Arc<RgbImage>>,
    bytes: usize,
    /// What was told of already: pictures, and objects on pictures that can be read.
    told: BTreeSet<(usize, Option<usize>)>,
}

/// Which objects are learned from and which are held out, as indices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Learned from.
    pub train: Vec<usize>,
    /// Measured, in random order and at most 64.
    pub held_out: Vec<usize>,
}

impl Objects {
    /// The objects of `dataset` with a mask on an image that lies in `folder`, and a line for people about each group
    /// that is left out.
    pub fn new(dataset: &Dataset, folder: &Path) -> (Self, Vec<String>) {
        let (mut pictures, mut objects, mut missing, mut unusable) = (Vec::new(), Vec::new(), Vec::new(), 0);
        let mut of_image: BTreeMap<ImageId, Vec<&Instance>> = BTreeMap::new();
        for instance in &dataset.instances {
            if is_usable(instance) {
                of_image.entry(instance.image_id).or_default().push(instance);
            } else {
                unusable += 1;
            }
        }
        let finder = Finder::new(&dataset.images);
        for image in &dataset.images {
            let Some(usable) = of_image.remove(&image.id) else { continue };
            let path = finder.path(folder, &image.file_name);
            if !path.is_file() {
                missing.push(image.file_name.as_str());
                continue;
            }
            objects.extend(usable.into_iter().map(|instance| Object { picture: pictures.len(), instance: instance.clone(), coarse: None }));
            pictures.push(Picture { path, size: image.size });
        }
        let mut warnings = Vec::new();
        if !missing.is_empty() {
            let (count, named) = (missing.len(), missing[..missing.len().min(MOST_NAMED)].join(", "));
            let more = if count > MOST_NAMED { ", ..." } else { "" };
            warnings.push(format!("{count} images are missing ({named}{more}) in {}", folder.display()));
        }
        if unusable > 0 {
            warnings.push(format!("{unusable} objects have no mask, are crowds or smaller than {SMALLEST_AREA} pixels"));
        }
        let header = |picture: &Picture| picture::header(&picture.path).map(|stored| stored.seen_by(picture.size));
        let unsure = pictures.par_iter().filter(|picture| header(picture).is_ok_and(picture::Header::is_unsure));
        let unsure: Vec<PathBuf> = unsure.map(|picture| picture.path.clone()).collect();
        warnings.extend(picture::unsure_note(&unsure));
        (Self { pictures, items: objects, cache: RefCell::default() }, warnings)
    }

    /// Gives the objects the masks that `coarse` has under their ids, on images of their ids; returns how many have one then.
    pub fn add_coarse(&mut self, coarse: &Dataset) -> usize {
        let known: HashMap<_, _> =
            coarse.instances.iter().filter(|instance| is_usable(instance)).map(|coarse| (coarse.id, coarse)).collect();
        for object in &mut self.items {
            let same = known.get(&object.instance.id).filter(|coarse| coarse.image_id == object.instance.image_id);
            object.coarse = same.map(|&coarse| coarse.clone());
        }
        self.coarse_count()
    }

    /// How many objects have a coarse mask of their own.
    pub fn coarse_count(&self) -> usize {
        self.items.iter().filter(|object| object.coarse.is_some()).count()
    }

    /// An object's own coarse mask, where it has one that is anything like the true one.
    pub fn coarse(&self, index: usize, truth: &Mask) -> Option<Mask> {
        let coarse = self.items[index].coarse.as_ref()?;
        let mask = coarse.shape.mask(coarse.bbox, truth.size()).ok()?;
        (mask.size() == truth.size() && metric::iou(&mask, truth) >= LEAST_LIKENESS).then_some(mask)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Holds out `share` of the images, one at least; of the objects where there is only one image.
    pub fn split(&self, share: f64, seed: u64) -> Split {
        let mut noise = Noise::new(seed ^ 0x5eed_5eed);
        let held = |count: usize| ((share * count as f64).round() as usize).clamp(1, count.saturating_sub(1).max(1));
        let groups: Vec<usize> = match self.pictures.len() {
            1 => (0..self.items.len()).collect(),
            _ => self.items.iter().map(|object| object.picture).collect(),
        };
        let count = groups.iter().max().map_or(0, |last| last + 1);
        let mut chosen = vec![false; count];
        for group in noise.shuffle(count).into_iter().take(held(count)) {
            chosen[group] = true;
        }
        let is_held = |index: &usize| chosen[groups[*index]];
        let (held_out, train): (Vec<usize>, Vec<usize>) = (0..self.items.len()).partition(is_held);
        let order = noise.shuffle(held_out.len()).into_iter().take(MOST_HELD_OUT);
        Split { train, held_out: order.map(|place| held_out[place]).collect() }
    }

    /// As [`Self::split`], with a held-out part that can be measured: objects of it that [`Self::get`] refuses are taken out,
    /// with all others on an image that cannot be read, and what is left is split anew. `each` hears of them.
    pub fn readable_split(&mut self, share: f64, seed: u64, each: &mut dyn FnMut(Event)) -> Split {
        loop {
            let split = self.split(share, seed);
            let lost: BTreeSet<usize> = split.held_out.iter().copied().filter(|&index| !self.is_readable(index, each)).collect();
            if lost.is_empty() {
                return split;
            }
            // The cache goes by the places of before.
            let Cache { told, .. } = self.cache.take();
            let mut index = 0..;
            self.items.retain(|object| {
                let is_lost = index.next().is_some_and(|index| lost.contains(&index));
                !is_lost && !told.contains(&(object.picture, None))
            });
            self.drop_bare_pictures();
        }
    }

    /// Takes out the pictures without an object.
    fn drop_bare_pictures(&mut self) {
        let used: BTreeSet<usize> = self.items.iter().map(|object| object.picture).collect();
        let mut index = 0..;
        self.pictures.retain(|_| index.next().is_some_and(|index| used.contains(&index)));
        let places: HashMap<usize, usize> = used.into_iter().zip(0..).collect();
        for object in &mut self.items {
            object.picture = places[&object.picture];
        }
    }

    /// An object's image and mask.
    ///
    /// # Errors
    /// When the image cannot be read, has not the size that the data set says, or the mask holds nothing.
    pub fn get(&self, index: usize) -> Result<(Arc<RgbImage>, Mask), TrainError> {
        let object = &self.items[index];
        let picture = &self.pictures[object.picture];
        let lost = |reason: String| TrainError::Lost { id: object.instance.id.0, reason };
        let named = |reason: &dyn std::fmt::Display| lost(format!("{reason}: {}", picture.path.display()));
        let image = self.image(object.picture).map_err(lost)?;
        let (found, told) = (Size::new(image.width(), image.height()), picture.size);
        if found != told {
            let size = format_args!("its image has {} x {} pixels and not {} x {}", found.width, found.height, told.width, told.height);
            return Err(named(&size));
        }
        let mask = object.instance.shape.mask(object.instance.bbox, told).map_err(|error| named(&error))?;
        if mask.is_empty() { Err(named(&"its mask holds nothing")) } else { Ok((image, mask)) }
    }

    /// Numbers by which an object is told from others and from itself with another mask.
    pub fn marks(&self, index: usize) -> [u64; 6] {
        let Instance { id, bbox, area, .. } = &self.items[index].instance;
        [id.0 as u64, bbox.x.to_bits(), bbox.y.to_bits(), bbox.width.to_bits(), bbox.height.to_bits(), area.to_bits()]
    }

    /// An object's class.
    pub fn category(&self, index: usize) -> CategoryId {
        self.items[index].instance.category_id
    }

    /// Those of `among` that have the class of object `index` and lie on other images; on any image but for the object
    /// itself where all lie on one.
    pub fn classmates(&self, index: usize, among: &[usize]) -> Vec<usize> {
        let own = &self.items[index];
        let alone = self.pictures.len() == 1;
        let differs = |other: usize| other != index && (alone || self.items[other].picture != own.picture);
        let same = |other: usize| self.items[other].instance.category_id == own.instance.category_id;
        among.iter().copied().filter(|&other| differs(other) && same(other)).collect()
    }

    /// Whether [`Self::get`] works; `each` hears once of every image that cannot be read, and of every object on others.
    pub fn is_readable(&self, index: usize, each: &mut dyn FnMut(Event)) -> bool {
        let Err(error) = self.get(index) else { return true };
        let mut cache = self.cache.borrow_mut();
        let picture = self.items[index].picture;
        let object = cache.images.contains_key(&picture).then_some(index);
        if cache.told.insert((picture, object)) {
            each(Event::Warning { message: error.to_string() });
        }
        false
    }

    /// A picture, or why it cannot be read.
    fn image(&self, index: usize) -> Result<Arc<RgbImage>, String> {
        let mut cache = self.cache.borrow_mut();
        if let Some(image) = cache.images.get(&index) {
            return Ok(Arc::clone(image));
        }
        let Picture { path, size } = &self.pictures[index];
        let image = Arc::new(picture::load_for(path, *size).map_err(|error| error.to_string())?);
        cache.bytes += image.as_raw().len();
        if cache.bytes > CACHE_BYTES {
            cache.images.clear();
            cache.bytes = image.as_raw().len();
        }
        cache.images.insert(index, Arc::clone(&image));
        Ok(image)
    }
}

/// Whether an object has a mask that can be learned from; its image may still be missing.
pub fn is_usable(instance: &Instance) -> bool {
    !instance.crowd && !matches!(instance.shape, Shape::Box) && instance.area >= SMALLEST_AREA && instance.bbox.is_drawable()
}
