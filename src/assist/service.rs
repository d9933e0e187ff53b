//! The one thread that makes all Burn calls: it takes the newest request, drops older ones, and survives a panic and the
//! loss of its device.
//!
//! A new request stops the one that is running; only the newest request's results arrive. Replies queue up until
//! [`Service::poll`] takes them; a step that nobody has seen yet is replaced by the next one of the same request.
//! Beside the newest request there is a place for one that can wait, such as a part of a long job: it runs when nobody
//! waits for anything else, and starts anew after a request that came between.
//!
//! Whatever fails, the device is asked whether it still works; for one that does not, the networks are loaded anew. Where
//! that fails, each request is one more attempt, before it is answered; nothing is tried unasked.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use image::RgbImage;

use super::{
    AssistError, Assistant, ExemplarCrop, Found, ModelPaths, Prompt, Proposal, ProposeOptions, ProposeStep, RefineOptions, RefineStep,
    Refinement,
};
use crate::geometry::Rect;
use crate::job::{Cancel, Meter, Progress, spawn};
use crate::mask::Mask;
use crate::model::device::{Compute, ComputeChoice, open};

/// What is said while the networks are loaded, ...
const MODELS: &str = "Preparing the models";

/// ... and while they are run for the first time on a graphics adapter, ...
const CARD: &str = "Preparing the graphics card";

/// ... for about so many seconds, where its kernels are not in the user's cache folder.
const CARD_SECS: u64 = 60;

/// The number of a request; later requests have larger numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// What the thread is asked for.
#[derive(Clone, Debug)]
pub enum Request {
    /// Masks for boxes, or changes of masks.
    Propose {
        /// The image.
        image: Arc<RgbImage>,
        /// What is known about each object.
        prompts: Vec<Prompt>,
        /// How.
        options: ProposeOptions,
    },
    /// Finer masks.
    Refine {
        /// The image.
        image: Arc<RgbImage>,
        /// The coarse masks.
        masks: Vec<Mask>,
        /// How.
        options: RefineOptions,
    },
    /// Boxes of other objects like some.
    Find {
        /// The image.
        image: Arc<RgbImage>,
        /// Those that others are to be like.
        like: Vec<Arc<ExemplarCrop>>,
        /// The boxes of all objects that are known.
        taken: Vec<Rect>,
    },
    /// Other weights from now on.
    Load(ModelPaths),
}

/// What the thread says.
#[derive(Clone, Debug)]
pub enum Reply {
    /// The networks are loaded.
    Ready {
        /// The request that asked for them; 0 stands for the start.
        id: RequestId,
        /// The device that they run on, for people.
        device: String,
        /// Whether the segmenter looks at exemplars.
        takes_exemplars: bool,
    },
    /// The networks are loaded and run for the first time; the total is how many seconds that may take, 0 where it is short.
    Progress(Progress),
    /// A proposal after one more step.
    Proposing {
        /// The request.
        id: RequestId,
        /// The masks so far.
        step: ProposeStep,
    },
    /// A search after some more boxes.
    Finding {
        /// The request.
        id: RequestId,
        /// Boxes that were looked at.
        done: usize,
        /// All of them.
        of: usize,
    },
    /// A refinement after one more step.
    Refining {
        /// The request.
        id: RequestId,
        /// The masks so far.
        step: RefineStep,
    },
    /// The proposals, one a box.
    Proposed {
        /// The request.
        id: RequestId,
        /// In the order of the boxes.
        proposals: Vec<Proposal>,
    },
    /// The refinements, one a mask.
    Refined {
        /// The request.
        id: RequestId,
        /// In the order of the masks.
        refinements: Vec<Refinement>,
    },
    /// Boxes of other objects, the surest first.
    Found {
        /// The request.
        id: RequestId,
        /// Those that are not sure come last.
        found: Vec<Found>,
    },
    /// The request failed.
    Failed {
        /// The request; 0 for the start.
        id: RequestId,
        /// Why, for people.
        message: String,
    },
    /// There are no networks, and loading those that were used last failed. The next request tries again.
    Lost {
        /// Why, for people.
        message: String,
    },
}

