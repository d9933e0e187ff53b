//! Adds the records of one data set to another, as where two people labelled the same images.
//!
//! Images are the same where their names are, classes where their synsets or names are, licences where their names and
//! addresses are. Nobody is asked who is right: objects of an image that was labelled differently stay side by side. What
//! is left out is counted.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Display;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::coco::document::standard;
use super::coco::patch::{Change, patched};
use super::coco::record::NO_ID;
use super::loss::{Kind, Tally};
use super::lvis::{self, Marks};
use crate::annotation::{Category, CategoryId, Dataset, Edit, Image, ImageId, Instance, InstanceId, Shape, Verbatim};
use crate::geometry::Rect;
use crate::job::{Stopped, Watch};

/// The id here of each class of the other data set.
type Classes = HashMap<CategoryId, CategoryId>;
/// The id here of each image of the other data set; `None` for one that is left out.
type Images = HashMap<ImageId, Option<ImageId>>;
/// Where an object lies: its image, class and box.
type Place = (ImageId, CategoryId, [u64; 4]);

/// The top-level list of licences.
const LICENCES: &str = "licenses";
/// Members of an object's record that its instance holds, or that a merge sets.
const HELD: [&str; 8] = ["id", "image_id", "category_id", "segmentation", "bbox", "area", "iscrowd", "score"];

/// Members of a class's record that a merge goes by or sets.
const HELD_BY_CLASSES: [&str; 6] = ["id", "name", "synset", "image_count", "instance_count", "frequency"];
/// Members of an image's record that a merge goes by or sets.
const HELD_BY_IMAGES: [&str; 7] = ["id", "file_name", "width", "height", "license", "neg_category_ids", "not_exhaustive_category_ids"];

/// What a data set gets from another one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Additions {
    /// The new images.
    pub images: Vec<Image>,
    /// The new classes.
    pub categories: Vec<Category>,
    /// The new objects.
    pub instances: Vec<Instance>,
    /// Images that are there already, without the marks of absent classes that the new objects contradict.
    pub marked: Vec<Image>,
    /// The list of licences with the new ones, where there are any.
    pub licences: Option<Verbatim>,
    /// What is left out.
    pub tally: Tally,
}

impl Additions {
    /// What `other` adds to `dataset`; images only where it `adds_images`. A record keeps its id where that is free, and
    /// its text but for ids.
    ///
    /// # Errors
    /// When the work was stopped.
    pub fn of(dataset: &Dataset, other: &Dataset, adds_images: bool, watch: &mut Watch<'_>) -> Result<Self, Stopped> {
        Self::among(dataset, other, &Endings::of([dataset, other]), adds_images, watch)
    }

    /// As [`Self::of`], where still others become one with them; `endings` are those of all.
    ///
    /// # Errors
    /// When the work was stopped.
    pub fn among(dataset: &Dataset, other: &Dataset, endings: &Endings, adds_images: bool, watch: &mut Watch<'_>) -> Result<Self, Stopped> {
        let mut added = Self::default();
        // Licences belong to images: without new ones none are needed.
        let licences = adds_images.then(|| added.add_licences(dataset, other));
        added.count_members(dataset, other, licences.as_ref().is_some_and(|licences| licences.are_read));
        let classes = added.add_classes(dataset, other);
        let images = added.add_images(dataset, other, (&classes, licences.as_ref()), endings);
        added.add_instances(dataset, other, (&images, &classes), watch)?;
        added.free_marks(dataset);
        Ok(added)
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        let has_no_records = self.images.is_empty() && self.categories.is_empty() && self.instances.is_empty();
        has_no_records && self.marked.is_empty() && self.licences.is_none()
    }

    /// Puts everything into the data set that it was made for.
    pub fn add_to(self, dataset: &mut Dataset) {
        let mut marked: HashMap<ImageId, Image> = self.marked.into_iter().map(|image| (image.id, image)).collect();
        for image in &mut dataset.images {
            if let Some(new) = marked.remove(&image.id) {
                *image = new;
            }
        }
        if let Some(list) = self.licences {
            match dataset.document.iter_mut().find(|(key, _)| key == LICENCES) {
                Some((_, own)) => *own = Some(list),
                None => dataset.document.push((LICENCES.to_owned(), Some(list))),
            }
        }
        dataset.images.extend(self.images);
        dataset.categories.extend(self.categories);
        dataset.instances.extend(self.instances);
    }

    /// The edit that puts everything but images and licences into `dataset`, which it was made for.
    pub fn into_edit(self, dataset: &Dataset) -> Edit {
        let first = dataset.instances.len();
        let class = |category| Edit::InsertCategory { index: usize::MAX, category };
        let object = |(place, instance): (usize, Instance)| Edit::Insert { index: first + place, instance: Box::new(instance) };
        // Batches of one kind each are done in one pass.
        Edit::Batch(vec![
            Edit::Batch(self.categories.into_iter().map(class).collect()),
            Edit::Batch(self.instances.into_iter().enumerate().map(object).collect()),
            Edit::Batch(self.marked.into_iter().map(Edit::ReplaceImage).collect()),
        ])
    }

    /// Counts the top-level members that are not as here, without the licences where these `are_read`.
    fn count_members(&mut self, dataset: &Dataset, other: &Dataset, are_read: bool) {
        for (key, value) in other.document.iter().filter(|(key, _)| !are_read || key != LICENCES) {
            let own = dataset.document.iter().find(|(name, _)| name == key).and_then(|(_, own)| own.as_ref());
            if value.as_ref().is_some_and(|value| own.is_none_or(|own| !is_same_json(own, value))) {
                self.tally.add(Kind::TopLevel, format_args!("`{key}`"));
            }
        }
    }

