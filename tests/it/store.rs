//! The project on disk: what comes back is what was there, bit for bit, after every kind of end.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use annotator::annotation::{Category, CategoryId, Dataset, Edit, Field, Image, ImageId, Instance, InstanceId, Shape, Verbatim};
use annotator::disk;
use annotator::formats::coco;
use annotator::geometry::{Rect, Size};
use annotator::job::Cancel;
use annotator::store::{Change, Contents, Judgement, Judgements, Move, Places, Project, State, StoreError, Target, Writer, find};
use proptest::prelude::*;
use rand::{SeedableRng as _, rngs::StdRng};

fn places(folder: &Path) -> Places {
    Places::of(&folder.join("set.json"), &folder.join("state"))
}

fn create(folder: &Path, contents: &Contents) -> Project {
    Project::create(&places(folder), contents, &Cancel::new(), &mut |_| ()).unwrap()
}

fn load(project: &Project) -> Contents {
    project.load(&Cancel::new(), &mut |_| ()).unwrap()
}

fn source(text: String) -> Option<Verbatim> {
    let length = text.len();
    Verbatim::new(&text.into(), 0..length)
}

fn same(a: &Contents, b: &Contents) {
    assert!(a.dataset == b.dataset, "the data sets differ: {:?}\n{:?}", a.dataset.instances, b.dataset.instances);
    assert_eq!(a.history.done(), b.history.done());
    assert_eq!(a.history.undone(), b.history.undone());
    assert_eq!(a.history.revision(), b.history.revision());
    assert_eq!((&a.reviewed, a.shown, &a.target, a.exported), (&b.reviewed, b.shown, &b.target, b.exported));
    assert_eq!((&a.judged, &a.image_folder, &a.left_out), (&b.judged, &b.image_folder, &b.left_out));
    assert_eq!((a.class, &a.colors, &a.digits, &a.exemplars), (b.class, &b.colors, &b.digits, &b.exemplars));
    assert_eq!((&a.hues, &a.digits_away, &a.exemplars_away), (&b.hues, &b.digits_away, &b.exemplars_away));
}

/// A session of edits that follow from a seed, the way the window makes them.
struct Session {
    contents: Contents,
}

const IMAGES: i64 = 6;

impl Session {
    fn new() -> Self {
        let mut contents = Contents::default();
        contents.dataset.images = (1..=IMAGES).map(image).collect();
        contents.dataset.categories = vec![category(3, "cat"), category(9, "dog")];
        contents.dataset.document = vec![("info".to_owned(), source("{}".to_owned())), ("images".to_owned(), None)];
        contents.shown = Some(ImageId(1));
        Self { contents }
    }

    /// Says what is said before the step to the next revision; gives the change.
    fn judge(&mut self) -> Change {
        let news = said(self.contents.history.revision() + 1);
        self.contents.judged.extend(&news);
        Change::Judged(news)
    }

    /// Makes the step that leads from this revision to the next one; gives the change.
    fn step(&mut self) -> Change {
        let Contents { dataset, history, .. } = &mut self.contents;
        let mut random = StdRng::seed_from_u64(history.revision());
        let made = match random.random_range(0..10) {
            0 | 1 if history.next_undo().is_some() => history.undo(dataset).map(|_| Move::Undo),
            2 if history.next_redo().is_some() => history.redo(dataset).map(|_| Move::Redo),
            _ => {
                let edit = edit(dataset, &mut random);
                history.commit(dataset, format!("step {}", history.revision()), Some(ImageId(1)), &edit).map(|()| Move::Commit)
            }
        };
        let place = |id| dataset.instances.iter().position(|instance| instance.id == id);
        Change::of_step(made.unwrap(), dataset, history, place).unwrap()
    }

    fn advance(&mut self, revision: u64) {
        while self.contents.history.revision() < revision {
            self.judge();
            self.step();
        }
    }
}

/// What is said before the step to `revision`: something of an outline of its own, with any bits.
fn said(revision: u64) -> Judgements {
    let mut random = StdRng::seed_from_u64(revision);
    let expected_iou = random.random_bool(0.7).then(|| random.random());
    let judgement = Judgement { expected_iou, looked_at: random.random(), painted: random.random() };
    let id = if revision == 1 { i64::MIN } else { random.random_range(-3..3) };
    [((InstanceId(id), random.random()), judgement)].into()
}

