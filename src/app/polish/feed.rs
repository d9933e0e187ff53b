//! Pictures and masks for a polish job, made ready on a thread of their own, one batch ahead.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

use crate::annotation::{Instance, InstanceId};
use crate::app::document::Document;
use crate::assist::RefineOptions;
use crate::assist::service::Request;
use crate::formats::picture;
use crate::geometry::Size;
use crate::job::spawn;
use crate::mask::Mask;

/// Objects of one image that go to the models together.
const BATCH: usize = 4;

/// Objects that go to the models together.
pub(super) struct Batch {
    /// Their ids, in the order of the request's masks.
    pub(super) ids: Vec<InstanceId>,
    /// What the models are asked for.
    pub(super) request: Request,
    /// Objects whose image or mask cannot be used.
    pub(super) left_out: u64,
    /// Whether the models failed at it.
    pub(super) has_failed: bool,
}

/// Batches, one after the other.
pub(super) struct Feed {
    /// Objects that come in all.
    pub(super) count: u64,
    receiver: Receiver<Batch>,
    back: Option<Batch>,
}

impl Feed {
    /// The objects of `document` that are `wanted`, image by image. `wake` is called when a batch is ready.
    ///
    /// # Errors
    /// When the operating system refuses the thread.
    pub(super) fn start(
        document: &Document,
        wanted: impl Fn(&Instance) -> bool,
        options: RefineOptions,
        wake: impl Fn() + Send + 'static,
    ) -> std::io::Result<Self> {
        let mut count = 0;
        let mut images = Vec::new();
        for image in &document.dataset().images {
            let objects: Vec<Instance> = document.objects(image.id).filter(|instance| wanted(instance)).cloned().collect();
            count += objects.len() as u64;
            if !objects.is_empty() {
                images.push((document.image_path(image), image.size, objects));
            }
        }
        let (sender, receiver) = sync_channel(1);
        spawn("polish", move || {
            for (path, size, objects) in images {
                let pixels = picture::load(&path).inspect_err(|error| tracing::warn!(%error, "an image is not polished")).ok();
                let pixels = pixels.filter(|pixels| Size::new(pixels.width(), pixels.height()) == size).map(Arc::new);
                for objects in objects.chunks(BATCH) {
                    if !send(&sender, pixels.as_ref(), objects, size, &options) {
                        return;
                    }
                    wake();
                }
            }
            drop(sender);
            wake();
        })?;
        Ok(Self { count, receiver, back: None })
    }

    /// The next batch.
    ///
    /// # Errors
    /// When it is not ready yet, or there is none any more.
    pub(super) fn next(&mut self) -> Result<Batch, TryRecvError> {
        self.back.take().map_or_else(|| self.receiver.try_recv(), Ok)
    }

    /// Gives a batch back that was not answered.
    pub(super) fn put_back(&mut self, batch: Option<Batch>) {
        self.back = batch.or_else(|| self.back.take());
    }
}

/// False where nobody listens any more.
fn send(
    sender: &SyncSender<Batch>,
    pixels: Option<&Arc<image::RgbImage>>,
    objects: &[Instance],
    size: Size,
    options: &RefineOptions,
) -> bool {
    let usable = |instance: &Instance| Some((instance.id, instance.mask(size).ok().filter(|mask| !mask.is_empty())?));
    let (ids, masks): (Vec<InstanceId>, Vec<Mask>) = pixels.map_or_else(Default::default, |_| objects.iter().filter_map(usable).unzip());
    let left_out = (objects.len() - ids.len()) as u64;
    let image = pixels.cloned().unwrap_or_default();
    let request = Request::Refine { image, masks, options: options.clone() };
    sender.send(Batch { ids, request, left_out, has_failed: false }).is_ok()
}
