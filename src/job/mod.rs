//! Cancelling, progress, the newest-wins slot and named threads. Knows no domain.

mod watch;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use watch::{Stopped, Watch};

/// A flag that asks a running job to stop; the job looks at it between steps.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// A flag that nobody has raised yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the job to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the job was asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// How far a job has come.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// What is being done, in a few words.
    pub label: String,
    /// Finished units.
    pub done: u64,
    /// All units; 0 where unknown.
    pub total: u64,
    /// Time since the job began.
    pub elapsed: Duration,
}

impl Progress {
    /// The share that is done, in 0..=1; `None` where the total is unknown.
    pub fn fraction(&self) -> Option<f32> {
        (self.total > 0).then(|| (self.done as f32 / self.total as f32).min(1.0))
    }

    /// The time that is left if the rest goes as fast as the part that is done.
    pub fn remaining(&self) -> Option<Duration> {
        let share = f64::from(self.fraction()?);
        (share > 0.0).then(|| Duration::from_secs_f64(self.elapsed.as_secs_f64() * (1.0 - share) / share))
    }
}

/// The time that work took, without its pauses. It rests at first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stopwatch {
    before: Duration,
    since: Option<Instant>,
}

impl Stopwatch {
    /// One that runs.
    pub fn started() -> Self {
        Self { since: Some(Instant::now()), ..Self::default() }
    }

    /// Whether it rests.
    pub const fn rests(&self) -> bool {
        self.since.is_none()
    }

    /// Lets it rest.
    pub fn rest(&mut self) {
        *self = Self { before: self.elapsed(), since: None };
    }

    /// Lets it go on.
    pub fn go_on(&mut self) {
        self.since = self.since.or_else(|| Some(Instant::now()));
    }

    /// The time that it ran.
    pub fn elapsed(&self) -> Duration {
        self.before + self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

/// Counts units and stamps [`Progress`] values with the time since it was made.
#[derive(Clone, Debug)]
pub struct Meter {
    started: Instant,
    label: String,
    total: u64,
}

impl Meter {
    /// A meter for `total` units that starts now.
    pub fn start(label: impl Into<String>, total: u64) -> Self {
        Self { started: Instant::now(), label: label.into(), total }
    }

    /// The progress after `done` units.
    pub fn at(&self, done: u64) -> Progress {
        Progress { label: self.label.clone(), done, total: self.total, elapsed: self.started.elapsed() }
    }
}

/// A slot that holds only the newest value: a slow reader never lags behind a fast writer.
#[derive(Debug)]
pub struct Latest<T>(Arc<Mutex<Option<T>>>);

impl<T> Clone for Latest<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Latest<T> {
    /// Puts `value` in, whatever was there.
    pub fn publish(&self, value: T) {
        *self.lock() = Some(value);
    }

    /// Takes the value out.
    pub fn take(&self) -> Option<T> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts a thread called `name`.
///
/// # Errors
/// When the operating system refuses another thread.
pub fn spawn<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> std::io::Result<JoinHandle<T>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_value_wins() {
        let slot = Latest::default();
        slot.publish(1);
        slot.clone().publish(2);
        assert_eq!(slot.take(), Some(2));
        assert_eq!(slot.take(), None);
    }

    #[test]
    fn the_estimate_follows_the_share() {
        let progress = Progress { label: "x".into(), done: 1, total: 4, elapsed: Duration::from_secs(10) };
        assert_eq!(progress.remaining(), Some(Duration::from_secs(30)));
    }
}
