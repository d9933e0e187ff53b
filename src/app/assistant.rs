//! The models, seen from the window: requests go out to the compute thread, replies are looked for each frame. Nothing
//! here waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::settings::DeviceChoice;
use crate::annotation::{CategoryId, ImageId, Instance, InstanceId, Shape};
use crate::assist::service::{Reply, Request, RequestId, Service};
use crate::assist::{self, Found, ModelPaths, Proposal, Refinement};
use crate::geometry::{Rect, Size};
use crate::job::Progress;
use crate::model::device::ComputeChoice;

/// Soft masks are shown on a grid of so many values a side, so that their cells are not seen.
const SHOWN_SIDE: usize = 256;

/// A graphics card that is prepared for longer than this, in seconds, finds nothing of what earlier starts have kept.
const QUICK_SECS: u64 = 5;

/// A soft mask on its way: values in a box of the image.
#[derive(Clone, Debug)]
pub struct Patch {
    /// Unlike that of any other patch.
    pub key: u64,
    /// Where it lies, in image coordinates.
    pub area: Rect,
    /// Columns and rows of the values.
    pub size: (u32, u32),
    /// Row-major, 0 outside and 255 inside.
    pub values: Arc<[u8]>,
}

impl Patch {
    /// `patch` on square cells, sampled bilinearly.
    pub(super) fn new(patch: &assist::Patch) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1 << 63);
        let columns = SHOWN_SIDE.max(patch.side);
        let rows = ((columns as f64 * patch.rect.height / patch.rect.width).round() as usize).clamp(1, columns * 16);
        let values: Vec<u8> = patch.stretched(columns, rows).into_iter().map(|soft| (soft * 255.0) as u8).collect();
        let (size, values) = ((columns as u32, rows as u32), Arc::from(values));
        Self { key: NEXT.fetch_add(1, Ordering::Relaxed), area: patch.rect, size, values }
    }
}

/// Pixels of the masks that a request is answered with.
const TOGETHER: usize = 1 << 26;

/// How many masks of an image of `size` may be asked for together: hundreds of a large one would fill the memory.
pub(super) fn at_once(size: Size) -> usize {
    (TOGETHER / size.pixels().max(1)).max(1)
}

/// What a request to the models is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aim {
    /// Masks for boxes.
    Fresh,
    /// A new mask for an object that has one, in this box.
    Within(Rect),
    /// A mask that obeys one more stroke.
    Correction,
    /// Other masks, the next of which is shown.
    Alternatives,
    /// Where the samples disagree.
    Spread,
    /// Finer masks.
    Refinement,
    /// Other objects like some, for this class.
    Others(CategoryId),
}

/// What a running request is for.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    id: RequestId,
    /// What it is for.
    pub aim: Aim,
    /// The image.
    pub image: ImageId,
    /// The objects, in the order of the request.
    pub instances: Vec<InstanceId>,
    /// Their boxes and shapes when it was sent.
    pub before: Vec<(Rect, Shape)>,
    /// Steps done.
    pub step: usize,
    /// All steps, 0 while unknown.
    pub of: usize,
    /// When it was sent.
    pub since: Instant,
}

impl Running {
    /// Whether `object` is one of the request, and as it was when that was sent.
    pub fn still_fits(&self, object: &Instance) -> bool {
        let mut sent = self.instances.iter().zip(&self.before);
        sent.any(|(&id, (bbox, shape))| id == object.id && *bbox == object.bbox && *shape == object.shape)
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        Progress { label: String::new(), done: self.step as u64, total: self.of as u64, elapsed: self.since.elapsed() }
    }
}

/// Models that are loaded or warmed up.
#[derive(Clone, Debug, PartialEq)]
pub struct Preparing {
    /// What is done, in words.
    label: String,
    since: Instant,
    /// How long it may take the first time, in seconds; 0 where it is short.
    usual_secs: u64,
}

impl Preparing {
    fn now(label: &str) -> Self {
        Self { label: label.to_owned(), since: Instant::now(), usual_secs: 0 }
    }

