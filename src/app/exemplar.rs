//! Exemplars: the objects that condition the proposals of their class. The project knows which they are; their crops are
//! made again, on a thread, when it is opened.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::App;
use super::document::Document;
use super::state::Tone;
use crate::annotation::{CategoryId, Instance, InstanceId, Shape};
use crate::assist::ExemplarCrop;
use crate::formats::picture;
use crate::geometry::Size;
use crate::job::{self, Latest};
use crate::model::segmenter::MOST_EXEMPLARS;

/// The exemplars of all classes, the oldest first.
#[derive(Debug, Default)]
pub struct Exemplars {
    all: Vec<Exemplar>,
    /// Those of classes that went, by the version of the step that they went with.
    away: BTreeMap<(CategoryId, u64), Vec<Exemplar>>,
    /// Whether some came back without their crops.
    is_lacking: bool,
    /// The crops that a thread has made.
    made: Latest<Vec<(InstanceId, Arc<ExemplarCrop>)>>,
}

#[derive(Debug)]
struct Exemplar {
    class: CategoryId,
    /// The object; `None` once that is gone, though the crop still serves.
    object: Option<InstanceId>,
    /// What the models look at; `None` until it is made again.
    crop: Option<Arc<ExemplarCrop>>,
}

impl Exemplars {
    /// Those that a project knows, without crops: of its classes, and of classes that went.
    pub(super) fn known(objects: &[(CategoryId, InstanceId)], gone: &[(CategoryId, u64, InstanceId)]) -> Self {
        let exemplar = |class, object| Exemplar { class, object: Some(object), crop: None };
        let mut away: BTreeMap<_, Vec<Exemplar>> = BTreeMap::new();
        for &(class, version, object) in gone {
            away.entry((class, version)).or_default().push(exemplar(class, object));
        }
        Self { all: objects.iter().map(|&(class, object)| exemplar(class, object)).collect(), away, ..Self::default() }
    }

    /// Whether no class has one.
    pub const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The crops of a class.
    pub fn of(&self, class: CategoryId) -> Vec<Arc<ExemplarCrop>> {
        self.all.iter().filter(|exemplar| exemplar.class == class).filter_map(|exemplar| exemplar.crop.clone()).collect()
    }

    fn count(&self, class: CategoryId) -> usize {
        self.all.iter().filter(|exemplar| exemplar.class == class).count()
    }

    /// Adds an object, as it looks now; where its class has too many, the oldest one goes.
    fn add(&mut self, class: CategoryId, object: InstanceId, crop: ExemplarCrop) {
        let is_same = |other: &Exemplar| {
            other.object == Some(object) || (other.class == class && other.crop.as_deref().is_some_and(|other| *other == crop))
        };
        self.all.retain(|other| !is_same(other));
        if self.count(class) >= MOST_EXEMPLARS
            && let Some(oldest) = self.all.iter().position(|other| other.class == class)
        {
            self.all.remove(oldest);
        }
        self.all.push(Exemplar { class, object: Some(object), crop: Some(Arc::new(crop)) });
    }

    /// Forgets the object with an id, which may come to another one; its crop still serves.
    pub(super) fn forget_object(&mut self, id: InstanceId) {
        for exemplar in &mut self.all {
            exemplar.object = exemplar.object.filter(|&object| object != id);
        }
        self.all.retain(|exemplar| exemplar.object.is_some() || exemplar.crop.is_some());
    }

    /// Takes away the exemplars of a class that went with the step of this version.
    pub(super) fn put_away(&mut self, class: CategoryId, version: u64) {
        let gone: Vec<Exemplar> = self.all.extract_if(.., |exemplar| exemplar.class == class).collect();
        self.away.insert((class, version), gone);
    }

    /// Gives a class the exemplars again that it had when it went with the step of this version, and none else.
    pub(super) fn bring_back(&mut self, class: CategoryId, version: u64) {
        let back = self.away.remove(&(class, version)).unwrap_or_default();
        let is_back = |object| back.iter().any(|exemplar| exemplar.object == Some(object));
        self.all.retain(|exemplar| exemplar.class != class && !exemplar.object.is_some_and(is_back));
        self.is_lacking |= back.iter().any(|exemplar| exemplar.crop.is_none());
        self.all.extend(back);
    }

    /// The objects that the project is to know.
    fn objects(&self) -> Vec<(CategoryId, InstanceId)> {
        self.all.iter().filter_map(|exemplar| Some((exemplar.class, exemplar.object?))).collect()
    }

