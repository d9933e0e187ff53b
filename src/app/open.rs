//! Opens a folder of images or a COCO file with its project: from the project where there is one, else from the file,
//! which then gets one. Runs on its own thread.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::document::{Document, Source};
use super::image_folder;
use super::perform::plural;
use crate::annotation::{CategoryId, Dataset, History, Image, ImageId};
use crate::disk::name;
use crate::formats::coco::ReadError;
use crate::formats::{Report, Warning, coco, folder};
use crate::job::{Cancel, Progress};
use crate::store::{self, Change, Choice, Contents, Places, Project, Target, Writer};

/// The file that Save makes in a folder of images.
pub(super) const OWN_FILE: &str = "annotations.json";

/// What opening gave: the document, and a note for the status bar.
#[derive(Debug)]
pub(super) struct Opened {
    /// The document.
    pub document: Document,
    /// What to tell the person.
    pub note: String,
    /// The image that was shown last time.
    pub image: usize,
}

/// What opening needs besides the path.
pub(super) struct Opening<'a> {
    /// The folder for what cannot stand beside the data.
    pub state: &'a Path,
    /// What is to become of a person's own copy before.
    pub choice: Option<(Places, Choice)>,
    /// Stops it.
    pub cancel: &'a Cancel,
    /// Told how far it is.
    pub progress: &'a mut dyn FnMut(Progress),
    /// Takes a document that can be looked at but not changed yet.
    pub first: &'a mut dyn FnMut(Opened),
    /// Wakes the window when the project was written.
    pub wake: Box<dyn Fn() + Send + Sync>,
}