    fn add_licences(&mut self, dataset: &Dataset, other: &Dataset) -> Licences {
        let (own, others) = (licences(dataset), licences(other));
        let mut taken: Option<HashSet<String>> = own.as_ref().map(|own| own.iter().filter_map(|(licence, _)| key(&licence.id)).collect());
        let (Some(own), Some(others)) = (own, others) else { return Licences { taken, ..Licences::default() } };
        let mut used: HashSet<String> = dataset.images.iter().filter_map(licence_of).chain(taken.iter().flatten().cloned()).collect();
        let numbers = |key: &String| key.parse::<i64>().ok();
        let wanted = others.iter().filter_map(|(licence, _)| key(&licence.id));
        let mut ids = Ids::new(used.iter().filter_map(numbers), wanted.filter_map(|key| numbers(&key)));
        let (mut here, mut news) = (HashMap::<String, String>::new(), Vec::new());
        for (licence, record) in &others {
            let mut same = own.iter().filter(|(own, _)| own.name == licence.name && own.url == licence.url).map(|(own, _)| key(&own.id));
            let Some(named) = key(&licence.id) else {
                // No image can name it.
                if same.next().is_none() {
                    news.extend(patched(record.get(), &[]));
                }
                continue;
            };
            if here.contains_key(&named) {
                continue;
            }
            let mut same = same.flatten();
            let id = same.clone().find(|id| *id == named).or_else(|| same.next());
            let id = id.unwrap_or_else(|| {
                let id = match numbers(&named) {
                    Some(number) => ids.take(number).to_string(),
                    None if used.insert(named.clone()) => named.clone(),
                    None => ids.take(ids.last.saturating_add(1)).to_string(),
                };
                let change = (id != named).then(|| ("id", Change::Set(id.clone())));
                news.extend(patched(record.get(), change.as_slice()));
                id
            });
            here.insert(named, id);
        }
        if let Some(taken) = &mut taken {
            taken.extend(here.values().cloned());
        }
        if !news.is_empty() {
            let kept = member(dataset, LICENCES).filter(|_| !own.is_empty()).and_then(|text| text.trim_end().strip_suffix(']'));
            let separator = if kept.is_some() { ", " } else { "" };
            let list = format!("{}{separator}{}]", kept.map_or("[", str::trim_end), news.join(", "));
            self.licences = Some(Verbatim::whole(list));
        }
        Licences { are_read: true, here, taken }
    }

    fn add_classes(&mut self, dataset: &Dataset, other: &Dataset) -> Classes {
        // Of several records with one id the first counts.
        let mut seen = HashSet::new();
        let own = dataset.categories.iter().filter(|own| own.id.0 != NO_ID && seen.insert(own.id));
        let known: Vec<(&Category, Option<String>)> = own.map(|own| (own, lvis::stored_synset(own))).collect();
        let used = dataset.categories.iter().map(|own| own.id.0).chain(dataset.instances.iter().map(|own| own.category_id.0));
        let mut ids = Ids::new(used, other.categories.iter().map(|category| category.id.0));
        let mut classes = Classes::new();
        for category in &other.categories {
            if category.id.0 == NO_ID || category.name.is_empty() || classes.contains_key(&category.id) {
                self.tally.add(Kind::Unnamed, format_args!("class {}", category.name));
                continue;
            }
            let synset = lvis::stored_synset(category);
            let alike = known.iter().filter(|(own, own_synset)| match (&synset, own_synset) {
                (Some(synset), Some(own_synset)) => synset == own_synset,
                _ => own.name == category.name,
            });
            let mut same = alike.map(|(own, _)| own);
            // Of several with its name the one with its id.
            let own = same.clone().find(|own| own.id == category.id).or_else(|| same.next());
            let id = if let Some(own) = own {
                self.count_lost(own.source.as_ref(), category.source.as_ref(), &HELD_BY_CLASSES, format_args!("class {}", category.name));
                own.id
            } else {
                let id = CategoryId(ids.take(category.id.0));
                let source = with(category.source.as_ref(), new_id(category.id.0, id.0).as_slice());
                self.categories.push(Category { id, source, ..category.clone() });
                id
            };
            classes.insert(category.id, id);
        }
        classes
    }

    /// Adds those that are new where there are `licences`, and leaves them out where there are none.
    fn add_images(
        &mut self,
        dataset: &Dataset,
        other: &Dataset,
        (classes, licences): (&Classes, Option<&Licences>),
        endings: &Endings,
    ) -> Images {
        let names = Names::of(&dataset.images);
        let used = dataset.images.iter().map(|own| own.id.0).chain(dataset.instances.iter().map(|own| own.image_id.0));
        let mut ids = Ids::new(used, other.images.iter().map(|image| image.id.0));
        let mut images = Images::with_capacity(other.images.len());
        for image in &other.images {
            let id = if image.id.0 == NO_ID || image.file_name.is_empty() || images.contains_key(&image.id) {
                self.tally.add(Kind::Unnamed, named(image));
                None
            } else if let Some(own) = names.find(image) {
                self.same_image(own, image, classes)
            } else if let Some(own) = names.find_ending(image, endings) {
                let same = self.same_image(own, image, classes);
                if same.is_some() {
                    self.tally.add(Kind::Ending, format_args!("{} for {}", named(image), own.file_name));
                }
                same
            } else if let Some(licences) = licences {
                let id = ImageId(ids.take(image.id.0));
                self.add_image(id, image, classes, licences);
                Some(id)
            } else {
                self.tally.add(Kind::NoImage, named(image));
                None
            };
            images.entry(image.id).or_insert(id);
        }
        images
    }