    /// What is done, in words.
    pub fn label(&self) -> &str {
        &self.label
    }

    fn secs(&self) -> u64 {
        self.since.elapsed().as_secs()
    }

    const fn is_long_after(&self, secs: u64) -> bool {
        self.usual_secs > 0 && secs >= QUICK_SECS
    }

    /// Whether it takes long, which happens once.
    pub fn is_long(&self) -> bool {
        self.is_long_after(self.secs())
    }

    /// How long it has taken, and may take, in words.
    pub fn time(&self) -> String {
        self.time_after(self.secs())
    }

    fn time_after(&self, secs: u64) -> String {
        let usual = self.usual_secs;
        if self.is_long_after(secs) && secs < usual { format!("{secs} s of about {usual} s") } else { format!("{secs} s") }
    }

    /// The share that may be done; it never says that all is.
    pub fn share(&self) -> f32 {
        if self.is_long() { (self.since.elapsed().as_secs_f32() / self.usual_secs as f32).min(0.95) } else { 0.0 }
    }
}

/// How far the models are.
#[derive(Clone, Debug, PartialEq)]
pub enum Readiness {
    /// They are loaded or warmed up.
    Preparing(Preparing),
    /// They run on this device.
    Ready(String),
    /// They cannot be used.
    Failed(String),
}

/// Starts the compute thread on `device`; `None` where the operating system refuses it.
pub(super) fn start(device: DeviceChoice, models: ModelPaths, ctx: &egui::Context) -> Option<Service> {
    let choice = match device {
        DeviceChoice::Auto => ComputeChoice::Auto,
        DeviceChoice::Cpu => ComputeChoice::Cpu,
        DeviceChoice::Gpu => ComputeChoice::Gpu,
        DeviceChoice::GpuHalf => ComputeChoice::GpuHalf,
    };
    let wake = ctx.clone();
    Service::start(choice, models.readable(), move || wake.request_repaint())
        .inspect_err(|error| tracing::error!(%error, "no thread for the models"))
        .ok()
}

/// The compute thread, and the one request that runs.
pub struct Assistant {
    service: Option<Service>,
    /// The newest request for other weights; 0 stands for the first.
    loading: RequestId,
    running: Option<Running>,
    /// The request that can wait, and whether it is for masks for boxes.
    later: Option<(RequestId, bool)>,
    /// The soft masks of the last step, as they are drawn and as they came.
    patches: Vec<Option<(Patch, assist::Patch)>>,
    readiness: Readiness,
    /// The device that the present weights run on; `None` where none are in use.
    ready: Option<String>,
    takes_exemplars: bool,
}

/// What the window has to act on.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Masks for boxes.
    Proposed(Running, Vec<Proposal>),
    /// Masks for masks.
    Refined(Running, Vec<Refinement>),
    /// Boxes of other objects.
    Found(Running, Vec<Found>),
    /// A failure, in words.
    Failed(String),
    /// Masks for boxes that could wait, or why there are none.
    Batched(Result<Vec<Proposal>, String>),
    /// Masks for masks that could wait, or why there are none.
    Polished(Result<Vec<Refinement>, String>),
    /// There are no models for the masks that could wait: why.
    Unpolished(String),
    /// The weights that were asked for are in use, or why not.
    Loaded(Result<(), String>),
}

impl Assistant {
    /// An assistant on `service`; without one it says so when asked.
    pub fn new(service: Option<Service>) -> Self {
        let readiness = match service {
            Some(_) => Readiness::Preparing(Preparing::now("Preparing the models")),
            None => Readiness::Failed("no thread for the models".to_owned()),
        };
        Self {
            service,
            loading: RequestId(0),
            running: None,
            later: None,
            patches: Vec::new(),
            readiness,
            ready: None,
            takes_exemplars: false,
        }
    }

    /// How far the models are.
    pub const fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// Whether the weights look at exemplars.
    pub const fn takes_exemplars(&self) -> bool {
        self.takes_exemplars
    }

    /// The request that runs.
    pub const fn running(&self) -> Option<&Running> {
        self.running.as_ref()
    }

