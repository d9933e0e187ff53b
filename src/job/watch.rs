//! The means to stop long work and to see how far it is.

use rayon::prelude::*;

use super::{Cancel, Meter, Progress};

/// So many units of work lie between two looks at the cancel flag.
const CHUNK: usize = 256;

/// Who may stop the work, and who hears of it.
pub struct Watch<'a> {
    /// Raised to stop.
    pub cancel: &'a Cancel,
    /// Told how far the work has come.
    pub progress: &'a mut dyn FnMut(Progress),
}

/// The work was stopped on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stopped")]
pub struct Stopped;

impl Watch<'_> {
    /// Tells how many units are done.
    ///
    /// # Errors
    /// When the work was stopped.
    pub fn step(&mut self, meter: &Meter, done: usize) -> Result<(), Stopped> {
        if self.cancel.is_cancelled() {
            return Err(Stopped);
        }
        (self.progress)(meter.at(done as u64));
        Ok(())
    }

    /// What `each` makes of the `items`, on all cores and in their order. People read `label` meanwhile.
    ///
    /// # Errors
    /// When the work was stopped.
    pub fn map<'i, T: Sync, R: Send>(&mut self, label: &str, items: &'i [T], each: impl Fn(&'i T) -> R + Sync) -> Result<Vec<R>, Stopped> {
        let meter = Meter::start(label, items.len() as u64);
        let mut made = Vec::with_capacity(items.len());
        for chunk in items.chunks(CHUNK) {
            self.step(&meter, made.len())?;
            made.par_extend(chunk.par_iter().map(&each));
        }
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_in_order_and_stops_between_two_chunks() {
        let (items, cancel) = ((0..1000).collect::<Vec<usize>>(), Cancel::new());
        let mut told = Vec::new();
        let doubled =
            Watch { cancel: &cancel, progress: &mut |progress| told.push(progress.done) }.map("doubling", &items, |item| 2 * item);
        assert_eq!(doubled, Ok((0..1000).map(|item| 2 * item).collect::<Vec<usize>>()));
        assert_eq!(told, [0, 256, 512, 768]);
        let stopped = Watch { cancel: &cancel, progress: &mut |_| cancel.cancel() }.map("doubling", &items, |item| 2 * item);
        assert_eq!(stopped, Err(Stopped));
    }
}
