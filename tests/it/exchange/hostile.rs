//! Files that are not as their format has them: an error that names the file and the record, never a panic.

use super::*;

#[test]
fn hostile_yolo_files_are_named_with_their_record() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir_all(root.join("yolo/labels")).unwrap();
    fs::create_dir_all(root.join("yolo/images")).unwrap();
    image::RgbImage::new(8, 8).save(root.join("yolo/images/a.png")).unwrap();
    fs::write(root.join("yolo/data.yaml"), "names: [x]\n").unwrap();
    for (line, said) in [
        ("0 0.1 0.2 0.3", "line 2: 4 numbers"),
        ("1 0 0 1 0 1 1", "line 2: class 1 has no name"),
        ("x 0 0 1 0 1 1", "line 2: `x`"),
        ("0 0 0 1 nan 1 1", "line 2: `nan`"),
        ("0 0 0 1 1e99 1 1", "line 2: `1e99`"),
        ("0 0 0 1 0 1 1 7", "line 2: `7`"),
    ] {
        fs::write(root.join("yolo/labels/a.txt"), format!("\n{line}\n")).unwrap();
        let error = import(Format::YoloSeg, &root.join("yolo"), None).unwrap_err().to_string();
        assert!(error.starts_with(said) && error.ends_with("a.txt"), "{error}");
    }
    fs::write(root.join("yolo/data.yaml"), "nc: 3\n").unwrap();
    let error = import(Format::YoloSeg, &root.join("yolo"), None).unwrap_err().to_string();
    assert!(error.contains("names") && error.contains("yolo/data.yaml"), "{error}");

    for (names, classes) in [
        ("names:\n- person\n- car\n", ["person", "car"]),
        ("names: [a,\n  b] # note\n", ["a", "b"]),
        ("names: {0: person, 1: car}\n", ["person", "car"]),
        ("\u{feff}names:\n  1: \"caf\\u00e9\" # a note\n", ["0", "caf\u{e9}"]),
        ("names: [1, yes]\n", ["1", "yes"]),
    ] {
        fs::write(root.join("yolo/data.yaml"), names).unwrap();
        fs::write(root.join("yolo/labels/a.txt"), "1 0.5 0.5 1 1\n").unwrap();
        let dataset = import(Format::YoloSeg, &root.join("yolo"), None).unwrap().dataset;
        assert_eq!(dataset.categories.iter().map(|category| category.name.as_str()).collect::<Vec<_>>(), classes, "{names}");
    }

    let aliases: Vec<String> = (1..60).map(|at| format!("a{at}: &a{at} [*a{0}, *a{0}]\n", at - 1)).collect();
    for bad in [
        format!("a0: &a0 [x]\n{}names: *a59\n", aliases.concat()),
        "- ".repeat(100_000),
        "names: [[a], b]\n".to_owned(),
        "names: {x: y}\n".to_owned(),
    ] {
        fs::write(root.join("yolo/data.yaml"), bad).unwrap();
        let error = import(Format::YoloSeg, &root.join("yolo"), None).unwrap_err().to_string();
        assert!(error.contains("data.yaml"), "{error}");
    }
}

