//! The models, seen from the window: requests go out, replies are looked for each frame. Nothing here waits. The
//! engine behind it is the compute thread of the program, or a stand-in in tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use image::RgbImage;

use crate::annotation::{ImageId, InstanceId};
use crate::assist::ModelPaths;
use crate::geometry::Rect;
use crate::mask::Mask;

/// What the models are asked for.
#[derive(Clone, Debug)]
pub enum Request {
    /// A mask for each box.
    Propose {
        /// The image.
        image: Arc<RgbImage>,
        /// The boxes, in image coordinates.
        boxes: Vec<Rect>,
        /// Steps of the sampler.
        steps: usize,
    },
    /// A better mask for each mask.
    Refine {
        /// The image.
        image: Arc<RgbImage>,
        /// The masks, each of the image's size.
        masks: Vec<Mask>,
    },
}

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
    /// A patch of its own name.
    pub fn new(area: Rect, size: (u32, u32), values: Arc<[u8]>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1 << 63);
        Self { key: NEXT.fetch_add(1, Ordering::Relaxed), area, size, values }
    }
}

/// What the models say.
#[derive(Clone, Debug)]
pub enum Reply {
    /// The models are loaded and warm; on which device.
    Ready(String),
    /// What is being prepared, and the share that is done where it is known.
    Preparing(String, Option<f32>),
    /// A step of the running request.
    Step {
        /// The step, from 1.
        step: usize,
        /// All steps.
        of: usize,
        /// What is known, each with the index of its box or mask.
        patches: Vec<(usize, Patch)>,
    },
    /// A mask and its expected `IoU` for each box.
    Proposed(Vec<(Mask, f32)>),
    /// A mask for each mask, and whether it is the one that was given.
    Refined(Vec<(Mask, bool)>),
    /// The request, or loading, failed.
    Failed(String),
}

/// Whatever answers requests. A newer request takes the place of the running one.
pub trait Engine: Send {
    /// Starts a request; gives its number.
    fn request(&mut self, request: Request) -> u64;
    /// Uses other weights from now on; the old ones stay where these cannot be loaded.
    fn load(&mut self, paths: ModelPaths);
    /// Stops the running request.
    fn cancel(&mut self);
    /// The next reply, with the number of its request, 0 for none.
    fn poll(&mut self) -> Option<(u64, Reply)>;
}

/// What a running request is for.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    number: u64,
    /// Whether masks are refined rather than proposed.
    pub refines: bool,
    /// The image.
    pub image: ImageId,
    /// The objects, in the order of the request.
    pub instances: Vec<InstanceId>,
    /// Steps done.
    pub step: usize,
    /// All steps, 0 while unknown.
    pub of: usize,
}

/// How far the models are.
#[derive(Clone, Debug, PartialEq)]
pub enum Readiness {
    /// They are loaded or warmed up.
    Preparing(String, Option<f32>),
    /// They run on this device.
    Ready(String),
    /// They cannot be used.
    Failed(String),
}

/// The engine, and the one request that runs.
pub struct Assistant {
    engine: Option<Box<dyn Engine>>,
    running: Option<Running>,
    patches: Vec<Option<Patch>>,
    readiness: Readiness,
}

/// What the window has to act on.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Masks for boxes.
    Proposed(Running, Vec<(Mask, f32)>),
    /// Masks for masks.
    Refined(Running, Vec<(Mask, bool)>),
    /// A failure, in words.
    Failed(String),
}

impl Assistant {
    /// An assistant on `engine`; without one it says so when asked.
    pub fn new(engine: Option<Box<dyn Engine>>) -> Self {
        let readiness = match engine {
            Some(_) => Readiness::Preparing("Loading the models".to_owned(), None),
            None => Readiness::Failed("no models in this build".to_owned()),
        };
        Self { engine, running: None, patches: Vec::new(), readiness }
    }

    /// How far the models are.
    pub const fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// The request that runs.
    pub const fn running(&self) -> Option<&Running> {
        self.running.as_ref()
    }

    /// The running request's objects with the soft masks of the last step, as far as they are known.
    pub fn patches(&self) -> impl Iterator<Item = (InstanceId, &Patch)> {
        let instances = self.running.as_ref().map_or(&[][..], |running| running.instances.as_slice());
        instances.iter().zip(&self.patches).filter_map(|(&id, patch)| Some((id, patch.as_ref()?)))
    }

    /// Starts a request for `instances` of `image`, in place of a running one. False where there is no engine.
    pub fn start(&mut self, request: Request, image: ImageId, instances: Vec<InstanceId>) -> bool {
        let Some(engine) = &mut self.engine else { return false };
        let refines = matches!(request, Request::Refine { .. });
        let number = engine.request(request);
        self.patches = vec![None; instances.len()];
        self.running = Some(Running { number, refines, image, instances, step: 0, of: 0 });
        true
    }

    /// Uses other weights from now on.
    pub fn load(&mut self, paths: ModelPaths) {
        if let Some(engine) = &mut self.engine {
            engine.load(paths);
        }
    }

    /// Stops the running request; gives what it was for.
    pub fn cancel(&mut self) -> Option<Running> {
        let running = self.running.take()?;
        if let Some(engine) = &mut self.engine {
            engine.cancel();
        }
        self.patches.clear();
        Some(running)
    }

    /// The outcomes since the last call; steps are kept for [`Self::patches`].
    pub fn poll(&mut self) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        while let Some((number, reply)) = self.engine.as_mut().and_then(|engine| engine.poll()) {
            let is_current = self.running.as_ref().is_some_and(|running| running.number == number);
            match reply {
                Reply::Ready(device) => self.readiness = Readiness::Ready(device),
                Reply::Preparing(label, share) => self.readiness = Readiness::Preparing(label, share),
                Reply::Failed(message) if number == 0 => {
                    self.readiness = Readiness::Failed(message.clone());
                    outcomes.push(Outcome::Failed(message));
                }
                _ if !is_current => {}
                Reply::Step { step, of, patches } => {
                    if let Some(running) = &mut self.running {
                        (running.step, running.of) = (step, of);
                    }
                    for (index, patch) in patches {
                        if let Some(place) = self.patches.get_mut(index) {
                            *place = Some(patch);
                        }
                    }
                }
                Reply::Proposed(masks) => outcomes.extend(self.finish().map(|running| Outcome::Proposed(running, masks))),
                Reply::Refined(masks) => outcomes.extend(self.finish().map(|running| Outcome::Refined(running, masks))),
                Reply::Failed(message) => {
                    self.finish();
                    outcomes.push(Outcome::Failed(message));
                }
            }
        }
        outcomes
    }

    fn finish(&mut self) -> Option<Running> {
        self.patches.clear();
        self.running.take()
    }
}