    /// The id of `own`, which has the name of `image`; `None`, and counted, where it has another size.
    fn same_image(&mut self, own: &Image, image: &Image, classes: &Classes) -> Option<ImageId> {
        let (here, there) = (own.size, image.size);
        if here != there && here.has_pixels() && there.has_pixels() {
            let sizes = format!("{} x {}, here {} x {}", there.width, there.height, here.width, here.height);
            self.tally.add(Kind::OtherSize, format_args!("{}: {sizes}", named(image)));
            return None;
        }
        let (here, there) = (lvis::marks(own), renamed(&lvis::marks(image), classes));
        let is_missing = |here: &[CategoryId], there: &[CategoryId]| there.iter().any(|class| !here.contains(class));
        if is_missing(&here.absent, &there.absent) || is_missing(&here.not_exhaustive, &there.not_exhaustive) {
            self.tally.add(Kind::Mark, named(image));
        }
        self.count_lost(own.source.as_ref(), image.source.as_ref(), &HELD_BY_IMAGES, named(image));
        Some(own.id)
    }

    /// Counts the members of the record `other` that the record of the same thing here lacks or has otherwise.
    fn count_lost(&mut self, own: Option<&Verbatim>, other: Option<&Verbatim>, held: &[&str], place: impl Display) {
        let lost: BTreeMap<String, usize> = missing_members(own, other, held).into_iter().map(|name| (name, 1)).collect();
        if !lost.is_empty() {
            self.tally.add_named(Kind::OtherMember, place, &lost);
        }
    }

    fn add_image(&mut self, id: ImageId, image: &Image, classes: &Classes, licences: &Licences) {
        let licence = licence_of(image).and_then(|licence| licences.change(&licence));
        if matches!(licence, Some(Change::Remove)) {
            self.tally.add(Kind::Licence, named(image));
        }
        let changes: Vec<_> = new_id(image.id.0, id.0).into_iter().chain(licence.map(|change| ("license", change))).collect();
        let new = Image { id, source: with(image.source.as_ref(), &changes), ..image.clone() };
        let before = lvis::marks(image);
        let after = renamed(&before, classes);
        let count = |marks: &Marks| marks.absent.len() + marks.not_exhaustive.len();
        if count(&after) < count(&before) {
            self.tally.add(Kind::Mark, named(image));
        }
        self.images.push(if after == before { new } else { lvis::with_marks(&new, &after) });
    }

    fn add_instances(
        &mut self,
        dataset: &Dataset,
        other: &Dataset,
        (images, classes): (&Images, &Classes),
        watch: &mut Watch<'_>,
    ) -> Result<(), Stopped> {
        let mut known: HashMap<Place, Vec<&Instance>> = HashMap::new();
        for own in &dataset.instances {
            known.entry(place(own.image_id, own.category_id, own.bbox)).or_default().push(own);
        }
        let fate = |instance: &Instance| {
            let Some(image) = images.get(&instance.image_id).copied() else { return Fate::LeftOut(Kind::Object) };
            let Some(image) = image else { return Fate::LeftOut(Kind::OnLeftOut) };
            let Some(class) = classes.get(&instance.category_id).copied() else { return Fate::LeftOut(Kind::Object) };
            let there = known.get(&place(image, class, instance.bbox)).into_iter().flatten();
            let same = there.filter(|own| is_same_outline(&own.shape, &instance.shape));
            let lost = same.map(|own| lost_members(own, instance)).min_by_key(Vec::len);
            lost.map_or(Fate::New(image, class), Fate::Copy)
        };
        let fates = watch.map("Comparing annotations", &other.instances, fate)?;
        let mut ids = Ids::new(dataset.instances.iter().map(|own| own.id.0), other.instances.iter().map(|instance| instance.id.0));
        let mut news = Vec::new();
        let mut lost: BTreeMap<Vec<String>, (usize, InstanceId)> = BTreeMap::new();
        for (instance, fate) in other.instances.iter().zip(fates) {
            match fate {
                Fate::New(image, class) => news.push((instance, InstanceId(ids.take(instance.id.0)), image, class)),
                Fate::Copy(members) => {
                    self.tally.add(Kind::Copy, format_args!("annotation {}", instance.id));
                    if !members.is_empty() {
                        lost.entry(members).or_insert((0, instance.id)).0 += 1;
                    }
                }
                Fate::LeftOut(kind) => self.tally.add(kind, format_args!("annotation {}", instance.id)),
            }
        }
        for (members, (count, first)) in lost {
            let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
            self.tally.add_many(Kind::CopyMember, count, format_args!("`{}` of annotation {first}{more}", members.join("`, `")));
        }
        self.instances = watch.map("Adding annotations", &news, |(instance, id, image, class)| moved(instance, *id, *image, *class))?;
        Ok(())
    }