#[test]
fn hostile_files_are_named_with_their_record() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir_all(root.join("voc")).unwrap();
    let voc = |text: &str| {
        fs::write(root.join("voc/a.xml"), text).unwrap();
        import(Format::Voc, &root.join("voc"), None).unwrap_err().to_string()
    };
    for text in ["<annotation><filename>a.jpg</filename><object><name>x &amp; y</name></object></annotation>", "<annotation>", "<a></b>"] {
        let error = voc(text);
        assert!(error.contains("voc/a.xml") && !error.contains("/tmp/.tmp/"), "{error}");
    }

    let object = |rest: &str| format!("<object><name>x</name>{rest}</object>");
    let (good, size) = (
        object("<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>4</xmax><ymax>5</ymax></bndbox>"),
        "<size><width>9</width><height>9</height></size>",
    );
    let bad = [
        object("<bndbox><xmin>4</xmin><ymin>1</ymin><xmax>1</xmax><ymax>5</ymax></bndbox>"),
        object("<bndbox><xmin>x</xmin><ymin>1</ymin><xmax>4</xmax><ymax>5</ymax></bndbox>"),
        object(""),
    ];
    let file = format!("<annotation><filename>a.jpg</filename>{size}{}{good}{}\n{}{good}</annotation>", bad[0], bad[1], bad[2]);
    fs::write(root.join("voc/a.xml"), file).unwrap();
    let imported = import(Format::Voc, &root.join("voc"), None).unwrap();
    assert_eq!((imported.dataset.instances.len(), imported.tally.count(Kind::Unreadable)), (2, 3), "{:?}", imported.tally);
    let told = imported.tally.kinds[&Kind::Unreadable].examples.join("; ");
    assert!(told.contains("object 1 of") && told.contains("voc/a.xml"), "{told}");

    for text in ["", "<annotations>", "<annotations><image id='0'/></annotations>", "<box/>", "<a", "\u{1}"] {
        fs::write(root.join("c.xml"), text).unwrap();
        let error = import(Format::Cvat, &root.join("c.xml"), None).unwrap_err().to_string();
        assert!(error.contains("c.xml"), "{error}");
    }

    fs::create_dir_all(root.join("lm")).unwrap();
    let shape = |shape: Value| json!({"imagePath": "a.png", "imageHeight": 4, "imageWidth": 4, "imageData": null, "shapes": [shape]});
    for (file, said) in [
        (json!({"imagePath": "a.png"}), "the file: "),
        (json!({"imagePath": "a.png", "imageHeight": 4_000_000, "imageWidth": 4_000_000}), "the file: has no usable `imageWidth"),
        (shape(json!(7)), "shapes[0]: "),
        (shape(json!({"label": "x", "points": [[0, 0]], "shape_type": "rectangle"})), "shapes[0]: has no usable `points`"),
        (json!({"imagePath": "a.png", "imageHeight": 4.5, "imageWidth": 4}), "the file: 4.5 is no count of pixels"),
        (shape(json!({"label": "x", "points": [[0, 0], [1, 1e300], [2, 2]]})), "shapes[0]: `1"),
        (shape(json!({"label": "x", "points": [[0, 0], [1, 1]], "shape_type": "mask", "mask": "%"})), "shapes[0]: its mask is not base64"),
        (
            shape(json!({"label": "x", "points": [[0, 0], [1, 1]], "shape_type": "mask", "mask": "AAAA"})),
            "shapes[0]: its mask cannot be read",
        ),
        (shape(json!({"label": "x", "points": [[0, 0], [1, 1]], "shape_type": "mask"})), "shapes[0]: has no usable `mask`"),
    ] {
        fs::write(root.join("lm/a.json"), file.to_string()).unwrap();
        let error = import(Format::Labelme, &root.join("lm"), None).unwrap_err().to_string();
        assert!(error.starts_with(said) && error.ends_with("lm/a.json"), "{error}");
    }
    fs::write(root.join("lm/a.json"), shape(json!({"label": "x", "points": [[0, 0], [1, 1]], "shape_type": "line"})).to_string()).unwrap();
    assert_eq!(import(Format::Labelme, &root.join("lm"), None).unwrap().tally.count(Kind::Unsupported), 1);
    let square = json!({"label": "x", "points": [[0, 0], [3, 0], [3, 3]], "group_id": 1.0});
    let lenient = json!({
        "imagePath": "a.png", "imageHeight": 4.0, "imageWidth": 4.0, "flags": null,
        "shapes": [square, {"label": "x", "points": [[0, 0], [1, 1]]}]
    });
    fs::write(root.join("lm/a.json"), format!("\u{feff}{lenient}")).unwrap();
    let imported = import(Format::Labelme, &root.join("lm"), None).unwrap();
    assert_eq!((imported.dataset.instances.len(), imported.tally.count(Kind::Object)), (1, 1));

    fs::create_dir_all(root.join("masks/a")).unwrap();
    fs::write(root.join("masks/classes.txt"), "background\nx\n").unwrap();
    image::GrayImage::from_pixel(3, 3, image::Luma([9])).save(root.join("masks/a/1_2.png")).unwrap();
    let error = import(Format::Masks, &root.join("masks"), None).unwrap_err().to_string();
    assert!(error.starts_with("the mask: class 2 has no name") && error.ends_with("a/1_2.png"), "{error}");
    image::GrayImage::from_pixel(3, 3, image::Luma([9])).save(root.join("masks/a/2_1.png")).unwrap();
    let imported = import(Format::Masks, &root.join("masks"), None).unwrap();
    assert_eq!((imported.dataset.instances.len(), imported.tally.count(Kind::Unreadable)), (1, 1), "the others stay");
    fs::remove_file(root.join("masks/a/1_2.png")).unwrap();
    fs::write(root.join("masks/a/1_1.png"), b"\x89PNG\r\n").unwrap();
    let error = import(Format::Semantic, &root.join("masks"), None).unwrap_err().to_string();
    assert!(error.starts_with("the mask: ") && error.ends_with("a/1_1.png"), "{error}");
    for format in Format::ALL {
        let error = import(format, &root.join("nowhere"), None).unwrap_err().to_string();
        assert!(error.contains("nowhere"), "{format:?}: {error}");
    }
}