fn image(id: i64) -> Image {
    let source = source(format!("{{\"id\": {id}, \"x\": NaN}}"));
    Image { id: ImageId(id), file_name: format!("ü/{id}.png"), size: Size::new(640, 480), source }
}

fn category(id: i64, name: &str) -> Category {
    Category { id: CategoryId(id), name: name.to_owned(), supercategory: "all".to_owned(), source: None }
}

fn instance(id: InstanceId, random: &mut StdRng) -> Instance {
    let (x, y) = (f64::from(random.random_range(0..60_000)) / 100.0, random.random_range(0.0..400.0));
    let shape = match random.random_range(0..4) {
        0 => Shape::Box,
        1 => Shape::Polygons(vec![vec![x, y, x + 9.5, y, x, y + 7.25], vec![1.5, 2.0, 3.25, 4.0, 0.1, -0.0]].into()),
        form => {
            let first = random.random_range(1..300_000);
            Shape::Rle { size: Size::new(640, 480), counts: vec![first, 307_200 - first].into(), compressed: form == 2 }
        }
    };
    let has_source = random.random_bool(0.5);
    Instance {
        id,
        image_id: ImageId(random.random_range(1..=IMAGES)),
        category_id: CategoryId(3),
        bbox: Rect::new(x, y, 9.5, 7.25),
        shape,
        area: random.random(),
        crowd: random.random(),
        score: random.random_bool(0.3).then(|| random.random()),
        changed: if has_source { Field::SHAPE } else { Field::NONE },
        source: has_source.then(|| source(format!("{{\"id\": {id}, \"é\": {x}}}"))).flatten(),
    }
}

fn edit(dataset: &Dataset, random: &mut StdRng) -> Edit {
    let count = dataset.instances.len();
    let some = |random: &mut StdRng| dataset.instances[random.random_range(0..count)].clone();
    let insert = |index: usize, id: i64, random: &mut StdRng| Edit::Insert { index, instance: Box::new(instance(InstanceId(id), random)) };
    let free = dataset.free_instance_id().0;
    match random.random_range(0..12) {
        0..=3 => insert(usize::MAX, free, random),
        4 => insert(random.random_range(0..=count), free, random),
        5 if count > 4 => Edit::Remove(some(random).id),
        6 if count > 4 => Edit::Batch(vec![Edit::Remove(some(random).id), insert(1, free, random), insert(1, free + 1, random)]),
        7 if count > 0 => {
            let old = some(random);
            let new = Instance { image_id: old.image_id, ..instance(old.id, random) };
            Edit::Replace(Box::new(new))
        }
        8 => Edit::InsertCategory { index: random.random_range(0..4), category: category(dataset.free_category_id().0, "new") },
        9 if dataset.images.len() > 3 => {
            let id = dataset.images[random.random_range(0..dataset.images.len())].id;
            let objects = dataset.instances_on(id).map(|object| Edit::Remove(object.id)).collect();
            Edit::Batch(vec![Edit::Batch(objects), Edit::RemoveImage(id)])
        }
        10 => {
            let last = dataset.images.iter().map(|image| image.id.0).fold(IMAGES, i64::max);
            Edit::InsertImage { index: random.random_range(0..9), image: image(last + 1) }
        }
        _ => Edit::ReplaceCategory(category(9, &format!("dog {}", random.random::<u8>()))),
    }
}

#[test]
fn every_step_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = Session::new();
    session.advance(40);
    let mut project = create(folder.path(), &session.contents);
    same(&load(&project), &session.contents);
    for number in 0..400 {
        project.write(&session.judge()).unwrap();
        project.write(&session.step()).unwrap();
        if number % 20 == 0 {
            drop(project);
            project = find(&places(folder.path())).unwrap().unwrap();
        }
        same(&load(&project), &session.contents);
    }
    let Contents { dataset, history, .. } = &mut load(&project);
    let (before, undone) = (dataset.clone(), history.undone().len());
    let mut count = 0;
    while history.undo(dataset).unwrap().is_some() {
        count += 1;
    }
    assert!(count > 50, "{count} steps can be taken back after a restart");
    let mut redone = 0;
    while history.redo(dataset).unwrap().is_some() {
        redone += 1;
    }
    assert_eq!(redone, count + undone);
    for _ in 0..undone {
        history.undo(dataset).unwrap();
    }
    assert!(before == *dataset, "undo and redo lead elsewhere");
}

