//! The crops of the shown image's objects, made when first seen and again when an outline changed, a few a frame.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::crop::{self, Crop};
use crate::annotation::{ImageId, Instance, InstanceId, Shape};
use crate::geometry::Size;

/// Time that making crops may take of a frame.
const BUDGET: Duration = Duration::from_millis(6);

struct Made {
    revision: u64,
    shape: Shape,
    crops: Arc<[Crop]>,
}

/// Crops by object.
#[derive(Default)]
pub(super) struct Objects {
    image: Option<ImageId>,
    size: Size,
    made: HashMap<InstanceId, Made>,
    deadline: Option<Instant>,
    late: bool,
}

impl Objects {
    /// Begins a frame that shows `image`.
    pub(super) fn begin(&mut self, image: ImageId, size: Size) {
        if self.image != Some(image) {
            *self = Self { image: Some(image), size, ..Self::default() };
        }
        self.deadline = Some(Instant::now() + BUDGET);
        self.late = false;
    }

    /// Whether some crops are still to be made, so that another frame is wanted.
    pub(super) const fn is_late(&self) -> bool {
        self.late
    }

    /// An object's crops as of `revision` of the data set; what was there before, or none, where the frame has no time
    /// left and the object is not `urgent`.
    pub(super) fn crops(&mut self, instance: &Instance, revision: u64, urgent: bool) -> Arc<[Crop]> {
        let known = self.made.get_mut(&instance.id);
        if let Some(made) = known
            && (made.revision == revision || made.shape == instance.shape)
        {
            made.revision = revision;
            return Arc::clone(&made.crops);
        }
        if !urgent && self.deadline.is_some_and(|deadline| Instant::now() > deadline) {
            self.late = true;
            return self.made.get(&instance.id).map_or_else(|| Arc::from([]), |made| Arc::clone(&made.crops));
        }
        let crops: Arc<[Crop]> = crop::of_shape(&instance.shape, self.size).into();
        self.made.insert(instance.id, Made { revision, shape: instance.shape.clone(), crops: Arc::clone(&crops) });
        crops
    }

    /// An object's crops, where they are made.
    pub(super) fn known(&self, id: InstanceId) -> &[Crop] {
        self.made.get(&id).map_or(&[], |made| &made.crops)
    }
}