#[test]
fn a_mask_of_another_size_than_its_picture_is_left_out_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let (masks, numbers, images) = (folder.path().join("masks"), folder.path().join("numbers"), folder.path().join("images"));
    for path in [masks.join("a"), masks.join("b"), numbers.clone(), images.clone()] {
        fs::create_dir_all(path).unwrap();
    }
    for (name, width) in [("a", 4), ("b", 5)] {
        image::RgbImage::new(width, 4).save(images.join(format!("{name}.png"))).unwrap();
        image::GrayImage::from_pixel(4, 4, image::Luma([255])).save(masks.join(name).join("1.png")).unwrap();
        image::GrayImage::from_pixel(4, 4, image::Luma([1])).save(numbers.join(format!("{name}.png"))).unwrap();
    }
    for (format, path, named) in [(Format::Masks, &masks, "b/1.png"), (Format::Semantic, &numbers, "b.png")] {
        let imported = import(format, path, Some(&images)).unwrap();
        let names: Vec<_> = imported.dataset.instances.iter().map(|object| file_name(&imported.dataset, object)).collect();
        assert_eq!((names, imported.tally.count(Kind::Unreadable)), (vec!["a.png".to_owned()], 1), "{format:?}: {}", imported.tally);
        let told = imported.tally.to_string();
        assert!(told.contains(&format!("{named} (its mask is 4 x 4 pixels, its place 5 x 4)")), "{told}");
    }
    fs::remove_file(masks.join("a/1.png")).unwrap();
    fs::remove_file(numbers.join("a.png")).unwrap();
    for (format, path, named) in [(Format::Masks, &masks, "b/1.png"), (Format::Semantic, &numbers, "b.png")] {
        let error = import(format, path, Some(&images)).unwrap_err().to_string();
        assert!(error.starts_with("the mask: its mask is 4 x 4 pixels") && error.ends_with(named), "{error}");
    }
}

#[test]
fn a_mask_that_cannot_be_read_is_left_out_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir(root.join("a")).unwrap();
    image::GrayImage::from_pixel(4, 4, image::Luma([1])).save(root.join("a/1.png")).unwrap();
    fs::write(root.join("a/2.png"), "no picture").unwrap();
    image::RgbImage::new(4, 4).save(root.join("a/3.png")).unwrap();
    for format in [Format::Masks, Format::Semantic] {
        let imported = import(format, root, None).unwrap();
        assert_eq!((imported.dataset.instances.len(), imported.tally.count(Kind::Unreadable)), (1, 2), "{format:?}: {}", imported.tally);
        let told = imported.tally.to_string();
        assert!(told.contains("a/2.png (it cannot be read: ") && told.contains("a/3.png (is a coloured picture"), "{told}");
    }
    fs::remove_file(root.join("a/1.png")).unwrap();
    for format in [Format::Masks, Format::Semantic] {
        let error = import(format, root, None).unwrap_err().to_string();
        assert!(error.starts_with("the mask: it cannot be read: ") && error.ends_with("a/2.png"), "{format:?}: {error}");
    }
}

#[test]
fn a_file_or_shape_of_labelme_that_cannot_be_used_is_left_out_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let file = |name: &str, height: Value, shapes: Value| {
        let file = json!({"imagePath": format!("{name}.png"), "imageHeight": height, "imageWidth": 4, "imageData": null, "shapes": shapes});
        fs::write(root.join(name).with_extension("json"), file.to_string()).unwrap();
    };
    let square = json!({"label": "x", "points": [[0, 0], [3, 0], [3, 3]]});
    file("a", json!(4), json!([7, square, {"label": "x", "points": [[0, 0]], "shape_type": "rectangle"}]));
    file("b", Value::Null, json!([square]));
    fs::write(root.join("c.json"), "{\"imagePath\": ").unwrap();
    fs::write(root.join("d.json"), r#"{"images": [], "annotations": []}"#).unwrap();
    let imported = import(Format::Labelme, root, None).unwrap();
    let (dataset, tally) = (imported.dataset, imported.tally);
    assert_eq!((dataset.images.len(), dataset.instances.len(), tally.count(Kind::Unreadable)), (1, 1, 5), "{tally}");
    let told = tally.to_string();
    for named in ["a.json: shapes[0] (", "a.json: shapes[2] (has no usable `points`)", "b.json", "c.json", "d.json"] {
        assert!(told.contains(named), "{told}");
    }
    fs::remove_file(root.join("a.json")).unwrap();
    let error = import(Format::Labelme, root, None).unwrap_err().to_string();
    assert!(error.starts_with("the file: ") && error.ends_with("b.json"), "{error}");
}