    /// Takes off the marks of absent classes that the new objects contradict.
    fn free_marks(&mut self, dataset: &Dataset) {
        let put: HashSet<(ImageId, CategoryId)> = self.instances.iter().map(|new| (new.image_id, new.category_id)).collect();
        let mut seen = HashSet::new();
        for image in dataset.images.iter().filter(|image| seen.insert(image.id)) {
            if image.source.as_ref().is_none_or(|text| !text.text().contains("neg_category_ids")) {
                continue;
            }
            let mut marks = lvis::marks(image);
            let before = marks.absent.len();
            marks.absent.retain(|class| !put.contains(&(image.id, *class)));
            if marks.absent.len() < before {
                self.tally.add(Kind::Mark, named(image));
                self.marked.push(lvis::with_marks(image, &marks));
            }
        }
    }
}

/// What becomes of an object.
enum Fate {
    /// It is added, with the image and class that it has here.
    New(ImageId, CategoryId),
    /// It is there already; these members of its record are not.
    Copy(Vec<String>),
    /// It is left out.
    LeftOut(Kind),
}

/// What is told apart about a licence.
#[derive(Default, Deserialize)]
struct Licence {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    name: Value,
    #[serde(default)]
    url: Value,
}

/// What becomes of the licences that new images name.
#[derive(Default)]
struct Licences {
    /// Whether both lists can be read.
    are_read: bool,
    /// The id here of each licence of the other data set.
    here: HashMap<String, String>,
    /// The ids that have a record here; `None` where that is not known.
    taken: Option<HashSet<String>>,
}

impl Licences {
    /// What changes for an image that names `licence`. One without a record must not come under that of another.
    fn change(&self, licence: &str) -> Option<Change> {
        match self.here.get(licence) {
            Some(id) => (id != licence).then(|| Change::Set(id.clone())),
            None => self.taken.as_ref().is_none_or(|taken| taken.contains(licence)).then_some(Change::Remove),
        }
    }
}

/// The licences with their records; `None` where they cannot be read.
fn licences(dataset: &Dataset) -> Option<Vec<(Licence, &RawValue)>> {
    let Some(text) = member(dataset, LICENCES) else { return Some(Vec::new()) };
    let records: Option<Vec<&RawValue>> = serde_json::from_str(text).ok()?;
    // One that is no record is no reason to lose the others.
    Some(records.unwrap_or_default().into_iter().map(|record| (serde_json::from_str(record.get()).unwrap_or_default(), record)).collect())
}

/// A licence's id as JSON, however a whole number is written; `None` where there is none.
fn key(id: &Value) -> Option<String> {
    let whole = id.as_f64().filter(|number| id.as_i64().is_none() && number.fract() == 0.0 && number.abs() < 1e15);
    if id.is_null() { None } else { Some(whole.map_or_else(|| id.to_string(), |number| format!("{number:.0}"))) }
}

/// The id of the licence that an image's record names.
fn licence_of(image: &Image) -> Option<String> {
    #[derive(Deserialize)]
    struct Record {
        license: Value,
    }
    let text = image.source.as_ref()?.text();
    if text.contains("\"license\"") { key(&serde_json::from_str::<Record>(text).ok()?.license) } else { None }
}

/// A top-level member's text.
fn member<'a>(dataset: &'a Dataset, name: &str) -> Option<&'a str> {
    let (_, text) = dataset.document.iter().find(|(key, _)| key == name)?;
    text.as_ref().map(Verbatim::text)
}

/// The ids that are taken.
struct Ids {
    used: HashSet<i64>,
    last: i64,
}

impl Ids {
    /// Those in `used`; new ones lie above them and above those that are `wanted`.
    fn new(used: impl Iterator<Item = i64>, wanted: impl Iterator<Item = i64>) -> Self {
        let used: HashSet<i64> = used.collect();
        let last = used.iter().copied().chain(wanted).fold(0, i64::max);
        Self { used, last }
    }

    /// `wanted` where it is free, else a new one.
    fn take(&mut self, wanted: i64) -> i64 {
        let mut id = wanted;
        while !self.used.insert(id) {
            self.last = self.last.checked_add(1).unwrap_or(1);
            id = self.last;
        }
        id
    }
}

/// The last parts of the names of several data sets' images. One tells an image only where no data set has two of it, and
/// where the longest name with it ends in all others.
#[derive(Clone, Debug, Default)]
pub struct Endings(HashMap<String, Option<String>>);

impl Endings {
    /// Those of all `datasets` together.
    pub fn of<'a>(datasets: impl IntoIterator<Item = &'a Dataset>) -> Self {
        let mut endings = HashMap::new();
        for dataset in datasets {
            let mut seen = HashSet::new();
            for image in with_name(&dataset.images) {
                let path = path(&image.file_name);
                let is_first = seen.insert(last_part(&path).to_owned());
                let longest: &mut Option<String> = endings.entry(last_part(&path).to_owned()).or_insert_with(|| Some(path.clone()));
                *longest = longest
                    .take()
                    .filter(|_| is_first)
                    .and_then(|known| if ends_with(&known, &path) { Some(known) } else { ends_with(&path, &known).then_some(path) });
            }
        }
        Self(endings)
    }

    /// Whether this last part of a name tells an image.
    fn tells(&self, part: &str) -> bool {
        self.0.get(part).is_some_and(Option::is_some)
    }
}

/// The images of a data set by their names.
struct Names<'a> {
    whole: HashMap<String, Vec<&'a Image>>,
    last: HashMap<String, &'a Image>,
}

