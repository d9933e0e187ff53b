//! What COCO's own code finds in the files that the program writes.

use super::*;

fn python(script: &str, words: &[&Path]) -> Option<Value> {
    let python = std::env::var_os("ANNOTATOR_PYTHON").or_else(|| {
        std::io::Write::write_all(&mut std::io::stderr(), b"skipped: ANNOTATOR_PYTHON names no Python with pycocotools\n").unwrap();
        None
    })?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(script);
    let output = Command::new(python).arg(script).args(words).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn coco_itself_finds_no_difference() {
    let folder = tempfile::tempdir().unwrap();
    let original = folder.path().join("original.json");
    let mut before = dataset();
    // An object that is only a box has no pixels for pycocotools.
    before.instances.remove(3);
    coco::save(&before, &original).unwrap();
    for format in WITH_PIXELS {
        let (after, ..) = through(&before, format);
        let path = folder.path().join("after.json");
        export(&after.dataset, Format::Coco, &path).unwrap();
        let Some(found) = python("check_exchange.py", &[&original, &path]) else { return };
        assert_eq!((found["ap"].as_f64(), found["objects"].as_u64()), (Some(1.0), Some(4)), "{format:?}");
        let is_exact = matches!(format, Format::Labelme | Format::Masks);
        assert!(!is_exact || found["equal"] == 4, "{format:?}: {found}");
        assert!(python("check_coco.py", &[&path]).is_some());
    }
    let path = folder.path().join("after.json");
    for policy in [
        None,
        Some(Policy::Rle { compressed: true }),
        Some(Policy::Rle { compressed: false }),
        Some(Policy::Polygons { tolerance_px: 0.0 }),
    ] {
        let watch = &mut Watch { cancel: &Cancel::new(), progress: &mut |_| () };
        let tally = exchange::export(before.clone(), Format::Coco, &path, policy, None, watch).unwrap();
        assert!(tally.is_empty(), "{tally}");
        let found = python("check_exchange.py", &[&original, &path]).unwrap();
        assert_eq!((found["ap"].as_f64(), found["objects"].as_u64()), (Some(1.0), Some(4)), "{policy:?}");
        assert_eq!(found["equal"], 4, "{policy:?}");
    }
    let results = folder.path().join("results.json");
    export(&before, Format::Results, &results).unwrap();
    let found = python("check_exchange.py", &[&original, &results]).unwrap();
    assert_eq!((found["ap"].as_f64(), found["objects"].as_u64(), found["equal"].as_u64()), (Some(1.0), Some(4), Some(4)));
    let lvis = folder.path().join("lvis.json");
    export(&before, Format::Lvis, &lvis).unwrap();
    let found = python("check_exchange.py", &[&original, &lvis]).unwrap();
    assert_eq!((found["ap"].as_f64(), found["objects"].as_u64()), (Some(1.0), Some(3)));
    let (again, _) = coco::read(&lvis).unwrap();
    export(&again, Format::Coco, &path).unwrap();
    let found = python("check_exchange.py", &[&lvis, &path]).unwrap();
    assert_eq!((found["ap"].as_f64(), found["objects"].as_u64(), found["equal"].as_u64()), (Some(1.0), Some(3), Some(3)));
}

#[test]
fn coco_itself_finds_the_boxes_of_voc() {
    let folder = tempfile::tempdir().unwrap();
    let (original, path) = (folder.path().join("original.json"), folder.path().join("after.json"));
    let mut before = dataset();
    before.instances.iter_mut().for_each(|object| {
        let bbox = object.bbox;
        object.bbox = Rect::new(bbox.x.floor(), bbox.y.floor(), bbox.width.ceil(), bbox.height.ceil());
    });
    coco::save(&before, &original).unwrap();
    let (after, tally, _folder) = through(&before, Format::Voc);
    assert_eq!(tally.count(Kind::Rounded), 0);
    export(&after.dataset, Format::Coco, &path).unwrap();
    let Some(found) = python("check_exchange.py", &[&original, &path, Path::new("bbox")]) else { return };
    assert_eq!((found["ap"].as_f64(), found["objects"].as_u64()), (Some(1.0), Some(5)));
}

/// Real files, not part of the project: `ANNOTATOR_COCO_JSON` names a folder of them.
#[test]
#[ignore = "needs a folder of real COCO files in ANNOTATOR_COCO_JSON"]
fn real_files_go_through_every_format() {
    let folder = PathBuf::from(std::env::var_os("ANNOTATOR_COCO_JSON").unwrap());
    let original = folder.join("instances_val2014_100.json");
    let (before, _) = coco::read(&original).unwrap();
    let out = tempfile::tempdir().unwrap();
    for format in [Format::Cvat, Format::Labelme, Format::Masks] {
        let path = out.path().join(format!("{format:?}"));
        export(&before, format, &path).unwrap();
        let after = import(format, &path, None).unwrap().dataset;
        let file = out.path().join("after.json");
        export(&after, Format::Coco, &file).unwrap();
        let Some(found) = python("check_exchange.py", &[&original, &file]) else { return };
        let ap = found["ap"].as_f64().unwrap();
        std::io::Write::write_all(&mut std::io::stderr(), format!("{format:?}: AP {ap}, {} objects\n", found["objects"]).as_bytes())
            .unwrap();
        assert!(ap > 0.999, "{format:?}: {ap}");
    }
    let lvis = folder.join("lvis_val_100.json");
    let (before, _) = coco::read(&lvis).unwrap();
    let file = out.path().join("lvis.json");
    assert!(export(&before, Format::Lvis, &file).unwrap().is_empty());
    let value = |path: &Path| serde_json::from_str::<Value>(&fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(value(&file), value(&lvis));
}
