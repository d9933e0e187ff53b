//! The program without a window, run as a person runs it: files in, files out, exit code, last line.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use annotator::model::device::{Compute, ComputeChoice, open};
use image::metadata::Orientation;
use serde_json::{Value, json};
use tempfile::TempDir;

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/sample")
}

fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_annotator"));
    command.current_dir(folder).stdin(Stdio::null());
    command
}

fn run(folder: &Path, words: &str) -> Output {
    program(folder).args(words.split_whitespace()).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn last_line(output: &Output) -> String {
    out(output).lines().next_back().unwrap_or_default().to_owned()
}

#[track_caller]
fn assert_code(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "stdout:\n{}\nstderr:\n{}", out(output), err(output));
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn annotation(document: &Value, id: i64) -> &Value {
    document["annotations"].as_array().unwrap().iter().find(|record| record["id"] == id).unwrap()
}

/// A folder with `images/cat.jpg`, `images/broken.jpg` and a COCO file `in.json` with members that COCO does not know.
fn project(change: impl FnOnce(&mut Value)) -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("images")).unwrap();
    std::fs::copy(sample().join("images/cat.jpg"), folder.path().join("images/cat.jpg")).unwrap();
    std::fs::write(folder.path().join("images/broken.jpg"), b"\xff\xd8\xff\xe0 no picture").unwrap();
    let mut document = json!({
        "licence_note": "kept",
        "images": [{"id": 7, "width": 640, "height": 407, "file_name": "cat.jpg", "camera": "old"}],
        "annotations": [
            {"id": 12, "image_id": 7, "category_id": 17, "bbox": [0.92, 37.13, 412.5, 365.75], "area": 150_872.0, "segmentation": [], "iscrowd": 0, "note": "n"},
            {"id": 11, "image_id": 7, "category_id": 75, "bbox": [439.01, 198.19, 179.26, 87.8], "area": 7752.2, "iscrowd": 0,
             "segmentation": [[439.01, 198.19, 618.27, 198.19, 618.27, 285.99, 439.01, 285.99]]},
            {"id": 90, "image_id": 7, "category_id": 75, "bbox": [0, 0, 10, 407], "area": 4070, "iscrowd": 1,
             "segmentation": {"size": [407, 640], "counts": [0, 4070, 256_410]}}
        ],
        "categories": [{"id": 17, "name": "cat", "supercategory": "animal"}, {"id": 75, "name": "remote", "supercategory": "electronic"}]
    });
    change(&mut document);
    std::fs::write(folder.path().join("in.json"), document.to_string()).unwrap();
    folder
}

#[test]
fn boxes_become_masks() {
    let folder = project(|_| ());
    let output = run(folder.path(), "--headless propose --data in.json --images images --out out.json --steps 1 --device cpu");
    assert_code(&output, 0);
    assert_eq!(last_line(&output), "wrote out.json: 2 masks from boxes, 1 crowds skipped, 0 boxes without a mask");
    let (before, after) = (read(&folder.path().join("in.json")), read(&folder.path().join("out.json")));
    for member in ["licence_note", "images", "categories"] {
        assert_eq!(before[member], after[member]);
    }
    assert_eq!(annotation(&before, 90), annotation(&after, 90));
    for id in [12, 11] {
        let (old, new) = (annotation(&before, id), annotation(&after, id));
        assert_eq!(new["segmentation"]["size"], json!([407, 640]));
        assert!(new["area"].as_f64().unwrap() >= 1.0 && new["score"].as_f64().unwrap() > 0.0);
        let number = |record: &Value, place: usize| record["bbox"][place].as_f64().unwrap();
        for axis in [0, 1] {
            let middle = number(new, axis) + number(new, axis + 2) / 2.0;
            assert!((number(old, axis)..number(old, axis) + number(old, axis + 2)).contains(&middle), "the mask of {id} lies in its box");
        }
        for member in ["image_id", "category_id", "iscrowd", "note"] {
            assert_eq!(old.get(member), new.get(member), "{member} of {id}");
        }
    }
}

#[test]
fn a_picture_that_exif_turns_lies_as_its_record_sees_it() {
    let upright = image::open(sample().join("images/cat.jpg")).unwrap();
    let proposed = |stored: image::DynamicImage, orientation: Orientation| {
        let folder = project(|document| document["images"][0]["file_name"] = json!("/elsewhere/cat.jpg"));
        let bytes = crate::picture::png(&stored.into_rgb8(), orientation);
        std::fs::write(folder.path().join("images/cat.jpg"), bytes).unwrap();
        let output = run(folder.path(), "--headless propose --data in.json --images images --out out.json --plain --device cpu");
        assert_code(&output, 0);
        (read(&folder.path().join("out.json")), err(&output))
    };
    let (plain, said) = proposed(upright.clone(), Orientation::NoTransforms);
    assert!(!said.contains("EXIF"), "{said}");
    let (turned, said) = proposed(upright.rotate270(), Orientation::Rotate90);
    assert_eq!(turned, plain);
    assert!(!said.contains("EXIF"), "{said}");
    let (stored, said) = proposed(upright, Orientation::Rotate180);
    assert_eq!(stored, plain);
    assert!(said.contains("1 picture that its EXIF entry turns was taken as it is stored") && said.contains("cat.jpg"), "{said}");
}

#[test]
fn proposing_looks_at_boxes_only() {
    let words = "--headless propose --data in.json --images images --out out.json --steps 1 --seed 5 --device cpu";
    let proposed = |segmentation: Value| {
        let folder = project(|document| document["annotations"][1]["segmentation"] = segmentation);
        assert_code(&run(folder.path(), words), 0);
        annotation(&read(&folder.path().join("out.json")), 11).clone()
    };
    assert_eq!(proposed(json!([])), proposed(json!([[440, 200, 500, 200, 500, 210]])));
}

