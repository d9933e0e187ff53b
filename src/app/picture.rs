//! Image files, decoded on threads of their own: the shown image first, then its neighbours, then thumbnails. What is
//! wanted is said anew each frame, so that nothing old is decoded after a jump.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use egui::ColorImage;
use image::RgbImage;
use image::imageops::{self, FilterType};

use super::document::ImageFile;
use crate::formats::picture;
use crate::job;

/// The longest side of a thumbnail, in pixels.
pub(super) const THUMBNAIL_PX: u32 = 128;
/// The longest side of the picture that stands for a whole large image, in pixels.
pub(super) const OVERVIEW_PX: u32 = 2048;
/// Decoded images are dropped beyond this, those that are not wanted first, then the least urgent one.
const BUDGET_BYTES: usize = 1 << 30;
/// Thumbnails are dropped beyond so many, those that were unseen for the longest time first.
const MOST_THUMBNAILS: usize = 4000;

/// A decoded image.
#[derive(Debug)]
pub(super) struct Picture {
    /// The pixels on which the image's masks lie, for the models.
    pub pixels: Arc<RgbImage>,
    /// How viewers that follow its EXIF entry show it otherwise, in words; `None` where they do not.
    pub turn: Option<&'static str>,
    /// The whole image for the screen, scaled down where it is larger than [`OVERVIEW_PX`].
    pub overview: Arc<ColorImage>,
}