#[test]
fn an_outline_is_judged_as_it_was_last() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = create(folder.path(), &Session::new().contents);
    let outlines = [(InstanceId(7), 0), (InstanceId(7), u64::MAX)];
    let least = Judgement::expected(f32::MIN_POSITIVE);
    for judgement in [Judgement::expected(0.1), Judgement::LOOKED_AT, least.and(Judgement::LOOKED_AT), Judgement::PAINTED] {
        let judged: Judgements = outlines.map(|outline| (outline, judgement)).into();
        project.write(&Change::Judged(judged.clone())).unwrap();
        assert_eq!((load(&project).judged, project.judged().unwrap()), (judged.clone(), judged));
        assert_eq!(load(&project).history.revision(), 0, "it is no change of the data set");
    }
    project.refill(&Contents::default(), &Cancel::new(), &mut |_| ()).unwrap();
    assert!(project.judged().unwrap().is_empty());
}

#[test]
fn a_project_of_the_first_format_is_read_and_takes_judgements() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = Session::new();
    session.advance(40);
    let path = create(folder.path(), &session.contents).path().to_owned();
    let old = rusqlite::Connection::open(&path).unwrap();
    let newer = "DROP TABLE judged; DROP TABLE left_out; DROP TABLE color; DROP TABLE hue; DROP TABLE exemplar; DROP TABLE digit; DROP TABLE digit_away; DROP TABLE exemplar_away; ALTER TABLE step DROP COLUMN version; PRAGMA user_version = 1";
    old.execute_batch(newer).unwrap();
    drop(old);
    let mut project = Project::open(&path).unwrap();
    session.contents.judged.clear();
    let steps = |contents: &Contents| {
        let steps = contents.history.done().iter().chain(contents.history.undone());
        steps.map(|step| (step.label.clone(), step.image, step.edit().clone())).collect::<Vec<_>>()
    };
    let read = load(&project);
    assert_eq!(steps(&read), steps(&session.contents));
    // Their versions are not those that they had.
    session.contents.history = read.history;
    same(&load(&project), &session.contents);
    project.write(&session.judge()).unwrap();
    drop(project);
    same(&load(&Project::open(&path).unwrap()), &session.contents);
}

#[test]
fn many_insertions_at_one_place_keep_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = Session::new();
    session.advance(30);
    let mut project = create(folder.path(), &session.contents);
    let mut random = StdRng::seed_from_u64(1);
    for _ in 0..60 {
        let Contents { dataset, history, .. } = &mut session.contents;
        let new = instance(dataset.free_instance_id(), &mut random);
        history.commit(dataset, "insert", None, &Edit::Insert { index: 1, instance: Box::new(new) }).unwrap();
        let place = |id| dataset.instances.iter().position(|instance| instance.id == id);
        project.write(&Change::of_step(Move::Commit, dataset, history, place).unwrap()).unwrap();
    }
    same(&load(&project), &session.contents);
}

#[test]
fn real_files_come_back_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.json");
    std::fs::write(&path, include_str!("../data/polygons.json")).ok();
    let text = r#"{"info": {"a": NaN, "b": [1e400]}, "licenses": [],
        "images": [{"id": 7, "file_name": "a b.jpg", "width": 640, "height": 480, "date": 1.50}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 2, "bbox": [1.005, 2, 3.3333333333333335, 4], "area": 1e-7,
            "segmentation": [[1.1, 2.2, 3.3, 4.4, 5.5, 0.30000000000000004]], "iscrowd": 0, "extra": {"k": [1, 2]}},
            {"id": 1, "image_id": 7, "category_id": 2, "segmentation": {"size": [480, 640], "counts": [307200]}, "iscrowd": 1},
            {"image_id": 8, "category_id": 5, "score": 0.1, "bbox": [0, 0, -1, 2.5]}, 17],
        "more": "\u00e9", "categories": [{"id": 2, "name": "x", "supercategory": "y", "synset": "z.n.01"}]}"#;
    std::fs::write(&path, text).unwrap();
    let (dataset, _) = coco::read(&path).unwrap();
    let contents = Contents { dataset, target: Some(Target::hashed(&path).unwrap()), ..Contents::default() };
    let project = create(folder.path(), &contents);
    drop(project);
    let loaded = load(&find(&places(folder.path())).unwrap().unwrap());
    same(&loaded, &contents);
    let written = |dataset: &Dataset| {
        let mut out = Vec::new();
        coco::write(dataset, &mut out).unwrap();
        out
    };
    assert_eq!(written(&loaded.dataset), written(&contents.dataset));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "the original is as it was");
}

