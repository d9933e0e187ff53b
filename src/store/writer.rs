//! Writes changes on a thread of its own, in order, each as one transaction. What cannot be written waits.

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Change, Project};
use crate::job;

/// Time between two attempts to write what could not be written.
const RETRY: Duration = Duration::from_secs(1);

/// Longest sleep of a thread that has nothing to do.
const IDLE: Duration = Duration::from_hours(1);

/// How far the writer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Every change is on the disk.
    Written,
    /// Some changes are on their way.
    Writing,
    /// Changes are in memory only: why. They are tried again all the time.
    Failing(String),
}

/// Owns a project and writes to it until it is dropped.
pub struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    wake: Box<dyn Fn() + Send + Sync>,
}

struct Queue {
    waiting: VecDeque<Change>,
    failure: Option<String>,
    closing: bool,
    /// Whether somebody wants to know if the file is still in its place.
    asked: bool,
    path: PathBuf,
}

impl Writer {
    /// Starts the thread; `wake` is called on it when [`Self::state`] changes.
    ///
    /// # Errors
    /// When the operating system refuses another thread.
    pub fn start(project: Project, wake: impl Fn() + Send + Sync + 'static) -> std::io::Result<Self> {
        let failure = project.unwritten().map(str::to_owned);
        let queue = Queue { waiting: VecDeque::new(), failure, closing: false, asked: false, path: project.path().to_owned() };
        let shared = Arc::new(Shared { queue: Mutex::new(queue), changed: Condvar::new(), wake: Box::new(wake) });
        let thread = {
            let shared = Arc::clone(&shared);
            job::spawn("store", move || shared.work(project))?
        };
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Puts a change into the queue; never waits. Of images shown one after another only the last one counts.
    pub fn push(&self, change: Change) {
        let mut queue = self.shared.lock();
        // The first one may be on its way.
        let is_waiting = queue.waiting.len() > 1 && matches!(queue.waiting.back(), Some(Change::Shown(_)));
        if is_waiting && matches!(change, Change::Shown(_)) {
            queue.waiting.pop_back();
        }
        queue.waiting.push_back(change);
        drop(queue);
        self.shared.changed.notify_all();
    }

    /// How far the writer is.
    pub fn state(&self) -> State {
        self.shared.lock().state()
    }

    /// The project file.
    pub fn path(&self) -> PathBuf {
        self.shared.lock().path.clone()
    }

    /// Waits until every change is on the disk, in a file that is in its place, or cannot be written, at most `limit`; how
    /// far the writer is then.
    pub fn flush(&self, limit: Duration) -> State {
        let start = Instant::now();
        let mut queue = self.shared.lock();
        queue.asked = true;
        self.shared.changed.notify_all();
        while queue.state() == State::Writing {
            let Some(left) = limit.checked_sub(start.elapsed()) else { break };
            queue = self.shared.wait(queue, left);
        }
        queue.state()
    }
}

/// Writes what can be written and lets the project go.
impl Drop for Writer {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        (queue.closing, queue.asked) = (true, true);
        drop(queue);
        self.shared.changed.notify_all();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that writes the project failed");
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("path", &self.path()).field("state", &self.state()).finish_non_exhaustive()
    }
}