/// What the thread works with; tests put something else in its place.
pub trait Engine {
    /// See [`Proposer::propose`](super::Proposer::propose).
    ///
    /// # Errors
    /// See there.
    fn propose(
        &self,
        image: &RgbImage,
        prompts: &[Prompt],
        options: &ProposeOptions,
        cancel: &Cancel,
        each: &mut dyn FnMut(ProposeStep),
    ) -> Result<Vec<Proposal>, AssistError>;

    /// See [`Finisher::refine`](super::Finisher::refine).
    ///
    /// # Errors
    /// See there.
    fn refine(
        &self,
        image: &RgbImage,
        masks: &[Mask],
        options: &RefineOptions,
        cancel: &Cancel,
        each: &mut dyn FnMut(RefineStep),
    ) -> Result<Vec<Refinement>, AssistError>;

    /// See [`Proposer::find`](super::Proposer::find); nothing is found where an engine does not say how.
    ///
    /// # Errors
    /// See there.
    fn find(
        &self,
        _image: &RgbImage,
        _like: &[Arc<ExemplarCrop>],
        _taken: &[Rect],
        _cancel: &Cancel,
        _each: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<Found>, AssistError> {
        Ok(Vec::new())
    }

    /// The device, for people.
    fn device(&self) -> String;

    /// Whether the segmenter looks at exemplars.
    fn takes_exemplars(&self) -> bool {
        false
    }

    /// Whether the device still does what it is asked for; never panics.
    fn answers(&self) -> bool {
        true
    }
}

/// A handle on the thread. Dropping it stops the thread after its current step; one that loads, at the start or later, is
/// left to the end of the program.
pub struct Service {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    wake: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct State {
    last: u64,
    load: Option<(RequestId, ModelPaths)>,
    newest: Option<(RequestId, Request, Cancel)>,
    running: Cancel,
    later: Option<(RequestId, Arc<Request>)>,
    running_later: Cancel,
    /// Whether networks are being loaded, or their device is asked whether it works, which cannot be stopped.
    is_loading: bool,
    stop: bool,
    replies: VecDeque<Reply>,
}

impl Service {
    /// Starts the thread, which opens the device, loads the networks and says [`Reply::Ready`]. `wake` is called after
    /// every reply, from the thread.
    ///
    /// # Errors
    /// When the operating system refuses the thread.
    pub fn start(choice: ComputeChoice, paths: ModelPaths, wake: impl Fn() + Send + Sync + 'static) -> std::io::Result<Self> {
        let mut known: Option<Compute> = None;
        let load = move |paths: &ModelPaths, shared: &Shared| {
            let compute = if let Some(known) = known.take().filter(Compute::answers) {
                known
            } else {
                let opened = open(choice)?;
                if matches!(opened, Compute::Gpu(_)) {
                    shared.prepare(CARD, CARD_SECS);
                }
                opened
            };
            let found = catch_unwind(AssertUnwindSafe(|| Assistant::warmed_on(compute.clone(), paths)));
            let may_fall_back = choice == ComputeChoice::Auto && matches!(compute, Compute::Gpu(_)) && !matches!(found, Ok(Ok(_)));
            if may_fall_back && let Ok(found) = Assistant::warmed_on(Compute::Cpu, paths) {
                tracing::warn!("{compute} cannot run the networks; they run on the CPU");
                known = Some(Compute::Cpu);
                return Ok(found);
            }
            known = Some(compute);
            found.unwrap_or_else(|panic| resume_unwind(panic))
        };
        Self::start_telling(load, paths, wake)
    }

    /// As [`Self::start`], with any engine; `load` runs on the thread.
    ///
    /// # Errors
    /// When the operating system refuses the thread.
    pub fn start_with<E: Engine>(
        mut load: impl FnMut(&ModelPaths) -> Result<E, AssistError> + Send + 'static,
        paths: ModelPaths,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        Self::start_telling(move |paths: &ModelPaths, _: &Shared| load(paths), paths, wake)
    }