#[test]
fn a_voc_file_that_is_bad_leaves_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let write = |file: &str, text: &str| fs::write(root.join("Annotations").join(file), text).unwrap();
    fs::create_dir(root.join("Annotations")).unwrap();
    let bbox = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox>";
    let text = |name: &str, class: &str| {
        let size = "<size><width>4</width><height>3</height></size>";
        format!(
            "<annotation><filename>{name}</filename>{size}<object><name>{class}</name><difficult>1</difficult>{bbox}</object></annotation>"
        )
    };
    let good = text("a.jpg", "x");
    for bad in [
        good.replace("<width>4", "<width>x"),
        good.replace("<name>x</name>", ""),
        good.replace("<xmin>1", "<xmin>nan"),
        good.replace("</annotation>", ""),
        good.split_once("<ymin>").unwrap().0.to_owned(),
        good.split_once("<size>").unwrap().0.to_owned() + "</annotation>",
        "<annotation><filename>q.jpg".to_owned(),
    ] {
        write("bad.xml", &bad);
        let read = || import(Format::Voc, root, None);
        let error = read().unwrap_err().to_string();
        assert!(error.contains("Annotations/bad.xml"), "{bad}: {error}");
        write("a.xml", &text("a.jpg", "y"));
        write("c.xml", &text("c.jpg", "x"));
        let Imported { dataset, tally, .. } = read().unwrap();
        let found: Vec<_> = dataset.instances.iter().map(|object| (file_name(&dataset, object), class(&dataset, object))).collect();
        assert_eq!(found, [("a.jpg", "y"), ("c.jpg", "x")].map(|(name, class)| (name.to_owned(), class.to_owned())), "{bad}");
        assert_eq!(dataset.categories.iter().map(|class| class.name.as_str()).collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!((tally.count(Kind::Unreadable), tally.count(Kind::Difficult)), (1, 2), "{bad}: {tally}");
        assert!(tally.to_string().contains("Annotations/bad.xml"), "{tally}");
        fs::remove_file(root.join("Annotations/a.xml")).unwrap();
        fs::remove_file(root.join("Annotations/c.xml")).unwrap();
    }
}

#[test]
fn voc_files_of_one_image_are_told_and_a_lacking_size_is_that_of_the_picture() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for name in ["Annotations", "JPEGImages"] {
        fs::create_dir(root.join(name)).unwrap();
    }
    let bbox = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox>";
    let text = format!("<annotation><filename>a.png</filename><object><name>x</name>{bbox}</object></annotation>");
    for file in ["a.xml", "b.xml"] {
        fs::write(root.join("Annotations").join(file), &text).unwrap();
    }
    let error = import(Format::Voc, root, None).unwrap_err().to_string();
    assert!(error.contains("image a.png: has no usable `size`") && error.ends_with("a.xml"), "{error}");
    image::RgbImage::new(7, 5).save(root.join("JPEGImages/a.png")).unwrap();
    for path in [root.to_owned(), root.join("Annotations")] {
        let Imported { dataset, tally, .. } = import(Format::Voc, &path, None).unwrap();
        assert_eq!(dataset.images.iter().map(|image| image.size).collect::<Vec<_>>(), [Size::new(7, 5); 2]);
        assert!(tally.count(Kind::SameName) == 2 && tally.to_string().contains("b.xml"), "{tally}");
    }
}

#[test]
fn nothing_is_written_beside_the_folder_for_a_name_that_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let square = Shape::from_mask(&Mask::filled(SIZE, Rect::new(2.0, 2.0, 8.0, 8.0)));
    for (number, name) in ["", ".", "..", "/", "../", "C:/a/.."].into_iter().enumerate() {
        let mut dataset = dataset();
        dataset.images = vec![Image { id: ImageId(7), file_name: name.to_owned(), size: SIZE, source: None }];
        dataset.instances = vec![instance(1, 7, 90, square.clone())];
        for format in [Format::Masks, Format::Semantic, Format::Labelme, Format::YoloSeg] {
            let path = folder.path().join(format!("{number}/{}", format.name()));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            export(&dataset, format, &path).unwrap();
            let around: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(around.len(), number + 1, "{name} as {}: {around:?}", format.name());
            // YOLO's labels need pictures.
            if format != Format::YoloSeg {
                assert_eq!(import(format, &path, None).unwrap().dataset.instances.len(), 1, "{name} as {}", format.name());
            }
        }
    }
}