#[test]
fn what_is_chosen_of_classes_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let class = CategoryId(9);
    let mut project = create(folder.path(), &Session::new().contents);
    assert_eq!(load(&project).class, None);
    project.write(&Change::Class(class)).unwrap();
    for color in [Some([1, 2, 3]), None, Some([255, 0, 254])] {
        project.write(&Change::Color(class, color)).unwrap();
        assert_eq!(load(&project).colors.get(&class).copied(), color);
    }
    for digits in [BTreeMap::from([(1, CategoryId(3)), (9, class)]), BTreeMap::from([(1, class), (5, CategoryId(i64::MIN))])] {
        project.write(&Change::Digits(digits.clone())).unwrap();
        assert_eq!(load(&project).digits, digits);
    }
    let contents = load(&project);
    let first = project.first().unwrap();
    assert_eq!((contents.class, first.class, &first.colors), (Some(class), Some(class), &contents.colors));
    assert_eq!(first.digits, contents.digits);
    project.refill(&contents, &Cancel::new(), &mut |_| ()).unwrap();
    same(&load(&project), &contents);
    project.refill(&Contents::default(), &Cancel::new(), &mut |_| ()).unwrap();
    assert_eq!((load(&project).class, load(&project).colors.len(), load(&project).digits.len()), (None, 0, 0));
}

#[test]
fn exemplars_are_kept_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = create(folder.path(), &Session::new().contents);
    let exemplars = vec![(CategoryId(9), InstanceId(5)), (CategoryId(3), InstanceId(i64::MIN)), (CategoryId(9), InstanceId(1))];
    for some in [&exemplars[1..], &exemplars[..]] {
        project.write(&Change::Exemplars(some.to_vec())).unwrap();
    }
    let contents = load(&project);
    assert_eq!((&contents.exemplars, &project.first().unwrap().exemplars), (&exemplars, &exemplars));
    project.refill(&contents, &Cancel::new(), &mut |_| ()).unwrap();
    same(&load(&project), &contents);
    project.write(&Change::Exemplars(Vec::new())).unwrap();
    assert!(load(&project).exemplars.is_empty());
}

#[test]
fn the_usual_colours_of_classes_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = create(folder.path(), &Session::new().contents);
    for hues in [BTreeMap::from([(CategoryId(9), 1)]), BTreeMap::from([(CategoryId(i64::MIN), 0), (CategoryId(9), 5000)])] {
        project.write(&Change::Hues(hues.clone())).unwrap();
        assert_eq!((&load(&project).hues, &project.first().unwrap().hues), (&hues, &hues));
    }
    let contents = load(&project);
    project.refill(&contents, &Cancel::new(), &mut |_| ()).unwrap();
    same(&load(&project), &contents);
    project.write(&Change::Hues(BTreeMap::new())).unwrap();
    assert!(load(&project).hues.is_empty());
}

#[test]
fn what_classes_had_that_went_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = create(folder.path(), &Session::new().contents);
    let class = CategoryId(9);
    let exemplars = [(class, 4, InstanceId(5)), (CategoryId(3), 2, InstanceId(i64::MIN)), (class, 4, InstanceId(1))];
    for digits in [BTreeMap::from([((class, 4), 1)]), BTreeMap::from([((class, 4), 1), ((class, 7), 1), ((CategoryId(i64::MIN), 4), 9)])] {
        project.write(&Change::DigitsAway(digits.clone())).unwrap();
        assert_eq!(load(&project).digits_away, digits);
    }
    for some in [&exemplars[1..], &exemplars[..]] {
        project.write(&Change::ExemplarsAway(some.to_vec())).unwrap();
        assert_eq!(load(&project).exemplars_away, some);
    }
    let contents = load(&project);
    project.refill(&contents, &Cancel::new(), &mut |_| ()).unwrap();
    same(&load(&project), &contents);
    project.refill(&Contents::default(), &Cancel::new(), &mut |_| ()).unwrap();
    assert!(load(&project).digits_away.is_empty() && load(&project).exemplars_away.is_empty());
}