#[test]
fn what_gets_no_mask_keeps_none() {
    let folder = project(|document| {
        let mut record = document["annotations"][1].clone();
        for (image, width, height) in [(8, 640, 407), (9, 1280, 814)] {
            let fields = json!({"id": image, "width": width, "height": height, "file_name": "cat.jpg"});
            document["images"].as_array_mut().unwrap().push(fields);
        }
        // On an image of another size, on one that is not there, and outside its image.
        for (id, image, x) in [(21, 9, 20.5), (22, 404, 20.5), (23, 8, 900.5)] {
            (record["id"], record["image_id"], record["bbox"][0], record["score"]) = (json!(id), json!(image), json!(x), json!(0.9));
            document["annotations"].as_array_mut().unwrap().push(record.clone());
        }
    });
    let output = run(folder.path(), "--headless propose --data in.json --images images --out out.json --plain --device cpu");
    assert_code(&output, 0);
    assert!(err(&output).contains("640 x 407"), "{}", err(&output));
    assert_eq!(
        last_line(&output),
        "wrote out.json: 2 masks from boxes, 1 crowds skipped, 1 boxes without a mask; \
         1 image could not be read, its 1 annotations keep only their boxes; \
         1 annotations lie on no image of the file and keep only their boxes"
    );
    let [before, after] = ["in.json", "out.json"].map(|name| read(&folder.path().join(name)));
    for id in [21, 22, 23] {
        let (before, after) = (annotation(&before, id), annotation(&after, id));
        assert_eq!((&after["bbox"], &after["segmentation"]), (&before["bbox"], &json!([])));
        assert!(after.get("score").is_none() && after["note"] == before["note"], "{after}");
    }
    let output = run(folder.path(), "--headless eval --data in.json --pred out.json");
    assert_code(&output, 0);
    assert!(out(&output).contains("\n3 objects have no prediction with their id, or only a box"), "{}", out(&output));
}

#[test]
fn images_that_cannot_be_read_are_an_error_where_there_are_no_others() {
    let folder = project(|document| document["images"][0]["file_name"] = json!("broken.jpg"));
    for command in ["propose", "refine"] {
        for (images, told) in [("nowhere", "no folder nowhere"), ("images", "none of the 1 images could be read")] {
            let output = run(folder.path(), &format!("--headless {command} --data in.json --images {images} --out out.json --device cpu"));
            assert_code(&output, 1);
            assert!(err(&output).contains(told), "{}", err(&output));
            assert!(!folder.path().join("out.json").exists());
        }
    }
}

#[test]
fn a_picture_that_two_records_end_in_is_said_to_be_there() {
    let folder = project(|document| {
        document["images"][0]["file_name"] = json!("left/cat.jpg");
        document["images"].as_array_mut().unwrap().push(json!({"id": 8, "width": 640, "height": 407, "file_name": "right/cat.jpg"}));
    });
    let output = run(folder.path(), "--headless propose --data in.json --images images --out out.json --device cpu");
    assert_code(&output, 1);
    let told = err(&output);
    assert!(told.contains("left/cat.jpg; cat.jpg is there, but more than one record ends in it"), "{told}");
}

#[test]
fn masks_are_refined() {
    let folder = project(|_| ());
    let output = run(folder.path(), "--headless refine --data in.json --images images --out out.json --device cpu --progress json");
    assert_code(&output, 0);
    let events = out(&output).lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
    assert!(events.iter().any(|event| event["event"] == "progress" && event["total"] == 1), "{events:?}");
    let message = events.last().unwrap()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("1 crowds and 1 boxes skipped"), "{message}");
    let (before, after) = (read(&folder.path().join("in.json")), read(&folder.path().join("out.json")));
    assert_eq!(annotation(&before, 12), annotation(&after, 12));
    assert_eq!(annotation(&before, 90), annotation(&after, 90));
}

#[test]
fn a_graphics_adapter_that_takes_its_time_says_so() {
    const SAID: &str = "Preparing the graphics card (about a minute the first time)";
    let folder = project(|document| document["annotations"] = json!([]));
    let refine =
        |rest: &str| run(folder.path(), &format!("--headless refine --data in.json --images images --out out.json --device {rest}"));
    let quiet = refine("cpu");
    assert_code(&quiet, 0);
    assert!(!err(&quiet).contains(SAID), "{}", err(&quiet));
    let plain = refine("gpu");
    if err(&plain).contains("no graphics adapter") {
        assert!(std::env::var_os("ANNOTATOR_REQUIRE_GPU").is_none(), "a graphics adapter is required");
        std::io::Write::write_all(&mut std::io::stderr(), b"*skipped*: no graphics adapter\n").unwrap();
        return;
    }
    assert_code(&plain, 0);
    assert!(err(&plain).lines().any(|line| line == SAID) && !out(&plain).contains(SAID), "{}", err(&plain));
    let lines = refine("gpu --progress json");
    assert_code(&lines, 0);
    let events = out(&lines).lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
    assert!(events.iter().any(|event| event["event"] == "progress" && event["label"] == SAID && event["total"] == 0), "{events:?}");
}