impl<'a> Names<'a> {
    fn of(images: &'a [Image]) -> Self {
        let mut names = Self { whole: HashMap::new(), last: HashMap::new() };
        for image in with_name(images) {
            let path = path(&image.file_name);
            names.last.insert(last_part(&path).to_owned(), image);
            names.whole.entry(path).or_default().push(image);
        }
        names
    }

    /// The image with the path of `image`; of several the one with its name as it is written, or with its id.
    fn find(&self, image: &Image) -> Option<&'a Image> {
        let same = self.whole.get(&path(&image.file_name))?;
        same.iter().min_by_key(|own| (own.file_name != image.file_name, own.id != image.id)).copied()
    }

    /// The image whose name ends in that of `image`, or the other way round, where the `endings` tell it.
    fn find_ending(&self, image: &Image, endings: &Endings) -> Option<&'a Image> {
        let name = path(&image.file_name);
        let own = self.last.get(last_part(&name)).copied().filter(|_| endings.tells(last_part(&name)))?;
        let here = path(&own.file_name);
        (ends_with(&here, &name) || ends_with(&name, &here)).then_some(own)
    }
}

/// Those that can be told by their names; of several with one id the first.
fn with_name(images: &[Image]) -> impl Iterator<Item = &Image> {
    let mut seen = HashSet::new();
    images.iter().filter(move |image| image.id.0 != NO_ID && seen.insert(image.id) && !image.file_name.is_empty())
}

/// The path that a file name means, however its folders are written.
pub(crate) fn path(name: &str) -> String {
    let name = name.replace('\\', "/");
    let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    format!("{}{}", if name.starts_with('/') { "/" } else { "" }, parts.join("/"))
}

/// Whether `name` is `end` in some folder.
fn ends_with(name: &str, end: &str) -> bool {
    name.strip_suffix(end).is_some_and(|folder| folder.is_empty() || folder.ends_with('/'))
}

/// The name without its folders.
pub(crate) fn last_part(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn named(image: &Image) -> String {
    if image.id.0 == NO_ID { format!("image {}", image.file_name) } else { format!("image {} ({})", image.id, image.file_name) }
}

/// The marks under the ids here of their classes; those of classes without a record go.
fn renamed(marks: &Marks, classes: &Classes) -> Marks {
    let list = |ids: &[CategoryId]| ids.iter().filter_map(|id| classes.get(id).copied()).collect();
    Marks { absent: list(&marks.absent), not_exhaustive: list(&marks.not_exhaustive) }
}

fn place(image: ImageId, class: CategoryId, bbox: Rect) -> Place {
    (image, class, [bbox.x, bbox.y, bbox.width, bbox.height].map(f64::to_bits))
}

/// Whether two outlines are the same, in whatever form their run lengths are stored.
fn is_same_outline(a: &Shape, b: &Shape) -> bool {
    match (a, b) {
        (Shape::Rle { size, counts, .. }, Shape::Rle { size: other_size, counts: other_counts, .. }) => {
            size == other_size && counts == other_counts
        }
        _ => a == b,
    }
}

fn is_same_json(a: &Verbatim, b: &Verbatim) -> bool {
    let value = |text: &Verbatim| serde_json::from_str::<Value>(text.text()).ok();
    a == b || value(a).is_some_and(|a| value(b) == Some(a))
}

/// The members of the record of `copy` that the one of `own` lacks or has otherwise.
fn lost_members(own: &Instance, copy: &Instance) -> Vec<String> {
    let is_score_lost = copy.score.is_some() && own.score.map(f64::to_bits) != copy.score.map(f64::to_bits);
    let held = [("area", own.area.total_cmp(&copy.area).is_ne()), ("iscrowd", own.crowd != copy.crowd), ("score", is_score_lost)];
    let mut lost: Vec<String> = held.into_iter().filter(|(_, is_lost)| *is_lost).map(|(name, _)| name.to_owned()).collect();
    lost.extend(missing_members(own.source.as_ref(), copy.source.as_ref(), &HELD));
    lost
}

/// The members of the record `other`, but those that are `held`, that the record `own` lacks or has otherwise.
fn missing_members(own: Option<&Verbatim>, other: Option<&Verbatim>, held: &[&str]) -> Vec<String> {
    if own == other {
        return Vec::new();
    }
    let here = members(own);
    let is_here = |name: &str, value: &Value| here.get(name).is_some_and(|own| is_same_value(own, value));
    let others = members(other).into_iter().filter(|(name, value)| !held.contains(&name.as_str()) && !value.is_null());
    others.filter(|(name, value)| !is_here(name, value)).map(|(name, _)| name).collect()
}

fn members(source: Option<&Verbatim>) -> Map<String, Value> {
    let Some(source) = source else { return Map::new() };
    let text = source.text();
    serde_json::from_str(standard(text).as_deref().unwrap_or(text)).unwrap_or_default()
}

/// Whether two values are the same; 1 and 1.0 are.
fn is_same_value(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| a.total_cmp(&b).is_eq()),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same_value(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| is_same_value(a, b)))
        }
        _ => a == b,
    }
}

/// The change of a record's id, where there is one.
fn new_id(id: i64, new: i64) -> Option<(&'static str, Change)> {
    (id != new).then(|| ("id", Change::Set(new.to_string())))
}

/// A record with `changes` made to it.
fn with(source: Option<&Verbatim>, changes: &[(&str, Change)]) -> Option<Verbatim> {
    let source = source?;
    if changes.is_empty() { Some(source.clone()) } else { patched(source.text(), changes).map(Verbatim::whole) }
}