#[test]
fn the_chosen_folder_of_the_images_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = create(folder.path(), &Session::new().contents);
    assert_eq!(load(&project).image_folder, None);
    // Names are not always text.
    let odd: &[u8] = if cfg!(unix) { b"far/p\xffctures" } else { &[b'p', 0, 0x00, 0xd8] };
    for chosen in [PathBuf::from("far/pictures"), disk::path_of(odd), PathBuf::from("elsewhere")] {
        project.write(&Change::ImageFolder(chosen.clone())).unwrap();
        project.write(&Change::Exported(Target { path: chosen.clone(), length_bytes: 1, modified_ns: 2, hash: None }, 0)).unwrap();
        let contents = load(&project);
        assert_eq!(contents.target.as_ref().map(|target| &target.path), Some(&chosen));
        assert_eq!(contents.image_folder, Some(chosen));
        project.refill(&contents, &Cancel::new(), &mut |_| ()).unwrap();
        same(&load(&project), &contents);
    }
}

#[test]
fn what_was_left_out_before_is_kept_until_it_is_brought_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut contents = Session::new().contents;
    contents.left_out = ["ü/9.png", "a\nb.png"].map(str::to_owned).into();
    let mut project = create(folder.path(), &contents);
    same(&load(&project), &contents);
    project.refill(&contents, &Cancel::new(), &mut |_| ()).unwrap();
    same(&load(&project), &contents);
    project.write(&Change::BroughtBack).unwrap();
    assert!(load(&project).left_out.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn numbers_come_back_to_the_last_bit(values in prop::collection::vec(prop_oneof![any::<f64>(), (-9e9..9e9).prop_map(|v: f64| (v * 100.0).round() / 100.0)], 6..60)) {
        let folder = tempfile::tempdir().unwrap();
        let mut random = StdRng::seed_from_u64(7);
        let mut contents = Session::new().contents;
        let shape = Shape::Polygons(values.chunks(6).map(<[f64]>::to_vec).collect());
        contents.dataset.instances.push(Instance { shape, ..instance(InstanceId(i64::MIN), &mut random) });
        let loaded = load(&create(folder.path(), &contents));
        let bits = |dataset: &Dataset| match &dataset.instances[0].shape {
            Shape::Polygons(polygons) => polygons.iter().flatten().map(|value| value.to_bits()).collect::<Vec<_>>(),
            _ => Vec::new(),
        };
        prop_assert_eq!(bits(&loaded.dataset), bits(&contents.dataset));
        prop_assert_eq!(loaded.dataset.instances[0].id, InstanceId(i64::MIN));
    }
}

#[test]
fn a_second_window_is_refused_and_the_next_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::new();
    let project = create(folder.path(), &session.contents);
    let error = find(&places(folder.path())).unwrap_err();
    assert!(matches!(&error, StoreError::InUse { path } if path == project.path()), "{error}");
    assert!(error.to_string().contains("open in another window"), "{error}");
    let bytes = std::fs::read(project.path()).unwrap();
    let again = Project::create(&places(folder.path()), &Contents::default(), &Cancel::new(), &mut |_| ());
    assert!(matches!(&again, Err(StoreError::InUse { path }) if path == project.path()), "{again:?}");
    assert!(std::fs::read(project.path()).unwrap() == bytes, "the file is as it was");
    drop(project);
    let next = find(&places(folder.path())).unwrap().unwrap();
    same(&load(&next), &session.contents);
}

#[test]
fn a_window_that_is_letting_go_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::new();
    let project = create(folder.path(), &session.contents);
    let let_go = move || {
        std::thread::sleep(Duration::from_millis(1500));
        drop(project);
    };
    let letting_go = annotator::job::spawn("letting go", let_go).unwrap();
    let next = find(&places(folder.path())).unwrap().unwrap();
    same(&load(&next), &session.contents);
    letting_go.join().unwrap();
}

#[test]
fn other_files_and_damage_are_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = places(folder.path()).beside().to_owned();
    std::fs::write(&path, "no database, but a text that is long enough to be taken for one".repeat(99)).unwrap();
    assert!(matches!(find(&places(folder.path())), Err(StoreError::NotAProject { .. })));
    std::fs::remove_file(&path).unwrap();
    let mut session = Session::new();
    session.advance(300);
    drop(create(folder.path(), &session.contents));
    let whole = std::fs::read(&path).unwrap();
    let mut random = StdRng::seed_from_u64(5);
    let mut refused = 0;
    for _ in 0..60 {
        let mut bytes = whole.clone();
        for _ in 0..random.random_range(1..40) {
            let place = random.random_range(100..bytes.len());
            bytes[place] = random.random();
        }
        std::fs::write(&path, bytes).unwrap();
        let opened = Project::open(&path).and_then(|project| project.load(&Cancel::new(), &mut |_| ()));
        if let Err(error) = opened {
            assert!(error.to_string().ends_with(&path.display().to_string()), "{error}");
            refused += 1;
        }
    }
    assert!(refused > 10, "{refused} of 60 damaged projects were noticed");
}