#[test]
fn coarse_masks_are_refined_as_the_options_say() {
    let folder = project(|_| ());
    let sample = sample();
    let (data, images) = (sample.join("instances.json"), sample.join("images"));
    let output = program(folder.path())
        .args(["--headless", "coarsen", "--out", "coarse.json", "--iou", "0.85", "--data"])
        .arg(&data)
        .output()
        .unwrap();
    assert_code(&output, 0);
    let coarse = read(&folder.path().join("coarse.json"));
    assert!(coarse["annotations"].as_array().unwrap().iter().any(|record| record["source"] == "perturbed 0.85"));

    let output = program(folder.path())
        .args(["--headless", "refine", "--data", "coarse.json", "--out", "fine.json", "--device", "cpu", "--mode", "instance"])
        .args([
            "--strength",
            "0.8",
            "--band",
            "9",
            "--min-area",
            "2000",
            "--report",
            "report.json",
            "--only-category",
            "remote,suitcase",
            "--images",
        ])
        .arg(&images)
        .output()
        .unwrap();
    assert_code(&output, 0);
    let (report, fine) = (read(&folder.path().join("report.json")), read(&folder.path().join("fine.json")));
    assert_eq!((&report["mode"], &report["band_px"], &report["least_area"]), (&json!("instance"), &json!(9), &json!(2000)));
    let masks = report["masks"].as_array().unwrap();
    let of_class = |record: &&Value| [75, 33].iter().any(|id| record["category_id"] == *id) && record["segmentation"] != json!([]);
    assert_eq!(masks.len(), coarse["annotations"].as_array().unwrap().iter().filter(of_class).count());
    for record in coarse["annotations"].as_array().unwrap() {
        let id = record["id"].as_i64().unwrap();
        let told = masks.iter().find(|mask| mask["id"] == id);
        let changed = annotation(&fine, id)["segmentation"] != record["segmentation"];
        assert_eq!(told.is_some_and(|mask| mask["outcome"] == "refined"), changed, "annotation {id}");
        if let Some(mask) = told.filter(|mask| mask["outcome"] == "refined") {
            let area = |name: &str| mask[name].as_i64().unwrap();
            let after = annotation(&fine, id)["area"].as_f64().unwrap() as i64;
            assert_eq!(area("area_before") + area("added") - area("removed"), after);
            assert!(area("area_before") >= 2000 && mask["change"].as_f64().unwrap() > 0.0);
        }
    }
    assert!(masks.iter().any(|mask| mask["outcome"] == "refined"), "{report}");

    let output = program(folder.path())
        .args(["--headless", "eval", "--pred", "fine.json", "--before", "coarse.json", "--json", "eval.json", "--data"])
        .arg(&data)
        .output()
        .unwrap();
    assert_code(&output, 0);
    assert!(out(&output).contains("perturbed 0.85") && out(&output).contains(" -> "), "{}", out(&output));
    let rows = read(&folder.path().join("eval.json"))["change"]["by_size"].clone();
    assert!(rows[0]["before"]["iou"].as_f64().unwrap() < 0.95, "{rows}");

    let plain = |rest: &str| {
        let images = images.display();
        run(folder.path(), &format!("--headless refine --data coarse.json --images {images} --out plain.json --device cpu --plain {rest}"))
    };
    assert_code(&plain("--mode instance --min-area 2000 --only-category remote,suitcase --report report.json"), 0);
    let report = read(&folder.path().join("report.json"));
    assert_eq!((&report["plain"], &report["timesteps"]), (&json!(true), &json!([5, 2, 0])));
    let (plain_masks, changed) = (read(&folder.path().join("plain.json")), |mask: &&Value| mask["outcome"] == "refined");
    let refined: Vec<&Value> = report["masks"].as_array().unwrap().iter().filter(changed).collect();
    let differs = |mask: &&Value| {
        let id = mask["id"].as_i64().unwrap();
        annotation(&plain_masks, id)["segmentation"] != annotation(&fine, id)["segmentation"]
    };
    assert!(refined.iter().any(differs), "nothing holds a change back: {report}");
    assert_code(&plain("--band 3"), 2);
    assert_code(&plain("--strength 0.9"), 2);

    let wrong = run(folder.path(), "--headless refine --data coarse.json --images . --out x.json --only-category unicorn");
    assert_code(&wrong, 1);
    assert!(err(&wrong).contains("unicorn") && err(&wrong).contains("coarse.json"), "{}", err(&wrong));
    assert_code(&run(folder.path(), "--headless refine --data coarse.json --images . --out x.json --strength 1.5"), 2);
}

#[test]
fn a_file_equals_itself() {
    let truth = sample().join("instances.json");
    let folder = TempDir::new().unwrap();
    let words = format!("--headless eval --data {0} --pred {0} --json numbers.json", truth.display());
    let output = run(folder.path(), &words);
    assert_code(&output, 0);
    assert!(folder.path().join("numbers.json").exists());
    assert!(out(&output).contains("1.000"), "{}", out(&output));
}

#[test]
fn predictions_of_other_numbering_are_matched_by_names() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, document: &Value| std::fs::write(folder.path().join(name), document.to_string()).unwrap();
    let truth = read(&sample().join("instances.json"));
    let mut scored = truth.clone();
    for record in scored["annotations"].as_array_mut().unwrap() {
        record["score"] = json!(0.5);
    }
    let mut renumbered = scored.clone();
    for (list, member) in [("images", "id"), ("categories", "id"), ("annotations", "image_id"), ("annotations", "category_id")] {
        for record in renumbered[list].as_array_mut().unwrap() {
            record[member] = json!(record[member].as_i64().unwrap() + 1);
        }
    }
    write("truth.json", &truth);
    write("scored.json", &scored);
    write("renumbered.json", &renumbered);
    let [same, other] =
        ["scored", "renumbered"].map(|name| run(folder.path(), &format!("--headless eval --data truth.json --pred {name}.json")));
    assert_code(&other, 0);
    assert!(out(&same).contains("AP50") && out(&same) == out(&other), "{}{}", out(&same), out(&other));
    assert!(!err(&same).contains("matched by"), "{}", err(&same));
    assert!(err(&other).contains("images have other ids than in the truth and were matched by their file names"), "{}", err(&other));
    assert!(err(&other).contains("classes have other ids than in the truth and were matched by their names"), "{}", err(&other));
}

#[test]
fn forms_convert_both_ways() {
    let truth = sample().join("instances.json");
    let folder = TempDir::new().unwrap();
    assert_code(&run(folder.path(), &format!("--headless convert --data {} --out rle.json --shape rle", truth.display())), 0);
    assert_code(&run(folder.path(), "--headless convert --data rle.json --out polygon.json --shape polygon"), 0);
    let masks = |path: &Path| {
        let (data, _) = annotator::formats::coco::read(path).unwrap();
        let sizes = data.sizes();
        let mask = |one: &annotator::annotation::Instance| (one.id, one.mask(sizes[&one.image_id]).unwrap());
        data.instances.iter().filter(|one| one.shape != annotator::annotation::Shape::Box).map(mask).collect::<Vec<_>>()
    };
    assert!(masks(&truth) == masks(&folder.path().join("rle.json")), "run lengths lose nothing");
    let overlaps: Vec<f64> = masks(&truth)
        .iter()
        .zip(masks(&folder.path().join("polygon.json")))
        .map(|((id, before), (other, after))| if *id == other { annotator::mask::metric::iou(before, &after) } else { 0.0 })
        .collect();
    let mean = overlaps.iter().sum::<f64>() / overlaps.len() as f64;
    assert!(mean > 0.95 && overlaps.iter().all(|iou| *iou > 0.7), "{overlaps:?}");
    let (truth, rle, polygon) = (read(&truth), read(&folder.path().join("rle.json")), read(&folder.path().join("polygon.json")));
    for (index, record) in truth["annotations"].as_array().unwrap().iter().enumerate() {
        let has_mask = record["segmentation"] != json!([]);
        assert_eq!(rle["annotations"][index]["segmentation"].is_object(), has_mask);
        assert_eq!(rle["annotations"][index]["id"], record["id"]);
        assert!(polygon["annotations"][index]["segmentation"].is_array() || record["category_id"] == 1001);
    }
    assert_eq!(truth["images"], polygon["images"]);
}

