//! Pictures and masks for a polish job, made ready on a thread of their own, one batch ahead. Objects are copied for it
//! when the turn of their image comes: all of a large data set at once would stop the window.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};

use crate::annotation::{ImageId, Instance, InstanceId, Shape};
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

/// What the thread makes batches of: the objects of one image.
struct Page {
    path: PathBuf,
    size: Size,
    objects: Vec<Instance>,
}

/// Batches, one after the other.
pub(super) struct Feed {
    /// Objects that come in all.
    pub(super) count: u64,
    /// The objects whose turn has not come, those of the last image first.
    rest: Vec<(ImageId, Vec<InstanceId>)>,
    /// What the thread has no room for yet.
    page: Option<Page>,
    /// The way to the thread; `None` where it has got all.
    pages: Option<SyncSender<Page>>,
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
        let mut rest = Vec::new();
        for image in document.dataset().images.iter().rev() {
            let objects = document.objects(image.id).filter(|instance| wanted(instance));
            let ids: Vec<InstanceId> = objects.map(|instance| instance.id).collect();
            count += ids.len() as u64;
            if !ids.is_empty() {
                rest.push((image.id, ids));
            }
        }
        let (pages, handed) = sync_channel::<Page>(1);
        let (sender, receiver) = sync_channel(1);
        spawn("polish", move || {
            for Page { path, size, objects } in handed {
                let pixels = picture::load_for(&path, size).inspect_err(|error| tracing::warn!(%error, "an image is not polished")).ok();
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
        Ok(Self { count, rest, page: None, pages: Some(pages), receiver, back: None })
    }

    /// Hands the objects whose turn comes next to the thread, as they are now, as far as it has room; gives how many of
    /// them are gone or have no mask any more.
    pub(super) fn hand_on(&mut self, document: &Document) -> u64 {
        let mut gone = 0;
        // While a document is read, objects of other images would pass for gone.
        while !document.is_loading()
            && let Some(pages) = &self.pages
        {
            let page = self.page.take().or_else(|| {
                let (image, ids) = self.rest.pop()?;
                let page = Page::of(document, image, &ids);
                gone += (ids.len() - page.objects.len()) as u64;
                Some(page)
            });
            match page.map(|page| if page.objects.is_empty() { Ok(()) } else { pages.try_send(page) }) {
                Some(Ok(())) => {}
                Some(Err(TrySendError::Full(page))) => {
                    self.page = Some(page);
                    break;
                }
                Some(Err(TrySendError::Disconnected(_))) | None => self.pages = None,
            }
        }
        gone
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

impl Page {
    fn of(document: &Document, image: ImageId, ids: &[InstanceId]) -> Self {
        let objects = ids.iter().filter_map(|&id| document.instance(id));
        let objects = objects.filter(|object| object.image_id == image && object.shape != Shape::Box);
        let objects: Vec<Instance> = objects.cloned().collect();
        let (path, size) = document.image_of(image).map(|image| (document.image_path(image), image.size)).unwrap_or_default();
        Self { path, size, objects }
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