#[test]
fn a_project_stands_elsewhere_where_it_cannot_stand_beside_the_data() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    // A folder of that name keeps a file from being made there, for any user.
    std::fs::create_dir(places.beside()).unwrap();
    let project = create(folder.path(), &Session::new().contents);
    assert_eq!((project.path(), project.unwritten()), (places.elsewhere(), None));
    drop(project);
    assert_eq!(find(&places).unwrap().unwrap().path(), places.elsewhere());
}

#[test]
fn creating_stops_when_it_is_cancelled_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let cancel = Cancel::new();
    cancel.cancel();
    let mut session = Session::new();
    session.advance(20);
    let made = Project::create(&places(folder.path()), &session.contents, &cancel, &mut |_| ());
    assert!(matches!(made, Err(StoreError::Cancelled { .. })));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

const FOLDER: &str = "ANNOTATOR_TEST_PROJECT";
/// Steps between two prints of what is on the disk.
const BURST: u64 = 3;

/// The process that [`work_survives_the_end_of_the_process_at_any_moment`] ends: edits without end, and says which
/// revision is on the disk.
#[test]
#[ignore = "another test runs it as a process of its own"]
fn scripted_editing() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let mut out = std::io::stderr().lock();
    let project = find(&places(&folder)).unwrap().unwrap_or_else(|| create(&folder, &Session::new().contents));
    let mut session = Session { contents: load(&project) };
    let writer = Writer::start(project, || ()).unwrap();
    loop {
        for _ in 0..BURST {
            writer.push(session.judge());
            writer.push(session.step());
            writer.push(Change::Shown(ImageId(session.contents.history.revision() as i64 % IMAGES + 1)));
        }
        assert_eq!(writer.flush(Duration::from_mins(1)), State::Written);
        writeln!(out, "written {}", session.contents.history.revision()).unwrap();
    }
}

#[test]
fn work_survives_the_end_of_the_process_at_any_moment() {
    let mut random = StdRng::seed_from_u64(20);
    let mut seen = BTreeMap::<&str, usize>::new();
    let mut folder = tempfile::tempdir().unwrap();
    let mut expected = Session::new();
    for round in 0..200 {
        // Each project goes through many ends; the first one of each may come while it is being made.
        if round % 20 == 0 {
            folder = tempfile::tempdir().unwrap();
            expected = Session::new();
        }
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::scripted_editing", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let written = |line: String| line.strip_prefix("written ").and_then(|number| number.parse::<u64>().ok());
        // Every other process is ended while it is at work, the others at any moment from their start.
        let first = (round % 2 == 1).then(|| lines.by_ref().find_map(written).unwrap());
        let moment = Duration::from_micros(random.random_range(0..if first.is_some() { 60_000 } else { 160_000 }));
        let killer = std::thread::Builder::new().spawn(move || {
            std::thread::sleep(moment);
            process.kill().unwrap();
            process.wait().unwrap();
        });
        let acknowledged = lines.filter_map(written).last().or(first);
        killer.unwrap().join().unwrap();

        let Some(project) = find(&places(folder.path())).unwrap() else {
            assert_eq!((acknowledged, expected.contents.history.revision()), (None, 0), "round {round}");
            *seen.entry("before there was a project").or_default() += 1;
            continue;
        };
        let found = load(&project);
        let revision = found.history.revision();
        let least = acknowledged.unwrap_or(expected.contents.history.revision());
        assert!((least..=least + BURST).contains(&revision), "round {round}: {revision} is there, {least} was acknowledged");
        expected.advance(revision);
        expected.contents.shown = found.shown;
        // The process may have ended between what was said before the next step and that.
        expected.contents.judged = (1..=found.judged.len() as u64).flat_map(said).collect();
        assert!((revision..=revision + 1).contains(&(found.judged.len() as u64)), "round {round}: {} at {revision}", found.judged.len());
        same(&found, &expected.contents);
        *seen.entry(if acknowledged.is_some() { "while editing" } else { "before the first edit" }).or_default() += 1;
    }
    writeln!(std::io::stderr(), "the process was ended {seen:?}").ok();
    assert!(seen.get("while editing").is_some_and(|&count| count >= 100), "{seen:?}");
}