    fn start_telling<E: Engine>(
        load: impl FnMut(&ModelPaths, &Shared) -> Result<E, AssistError> + Send + 'static,
        paths: ModelPaths,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), wake: Box::new(wake) });
        shared.state().load = Some((RequestId(0), paths.clone()));
        let thread = spawn("compute", {
            let shared = Arc::clone(&shared);
            move || shared.work(load, paths)
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Asks for something. A request for masks stops the one before it.
    pub fn request(&self, request: Request) -> RequestId {
        let mut state = self.shared.state();
        state.last += 1;
        let id = RequestId(state.last);
        match request {
            Request::Load(paths) => state.load = Some((id, paths)),
            request => {
                state.running.cancel();
                state.running_later.cancel();
                state.newest = Some((id, request, Cancel::new()));
            }
        }
        drop(state);
        self.shared.changed.notify_one();
        id
    }

    /// Asks for something that can wait, in place of what waited before; its steps are not told.
    pub fn request_later(&self, request: Request) -> RequestId {
        let mut state = self.shared.state();
        state.last += 1;
        let id = RequestId(state.last);
        state.running_later.cancel();
        state.later = Some((id, Arc::new(request)));
        drop(state);
        self.shared.changed.notify_one();
        id
    }

    /// Gives up what can wait; its result does not arrive.
    pub fn cancel_later(&self) {
        let mut state = self.shared.state();
        state.running_later.cancel();
        state.later = None;
    }

    /// Stops the request that runs or waits; its results do not arrive.
    pub fn cancel(&self) {
        let mut state = self.shared.state();
        state.running.cancel();
        state.newest = None;
    }

    /// The oldest reply that was not taken yet.
    pub fn poll(&self) -> Option<Reply> {
        self.shared.state().replies.pop_front()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.stop = true;
        state.running.cancel();
        state.running_later.cancel();
        let is_loading = state.is_loading;
        drop(state);
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take()
            && !is_loading
            && thread.join().is_err()
        {
            tracing::error!("the compute thread ended in a panic");
        }
    }
}

enum Task {
    Load(RequestId, ModelPaths),
    Work(RequestId, Request, Cancel),
    Later(RequestId, Arc<Request>, Cancel),
    Stop,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Task {
        let mut state = self.state();
        loop {
            if state.stop {
                return Task::Stop;
            }
            if let Some((id, paths)) = state.load.take() {
                return Task::Load(id, paths);
            }
            if let Some((id, request, cancel)) = state.newest.take() {
                state.running = cancel.clone();
                return Task::Work(id, request, cancel);
            }
            if let Some((id, request)) = state.later.clone() {
                state.running_later = Cancel::new();
                return Task::Later(id, request, state.running_later.clone());
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn say(&self, reply: Reply) {
        let mut state = self.state();
        let same_step = match (&reply, state.replies.back()) {
            (Reply::Proposing { id, .. }, Some(Reply::Proposing { id: last, .. }))
            | (Reply::Refining { id, .. }, Some(Reply::Refining { id: last, .. }))
            | (Reply::Finding { id, .. }, Some(Reply::Finding { id: last, .. })) => id == last,
            (Reply::Progress(_), Some(Reply::Progress(_))) => true,
            _ => false,
        };
        if same_step {
            state.replies.pop_back();
        }
        state.replies.push_back(reply);
        drop(state);
        (self.wake)();
    }

    /// Does what is asked for, until the end; `paths` name the weights of the start.
    fn work<E: Engine>(&self, mut load: impl FnMut(&ModelPaths, &Self) -> Result<E, AssistError>, paths: ModelPaths) {
        let mut engine: Result<E, String> = Err(String::new());
        let mut last = (RequestId(0), paths);
        loop {
            let task = self.next();
            if engine.is_err() && matches!(task, Task::Work(..) | Task::Later(..)) {
                engine = self.reloaded(&mut load, &last);
            }
            let has_failed = match task {
                Task::Stop => return,
                Task::Load(id, paths) => match self.loaded(id, &mut load, &paths) {
                    Ok(found) => {
                        (engine, last) = (Ok(found), (id, paths));
                        false
                    }
                    Err(message) => {
                        self.say(Reply::Failed { id, message });
                        true
                    }
                },
                Task::Work(id, request, cancel) => {
                    let reply = answered(&engine, id, &request, &cancel, &mut |reply| self.say(reply));
                    let has_failed = matches!(reply, Reply::Failed { .. });
                    if !cancel.is_cancelled() {
                        self.say(reply);
                    }
                    has_failed
                }
                Task::Later(id, request, cancel) => {
                    let reply = answered(&engine, id, &request, &cancel, &mut |_| ());
                    let has_failed = matches!(reply, Reply::Failed { .. });
                    let mut state = self.state();
                    // What a request stopped stays where it is and is started anew.
                    if !cancel.is_cancelled() {
                        state.later = None;
                        drop(state);
                        self.say(reply);
                    }
                    has_failed
                }
            };
            // A driver that was reset gives nothing any more; another device may.
            let is_lost = |engine: &E| self.unstoppable(|| !engine.answers()) == Some(true);
            if has_failed && engine.as_ref().is_ok_and(is_lost) {
                engine = self.reloaded(&mut load, &last);
            }
        }
    }

    /// Says what is prepared, and how many seconds that may take; 0 where it is short.
    fn prepare(&self, what: &str, usual_secs: u64) {
        self.say(Reply::Progress(Meter::start(what, usual_secs).at(0)));
    }

    /// The engine with the weights that were used last; a failure is told as [`Reply::Lost`].
    fn reloaded<E: Engine>(
        &self,
        load: &mut impl FnMut(&ModelPaths, &Self) -> Result<E, AssistError>,
        (id, paths): &(RequestId, ModelPaths),
    ) -> Result<E, String> {
        self.loaded(*id, load, paths).inspect_err(|message| self.say(Reply::Lost { message: message.clone() }))
    }

    /// The engine with the weights at `paths`, which request `id` asked for; or why there is none.
    fn loaded<E: Engine>(
        &self,
        id: RequestId,
        load: &mut impl FnMut(&ModelPaths, &Self) -> Result<E, AssistError>,
        paths: &ModelPaths,
    ) -> Result<E, String> {
        self.prepare(MODELS, 0);
        let found = self.unstoppable(|| caught(|| load(paths, self)));
        let engine = found.unwrap_or_else(|| Err(AssistError::Cancelled.to_string()))?;
        self.say(Reply::Ready { id, device: engine.device(), takes_exemplars: engine.takes_exemplars() });
        Ok(engine)
    }

    /// What `work` gives, for whose end closing does not wait; `None` where the service is closed already.
    fn unstoppable<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        let mut state = self.state();
        if state.stop {
            return None;
        }
        state.is_loading = true;
        drop(state);
        let made = work();
        self.state().is_loading = false;
        Some(made)
    }
}

/// What `engine` says to `request`; a failure, or that there is no engine, is a reply too.
fn answered<E: Engine>(
    engine: &Result<E, String>,
    id: RequestId,
    request: &Request,
    cancel: &Cancel,
    tell: &mut dyn FnMut(Reply),
) -> Reply {
    let reply = engine.as_ref().map_err(Clone::clone).and_then(|engine| caught(|| answer(engine, id, request, cancel, tell)));
    reply.unwrap_or_else(|message| Reply::Failed { id, message })
}

fn answer<E: Engine>(
    engine: &E,
    id: RequestId,
    request: &Request,
    cancel: &Cancel,
    tell: &mut dyn FnMut(Reply),
) -> Result<Reply, AssistError> {
    match request {
        Request::Propose { image, prompts, options } => {
            let mut each = |step| tell(Reply::Proposing { id, step });
            let proposals = engine.propose(image, prompts, options, cancel, &mut each)?;
            Ok(Reply::Proposed { id, proposals })
        }
        Request::Refine { image, masks, options } => {
            let mut each = |step| tell(Reply::Refining { id, step });
            let refinements = engine.refine(image, masks, options, cancel, &mut each)?;
            Ok(Reply::Refined { id, refinements })
        }
        Request::Find { image, like, taken } => {
            let mut each = |done, of| tell(Reply::Finding { id, done, of });
            let found = engine.find(image, like, taken, cancel, &mut each)?;
            Ok(Reply::Found { id, found })
        }
        Request::Load(_) => Ok(Reply::Ready { id, device: engine.device(), takes_exemplars: engine.takes_exemplars() }),
    }
}

/// The result of `work`, an error or a panic as a message for people.
fn caught<T>(work: impl FnOnce() -> Result<T, AssistError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(panic) => Err(format!("the computation broke off: {}", reason(panic.as_ref()))),
    }
}

fn reason(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason given")
}
