//! More objects of an image, like those of a class that have a mask there: `propose --others`.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use super::pictures::{ALL, each_readable, tasks};
use super::terminal::Terminal;
use super::{Outcome, unless_cancelled};
use crate::annotation::{CategoryId, Dataset, ImageId, Instance, InstanceId, Shape};
use crate::assist::{Assistant, Engine as _, ExemplarCrop, Found};
use crate::geometry::Rect;
use crate::job::Cancel;
use crate::model::segmenter::MOST_EXEMPLARS;

/// Adds boxes of objects like those that have a mask, class by class and image by image; gives back how many, or `None`
/// where the person asked to stop.
pub(super) fn add(
    data: &mut Dataset,
    folder: &Path,
    assistant: &Assistant,
    terminal: &mut Terminal,
    cancel: &Cancel,
) -> anyhow::Result<Option<usize>> {
    let tasks = tasks(data, folder, |instance| instance.shape != Shape::Box && !instance.crowd);
    if tasks.is_empty() {
        terminal.warning("no object has a mask, so there is nothing that others could be like");
    }
    let mut boxes = HashMap::<ImageId, Vec<Rect>>::new();
    for instance in &data.instances {
        boxes.entry(instance.image_id).or_default().push(instance.bbox);
    }
    let mut found: Vec<(ImageId, CategoryId, Rect)> = Vec::new();
    let walk = each_readable(tasks, ALL, "looking for others", terminal, cancel, |picture, task, all, _| {
        let mut like = BTreeMap::<CategoryId, Vec<Arc<ExemplarCrop>>>::new();
        for instance in all.iter().map(|&index| &data.instances[index]) {
            let few = like.entry(instance.category_id).or_default();
            if few.len() < MOST_EXEMPLARS {
                let mask = instance.mask(task.size).ok();
                few.extend(mask.and_then(|mask| ExemplarCrop::new(picture, &mask)).map(Arc::new));
            }
        }
        let image = data.instances[all[0]].image_id;
        let taken = boxes.entry(image).or_default();
        for (class, like) in like {
            let searched = assistant.find(picture, &like, taken, cancel, &mut |_, _| ());
            let Some(mut others) = unless_cancelled(searched)? else { return Ok(Outcome::Cancelled) };
            // Nobody looks at each here.
            others.retain(Found::is_sure);
            found.extend(others.iter().map(|other| (image, class, other.rect)));
            taken.extend(others.iter().map(|other| other.rect));
        }
        Ok(Outcome::Done)
    })?;
    if walk.outcome == Outcome::Cancelled {
        return Ok(None);
    }
    let boxed = |(id, &(image, class, rect)): (InstanceId, &(ImageId, CategoryId, Rect))| Instance::boxed(id, image, class, rect);
    let new: Vec<Instance> = data.free_instance_ids().zip(&found).map(boxed).collect();
    data.instances.extend(new);
    Ok(Some(found.len()))
}