    /// The object that gets a new mask, and the box that it is looked for in.
    pub fn asked_box(&self) -> Option<(InstanceId, Rect)> {
        let running = self.running.as_ref()?;
        match (running.aim, running.instances.as_slice()) {
            (Aim::Within(rect), [id]) => Some((*id, rect)),
            _ => None,
        }
    }

    /// The running request's objects with the soft masks of the last step, as far as they are known.
    pub fn patches(&self) -> impl Iterator<Item = (InstanceId, &Patch)> {
        let instances = self.running.as_ref().map_or(&[][..], |running| running.instances.as_slice());
        instances.iter().zip(&self.patches).filter_map(|(&id, patch)| Some((id, &patch.as_ref()?.0)))
    }

    /// Starts a request for `objects` of `image`, in place of a running one. False where there is no thread.
    pub fn start(&mut self, request: Request, aim: Aim, image: ImageId, objects: Vec<&Instance>) -> bool {
        let Some(service) = &self.service else { return false };
        let id = service.request(request);
        self.patches = vec![None; objects.len()];
        let (instances, before) = objects.into_iter().map(|object| (object.id, (object.bbox, object.shape.clone()))).unzip();
        self.running = Some(Running { id, aim, image, instances, before, step: 0, of: 0, since: Instant::now() });
        true
    }

    /// Starts a request that can wait. False where there is no thread.
    pub fn start_later(&mut self, request: Request) -> bool {
        let is_for_boxes = matches!(request, Request::Propose { .. });
        self.later = self.service.as_ref().map(|service| (service.request_later(request), is_for_boxes));
        self.later.is_some()
    }

    /// Whether a request that can wait is not answered yet.
    pub const fn has_later(&self) -> bool {
        self.later.is_some()
    }

    /// Gives up the request that can wait.
    pub fn cancel_later(&mut self) {
        if let Some(service) = self.later.take().and(self.service.as_ref()) {
            service.cancel_later();
        }
    }

    /// Uses other weights from now on; the old ones stay where these cannot be loaded.
    pub fn load(&mut self, paths: ModelPaths) {
        if let Some(service) = &self.service {
            self.loading = service.request(Request::Load(paths));
        }
    }

    /// Stops the running request where masks are shown already; gives what it was for and the soft masks of the last step.
    pub fn take_shown(&mut self) -> Option<(Running, Vec<(InstanceId, assist::Patch)>)> {
        let instances = &self.running.as_ref()?.instances;
        let shown: Vec<_> = instances.iter().zip(&self.patches).filter_map(|(&id, patch)| Some((id, patch.as_ref()?.1.clone()))).collect();
        if shown.is_empty() { None } else { Some((self.cancel()?, shown)) }
    }

    /// Stops the running request; gives what it was for.
    pub fn cancel(&mut self) -> Option<Running> {
        let running = self.running.take()?;
        if let Some(service) = &self.service {
            service.cancel();
        }
        self.patches.clear();
        Some(running)
    }