impl Opening<'_> {
    /// Opens `path`.
    ///
    /// # Errors
    /// When there is no such path, it holds neither images nor a COCO file, another window has the project open, others
    /// have changed it since a person's own copy of it began, or opening was cancelled.
    pub(super) fn open(mut self, path: &Path) -> anyhow::Result<Opened> {
        let aside = self.choice.take().map(|(places, choice)| choice.settle(&places)).transpose()?.flatten();
        let opened = self.find(path);
        let Some(aside) = aside else { return opened };
        let kept = format!("your own copy is kept as {}", aside.display());
        match opened {
            Ok(opened) => Ok(Opened { note: format!("{}; {kept}", opened.note), ..opened }),
            Err(error) => Err(error.context(kept)),
        }
    }

    fn find(self, path: &Path) -> anyhow::Result<Opened> {
        let path = std::path::absolute(path)?;
        let project = store::find(&Places::of(&path, self.state))?;
        if project.is_none() && !path.exists() {
            anyhow::bail!("there is no {}", path.display());
        }
        let is_new = |project: &Project| project.first().is_ok_and(|first| is_untouched(&first));
        if project.as_ref().is_none_or(is_new) && path.is_dir() {
            match coco::file_of(&path) {
                Ok(file) if file.parent() == Some(&path) && file.ends_with(OWN_FILE) => {}
                Ok(file) => {
                    drop(project);
                    let name = file.strip_prefix(path.parent().unwrap_or(&path)).unwrap_or(&file).display().to_string();
                    let project = store::find(&Places::of(&file, self.state))?;
                    let mut opened = self.go_on(project, &file)?;
                    opened.note = format!("{} ({name})", opened.note);
                    return Ok(opened);
                }
                Err(ReadError::NoFile { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.go_on(project, &path)
    }

    fn go_on(self, project: Option<Project>, path: &Path) -> anyhow::Result<Opened> {
        let Some(project) = project else {
            let scanned = path.is_dir().then(|| folder::scan_with(path, &|_| false, self.cancel, self.progress)).transpose()?;
            if scanned.as_ref().is_some_and(|(dataset, _)| dataset.images.is_empty()) && !path.join(OWN_FILE).is_file() {
                anyhow::bail!("there are no images and no COCO file in {}", path.display());
            }
            return self.begin(path, scanned);
        };
        self.reopen(project, path)
    }

    /// Begins a project.
    fn begin(mut self, path: &Path, scanned: Option<(Dataset, Report)>) -> anyhow::Result<Opened> {
        let (contents, warnings) = self.read(path, own_file(path).as_deref(), Contents::default(), scanned)?;
        let project = Project::create(&Places::of(path, self.state), &contents, self.cancel, self.progress)?;
        let note = counted(&contents);
        let mut opened = self.finish(project, contents, path, note)?;
        opened.document.warnings = warnings;
        Ok(opened)
    }

    /// Goes on with a project; begins it anew where its file was changed by others, or came since, and nothing would be
    /// lost.
    fn reopen(mut self, mut project: Project, path: &Path) -> anyhow::Result<Opened> {
        let mut first = project.first()?;
        let moved = first.target.as_ref().and_then(|target| moved(target, path).or_else(|| target.touched()));
        if let Some(target) = moved {
            // Where the disk takes nothing now, it is found again next time.
            if let Err(error) = project.write(&Change::Exported(target.clone(), first.exported)) {
                tracing::warn!(%error, "a file that was moved or touched");
            }
            first.target = Some(target);
        }
        let target = first.target.clone();
        let is_saved = first.history.version() == first.exported;
        let is_outdated = first.target.as_ref().is_some_and(Target::is_outdated);
        let file = match &target {
            Some(target) => Some(target.path.clone()).filter(|_| is_saved && is_outdated),
            None => own_file(path).filter(|_| is_untouched(&first)),
        };
        let mut unreadable = None;
        let file = file.filter(|file| file.is_file());
        let history = if file.is_some() { project.history()? } else { History::default() };
        // What the history alone holds would be lost.
        let is_needed = !history.undone().is_empty() || history.left_out().iter().any(|left| !path.is_dir() || !left.objects.is_empty());
        if let Some(file) = file.filter(|_| !is_needed) {
            let left_out = left_out_of(&first.left_out, &history);
            let kept = Contents { image_folder: first.image_folder.clone(), left_out, ..Contents::default() };
            match self.read(path, Some(&file), kept, None) {
                Ok(read) => return self.renew(project, &first, read, path),
                Err(error) if self.cancel.is_cancelled() => return Err(error),
                Err(error) => unreadable = Some(format!("{error:#}; your work in the project is as you left it")),
            }
        }
        (self.first)(opened(first, path, true, String::new()));
        let mut contents = project.load(self.cancel, self.progress)?;
        contents.target = target;
        let mut note = unreadable.unwrap_or_else(|| reopened(&contents, path, is_saved, is_outdated));
        let count = self.look_at_images(&mut project, &mut contents, path)?;
        if count > 0 {
            note = format!("{note}, {count} new images");
        }
        self.finish(project, contents, path, note)
    }

    /// Looks for the sizes of images that have none, and for images that are new in a folder; how many are.
    fn look_at_images(&mut self, project: &mut Project, contents: &mut Contents, path: &Path) -> anyhow::Result<usize> {
        let folder = image_folder::folder_of(contents, path);
        let dataset = &mut contents.dataset;
        let sized = image_folder::measure(&mut dataset.images, &folder, self.cancel, self.progress)?;
        keep_images(project, sized.start, dataset.images.get(sized).unwrap_or_default().to_vec());
        if folder != path {
            return Ok(0);
        }
        let first = dataset.images.len();
        let left_out = left_out_of(&contents.left_out, &contents.history);
        let known: HashSet<&str> = dataset.images.iter().map(|image| image.file_name.as_str()).collect();
        let is_known = |name: &str| known.contains(name) || left_out.contains(name);
        let (found, _) = folder::scan_with(path, &is_known, self.cancel, self.progress)?;
        // One that was left out comes back under its own id.
        let last = contents.history.left_out().iter().map(|left| left.image.id.0).max();
        let images = add_images(dataset, found, last.unwrap_or(0));
        let count = images.len();
        keep_images(project, first, images);
        Ok(count)
    }

    /// Goes on with what the annotation file holds by now.
    fn renew(self, mut project: Project, old: &Contents, read: (Contents, Vec<Warning>), path: &Path) -> anyhow::Result<Opened> {
        let (mut contents, warnings) = read;
        let images = &contents.dataset.images;
        // In a file that came since, images have other ids than they had in the folder.
        let shown = old.dataset.images.iter().find(|image| Some(image.id) == old.shown);
        contents.shown = shown.and_then(|shown| images.iter().find(|image| image.file_name == shown.file_name)).map(|image| image.id);
        let seen = old.dataset.images.iter().filter(|image| old.reviewed.contains(&image.id));
        let seen: HashSet<&str> = seen.map(|image| image.file_name.as_str()).collect();
        contents.reviewed = images.iter().filter(|image| seen.contains(image.file_name.as_str())).map(|image| image.id).collect();
        contents.judged = project.judged()?;
        keep_choices(old, &mut contents);
        project.refill(&contents, self.cancel, self.progress)?;
        let news = match (&old.target, &contents.target) {
            (None, Some(target)) => format!("{} was not here last time", name(&target.path)),
            _ => "the file was changed by others since last time".to_owned(),
        };
        let note = format!("{}; {news}", counted(&contents));
        let mut opened = self.finish(project, contents, path, note)?;
        opened.document.warnings = warnings;
        Ok(opened)
    }

    /// What the annotation file `file` of `path` holds, and all images of a folder but those that were left out, unless
    /// those of the data set lie in the other folder that a person chose. `contents` has what is kept.
    fn read(
        &mut self,
        path: &Path,
        file: Option<&Path>,
        mut contents: Contents,
        scanned: Option<(Dataset, Report)>,
    ) -> anyhow::Result<(Contents, Vec<Warning>)> {
        let mut warnings = Report::default();
        if let Some(file) = file {
            let unreadable = || format!("cannot read {}", file.display());
            contents.target = Some(Target::hashed(file).with_context(unreadable)?);
            (contents.dataset, warnings) = coco::read_with(file, self.cancel, self.progress).with_context(unreadable)?;
        }
        let folder = image_folder::folder_of(&contents, path);
        if folder == path {
            // The file has the last word.
            for image in &contents.dataset.images {
                contents.left_out.remove(&image.file_name);
            }
            let is_left_out = |name: &str| contents.left_out.contains(name);
            let (dataset, report) = scanned.map_or_else(|| folder::scan_with(path, &is_left_out, self.cancel, self.progress), Ok)?;
            add_images(&mut contents.dataset, dataset, 0);
            warnings.append(report);
        }
        image_folder::measure(&mut contents.dataset.images, &folder, self.cancel, self.progress)?;
        Ok((contents, warnings.warnings))
    }

    fn finish(self, project: Project, contents: Contents, path: &Path, note: String) -> anyhow::Result<Opened> {
        let mut opened = opened(contents, path, false, note);
        opened.document.keep_with(Writer::start(project, self.wake)?);
        Ok(opened)
    }
}

/// The annotation file that `path` stands for; `None` for a folder without one.
fn own_file(path: &Path) -> Option<PathBuf> {
    if path.is_dir() { Some(path.join(OWN_FILE)).filter(|file| file.is_file()) } else { Some(path.to_path_buf()) }
}

fn counted(contents: &Contents) -> String {
    format!("Opened {}", sizes(contents))
}

fn sizes(Contents { dataset: Dataset { images, instances, .. }, .. }: &Contents) -> String {
    format!("{} image{}, {} object{}", images.len(), plural(images.len()), instances.len(), plural(instances.len()))
}

/// What is said of a project that goes on as it was left.
fn reopened(contents: &Contents, path: &Path, is_saved: bool, is_outdated: bool) -> String {
    let counted = format!("Reopened {}", sizes(contents));
    match &contents.target {
        Some(target) if is_outdated => {
            let how = if target.path.exists() { "was changed by others" } else { "is gone" };
            format!("{} {how}; your work in the project is as you left it", name(&target.path))
        }
        Some(target) if !is_saved => format!("Reopened your work; Save writes it into {}", name(&target.path)),
        Some(_) => counted,
        None => match own_file(path).filter(|file| file.is_file()) {
            Some(file) => format!("{counted}; {} was not read, because the project has work of its own", name(&file)),
            None => counted,
        },
    }
}

fn opened(contents: Contents, path: &Path, is_loading: bool, note: String) -> Opened {
    let images = &contents.dataset.images;
    let image = contents.shown.and_then(|shown| images.iter().position(|image| image.id == shown)).unwrap_or(0);
    let source = if path.is_dir() { Source::Folder(path.to_path_buf()) } else { Source::File(path.to_path_buf()) };
    let image_folder = image_folder::folder_of(&contents, path);
    let mut document = Document::new(contents, source, is_loading);
    document.image_folder = image_folder;
    Opened { document, note, image }
}

/// The annotation file of a project that was copied or moved together with its data; `None` where it is where it was.
fn moved(target: &Target, path: &Path) -> Option<Target> {
    let name = target.path.file_name()?;
    let here = if path.is_dir() { path.join(name) } else { path.to_path_buf() };
    let is_there = here.canonicalize().is_ok_and(|here| target.path.canonicalize().is_ok_and(|there| here == there));
    if here == target.path || is_there || here.file_name() != Some(name) {
        return None;
    }
    let moved = Target { path: here, ..target.clone() };
    // A copy was changed at another time, but its bytes are the same; older projects know only how many.
    let copy = match moved.hash {
        Some(_) => moved.touched(),
        None => Target::of(&moved.path).ok().filter(|copy| moved.is_outdated() && copy.length_bytes == moved.length_bytes),
    };
    Some(copy.unwrap_or(moved))
}

/// Whether nobody has done anything yet in the project that begins with `first`.
fn is_untouched(first: &Contents) -> bool {
    first.history.revision() == 0 && first.target.is_none() && first.reviewed.is_empty()
}

/// Puts images into the project. Where the disk takes nothing now, they are found again next time.
fn keep_images(project: &mut Project, first: usize, images: Vec<Image>) {
    if !images.is_empty()
        && let Err(error) = project.write(&Change::Images { first, images })
    {
        tracing::warn!(%error, "images of a project");
    }
}

/// Keeps what was chosen of the classes of `old`, for those of the same names.
fn keep_choices(old: &Contents, contents: &mut Contents) {
    let categories = &contents.dataset.categories;
    let same = |id: CategoryId| {
        let before = old.dataset.categories.iter().find(|class| class.id == id)?;
        categories.iter().find(|class| class.name == before.name).map(|class| class.id)
    };
    contents.class = old.class.and_then(same);
    contents.colors = old.colors.iter().filter_map(|(&id, &color)| Some((same(id)?, color))).collect();
    contents.hues = old.hues.iter().filter_map(|(&id, &hue)| Some((same(id)?, hue))).collect();
    contents.digits = old.digits.iter().filter_map(|(&digit, &id)| Some((digit, same(id)?))).collect();
    contents.exemplars = old.exemplars.iter().filter_map(|&(id, object)| Some((same(id)?, object))).collect();
}

/// The names of the images that were left out: those that the project remembers, and those that the history tells.
fn left_out_of(remembered: &BTreeSet<String>, history: &History) -> BTreeSet<String> {
    let told = history.left_out().into_iter().map(|left| left.image.file_name.clone());
    remembered.iter().cloned().chain(told).collect()
}

/// Puts the images behind the others that `dataset` does not have yet, under ids above `last` and its own; gives them back.
fn add_images(dataset: &mut Dataset, scanned: Dataset, last: i64) -> Vec<Image> {
    let known: HashSet<&str> = dataset.images.iter().map(|image| image.file_name.as_str()).collect();
    let mut next = dataset.images.iter().map(|image| image.id.0).fold(last, i64::max);
    let mut added = Vec::new();
    for mut image in scanned.images {
        if !known.contains(image.file_name.as_str()) {
            next += 1;
            image.id = ImageId(next);
            added.push(image);
        }
    }
    dataset.images.extend(added.iter().cloned());
    added
}