impl Queue {
    fn state(&self) -> State {
        match &self.failure {
            Some(why) => State::Failing(why.clone()),
            None if self.waiting.is_empty() && !self.asked => State::Written,
            None => State::Writing,
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, queue: MutexGuard<'a, Queue>, limit: Duration) -> MutexGuard<'a, Queue> {
        self.changed.wait_timeout(queue, limit).unwrap_or_else(PoisonError::into_inner).0
    }

    fn work(&self, mut project: Project) {
        let mut due = Instant::now() + RETRY;
        while let Some((change, is_last)) = self.next(due) {
            let result = project.settle().and_then(|()| change.as_ref().map_or(Ok(()), |change| project.write(change)));
            due = Instant::now() + RETRY;
            let mut queue = self.lock();
            match (&result, &change) {
                (Ok(()), Some(_)) => drop(queue.waiting.pop_front()),
                (Ok(()), None) => queue.asked = false,
                (Err(_), _) => {}
            }
            queue.failure = result.err().map(|error| error.to_string());
            project.path().clone_into(&mut queue.path);
            let ends = is_last && queue.failure.is_some();
            drop(queue);
            self.changed.notify_all();
            (self.wake)();
            if ends {
                return;
            }
        }
    }

    /// Waits for the next change to write, for a question, or, where writing failed, for the time `due` of another attempt;
    /// `None` when all is done. With it, whether this is the last attempt.
    fn next(&self, due: Instant) -> Option<(Option<Change>, bool)> {
        let mut queue = self.lock();
        loop {
            let left = if queue.failure.is_some() { due.saturating_duration_since(Instant::now()) } else { IDLE };
            let is_due = if queue.failure.is_some() { left.is_zero() } else { queue.asked || !queue.waiting.is_empty() };
            if is_due || (queue.closing && queue.failure.is_some()) {
                return Some((queue.waiting.front().cloned(), queue.closing));
            }
            if queue.closing {
                return None;
            }
            queue = self.wait(queue, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotation::{Image, ImageId};
    use crate::geometry::Size;
    use crate::job::Cancel;
    use crate::store::{Contents, Places};

    fn until(writer: &Writer, holds: impl Fn(&State) -> bool) {
        let start = Instant::now();
        while !holds(&writer.state()) {
            assert!(start.elapsed() < Duration::from_mins(2), "still {:?}", writer.state());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn reviewed(path: &std::path::Path) -> usize {
        Project::open(path).unwrap().load(&Cancel::new(), &mut |_| ()).unwrap().reviewed.len()
    }

    #[test]
    fn a_full_disk_is_said_and_what_came_before_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places::of(&folder.path().join("a.json"), folder.path());
        let project = Project::create(&places, &Contents::default(), &Cancel::new(), &mut |_| ()).unwrap();
        let limit = |project: &Project, pages: i64| {
            project.connection().pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
        };
        let full: i64 = project.connection().pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        limit(&project, full);
        let path = project.path().to_owned();
        let writer = Writer::start(project, || ()).unwrap();
        writer.push(Change::Reviewed(ImageId(1), true));
        let image = Image { id: ImageId(2), file_name: "x".repeat(1 << 20), size: Size::new(1, 1), source: None };
        writer.push(Change::Images { first: 0, images: vec![image] });
        writer.push(Change::Reviewed(ImageId(2), true));
        until(&writer, |state| matches!(state, State::Failing(why) if why.contains("the disk is full") && why.contains("a.annotator.db")));
        drop(writer);
        assert_eq!(reviewed(&path), 1, "nothing overtakes what waits");
    }

    #[test]
    fn a_project_that_finds_no_place_waits_in_memory_until_there_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let (data, state) = (folder.path().join("data"), folder.path().join("state"));
        for blocked in [&data, &state] {
            std::fs::write(blocked, "a file where a folder is wanted").unwrap();
        }
        let places = Places::of(&data.join("a.json"), &state);
        let project = Project::create(&places, &Contents::default(), &Cancel::new(), &mut |_| ()).unwrap();
        assert!(project.unwritten().unwrap().contains("data"), "{:?}", project.unwritten());
        let writer = Writer::start(project, || ()).unwrap();
        (0..100).for_each(|id| writer.push(Change::Reviewed(ImageId(id), true)));
        assert!(matches!(writer.flush(Duration::from_secs(9)), State::Failing(_)));
        std::fs::remove_file(&data).unwrap();
        std::fs::create_dir(&data).unwrap();
        until(&writer, |state| *state == State::Written);
        assert_eq!(writer.path(), places.beside());
        drop(writer);
        assert_eq!(reviewed(places.beside()), 100);
        assert_eq!(std::fs::read_dir(&data).unwrap().count(), 1, "no log and no temporary file is left");
    }

    // Elsewhere an open file cannot be removed.
    #[cfg(unix)]
    #[test]
    fn a_project_that_others_remove_is_made_anew_but_replaces_nothing() {
        const LIMIT: Duration = Duration::from_mins(2);
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let places = Places::of(&data.join("a.json"), folder.path());
        let project = Project::create(&places, &Contents::default(), &Cancel::new(), &mut |_| ()).unwrap();
        let path = project.path().to_owned();
        assert_eq!(path, places.beside());
        let writer = Writer::start(project, || ()).unwrap();
        writer.push(Change::Reviewed(ImageId(1), true));
        assert_eq!(writer.flush(LIMIT), State::Written);
        for entry in std::fs::read_dir(&data).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
        assert_eq!(writer.flush(LIMIT), State::Written, "the question alone is enough");
        assert!(path.is_file());

        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "of others").unwrap();
        writer.push(Change::Reviewed(ImageId(2), true));
        assert!(matches!(writer.flush(LIMIT), State::Failing(why) if why.contains("removed or replaced")));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "of others");
        std::fs::remove_file(&path).unwrap();
        until(&writer, |state| *state == State::Written);

        std::fs::remove_dir_all(&data).unwrap();
        assert!(matches!(writer.flush(LIMIT), State::Failing(_)));
        assert!(!data.exists(), "a folder that is gone is not made anew");
        std::fs::create_dir(&data).unwrap();
        until(&writer, |state| *state == State::Written);

        std::fs::remove_file(&path).unwrap();
        drop(writer);
        assert_eq!(reviewed(&path), 2);
    }
}