    /// The outcomes since the last call; steps are kept for [`Self::patches`].
    pub fn poll(&mut self) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        while let Some(reply) = self.service.as_ref().and_then(Service::poll) {
            match reply {
                Reply::Ready { id, device, takes_exemplars } => {
                    self.readiness = Readiness::Ready(device.clone());
                    self.ready = Some(device);
                    self.takes_exemplars = takes_exemplars;
                    if id == self.loading {
                        outcomes.push(Outcome::Loaded(Ok(())));
                    }
                }
                Reply::Progress(progress) => self.prepare(&progress),
                Reply::Proposing { id, step } if self.is_running(id) => {
                    self.show(step.step, step.of, step.masks.iter().enumerate().map(|(index, patch)| (step.first + index, patch)));
                }
                Reply::Refining { id, step } if self.is_running(id) => {
                    self.show(step.step, step.of, step.indices.iter().copied().zip(&step.masks));
                }
                Reply::Proposed { id, proposals } if self.is_running(id) => {
                    outcomes.extend(self.finish().map(|running| Outcome::Proposed(running, proposals)));
                }
                Reply::Finding { id, done, of } if self.is_running(id) => self.show(done, of, std::iter::empty()),
                Reply::Found { id, found } if self.is_running(id) => {
                    outcomes.extend(self.finish().map(|running| Outcome::Found(running, found)));
                }
                Reply::Refined { id, refinements } if self.is_running(id) => {
                    outcomes.extend(self.finish().map(|running| Outcome::Refined(running, refinements)));
                }
                Reply::Failed { id, message } if id == self.loading => {
                    // The weights before stay in use.
                    self.readiness = self.ready.clone().map_or_else(|| Readiness::Failed(message.clone()), Readiness::Ready);
                    outcomes.push(Outcome::Loaded(Err(message)));
                }
                Reply::Failed { id, message } if self.is_running(id) => {
                    self.finish();
                    outcomes.push(Outcome::Failed(message));
                }
                Reply::Proposed { id, proposals } if self.is_later(id) => {
                    self.later = None;
                    outcomes.push(Outcome::Batched(Ok(proposals)));
                }
                Reply::Refined { id, refinements } if self.is_later(id) => {
                    self.later = None;
                    outcomes.push(Outcome::Polished(Ok(refinements)));
                }
                Reply::Failed { id, message } if self.is_later(id) => {
                    let is_for_boxes = self.later.take().is_some_and(|(_, is_for_boxes)| is_for_boxes);
                    outcomes.push(match self.ready {
                        _ if is_for_boxes => Outcome::Batched(Err(message)),
                        Some(_) => Outcome::Polished(Err(message)),
                        None => Outcome::Unpolished(message),
                    });
                }
                Reply::Lost { message } => {
                    self.ready = None;
                    self.readiness = Readiness::Failed(message);
                }
                // What an older request still had to say.
                _ => {}
            }
        }
        outcomes
    }

    /// Says what is prepared now; the time goes on.
    fn prepare(&mut self, progress: &Progress) {
        let now = Preparing { usual_secs: progress.total, ..Preparing::now(&progress.label) };
        self.readiness = Readiness::Preparing(match &self.readiness {
            Readiness::Preparing(before) => Preparing { since: before.since, ..now },
            Readiness::Ready(_) | Readiness::Failed(_) => now,
        });
    }

    fn is_running(&self, id: RequestId) -> bool {
        self.running.as_ref().is_some_and(|running| running.id == id)
    }

    fn is_later(&self, id: RequestId) -> bool {
        self.later.is_some_and(|(later, _)| later == id)
    }

    fn show<'a>(&mut self, step: usize, of: usize, patches: impl Iterator<Item = (usize, &'a assist::Patch)>) {
        if let Some(running) = &mut self.running {
            (running.step, running.of) = (step, of);
        }
        for (index, patch) in patches {
            if let Some(place) = self.patches.get_mut(index) {
                *place = Some((Patch::new(patch), patch.clone()));
            }
        }
    }

    fn finish(&mut self) -> Option<Running> {
        self.patches.clear();
        self.running.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Meter;

    #[test]
    fn preparing_tells_how_long_it_takes() {
        let mut assistant = Assistant::new(None);
        assistant.prepare(&Meter::start("Preparing the models", 0).at(0));
        let Readiness::Preparing(models) = assistant.readiness().clone() else { panic!("{:?}", assistant.readiness()) };
        assert_eq!((models.is_long_after(14), models.time_after(14).as_str()), (false, "14 s"));
        assistant.prepare(&Meter::start("Preparing the graphics card", 60).at(0));
        let Readiness::Preparing(card) = assistant.readiness() else { panic!("{:?}", assistant.readiness()) };
        assert_eq!((card.label(), card.since), ("Preparing the graphics card", models.since), "the time goes on");
        let told = [3, 14, 75].map(|secs| (card.is_long_after(secs), card.time_after(secs)));
        let expected = [(false, "3 s"), (true, "14 s of about 60 s"), (true, "75 s")];
        assert_eq!(told, expected.map(|(is_long, text)| (is_long, text.to_owned())));
    }
}