#[test]
fn no_mask_is_made_for_an_image_of_unknown_size() {
    let folder = project(|document| {
        let image = document["images"][0].as_object_mut().unwrap();
        image.remove("width");
        image.remove("height");
    });
    for (words, file) in [("--shape rle", "shape.json"), ("--to results --reference in.json", "results.json")] {
        let output = run(folder.path(), &format!("--headless convert --data in.json --out {file} {words}"));
        assert_code(&output, 0);
        let told = format!("{}{}", out(&output), err(&output));
        assert!(told.contains("annotation 11") && told.contains("no place for a mask"), "{told}");
    }
    let whole = read(&folder.path().join("shape.json"));
    assert!(annotation(&whole, 11)["segmentation"].is_array(), "the polygon is as it was");
}

#[test]
fn formats_convert_and_the_loss_is_told() {
    let truth = sample().join("instances.json");
    let folder = TempDir::new().unwrap();
    let words = |rest: &str| format!("--headless convert --data {} {rest}", truth.display());
    for (format, file) in [
        ("labelme", "lm"),
        ("cvat", "c.xml"),
        ("masks", "m"),
        ("voc", "v"),
        ("yolo-seg", "y"),
        ("yolo-boxes", "yb"),
        ("semantic", "s"),
        ("lvis", "l.json"),
    ] {
        let output = run(folder.path(), &words(&format!("--to {format} --out {file} --report report.json --tolerance 0")));
        assert_code(&output, 0);
        assert!(last_line(&output).starts_with(&format!("wrote {file}: ")), "{}", last_line(&output));
        let report = read(&folder.path().join("report.json"));
        for (kind, entry) in report["written"]["kinds"].as_object().unwrap() {
            let said =
                err(&output).lines().any(|line| line.starts_with("warning: writing ") && line.contains(&format!(": {} ", entry["count"])));
            assert!(said, "{format}: {kind} is not told:\n{}", err(&output));
        }
        let back =
            format!("--headless convert --from {format} --data {file} --out back.json --images {}", sample().join("images").display());
        assert_code(&run(folder.path(), &back), 0);
        assert!(!read(&folder.path().join("back.json"))["annotations"].as_array().unwrap().is_empty());
    }
    let output = run(folder.path(), &words("--to labelme --out lm2"));
    assert!(err(&output).contains("beside its JSON file, in lm2"), "{}", err(&output));
    std::fs::write(folder.path().join("r.json"), "[]").unwrap();
    let output = run(folder.path(), "--headless convert --from results --data r.json --out w.json");
    assert_code(&output, 1);
    assert!(err(&output).contains("--reference"), "{}", err(&output));
    let output = run(folder.path(), &words("--to voc --out v"));
    assert_code(&output, 1);
    assert!(err(&output).contains("the output folder is not empty: v"), "{}", err(&output));
    assert_code(&run(folder.path(), &words("--to voc --out w --shape rle")), 1);
    assert_code(&run(folder.path(), &words("--to nonsense --out w")), 2);
    let output = run(folder.path(), "--headless convert --from cvat --data v --out w.json");
    assert_code(&output, 1);
    assert!(!folder.path().join("w.json").exists());
}

#[test]
fn yolo_gets_its_pictures() {
    let (truth, images) = (sample().join("instances.json"), sample().join("images"));
    let folder = TempDir::new().unwrap();
    let convert = |rest: &str| run(folder.path(), &format!("--headless convert --data {} {rest}", truth.display()));
    let output = convert(&format!("--to yolo-boxes --out y --images {}", images.display()));
    assert_code(&output, 0);
    assert!(folder.path().join("y/images/cat.jpg").is_file() && folder.path().join("y/labels/cat.txt").is_file());
    assert!(!err(&output).contains("pictures"), "{}", err(&output));
    assert_code(&run(folder.path(), "--headless convert --from yolo-boxes --data y --out back.json"), 0);
    let (before, after) = (read(&truth), read(&folder.path().join("back.json")));
    assert_eq!(after["annotations"].as_array().unwrap().len(), before["annotations"].as_array().unwrap().len());
    assert_code(&convert(&format!("--to yolo-seg --out z --labels-only --images {}", images.display())), 0);
    assert!(folder.path().join("z/labels/cat.txt").is_file() && !folder.path().join("z/images").exists());
    let output = convert("--to yolo-seg --out w");
    assert_code(&output, 0);
    assert!(err(&output).contains("the pictures belong into w/images; --images"), "{}", err(&output));
    assert_code(&convert("--to yolo-seg --out v --images nowhere"), 1);
    assert_code(&convert("--to voc --out v --labels-only"), 1);
    assert!(!folder.path().join("v").exists());
}