/// An image file, as far as it is known.
#[derive(Clone, Debug, Default)]
pub(super) enum Loaded {
    /// Not decoded yet.
    #[default]
    Waiting,
    /// Decoded.
    Ready(Arc<Picture>),
    /// Cannot be decoded: why.
    Broken(Arc<str>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Job {
    Whole(ImageFile),
    Thumbnail(ImageFile),
}

#[derive(Debug, Default)]
struct Shelf {
    wanted: VecDeque<Job>,
    working: Vec<Job>,
    /// The whole images that are wanted, the most urgent first; those among them that found no room are not tried again.
    urgent: Vec<ImageFile>,
    refused: Vec<ImageFile>,
    whole: HashMap<ImageFile, Loaded>,
    order: VecDeque<ImageFile>,
    thumbnails: HashMap<ImageFile, Thumbnail>,
    /// How often it was said what is wanted.
    time: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Thumbnail {
    /// `None` where the file cannot be decoded.
    image: Option<Arc<ColorImage>>,
    /// When it was wanted last.
    seen: u64,
}

struct Shared {
    shelf: Mutex<Shelf>,
    more: Condvar,
    stop: AtomicBool,
    wake: Box<dyn Fn() + Send + Sync>,
}

/// The decoder threads and what they made.
pub(super) struct Pictures {
    shared: Arc<Shared>,
}

impl Pictures {
    /// Starts the threads; `wake` is called when something is ready.
    pub(super) fn start(wake: impl Fn() + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared { shelf: Mutex::default(), more: Condvar::new(), stop: AtomicBool::new(false), wake: Box::new(wake) });
        for number in 0..2 {
            let shared = Arc::clone(&shared);
            if let Err(error) = job::spawn(&format!("picture-{number}"), move || work(&shared)) {
                tracing::error!(%error, "no thread for decoding images");
            }
        }
        Self { shared }
    }

    /// Says what is wanted now: whole images, the most urgent first, and thumbnails after them.
    pub(super) fn want(&self, whole: &[ImageFile], thumbnails: &[ImageFile]) {
        let mut shelf = self.shared.lock();
        shelf.see(thumbnails);
        if shelf.urgent != whole {
            shelf.urgent = whole.to_vec();
            shelf.refused.clear();
        }
        let mut wanted: VecDeque<Job> = VecDeque::new();
        let is_missing = |file: &&ImageFile| !shelf.whole.contains_key(*file) && !shelf.refused.contains(file);
        wanted.extend(whole.iter().filter(is_missing).cloned().map(Job::Whole));
        // A whole image brings its thumbnail along.
        let comes = |file: &ImageFile| {
            let whole = Job::Whole(file.clone());
            wanted.contains(&whole) || shelf.working.contains(&whole)
        };
        let missing = thumbnails.iter().filter(|file| !shelf.thumbnails.contains_key(*file) && !comes(file));
        let missing: Vec<Job> = missing.cloned().map(Job::Thumbnail).collect();
        wanted.extend(missing);
        wanted.retain(|job| !shelf.working.contains(job));
        let idle = wanted.is_empty();
        shelf.wanted = wanted;
        drop(shelf);
        if !idle {
            self.shared.more.notify_all();
        }
    }

    /// An image file.
    pub(super) fn get(&self, file: &ImageFile) -> Loaded {
        self.shared.lock().whole.get(file).cloned().unwrap_or_default()
    }

    /// A thumbnail; `None` while it is not there.
    pub(super) fn thumbnail(&self, file: &ImageFile) -> Option<Arc<ColorImage>> {
        self.shared.lock().thumbnails.get(file)?.image.clone()
    }

    /// Forgets everything: other files are opened.
    pub(super) fn clear(&self) {
        let mut shelf = self.shared.lock();
        *shelf = Shelf { working: std::mem::take(&mut shelf.working), ..Shelf::default() };
    }
}

impl Drop for Pictures {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.more.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Job> {
        let mut shelf = self.lock();
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return None;
            }
            if let Some(job) = shelf.wanted.pop_front() {
                shelf.working.push(job.clone());
                return Some(job);
            }
            shelf = self.more.wait(shelf).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn work(shared: &Shared) {
    while let Some(job) = shared.next() {
        let (Job::Whole(file) | Job::Thumbnail(file)) = &job;
        let decoded = picture::open_for(&file.path, file.told).map_err(|error| error.to_string());
        let thumbnail = decoded.as_ref().ok().map(|picture| Arc::new(screen_image(&scaled(&picture.pixels, THUMBNAIL_PX))));
        let loaded = match (&job, decoded) {
            (Job::Whole(_), Ok(decoded)) => {
                let overview = Arc::new(screen_image(&scaled(&decoded.pixels, OVERVIEW_PX)));
                let turn = picture::turn(decoded.exif_orientation);
                Some(Loaded::Ready(Arc::new(Picture { pixels: Arc::new(decoded.pixels), turn, overview })))
            }
            (_, Err(error)) => Some(Loaded::Broken(error.into())),
            (Job::Thumbnail(_), Ok(_)) => None,
        };
        let mut shelf = shared.lock();
        shelf.working.retain(|other| *other != job);
        shelf.store_thumbnail(file.clone(), thumbnail);
        if let Some(loaded) = loaded {
            shelf.store(file.clone(), loaded);
        }
        drop(shelf);
        (shared.wake)();
    }
}

impl Shelf {
    /// Says which thumbnails are wanted.
    fn see(&mut self, files: &[ImageFile]) {
        self.time += 1;
        for file in files {
            if let Some(thumbnail) = self.thumbnails.get_mut(file) {
                thumbnail.seen = self.time;
            }
        }
    }

    fn store_thumbnail(&mut self, file: ImageFile, image: Option<Arc<ColorImage>>) {
        self.thumbnails.insert(file, Thumbnail { image, seen: self.time });
        if self.thumbnails.len() > MOST_THUMBNAILS {
            let oldest = self.thumbnails.iter().min_by_key(|(_, thumbnail)| thumbnail.seen).map(|(file, _)| file.clone());
            if let Some(file) = oldest {
                self.thumbnails.remove(&file);
            }
        }
    }

    fn store(&mut self, file: ImageFile, loaded: Loaded) {
        self.bytes += bytes(&loaded);
        if let Some(old) = self.whole.insert(file.clone(), loaded) {
            self.bytes -= bytes(&old);
        }
        self.order.retain(|other| *other != file);
        self.order.push_back(file);
        while self.bytes > BUDGET_BYTES
            && let Some(place) = self.least_wanted()
            && let Some(file) = self.order.remove(place)
        {
            if let Some(old) = self.whole.remove(&file) {
                self.bytes -= bytes(&old);
            }
            if self.urgent.contains(&file) {
                self.refused.push(file);
            }
        }
    }

    /// The place in the order of decoding of the image that is let go first; the most urgent one never is.
    fn least_wanted(&self) -> Option<usize> {
        let urgency = |file: &ImageFile| self.urgent.iter().position(|urgent| urgent == file);
        let places = self.order.iter().enumerate().map(|(place, file)| (place, urgency(file)));
        let unwanted = places.clone().find(|(_, urgency)| urgency.is_none());
        let last = || places.filter(|(_, urgency)| urgency.is_some_and(|urgency| urgency > 0)).max_by_key(|(_, urgency)| *urgency);
        unwanted.or_else(last).map(|(place, _)| place)
    }
}

fn bytes(loaded: &Loaded) -> usize {
    match loaded {
        Loaded::Ready(picture) => picture.pixels.len() + picture.overview.pixels.len() * 4,
        Loaded::Waiting | Loaded::Broken(_) => 0,
    }
}

fn scaled(pixels: &RgbImage, longest_px: u32) -> RgbImage {
    let longest = pixels.width().max(pixels.height());
    if longest <= longest_px {
        return pixels.clone();
    }
    let side = |length: u32| ((u64::from(length) * u64::from(longest_px) / u64::from(longest)) as u32).max(1);
    if longest > longest_px * 4 {
        imageops::thumbnail(pixels, side(pixels.width()), side(pixels.height()))
    } else {
        imageops::resize(pixels, side(pixels.width()), side(pixels.height()), FilterType::Triangle)
    }
}

/// RGB pixels in the form that egui uploads.
pub(super) fn screen_image(pixels: &RgbImage) -> ColorImage {
    ColorImage::from_rgb([pixels.width() as usize, pixels.height() as usize], pixels.as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbnails_that_were_unseen_for_the_longest_time_go() {
        let file = |number: usize| ImageFile { path: number.to_string().into(), ..ImageFile::default() };
        let mut shelf = Shelf::default();
        for number in 0..MOST_THUMBNAILS {
            shelf.see(&[file(number)]);
            shelf.store_thumbnail(file(number), None);
        }
        shelf.see(&[file(0), file(2)]);
        for number in MOST_THUMBNAILS..MOST_THUMBNAILS + 2 {
            shelf.see(&[file(number)]);
            shelf.store_thumbnail(file(number), Some(Arc::new(ColorImage::example())));
        }
        assert_eq!(shelf.thumbnails.len(), MOST_THUMBNAILS);
        let gone: Vec<usize> = (0..MOST_THUMBNAILS + 2).filter(|&number| !shelf.thumbnails.contains_key(&file(number))).collect();
        assert_eq!(gone, [1, 3]);
    }

    #[test]
    fn what_is_shown_stays_and_what_finds_no_room_is_not_tried_again() {
        // As large as a third of the room.
        let large = || {
            let pixels = Arc::new(RgbImage::new(BUDGET_BYTES as u32 / 27_000, 3000));
            Loaded::Ready(Arc::new(Picture { pixels, turn: None, overview: Arc::new(ColorImage::example()) }))
        };
        let file = |name: &str| ImageFile { path: name.into(), ..ImageFile::default() };
        let [old, shown, next, before, after] = ["old", "shown", "next", "before", "after"].map(file);
        let mut shelf = Shelf { urgent: vec![shown.clone(), next.clone(), before.clone(), after.clone()], ..Shelf::default() };
        for file in [&old, &shown, &next, &before, &after] {
            shelf.store(file.clone(), large());
        }
        let mut kept: Vec<&ImageFile> = shelf.whole.keys().collect();
        kept.sort_by_key(|file| &file.path);
        assert_eq!(kept, [&next, &shown], "the thumbnails take some room too");
        assert_eq!(shelf.refused, [before, after]);
        assert_eq!(shelf.bytes, shelf.whole.values().map(bytes).sum::<usize>());
    }
}