    /// The objects of classes that went that the project is to know.
    fn objects_away(&self) -> Vec<(CategoryId, u64, InstanceId)> {
        let away = self.away.iter().flat_map(|(&(class, version), gone)| gone.iter().map(move |exemplar| (class, version, exemplar)));
        away.filter_map(|(class, version, exemplar)| Some((class, version, exemplar.object?))).collect()
    }

    /// Has each serve the class that its object has by now.
    fn follow(&mut self, document: &Document) {
        for exemplar in &mut self.all {
            if let Some(object) = exemplar.object.and_then(|id| document.instance(id)) {
                exemplar.class = object.category_id;
            }
        }
    }

    /// Takes the crops that were made.
    fn take_crops(&mut self) {
        for (id, crop) in self.made.take().into_iter().flatten() {
            if let Some(exemplar) = self.all.iter_mut().find(|exemplar| exemplar.object == Some(id) && exemplar.crop.is_none()) {
                exemplar.crop = Some(crop);
            }
        }
    }
}

impl App {
    /// Makes the selected objects exemplars of their classes.
    pub(super) fn use_as_exemplar(&mut self) {
        let Some(size) = self.state.shown().map(|image| image.size) else { return };
        let chosen: Vec<Instance> = self.state.selected().filter(|instance| instance.shape != Shape::Box).cloned().collect();
        let Some(category) = chosen.first().map(|instance| instance.category_id) else {
            return self.state.say(Tone::Plain, "Select an object with a mask first");
        };
        let Some(pixels) = self.pixels() else { return };
        for instance in &chosen {
            if let Some(crop) = instance.mask(size).ok().and_then(|mask| ExemplarCrop::new(&pixels, &mask)) {
                self.state.exemplars.add(instance.category_id, instance.id, crop);
            }
        }
        let count = self.state.exemplars.count(category);
        let name = self.state.class_name(category).to_owned();
        if self.assistant.takes_exemplars() {
            self.state.say(Tone::Plain, format!("{count} of {MOST_EXEMPLARS} exemplars of “{name}”: the next proposals follow them"));
        } else {
            self.state.say(Tone::Warning, format!("Kept as exemplar {count} of “{name}”, but these weights do not look at exemplars"));
        }
    }

    pub(super) fn forget_exemplars(&mut self) {
        self.state.exemplars = Exemplars::default();
        self.state.say(Tone::Plain, "There are no exemplars any more");
    }

    /// Has the crops made of the exemplars that the project knows. Objects that are gone, of another class by now or without
    /// a mask are exemplars no more.
    pub(super) fn crop_exemplars(&mut self, ctx: &egui::Context) {
        let document = &self.state.document;
        let exemplars = &mut self.state.exemplars;
        let fits = |exemplar: &Exemplar, object: &Instance| object.category_id == exemplar.class && object.shape != Shape::Box;
        exemplars.all.retain(|exemplar| {
            let object = exemplar.object.and_then(|id| document.instance(id));
            exemplar.crop.is_some() || object.is_some_and(|object| fits(exemplar, object))
        });
        let lacking = exemplars.all.iter().filter(|exemplar| exemplar.crop.is_none()).filter_map(|exemplar| {
            let object = document.instance(exemplar.object?)?;
            let image = document.image_of(object.image_id)?;
            Some((object.clone(), image.size, document.image_path(image)))
        });
        let lacking: Vec<(Instance, Size, PathBuf)> = lacking.collect();
        if lacking.is_empty() {
            return;
        }
        let (made, ctx) = (exemplars.made.clone(), ctx.clone());
        let work = move || {
            made.publish(lacking.iter().filter_map(|(object, size, path)| Some((object.id, cropped(object, *size, path)?))).collect());
            ctx.request_repaint();
        };
        if let Err(error) = job::spawn("exemplars", work) {
            tracing::warn!(%error, "no thread for exemplars");
        }
    }

    /// Takes the crops that were made, has those made that came back without, and lets the project know which objects are
    /// exemplars.
    pub(super) fn keep_exemplars(&mut self, ctx: &egui::Context) {
        self.state.exemplars.take_crops();
        self.state.exemplars.follow(&self.state.document);
        if std::mem::take(&mut self.state.exemplars.is_lacking) {
            self.crop_exemplars(ctx);
        }
        self.state.document.set_exemplars(self.state.exemplars.objects());
        self.state.document.set_exemplars_away(self.state.exemplars.objects_away());
    }
}