#[test]
fn faults_are_named_and_the_rest_goes_on() {
    let folder = project(|document| {
        let images = document["images"].as_array_mut().unwrap();
        images.push(json!({"id": 8, "width": 64, "height": 48, "file_name": "broken.jpg"}));
        images.push(json!({"id": 9, "width": 64, "height": 48, "file_name": "missing.jpg"}));
        let annotations = document["annotations"].as_array_mut().unwrap();
        let record = |id: i64, image: i64, segmentation: Value| json!({"id": id, "image_id": image, "category_id": 75, "bbox": [439, 198, 179, 88], "area": 1, "iscrowd": 0, "segmentation": segmentation});
        annotations.push(record(201, 8, json!([])));
        annotations.push(record(202, 9, json!([])));
        annotations.push(record(203, 404, json!([])));
        annotations.push(record(204, 7, json!([[1, 1, 5, 5]])));
        annotations.push(record(205, 7, json!({"size": [407, 640], "counts": [5, 5]})));
        let mut outside = record(206, 7, json!([]));
        outside["bbox"] = json!([900, 900, 10, 10]);
        annotations.push(outside);
    });
    let output = run(folder.path(), "--headless propose --data in.json --images images --out out.json --steps 1 --device cpu");
    assert_code(&output, 0);
    let warnings = err(&output);
    for named in ["broken.jpg", "missing.jpg", "203", "204", "205", "206"] {
        assert!(warnings.contains(named), "no warning names {named}:\n{warnings}");
    }
    assert!(last_line(&output).contains("2 images could not be read, their 2 annotations keep only"), "{}", last_line(&output));
    let after = read(&folder.path().join("out.json"));
    assert!(annotation(&after, 12)["segmentation"].is_object());
    assert_eq!(annotation(&after, 203)["image_id"], 404);
}

#[test]
fn a_file_that_is_no_coco_file_is_an_error() {
    let folder = TempDir::new().unwrap();
    let cut = "{\"images\": [{\"id\": 1";
    for (name, text) in [("empty.json", ""), ("cut.json", cut), ("list.json", "{\"images\": 3}"), ("other.json", "{\"a\": 1}")] {
        std::fs::write(folder.path().join(name), text).unwrap();
        let output = run(folder.path(), &format!("--headless convert --data {name} --out out.json --shape rle"));
        assert_code(&output, 1);
        assert!(err(&output).starts_with("error: ") && err(&output).contains(name), "{}", err(&output));
        assert!(!folder.path().join("out.json").exists());
    }
    let output = run(folder.path(), "--headless convert --data absent.json --out out.json --shape rle");
    assert_code(&output, 1);
    assert!(err(&output).contains("absent.json"), "{}", err(&output));
}

#[test]
fn weights_of_another_network_are_an_error() {
    let folder = project(|_| ());
    let other = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/refiner.safetensors");
    std::fs::write(folder.path().join("noise.safetensors"), [7; 999]).unwrap();
    for file in [other.to_str().unwrap(), "noise.safetensors", "absent.safetensors"] {
        let words = format!("--headless propose --data in.json --images images --out out.json --device cpu --segmenter {file}");
        let output = run(folder.path(), &words);
        assert_code(&output, 1);
        assert!(err(&output).contains(file), "{}", err(&output));
        assert!(!folder.path().join("out.json").exists());
    }
}

#[test]
fn an_output_that_cannot_be_written_is_an_error_before_the_work() {
    let folder = project(|_| ());
    for file in ["absent/out.json", "images"] {
        let output = run(folder.path(), &format!("--headless propose --data in.json --images images --out {file} --device cpu"));
        assert_code(&output, 1);
        assert!(err(&output).contains(file.trim_end_matches("/out.json")), "{}", err(&output));
    }
}

#[cfg(unix)]
#[test]
fn a_read_only_output_is_an_error_before_the_work() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = project(|_| ());
    std::fs::write(folder.path().join("kept"), "kept").unwrap();
    std::fs::set_permissions(folder.path().join("kept"), std::fs::Permissions::from_mode(0o444)).unwrap();
    // The data are never looked at.
    for words in [
        "propose --images images --out kept",
        "propose --images images --out out.json --alternatives kept",
        "refine --images images --out kept",
        "refine --images images --out out.json --report kept",
        "calibrate --images images --out kept",
        "train --images images --out kept",
        "convert --out out.json --report kept",
        "eval --pred in.json --json kept",
        "eval --pred in.json --images images --gallery kept",
    ] {
        let output = run(folder.path(), &format!("--headless {words} --data absent.json"));
        assert_code(&output, 1);
        assert!(err(&output).contains("read-only") && err(&output).contains("kept"), "{words}: {}", err(&output));
    }
    let output = run(folder.path(), "--headless check absent.json --json kept");
    assert_code(&output, 1);
    assert!(err(&output).contains("read-only"), "{}", err(&output));
    assert_eq!(std::fs::read_to_string(folder.path().join("kept")).unwrap(), "kept");
}

#[test]
fn a_report_replaces_nothing_that_is_read_or_written_too() {
    let folder = project(|_| ());
    let before = std::fs::read(folder.path().join("in.json")).unwrap();
    for words in [
        "check in.json --json in.json",
        "eval --data in.json --pred other.json --json in.json",
        "eval --data other.json --pred in.json --json in.json",
        "convert --data in.json --out out.json --report in.json",
        "convert --data in.json --out out.json --report ./out.json",
        "refine --data in.json --images images --out out.json --report out.json",
        "propose --data in.json --images images --out out.json --alternatives out.json",
    ] {
        let output = run(folder.path(), &format!("--headless {words}"));
        assert_code(&output, 1);
        assert!(err(&output).contains("two options name one file"), "{words}: {}", err(&output));
    }
    assert_eq!(std::fs::read(folder.path().join("in.json")).unwrap(), before);
    assert!(!folder.path().join("out.json").exists());
}

#[test]
fn options_without_effect_are_refused() {
    let folder = project(|_| ());
    for words in [
        "--before in.json --alternatives all.json",
        "--pred in.json --kshot 1 --images images",
        "--json numbers.json --kshot 1 --images images",
        "--pred in.json --seeds 3",
        "--pred in.json --worst 3",
    ] {
        assert_code(&run(folder.path(), &format!("--headless eval --data in.json {words}")), 2);
    }
    let words = "--headless train --data in.json --images images --out w.safetensors --device cpu --what refiner --snp-step 0.5";
    let output = run(folder.path(), words);
    assert_code(&output, 1);
    assert!(err(&output).contains("--snp-step"), "{}", err(&output));
}

