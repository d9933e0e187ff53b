//! Adds the records of one data set to another, as where two people labelled the same images.
//!
//! Images are the same where their names are, classes where their synsets or names are. Nobody is asked who is right:
//! objects of an image that was labelled differently stay side by side. What is left out is counted.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde_json::Value;

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
        let mut added = Self::default();
        added.count_members(dataset, other);
        let classes = added.add_classes(dataset, other);
        let images = added.add_images(dataset, other, &classes, adds_images);
        added.add_instances(dataset, other, (&images, &classes), watch)?;
        added.free_marks(dataset);
        Ok(added)
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty() && self.categories.is_empty() && self.instances.is_empty() && self.marked.is_empty()
    }

    /// Puts everything into the data set that it was made for.
    pub fn add_to(self, dataset: &mut Dataset) {
        let mut marked: HashMap<ImageId, Image> = self.marked.into_iter().map(|image| (image.id, image)).collect();
        for image in &mut dataset.images {
            if let Some(new) = marked.remove(&image.id) {
                *image = new;
            }
        }
        dataset.images.extend(self.images);
        dataset.categories.extend(self.categories);
        dataset.instances.extend(self.instances);
    }

    /// The edit that puts everything but images into `dataset`, which it was made for.
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

    /// Counts the top-level members that are not as here.
    fn count_members(&mut self, dataset: &Dataset, other: &Dataset) {
        for (key, value) in &other.document {
            let own = dataset.document.iter().find(|(name, _)| name == key).and_then(|(_, own)| own.as_ref());
            if value.as_ref().is_some_and(|value| own.is_none_or(|own| !is_same_json(own, value))) {
                self.tally.add(Kind::TopLevel, format_args!("`{key}`"));
            }
        }
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
            let mut same = alike.map(|(own, _)| own.id);
            // Of several with its name the one with its id.
            let id = same.clone().find(|id| *id == category.id).or_else(|| same.next());
            let id = id.unwrap_or_else(|| {
                let id = CategoryId(ids.take(category.id.0));
                let source = with_id(category.source.as_ref(), category.id.0, id.0);
                self.categories.push(Category { id, source, ..category.clone() });
                id
            });
            classes.insert(category.id, id);
        }
        classes
    }

    fn add_images(&mut self, dataset: &Dataset, other: &Dataset, classes: &Classes, adds: bool) -> Images {
        let (names, others) = (Names::of(&dataset.images), Names::of(&other.images));
        let used = dataset.images.iter().map(|own| own.id.0).chain(dataset.instances.iter().map(|own| own.image_id.0));
        let mut ids = Ids::new(used, other.images.iter().map(|image| image.id.0));
        let mut images = Images::with_capacity(other.images.len());
        for image in &other.images {
            let id = if image.id.0 == NO_ID || image.file_name.is_empty() || images.contains_key(&image.id) {
                self.tally.add(Kind::Unnamed, named(image));
                None
            } else if let Some(own) = names.find(image, &others) {
                self.same_image(own, image, classes)
            } else if adds {
                let id = ImageId(ids.take(image.id.0));
                self.add_image(id, image, classes);
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
        Some(own.id)
    }

    fn add_image(&mut self, id: ImageId, image: &Image, classes: &Classes) {
        let new = Image { id, source: with_id(image.source.as_ref(), image.id.0, id.0), ..image.clone() };
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
        let mut known: HashMap<Place, Vec<&Shape>> = HashMap::new();
        for own in &dataset.instances {
            known.entry(place(own.image_id, own.category_id, own.bbox)).or_default().push(&own.shape);
        }
        // The image and class here, or why it is left out.
        let fate = |instance: &Instance| -> Result<(ImageId, CategoryId), Kind> {
            let image = images.get(&instance.image_id).copied().ok_or(Kind::Object)?.ok_or(Kind::OnLeftOut)?;
            let class = classes.get(&instance.category_id).copied().ok_or(Kind::Object)?;
            let there = known.get(&place(image, class, instance.bbox));
            let is_copy = there.is_some_and(|shapes| shapes.iter().any(|shape| is_same_outline(shape, &instance.shape)));
            if is_copy { Err(Kind::Copy) } else { Ok((image, class)) }
        };
        let fates = watch.map("Comparing annotations", &other.instances, fate)?;
        let mut ids = Ids::new(dataset.instances.iter().map(|own| own.id.0), other.instances.iter().map(|instance| instance.id.0));
        let mut news = Vec::new();
        for (instance, fate) in other.instances.iter().zip(fates) {
            match fate {
                Ok((image, class)) => news.push((instance, InstanceId(ids.take(instance.id.0)), image, class)),
                Err(kind) => self.tally.add(kind, format_args!("annotation {}", instance.id)),
            }
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

/// The images of a data set by their names.
struct Names<'a> {
    whole: HashMap<&'a str, Vec<&'a Image>>,
    /// By the last part of the name, with `None` where several have it.
    last: HashMap<&'a str, Option<&'a Image>>,
}

impl<'a> Names<'a> {
    fn of(images: &'a [Image]) -> Self {
        let mut names = Self { whole: HashMap::new(), last: HashMap::new() };
        // Of several images with one id the first counts.
        let mut seen = HashSet::new();
        for image in images.iter().filter(|image| image.id.0 != NO_ID && seen.insert(image.id) && !image.file_name.is_empty()) {
            names.whole.entry(&image.file_name).or_default().push(image);
            names.last.entry(last_part(&image.file_name)).and_modify(|known| *known = None).or_insert(Some(image));
        }
        names
    }

    /// The image that is `image` of the data set with the names `others`; of several with its name the one with its id.
    fn find(&self, image: &Image, others: &Self) -> Option<&'a Image> {
        if let Some(same) = self.whole.get(image.file_name.as_str()) {
            return same.iter().find(|own| own.id == image.id).or_else(|| same.first()).copied();
        }
        let part = last_part(&image.file_name);
        let is_only = others.last.get(part).is_some_and(Option::is_some);
        let is_within = |own: &&Image| ends_with(&own.file_name, &image.file_name) || ends_with(&image.file_name, &own.file_name);
        self.last.get(part).copied().flatten().filter(|_| is_only).filter(is_within)
    }
}

/// Whether `name` is `end` in some folder.
fn ends_with(name: &str, end: &str) -> bool {
    name.strip_suffix(end).is_some_and(|folder| folder.is_empty() || folder.ends_with('/'))
}

fn last_part(name: &str) -> &str {
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

/// The record of an image or class under a new id.
fn with_id(source: Option<&Verbatim>, id: i64, new: i64) -> Option<Verbatim> {
    let source = source?;
    if id == new {
        return Some(source.clone());
    }
    patched(source.text(), &[("id", Change::Set(new.to_string()))]).map(Verbatim::whole)
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

    const SECOND: &str = r#"{"info":{ "year": 2020 },"licenses":[],
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
                "1 top-level members of the other file differ and were left out: `licenses`"
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
}