/// The object under other ids, in its record too.
pub(crate) fn moved(instance: &Instance, id: InstanceId, image_id: ImageId, category_id: CategoryId) -> Instance {
    #[derive(Deserialize)]
    struct Record {
        id: Option<i64>,
    }
    let source = instance.source.as_ref().and_then(|source| {
        let text = source.text();
        // A record whose id is missing or taken in its own file was read under another one.
        let stored = serde_json::from_str::<Record>(text).ok().and_then(|record| record.id);
        let mut changes = Vec::new();
        if stored != Some(id.0) {
            changes.push(("id", Change::Set(id.to_string())));
        }
        if instance.image_id != image_id {
            changes.push(("image_id", Change::Set(image_id.to_string())));
        }
        if instance.category_id != category_id {
            changes.push(("category_id", Change::Set(category_id.to_string())));
        }
        if changes.is_empty() { Some(source.clone()) } else { patched(text, &changes).map(Verbatim::whole) }
    });
    Instance { id, image_id, category_id, source, ..instance.clone() }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::formats::coco;
    use crate::geometry::Size;
    use crate::job::Cancel;

    fn parsed(text: &str) -> Dataset {
        coco::parse(&Arc::from(text), Path::new("x.json")).unwrap().0
    }

    fn written(dataset: &Dataset) -> String {
        let mut text = Vec::new();
        coco::write(dataset, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    fn added(dataset: &Dataset, other: &Dataset, adds_images: bool) -> Additions {
        Additions::of(dataset, other, adds_images, &mut Watch { cancel: &Cancel::new(), progress: &mut |_| () }).unwrap()
    }

    fn texts<'a>(sources: impl Iterator<Item = &'a Option<Verbatim>>) -> Vec<&'a str> {
        sources.map(|source| source.as_ref().unwrap().text()).collect()
    }

    const FIRST: &str = r#"{"info":{"year":2020},"images":[{"id":1,"file_name":"s/a.png","width":40,"height":30}],
        "annotations":[{"id":5,"image_id":1,"category_id":1,"bbox":[1,1,8,8],"area":64,"iscrowd":0},
        {"id":6,"image_id":1,"category_id":1,"bbox":[20,20,5,5],"area":25,"iscrowd":0}],
        "categories":[{"id":1,"name":"cat"}]}"#;

    const SECOND: &str = r#"{"info":{ "year": 2020 },"videos":[],
        "images":[{"id":9,"file_name":"a.png","width":40,"height":30},{"id":1,"file_name":"b.png","width":20,"height":20,"camera":"old"}],
        "annotations":[{"id":5,"image_id":9,"category_id":2,"bbox":[1,1,8,8],"area":64.00,"iscrowd":0,"note":"n"},
        {"id":6,"image_id":9,"category_id":1,"bbox":[1,1,8,8],"area":64.00,"iscrowd":0,"note":"n"},
        {"id":7,"image_id":1,"category_id":2,"bbox":[1,1,8,8],"area":64.00,"iscrowd":0,"note":"n"}],
        "categories":[{"id":1,"name":"dog","hue":3},{"id":2,"name":"cat"}]}"#;

    #[test]
    fn taken_ids_become_new_ones_and_unknown_members_stay() {
        let (mut first, second) = (parsed(FIRST), parsed(SECOND));
        let added_images = added(&first, &second, true);
        assert_eq!(
            texts(added_images.images.iter().map(|image| &image.source)),
            [r#"{"id":10,"file_name":"b.png","width":20,"height":20,"camera":"old"}"#]
        );
        assert_eq!(texts(added_images.categories.iter().map(|class| &class.source)), [r#"{"id":3,"name":"dog","hue":3}"#]);
        assert_eq!(
            texts(added_images.instances.iter().map(|object| &object.source)),
            [
                r#"{"id":8,"image_id":1,"category_id":3,"bbox":[1,1,8,8],"area":64.00,"iscrowd":0,"note":"n"}"#,
                r#"{"id":7,"image_id":10,"category_id":1,"bbox":[1,1,8,8],"area":64.00,"iscrowd":0,"note":"n"}"#
            ]
        );
        let sentences: Vec<String> = added_images.tally.sentences().collect();
        assert_eq!(
            sentences,
            [
                "1 objects are there already and were left out: annotation 5",
                "1 of them have members that the objects here lack or have otherwise, and these are lost: `note` of annotation 5",
                "1 images were taken for those here by the ends of their names alone: image 9 (a.png) for s/a.png",
                "1 top-level members of the other file differ and were left out: `videos`"
            ]
        );
        added_images.add_to(&mut first);
        let (again, report) = coco::parse(&Arc::from(written(&first)), Path::new("x.json")).unwrap();
        assert!(report.is_empty(), "{report:?}");
        assert_eq!((again.images.len(), again.categories.len(), again.instances.len()), (2, 2, 4));
        let twice = added(&again, &second, true);
        assert!(twice.is_empty() && twice.tally.count(Kind::Copy) == 3, "{twice:?}");
    }

    #[test]
    fn an_edit_adds_all_but_images() {
        let (mut first, second) = (parsed(FIRST), parsed(SECOND));
        let before = first.clone();
        let additions = added(&first, &second, false);
        let counts = [Kind::NoImage, Kind::OnLeftOut, Kind::Copy].map(|kind| additions.tally.count(kind));
        assert_eq!((additions.images.len(), counts), (0, [1, 1, 1]));
        let edit = additions.into_edit(&first);
        let inverse = first.apply(&edit).unwrap();
        assert_eq!((first.images.len(), first.categories.len(), first.instances.len()), (1, 2, 3));
        first.apply(&inverse).unwrap();
        assert_eq!(first, before);
    }

    #[test]
    fn an_image_of_another_size_is_left_out_with_its_objects() {
        let first = parsed(FIRST);
        let turned = parsed(&SECOND.replace(r#""width":40,"height":30"#, r#""width":30,"height":40"#));
        let additions = added(&first, &turned, false);
        assert!(additions.instances.is_empty());
        assert_eq!((additions.tally.count(Kind::OtherSize), additions.tally.count(Kind::OnLeftOut)), (1, 3));
        assert!(additions.tally.to_string().contains("image 9 (a.png): 30 x 40, here 40 x 30"), "{}", additions.tally);
        let unknown = parsed(&SECOND.replace(r#""width":40,"height":30"#, r#""width":0,"height":0"#));
        assert_eq!(added(&first, &unknown, false).instances.len(), 1, "a size that is not known contradicts none");
    }

    #[test]
    fn the_end_of_a_name_counts_only_where_it_is_the_only_one() {
        let images = |names: &[&str]| {
            let image = |(place, name): (usize, &&str)| Image {
                id: ImageId(place as i64),
                file_name: (*name).to_owned(),
                size: Size::default(),
                source: None,
            };
            Dataset { images: names.iter().enumerate().map(image).collect(), ..Dataset::default() }
        };
        let new = |own: &[&str], other: &[&str]| added(&images(own), &images(other), true).images.len();
        assert_eq!(new(&["a.png"], &["y/a.png"]), 0);
        assert_eq!(new(&["x/y/a.png"], &["y/a.png"]), 0);
        assert_eq!(new(&["x/a.png"], &["y/a.png"]), 1, "two cameras");
        assert_eq!(new(&["x/a.png", "z/a.png"], &["a.png"]), 1);
        assert_eq!(new(&["a.png"], &["y/a.png", "z/a.png"]), 2);
        assert_eq!(new(&["x/a.png", "y/a.png"], &["y/a.png"]), 0);
    }

    #[test]
    fn a_path_is_the_same_however_it_is_written() {
        assert_eq!(["./a.jpg", "s\\.//a.jpg", "/s/./a.jpg"].map(path), ["a.jpg", "s/a.jpg", "/s/a.jpg"]);
        let file = |name: &str| parsed(&FIRST.replace("s/a.png", name));
        let additions = added(&file("s/a.png"), &file("./s/a.png"), true);
        assert!(additions.is_empty() && additions.tally.count(Kind::Ending) == 0, "{additions:?}");
    }

    #[test]
    fn the_end_of_a_name_tells_no_image_that_two_files_can_mean() {
        let file = |name: &str| parsed(&FIRST.replace("s/a.png", name));
        let merged = |names: &[&str]| {
            let files: Vec<Dataset> = names.iter().map(|name| file(name)).collect();
            let endings = Endings::of(&files);
            let mut watch = Watch { cancel: &Cancel::new(), progress: &mut |_| () };
            let mut merged = files[0].clone();
            for other in &files[1..] {
                Additions::among(&merged, other, &endings, true, &mut watch).unwrap().add_to(&mut merged);
            }
            merged.images.len()
        };
        assert_eq!(merged(&["a.png", "train/a.png", "val/a.png"]), 3);
        assert_eq!(merged(&["a.png", "train/a.png", "train/a.png"]), 1);
        assert_eq!(merged(&["train/a.png", "a.png", "x/train/a.png"]), 1);
        assert_eq!(merged(&["train/a.png", "a.png", "x/a.png"]), 3);
    }

    #[test]
    fn licences_come_with_their_images() {
        let file = |name: &str, licences: &str, id: i64| {
            let image = format!(r#"{{"id":1,"file_name":"{name}","width":4,"height":4,"license":{id}}}"#);
            parsed(&format!(r#"{{{licences}"images":[{image}],"annotations":[],"categories":[]}}"#))
        };
        let licence = |id: i64, name: &str| format!(r#"{{"id":{id},"name":"{name}","url":"u"}}"#);
        let list = |records: &[String]| format!(r#""licenses":[ {} ],"#, records.join(","));
        let free = list(&[licence(1, "free")]);
        let merged = |first: &Dataset, other: &Dataset| {
            let (mut merged, additions) = (first.clone(), added(first, other, true));
            let lost = [Kind::Licence, Kind::TopLevel].map(|kind| additions.tally.count(kind));
            additions.add_to(&mut merged);
            let licences = member(&merged, LICENCES).unwrap_or_default().to_owned();
            (licence_of(&merged.images[1]).and_then(|id| id.parse::<i64>().ok()), licences, lost)
        };
        let first = file("a.png", &free, 1);
        let both = format!("[ {}, {}]", licence(1, "free"), licence(4, "own"));
        let other = file("b.png", &list(&[licence(1, "own"), licence(3, "free")]), 1);
        assert_eq!(merged(&first, &other), (Some(4), both, [0, 0]), "another one under a taken id");
        let other = file("b.png", &list(&[licence(2, "own"), licence(3, "free")]), 3);
        let both = format!("[ {}, {}]", licence(1, "free"), licence(2, "own"));
        assert_eq!(merged(&first, &other), (Some(1), both, [0, 0]), "the same one under another id");
        let kept = format!("[ {} ]", licence(1, "free"));
        assert_eq!(merged(&first, &file("b.png", "", 1)), (None, kept.clone(), [1, 0]), "it would come under the one here");
        assert_eq!(merged(&first, &file("b.png", "", 7)), (Some(7), kept.clone(), [0, 0]), "none here has its id");
        assert_eq!(merged(&first, &file("b.png", r#""licenses":{},"#, 1)), (None, kept, [1, 1]));
        let nowhere = file("a.png", "", 1);
        let both = format!("[{}]", licence(2, "free"));
        assert_eq!(merged(&nowhere, &file("b.png", &free, 1)), (Some(2), both, [0, 0]), "the image here must not get one");
        assert!(added(&first, &first, true).is_empty());
        assert!(added(&first, &file("b.png", &list(&[licence(1, "own")]), 1), false).licences.is_none());
    }

    #[test]
    fn a_licence_with_an_odd_id_costs_no_other_its_images() {
        let file = |licences: &str, images: &[(&str, &str)]| {
            let image = |(place, (name, licence)): (usize, &(&str, &str))| {
                format!(r#"{{"id":{place},"file_name":"{name}","width":4,"height":4,"license":{licence}}}"#)
            };
            let images: Vec<String> = images.iter().enumerate().map(image).collect();
            parsed(&format!(r#"{{"licenses":[{licences}],"images":[{}],"annotations":[],"categories":[]}}"#, images.join(",")))
        };
        let names = |dataset: &Dataset| -> Vec<Option<Value>> {
            let licences = licences(dataset).unwrap();
            let name = |id: &String| {
                licences.iter().find(|(licence, _)| key(&licence.id).as_ref() == Some(id)).map(|(licence, _)| licence.name.clone())
            };
            // Null for an id that has no record.
            dataset.images.iter().map(|image| licence_of(image).map(|id| name(&id).unwrap_or_default())).collect()
        };
        let named = |names: &[&str]| names.iter().map(|name| Some(Value::from(*name))).collect::<Vec<_>>();
        let first = file(r#"{"id":1,"name":"cc"},{"id":3,"name":"pd"}"#, &[("a.png", "1")]);
        let odd = file(
            r#"{"id":1,"name":"pd"},{"id":"q","name":"odd"},{"id":3.0,"name":"own"},{"name":"none"},5"#,
            &[("b.png", "1"), ("c.png", r#""q""#), ("d.png", "3"), ("e.png", "77")],
        );
        let merged = |first: &Dataset, other: &Dataset| {
            let (mut merged, additions) = (first.clone(), added(first, other, true));
            let lost = additions.tally.count(Kind::Licence);
            additions.add_to(&mut merged);
            (names(&merged), lost)
        };
        let mut expected = named(&["cc", "pd", "odd", "own"]);
        expected.push(Some(Value::Null));
        assert_eq!(merged(&first, &odd), (expected, 0));
        let (found, lost) = merged(&odd, &first);
        assert_eq!((&found[4], lost), (&Some(Value::from("cc")), 0));
        let other = file(r#"{"id":"q","name":"other"}"#, &[("f.png", r#""q""#)]);
        assert_eq!(merged(&odd, &other).0[4], Some(Value::from("other")), "the id is taken");
        let lost = file("", &[("f.png", r#""q""#)]);
        assert_eq!((merged(&odd, &lost).0.pop(), merged(&odd, &lost).1), (Some(None), 1), "it would come under the one here");
        assert!(added(&odd, &odd, true).is_empty());
    }

    #[test]
    fn members_that_a_copy_loses_are_named() {
        let file = |members: &str| parsed(&FIRST.replace(r#""iscrowd":0"#, members));
        let first = file(r#""iscrowd":0,"attributes":{"t":1},"keypoints":null"#);
        let lost = |members: &str| {
            let tally = added(&first, &file(members), false).tally;
            assert_eq!(tally.count(Kind::Copy), 2);
            tally.kinds.get(&Kind::CopyMember).map(|lost| (lost.count, lost.examples.join("; "))).unwrap_or_default()
        };
        assert_eq!(lost(r#""iscrowd":0,"attributes":{"t":1.0},"more":null"#), (0, String::new()));
        assert_eq!(lost(r#""iscrowd":0"#), (0, String::new()), "nothing is lost that the copy does not have");
        let told = "`score`, `attributes`, `keypoints` of annotation 5 and 1 more".to_owned();
        assert_eq!(lost(r#""iscrowd":0,"score":0.5,"attributes":{"t":2},"keypoints":[1,2,2]"#), (2, told));
    }

    #[test]
    fn members_that_images_and_classes_lose_are_named() {
        let first = parsed(&SECOND.replace(r#""hue":3"#, r#""hue":3,"supercategory":"pet""#));
        let lost = |other: &str| {
            let tally = added(&first, &parsed(other), true).tally;
            tally.kinds.get(&Kind::OtherMember).map(|lost| (lost.count, lost.examples.join("; "))).unwrap_or_default()
        };
        assert_eq!(lost(SECOND), (0, String::new()), "nothing is lost that is here");
        let other = SECOND.replace(r#""hue":3"#, r#""hue":4,"keypoints":["nose"]"#).replace(r#""camera":"old""#, r#""camera":"new""#);
        assert_eq!(lost(&other), (3, "class dog: hue (1), keypoints (1); image 1 (b.png): camera (1)".to_owned()));
    }
}