#[test]
fn classes_are_chosen_by_name_whatever_it_holds() {
    let folder = project(|document| {
        let categories = json!([{"id": 17, "name": "cat"}, {"id": 75, "name": "remote, black"}, {"id": 76, "name": "remote, black"}]);
        document["categories"] = categories;
        let mut other = document["annotations"][1].clone();
        (other["id"], other["category_id"]) = (json!(13), json!(76));
        document["annotations"].as_array_mut().unwrap().push(other);
    });
    let refined = |names: &str| {
        let words = "--headless refine --data in.json --images images --out out.json --device cpu --strength 0 --report r.json";
        program(folder.path()).args(words.split_whitespace()).args(["--only-category", names]).output().unwrap()
    };
    let output = refined("remote, black");
    assert_code(&output, 0);
    assert_eq!(read(&folder.path().join("r.json"))["masks"].as_array().unwrap().len(), 2);
    assert_code(&refined("cat,cat"), 0);
    let output = refined("cat,remote");
    assert_code(&output, 1);
    assert!(err(&output).contains("no class \"remote\""), "{}", err(&output));
}

#[test]
fn time_indices_that_cannot_be_walked_are_refused_before_the_images() {
    let folder = project(|document| document["images"][0]["file_name"] = json!("broken.jpg"));
    let output = run(folder.path(), "--headless refine --data in.json --images images --out out.json --device cpu --timesteps 5,3");
    assert_code(&output, 1);
    assert!(err(&output).contains("[5, 3]") && !err(&output).contains("broken.jpg"), "{}", err(&output));
}

#[test]
fn wrong_words_end_with_code_two() {
    let folder = TempDir::new().unwrap();
    assert_code(&run(folder.path(), "--headless"), 2);
    assert_code(&run(folder.path(), "--headless propose"), 2);
    assert_code(&run(folder.path(), "--headless train --help"), 0);
    assert_code(&run(folder.path(), "--version"), 0);
}