/// An object of the image of `size` at `path` as the models look at it; `None` where the picture cannot be read or is of
/// another size.
fn cropped(object: &Instance, size: Size, path: &Path) -> Option<Arc<ExemplarCrop>> {
    let pixels = picture::load_for(path, size).inspect_err(|error| tracing::warn!(%error, "the picture of an exemplar")).ok()?;
    ExemplarCrop::new(&pixels, &object.mask(size).ok()?).map(Arc::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::Mask;

    const CAT: CategoryId = CategoryId(1);
    const DOG: CategoryId = CategoryId(2);

    /// The crop of an object that is so many pixels wide.
    fn crop(width: u32) -> ExemplarCrop {
        let mask = Mask::from_fn(Size::new(20, 16), |x, y| x < width && y < 8);
        ExemplarCrop::new(&image::RgbImage::new(20, 16), &mask).unwrap()
    }

    #[test]
    fn a_class_keeps_the_newest_and_an_object_is_one() {
        let mut exemplars = Exemplars::default();
        exemplars.add(DOG, InstanceId(99), crop(4));
        for width in 1..=MOST_EXEMPLARS as u32 + 1 {
            exemplars.add(CAT, InstanceId(i64::from(width)), crop(width));
        }
        exemplars.add(CAT, InstanceId(3), crop(15));
        assert_eq!((exemplars.of(CAT).len(), exemplars.of(DOG).len()), (MOST_EXEMPLARS, 1));
        let objects = |exemplars: &Exemplars| exemplars.objects().iter().map(|(_, object)| object.0).collect::<Vec<_>>();
        assert_eq!(objects(&exemplars), [99, 2, 4, 5, 6, 7, 8, 9, 3]);
        exemplars.forget_object(InstanceId(2));
        assert_eq!(objects(&exemplars), [99, 4, 5, 6, 7, 8, 9, 3]);
        assert_eq!(exemplars.of(CAT).len(), MOST_EXEMPLARS, "its crop still serves");
        exemplars.put_away(CAT, 7);
        assert_eq!((objects(&exemplars), exemplars.of(CAT).len()), (vec![99], 0));
        exemplars.bring_back(CAT, 8);
        assert_eq!(exemplars.of(CAT).len(), 0, "another class has its id");
        exemplars.bring_back(CAT, 7);
        assert_eq!((objects(&exemplars), exemplars.of(CAT).len()), (vec![99, 4, 5, 6, 7, 8, 9, 3], MOST_EXEMPLARS));
    }

    #[test]
    fn crops_come_to_the_objects_that_are_still_exemplars() {
        let mut exemplars = Exemplars::known(&[(CAT, InstanceId(1)), (CAT, InstanceId(2)), (DOG, InstanceId(3))], &[]);
        assert!(!exemplars.is_empty() && exemplars.of(CAT).is_empty());
        exemplars.forget_object(InstanceId(1));
        exemplars.add(DOG, InstanceId(3), crop(3));
        exemplars.made.publish((1..=3).map(|id| (InstanceId(id), Arc::new(crop(5)))).collect());
        exemplars.take_crops();
        assert_eq!(exemplars.objects(), [(CAT, InstanceId(2)), (DOG, InstanceId(3))]);
        assert_eq!(exemplars.of(CAT).len(), 1);
        assert!(*exemplars.of(DOG)[0] == crop(3), "what was made anew meanwhile stays");
    }

    #[test]
    fn those_of_classes_that_went_are_known_and_need_crops_when_they_come_back() {
        let gone = [(CAT, 7, InstanceId(1)), (CAT, 7, InstanceId(2)), (DOG, 3, InstanceId(4))];
        let mut exemplars = Exemplars::known(&[(DOG, InstanceId(3))], &gone);
        exemplars.add(CAT, InstanceId(9), crop(3));
        exemplars.put_away(CAT, 5);
        let with = [(CAT, 5, InstanceId(9)), gone[0], gone[1], gone[2]];
        assert_eq!((exemplars.objects(), exemplars.objects_away()), (vec![(DOG, InstanceId(3))], with.to_vec()));
        exemplars.bring_back(CAT, 5);
        assert!(!exemplars.is_lacking);
        exemplars.bring_back(CAT, 7);
        assert_eq!(exemplars.objects(), [(DOG, InstanceId(3)), (CAT, InstanceId(1)), (CAT, InstanceId(2))]);
        assert_eq!(exemplars.objects_away(), [gone[2]]);
        assert!(exemplars.is_lacking);
    }
}
