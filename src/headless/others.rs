//! More objects of an image, like those of a class that have a mask there: `propose --others`.

use std::collections::BTreeMap;
use std::path::Path;

use super::pictures::{Task, each_batch};
use super::terminal::Terminal;
use super::{Outcome, unless_cancelled};
use crate::annotation::{CategoryId, Dataset, Field, ImageId, Instance, Shape};
use crate::assist::{Assistant, Engine as _, MOST_LIKE};
use crate::geometry::Rect;
use crate::job::Cancel;

/// Adds boxes of objects like those that have a mask, class by class and image by image; gives back how many, or `None`
/// where the person asked to stop.
pub(super) fn add(
    data: &mut Dataset,
    folder: &Path,
    assistant: &Assistant,
    terminal: &mut Terminal,
    cancel: &Cancel,
) -> anyhow::Result<Option<usize>> {
    let mut found: Vec<(ImageId, CategoryId, Rect)> = Vec::new();
    let walk = each_batch(tasks(data, folder), "looking for others", terminal, cancel, |picture, task, batch, _| {
        let first = &data.instances[batch[0]];
        let (image, class) = (first.image_id, first.category_id);
        let like: Vec<_> = batch.iter().filter_map(|&index| data.instances[index].mask(task.size).ok()).collect();
        let known = data.instances_on(image).map(|instance| instance.bbox);
        let taken: Vec<Rect> = known.chain(found.iter().filter(|(on, ..)| *on == image).map(|(.., rect)| *rect)).collect();
        let searched = assistant.find(picture, &like, &taken, cancel, &mut |_, _| ());
        let Some(rects) = unless_cancelled(searched)? else { return Ok(Outcome::Cancelled) };
        found.extend(rects.into_iter().map(|rect| (image, class, rect)));
        Ok(Outcome::Done)
    })?;
    if walk.outcome == Outcome::Cancelled {
        return Ok(None);
    }
    for (image_id, category_id, bbox) in &found {
        data.instances.push(Instance {
            id: data.free_instance_id(),
            image_id: *image_id,
            category_id: *category_id,
            bbox: *bbox,
            shape: Shape::Box,
            area: bbox.area(),
            crowd: false,
            score: None,
            changed: Field::NONE,
            source: None,
        });
    }
    Ok(Some(found.len()))
}

/// One task for each class of each image, with a few of its objects that have masks.
fn tasks(data: &Dataset, folder: &Path) -> Vec<Task> {
    let mut like = BTreeMap::<(ImageId, CategoryId), Vec<usize>>::new();
    for (index, instance) in data.instances.iter().enumerate().filter(|(_, instance)| instance.shape != Shape::Box && !instance.crowd) {
        let few = like.entry((instance.image_id, instance.category_id)).or_default();
        if few.len() < MOST_LIKE {
            few.push(index);
        }
    }
    let task = |((image, _), instances)| {
        let image = data.image(image)?;
        Some(Task { path: folder.join(&image.file_name), size: image.size, instances })
    };
    like.into_iter().filter_map(task).collect()
}