#[test]
fn the_doctor_says_what_the_models_run_on() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), "--headless doctor --quick");
    assert_code(&output, 0);
    let said = String::from_utf8_lossy(&output.stdout);
    let expected = match open(ComputeChoice::Auto).unwrap() {
        Compute::Cpu => "the models run on the processor: ".to_owned(),
        Compute::Gpu(gpu) => format!("the models run on {}\n", gpu.name),
    };
    assert!(said.contains(&expected) && said.contains("sha256"), "{said}");
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_nothing_behind() {
    let folder = project(|document| {
        let record = document["annotations"][0].clone();
        let many = (0..400).map(|index| {
            let mut copy = record.clone();
            copy["id"] = json!(1000 + index);
            copy
        });
        document["annotations"] = many.collect();
    });
    let words = "--headless propose --data in.json --images images --out out.json --steps 20 --device cpu --progress json";
    let mut child = program(folder.path()).args(words.split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    assert!(lines.any(|line| line.unwrap().contains("\"progress\"")), "no progress was shown");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let started = Instant::now();
    assert_eq!(lines.last().unwrap().unwrap(), r#"{"event":"stopped"}"#);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(started.elapsed() < Duration::from_secs(30), "stopping took {:?}", started.elapsed());
    let mut names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    names.sort();
    assert_eq!(names, ["images", "in.json"]);
}

#[test]
fn pictures_are_composed_with_exact_masks() {
    let folder = project(|_| ());
    std::fs::create_dir(folder.path().join("cutouts")).unwrap();
    // A magenta disc, which no photo has.
    let inside = |x: u32, y: u32| x.abs_diff(40).pow(2) + y.abs_diff(30).pow(2) < 600;
    let disc = image::RgbaImage::from_fn(80, 60, |x, y| image::Rgba([255, 0, 255, if inside(x, y) { 255 } else { 0 }]));
    disc.save(folder.path().join("cutouts/disc.png")).unwrap();
    let words = "--headless compose --data in.json --images images --cutouts cutouts --count 12 --seed 3 --out";
    assert_code(&run(folder.path(), &format!("{words} made")), 0);
    assert_code(&run(folder.path(), &format!("{words} again")), 0);
    let made = read(&folder.path().join("made/instances.json"));
    assert_eq!(made, read(&folder.path().join("again/instances.json")), "a seed repeats");
    let (dataset, report) = annotator::formats::coco::read(&folder.path().join("made/instances.json")).unwrap();
    assert!(report.is_empty() && dataset.images.len() == 12 && dataset.categories.len() > 1, "{report:?}");
    let (mut right, mut all) = (0, 0);
    for image in &dataset.images {
        let picture = image::open(folder.path().join("made/images").join(&image.file_name)).unwrap().to_rgb8();
        let disc = dataset.categories.iter().find(|category| category.name == "object").unwrap().id;
        let masks: Vec<_> =
            dataset.instances_on(image.id).filter(|one| one.category_id == disc).map(|one| one.mask(image.size).unwrap()).collect();
        for (x, y, pixel) in picture.enumerate_pixels() {
            let magenta = i32::from(pixel.0[0]).min(i32::from(pixel.0[2])) - i32::from(pixel.0[1]) > 60;
            let covered = masks.iter().any(|mask| mask.get(x, y));
            all += u32::from(magenta || covered);
            right += u32::from(magenta && covered);
        }
    }
    // Now and then a disc is made grey.
    assert!(f64::from(right) > 0.8 * f64::from(all), "{right} of {all} pixels");

    // A picture that is cut off is told of, and another one takes its place.
    let whole = std::fs::read(folder.path().join("cutouts/disc.png")).unwrap();
    std::fs::write(folder.path().join("cutouts/cut off.png"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(folder.path().join("cutouts/text.png"), "no picture").unwrap();
    let made = run(folder.path(), &format!("{words} third"));
    assert_code(&made, 0);
    assert_eq!(err(&made).matches("cut off.png").count(), 1, "{}", err(&made));
    assert!(err(&made).contains("text.png"), "{}", err(&made));

    let refused = run(folder.path(), &format!("{words} made"));
    assert_code(&refused, 1);
    assert!(err(&refused).contains("there already"), "{}", err(&refused));
}

#[test]
fn a_check_reports_in_words_and_as_json() {
    let folder = project(|document| {
        document["images"].as_array_mut().unwrap().push(json!({"id": 8, "width": 9, "height": 9, "file_name": "gone.png"}));
        document["annotations"][1]["area"] = json!(99.0);
    });
    let output = run(folder.path(), "--headless check in.json --images images --json report.json");
    assert_code(&output, 0);
    let text = out(&output);
    assert!(text.contains("error: missing picture (1)\n  image 8 has no picture `gone.png` in the folder\n"), "{text}");
    assert!(text.contains("  annotation 11 has the area 99, but its outline covers "), "{text}");
    assert_eq!(last_line(&output), "checked in.json: 2 images, 3 objects, 2 categories; 1 errors, 1 warnings, 3 notes");
    let report = read(&folder.path().join("report.json"));
    assert_eq!((&report["errors"], &report["summary"]["objects"]), (&json!(1), &json!(3)));
    assert_eq!(report["counts"], json!({"area_disagrees": 1, "missing_picture": 1, "narrow_box": 1, "rare_category": 2}));
    let area = report["findings"].as_array().unwrap().iter().find(|finding| finding["code"] == "area_disagrees").unwrap();
    assert_eq!((&area["annotation_id"], &area["severity"]), (&json!(11), &json!("warning")));
    let strict = run(folder.path(), "--headless check in.json --images images --strict");
    assert_code(&strict, 1);
    assert!(err(&strict).contains("1 errors were found: in.json"), "{}", err(&strict));
    assert_code(&run(folder.path(), "--headless check in.json --strict"), 0);
    assert_code(&run(folder.path(), "--headless check in.json --images nowhere"), 1);
    assert_code(&run(folder.path(), "--headless check nothing.json"), 1);
}

#[test]
fn a_folder_stands_for_the_coco_file_that_belongs_to_it() {
    let folder = project(|_| ());
    for name in [".", "images"] {
        let output = run(folder.path(), &format!("--headless check {name}"));
        assert_code(&output, 0);
        assert!(last_line(&output).contains("1 images"), "{}", out(&output));
    }
    std::fs::copy(folder.path().join("in.json"), folder.path().join("other.json")).unwrap();
    let output = run(folder.path(), "--headless check .");
    assert_code(&output, 1);
    assert!(err(&output).contains("in.json, other.json"), "{}", err(&output));
    let parts = TempDir::new().unwrap();
    for part in ["train", "valid"] {
        std::fs::create_dir(parts.path().join(part)).unwrap();
        std::fs::copy(folder.path().join("in.json"), parts.path().join(part).join("_annotations.coco.json")).unwrap();
    }
    let output = run(parts.path(), "--headless check .");
    assert_code(&output, 1);
    let named = "(train/_annotations.coco.json, valid/_annotations.coco.json)";
    assert!(err(&output).contains(named), "{}", err(&output));
}

#[test]
fn alternatives_are_written_and_measured() {
    let folder = TempDir::new().unwrap();
    let sample = sample();
    let data = format!("--data {0}/instances.json", sample.display());
    let words = format!(
        "--headless propose {data} --images {}/images --out out.json --samples 3 --alternatives all.json --device cpu",
        sample.display()
    );
    assert_code(&run(folder.path(), &words), 0);
    let records = read(&folder.path().join("all.json"));
    let records = records.as_array().unwrap();
    let (first, out_file) = (&records[0], read(&folder.path().join("out.json")));
    let id = first["annotation_id"].as_i64().unwrap();
    assert_eq!(first["rank"], 1);
    assert!((first["score"].as_f64().unwrap() - annotation(&out_file, id)["score"].as_f64().unwrap()).abs() < 1e-3);
    assert!(records.iter().any(|record| record["rank"] == 2), "no object has a second mask");
    for pair in records.windows(2).filter(|pair| pair[1]["rank"].as_i64() > Some(1)) {
        assert!(pair[1]["score"].as_f64() <= pair[0]["score"].as_f64(), "a later mask is expected to be better: {}", pair[1]);
    }
    let output = run(folder.path(), &format!("--headless eval {data} --alternatives all.json --json alternatives.json"));
    assert_code(&output, 0);
    let numbers = read(&folder.path().join("alternatives.json"));
    let [first, best] = ["iou_first", "iou_best"].map(|name| numbers["alternatives"][name].as_f64().unwrap());
    assert!(0.0 < first && first <= best && numbers.get("all").is_none(), "{numbers}");
    let output = run(folder.path(), &format!("--headless eval {data} --pred out.json --alternatives all.json"));
    assert_code(&output, 0);
    let text = out(&output);
    assert!(text.contains("mean IoU of the first 0.") && text.contains("expected calibration error"), "{text}");
    std::fs::write(folder.path().join("cut.json"), "[{").unwrap();
    let output = run(folder.path(), &format!("--headless eval {data} --alternatives cut.json"));
    assert_code(&output, 1);
    assert!(err(&output).contains("cut.json"), "{}", err(&output));
}

#[test]
fn a_calibration_goes_into_the_weights_and_out_into_the_scores() {
    let folder = TempDir::new().unwrap();
    let sample = sample();
    let set = format!("--data {0}/instances.json --images {0}/images --device cpu", sample.display());
    let output = run(folder.path(), &format!("--headless calibrate {set} --out own.safetensors --samples 1 --limit 20"));
    assert_code(&output, 0);
    assert!(last_line(&output).starts_with("wrote own.safetensors: expected IoU = "), "{}", last_line(&output));
    let again =
        run(folder.path(), &format!("--headless calibrate {set} --segmenter own.safetensors --out x.safetensors --samples 1 --limit 20"));
    assert_code(&again, 0);
    let before = |output: &Output| out(output).split("\nafter").next().unwrap_or_default().to_owned();
    assert!(before(&output).starts_with("before, with one sample, on 20 objects\n"), "{}", out(&output));
    assert_ne!(before(&output), before(&again), "what the given weights say of themselves comes before");
    for (name, more) in [("plain.json", ""), ("own.json", "--segmenter own.safetensors")] {
        assert_code(&run(folder.path(), &format!("--headless propose {set} --out {name} {more}")), 0);
    }
    let (plain, own) = (read(&folder.path().join("plain.json")), read(&folder.path().join("own.json")));
    let (plain, own) = (&plain["annotations"][0], &own["annotations"][0]);
    assert_eq!(plain["segmentation"], own["segmentation"]);
    assert_ne!(plain["score"], own["score"]);
}

#[test]
fn the_worst_objects_are_drawn() {
    let folder = TempDir::new().unwrap();
    let sample = sample();
    let set = format!("--data {0}/instances.json --pred {0}/instances.json", sample.display());
    let output = run(folder.path(), &format!("--headless eval {set} --images {}/images --gallery worst.png --worst 7", sample.display()));
    assert_code(&output, 0);
    assert_eq!(out(&output).lines().filter(|line| line.starts_with("1.000  annotation ")).count(), 7);
    let sheet = image::open(folder.path().join("worst.png")).unwrap().into_rgb8();
    assert_eq!(sheet.dimensions(), (6 * 244 - 4, 2 * 244 - 4));
    let red = |column: u32, row: u32| {
        let tile = (0..240).flat_map(|y| (0..240).map(move |x| (x, y)));
        tile.filter(|(x, y)| sheet.get_pixel(244 * column + x, 244 * row + y).0 == [255, 60, 60]).count()
    };
    assert!(red(0, 1) > 100 && (0..6).all(|column| red(column, 0) > 100), "each tile has an outline");
    assert_eq!(red(1, 1), 0, "the eighth place is empty");
    assert_code(&run(folder.path(), &format!("--headless eval {set} --gallery worst.png")), 2);
}

#[test]
fn exemplars_are_measured_by_class() {
    let folder = TempDir::new().unwrap();
    let sample = sample();
    let words = format!(
        "--headless eval --data {0}/instances.json --images {0}/images --kshot 10 --seeds 2 --limit 1 --device cpu",
        sample.display()
    );
    let output = run(folder.path(), &words);
    assert_code(&output, 0);
    assert!(!err(&output).contains("do not look at exemplars"), "{}", err(&output));
    let text = out(&output);
    let rows: Vec<&str> = text.lines().filter(|line| line.contains(" ± ")).collect();
    assert!(rows.iter().any(|row| row.starts_with('0')) && rows.iter().any(|row| row.starts_with('1')), "{text}");
    let without = rows.iter().filter(|row| row.starts_with('0'));
    assert!(without.clone().all(|row| row.contains("± 0.0000")), "without exemplars no seed changes a mask: {text}");
    let score = |row: &&str| row.split_whitespace().find(|word| word.starts_with("0.")).map(str::to_owned);
    let told = rows.iter().filter(|row| row.starts_with('1'));
    assert!(told.zip(without).any(|(told, without)| score(told) != score(without)), "the weights look at exemplars: {text}");
    // Of a potted plant, the only class on two images, there is one more to be shown.
    let counts: Vec<(&str, &str)> = rows.iter().filter_map(|row| row.split_once(' ')).map(|(k, rest)| (k, rest.trim_start())).collect();
    assert!(counts.iter().all(|(k, rest)| rest.starts_with(if *k == "0" { "0 " } else { "1 " })), "{text}");
    assert_code(&run(folder.path(), "--headless eval --data in.json --kshot 1"), 2);
}

#[test]
fn strokes_correct_masks() {
    let (folder, sample) = (TempDir::new().unwrap(), sample());
    let coarsen = format!("--headless coarsen --data {}/instances.json --out coarse.json --iou 0.7", sample.display());
    assert_code(&run(folder.path(), &coarsen), 0);
    let eval = format!("--headless eval --data {0}/instances.json --images {0}/images --pred coarse.json --strokes 2", sample.display());
    for flags in ["", " --keep"] {
        let output = run(folder.path(), &format!("{eval} --device cpu{flags}"));
        assert_code(&output, 0);
        let text = out(&output);
        let rows = text.lines().skip_while(|line| !line.starts_with("strokes")).skip(1);
        let rows: Vec<Vec<f64>> = rows.map(|row| row.split_whitespace().map(|word| word.parse().unwrap()).collect()).collect();
        assert!(
            rows.len() == 3 && rows.iter().enumerate().all(|(place, row)| (row[0] - place as f64).abs() < 1e-9 && row[1] > 1.0),
            "{text}"
        );
        assert!(rows[0][2] < 0.75 && rows[2][2] > rows[0][2] + 0.005, "{text}");
    }
    assert_code(&run(folder.path(), "--headless eval --data in.json --strokes 2"), 2);
}

#[test]
fn others_like_a_few_nuclei_are_found_without_boxes() {
    let folder = TempDir::new().unwrap();
    let mut document = read(&sample().join("instances.json"));
    let image = document["images"].as_array().unwrap().iter().find(|image| image["file_name"] == "nuclei-smear.png").unwrap().clone();
    let all = document["annotations"].as_array().unwrap().iter().filter(|one| one["image_id"] == image["id"]).cloned().collect::<Vec<_>>();
    document["images"] = json!([image]);
    document["annotations"] = json!(all[..3]);
    std::fs::write(folder.path().join("in.json"), document.to_string()).unwrap();
    let words = "--headless propose --data in.json --out out.json --plain --others --device cpu --images";
    let output = run(folder.path(), &format!("{words} {}", sample().join("images").display()));
    assert_code(&output, 0);
    let written = read(&folder.path().join("out.json"));
    let rects = |records: &[Value]| records.iter().map(|one| serde_json::from_value::<[f64; 4]>(one["bbox"].clone()).unwrap()).collect();
    let (truth, found): (Vec<[f64; 4]>, Vec<[f64; 4]>) = (rects(&all[3..]), rects(&written["annotations"].as_array().unwrap()[3..]));
    let overlap = |a: &[f64; 4], b: &[f64; 4]| {
        let side = |axis: usize| ((a[axis] + a[axis + 2]).min(b[axis] + b[axis + 2]) - a[axis].max(b[axis])).max(0.0);
        let shared = side(0) * side(1);
        shared / (a[2] * a[3] + b[2] * b[3] - shared)
    };
    let right = truth.iter().filter(|rect| found.iter().any(|other| overlap(rect, other) > 0.5)).count();
    assert!(right >= 6, "{right} of {} nuclei are among {} that were found", truth.len(), found.len());
    let known: Vec<[f64; 4]> = rects(&all[..3]);
    let alone = |at: usize| known.iter().chain(&found[..at]).all(|other| overlap(&found[at], other) <= 0.4);
    assert!((0..found.len()).all(alone), "nothing is found twice: {found:?}");
    assert!(out(&output).contains("of objects that were found besides"), "{}", out(&output));
}
