//! CVAT's file: masks with every pixel, ellipses as polygons, all in the order of the file.

use super::*;

#[test]
fn masks_leave_and_come_back_with_every_pixel() {
    let before = dataset();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.xml");
    let policy = Some(Policy::Polygons { tolerance_px: 4.0 });
    let watch = &mut Watch { cancel: &Cancel::new(), progress: &mut |_| () };
    let tally = exchange::export(before.clone(), Format::Cvat, &path, policy, None, watch).unwrap();
    assert_eq!((tally.count(Kind::Pixels), tally.count(Kind::Object)), (0, 0), "{tally}");
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(["<mask ", "<polygon ", "<box "].map(|element| text.matches(element).count()), [2, 2, 1], "{text}");
    let after = import(Format::Cvat, &path, None).unwrap();
    assert!(after.tally.is_empty(), "{}", after.tally);
    assert_eq!(objects(&after.dataset), objects(&before));
    let ids: Vec<i64> = after.dataset.instances.iter().map(|object| object.id.0).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5]);
    assert_eq!(exchange::kept_iou(&before.instances[0], SIZE, Format::Cvat, policy), Some(1.0));

    let mut empty = before;
    empty.instances[0].set_shape(Shape::from_mask(&Mask::new(SIZE)));
    assert_eq!(export(&empty, Format::Cvat, &path).unwrap().count(Kind::Object), 1);
    assert_eq!(import(Format::Cvat, &path, None).unwrap().dataset.instances.len(), 4);
}

#[test]
fn ellipses_and_turned_boxes_are_polygons_at_their_place_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.xml");
    let read = |shapes: &str| {
        let image = format!(r#"<image id="0" name="a" width="200" height="200">{shapes}</image>"#);
        fs::write(&path, format!("<annotations>{image}</annotations>")).unwrap();
        import(Format::Cvat, &path, None)
    };
    let ellipse = |members: &str| format!(r#"<ellipse label="e" occluded="0" cx="100.00" {members} z_order="0"></ellipse>"#);
    let sides = r#"cy="80.00" rx="40.00" ry="20.00""#;
    let first = r#"<polygon label="a" points="1,1;2,2"/><box label="b" xtl="1" ytl="1" xbr="3" ybr="3"/>"#;
    let last = r#"<polygon label="c" points="0,0;3,0;3,3"/>"#;
    let turned = ellipse(&format!(r#"{sides} rotation="90.00""#));
    let imported = read(&format!("{first}{}{turned}{last}", ellipse(sides))).unwrap();
    let dataset = &imported.dataset;
    assert_eq!((imported.tally.count(Kind::Unsupported), imported.tally.count(Kind::Object)), (0, 1), "{}", imported.tally);
    let classes: Vec<String> = dataset.instances.iter().map(|object| class(dataset, object)).collect();
    assert_eq!(classes, ["b", "e", "e", "c"]);
    let boxes = [&dataset.instances[1], &dataset.instances[2]].map(|object| object.bbox);
    assert_eq!(boxes, [Rect::new(60.0, 60.0, 80.0, 40.0), Rect::new(80.0, 40.0, 40.0, 80.0)]);
    assert!((dataset.instances[1].area - std::f64::consts::PI * 800.0).abs() < 10.0, "{}", dataset.instances[1].area);

    let boxed = |right: u8, rotation: &str| format!(r#"<box label="b" xtl="10" ytl="20" xbr="{right}" ybr="30" rotation="{rotation}"/>"#);
    assert!(imported.tally.to_string().contains("c.xml: ellipse (2)"), "{}", imported.tally);
    let turned = read(&[boxed(4, "90"), boxed(4, "0"), boxed(30, "90"), boxed(30, "0")].concat()).unwrap();
    let boxes: Vec<_> = turned.dataset.instances.iter().map(|object| (object.id.0, object.bbox)).collect();
    assert_eq!(boxes, [(1, Rect::new(15.0, 15.0, 10.0, 20.0)), (2, Rect::new(10.0, 20.0, 20.0, 10.0))]);
    let told = turned.tally.to_string();
    assert!(turned.tally.count(Kind::Object) == 2 && told.contains("box 1 (image a)") && told.contains("turned box (1)"), "{told}");
    for rotation in ["x", "inf"] {
        let error = read(&boxed(30, rotation)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("box 1 (image a): `{rotation}` is no")) && error.ends_with("c.xml"), "{error}");
    }

    let flat = read(&ellipse(r#"cy="80" rx="0" ry="20""#)).unwrap();
    assert_eq!((flat.dataset.instances.len(), flat.tally.count(Kind::Object)), (0, 1));
    for (members, said) in [(r#"cy="80" rx="x" ry="20""#, "`x` is no"), (r#"rx="4" ry="20""#, "has no usable `cy`")] {
        let error = read(&ellipse(members)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("ellipse 1 (image a): {said}")) && error.ends_with("c.xml"), "{error}");
    }
}

#[test]
fn an_element_that_cannot_be_used_is_left_out_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.xml");
    let boxed = |label: &str, left: &str| format!(r#"<box label="{label}" xtl="{left}" ytl="1" xbr="3" ybr="3"/>"#);
    let image = |name: &str, width: &str, shapes: &str| format!(r#"<image name="{name}" width="{width}" height="9">{shapes}</image>"#);
    let shapes = [
        boxed("x", "1"),
        boxed("x", "nan"),
        boxed("x", "0,5"),
        boxed("", "1"),
        r#"<polygon label="x" points="1,1;2;3,3"/><mask label="x" rle="5, 5" left="0" top="0" width="9" height="9"/>"#.to_owned(),
        r#"<polygon label="x" points="1,1;5,1;5,5"/>"#.to_owned(),
    ];
    let images = [image("a", "9", &shapes.concat()), image("b", "wide", &boxed("x", "1")), image("c", "9", "")];
    fs::write(&path, format!("<annotations>{}</annotations>", images.concat())).unwrap();
    let imported = import(Format::Cvat, &path, None).unwrap();
    let told = imported.tally.to_string();
    assert_eq!((imported.dataset.images.len(), imported.dataset.instances.len()), (2, 2), "{told}");
    assert_eq!((imported.tally.count(Kind::Unreadable), imported.tally.count(Kind::OnLeftOut)), (6, 1), "{told}");
    for said in ["c.xml: box 2 (image a): `nan` is no", "box 3 (image a): `0,5`", "box 4 (image a): has no usable `label`", "polygon 1"] {
        assert!(told.contains(said), "{said}: {told}");
    }

    fs::write(&path, format!("<annotations>{}", images[0])).unwrap();
    let error = import(Format::Cvat, &path, None).unwrap_err().to_string();
    assert!(error.starts_with("there is no whole <annotations>") && error.ends_with("c.xml"), "{error}");
    fs::write(&path, "<annotations><track><box/></track></annotations>").unwrap();
    let error = import(Format::Cvat, &path, None).unwrap_err().to_string();
    assert!(error.contains("video") && error.ends_with("c.xml"), "{error}");
}

#[test]
fn labels_of_tasks_jobs_and_projects_are_the_classes_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.xml");
    for owner in ["task", "job", "project"] {
        let attribute = "<attribute><name>parked</name></attribute>";
        let label = |name: &str, rest: &str| format!("<label>\n<name>{name}</name><type>any</type>{rest}</label>");
        let labels = [label("zebra", "<color>#ff0000</color>"), label("a &amp; b", &format!("<attributes>{attribute}</attributes>"))];
        let meta = format!("<meta><{owner}><labels>{}</labels></{owner}></meta>", labels.concat());
        let shape = r#"<box label="a &amp; b" xtl="1" ytl="1" xbr="3" ybr="3"/>"#;
        let image = format!(r#"<image name="a" width="9" height="9">{shape}</image>"#);
        fs::write(&path, format!("<annotations>{meta}{image}</annotations>")).unwrap();
        let imported = import(Format::Cvat, &path, None).unwrap();
        let names: Vec<&str> = imported.dataset.categories.iter().map(|class| class.name.as_str()).collect();
        assert_eq!(names, ["zebra", "a & b"], "{owner}");
        let told = imported.tally.to_string();
        assert!(told.contains("2 records lost") && told.contains("c.xml: label attributes (1), label color (1)"), "{told}");
    }
}

#[test]
fn images_of_one_name_get_the_folder_that_tells_them_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.xml");
    let names = |of: [(&str, &str); 2]| {
        let image = |(subset, task): (&str, &str)| {
            let shape = r#"<box label="x" xtl="1" ytl="1" xbr="3" ybr="3"/>"#;
            format!(r#"<image name="a.jpg" subset="{subset}" task_id="{task}" width="9" height="9">{shape}</image>"#)
        };
        fs::write(&path, format!("<annotations>{}</annotations>", of.map(image).concat())).unwrap();
        let imported = import(Format::Cvat, &path, None).unwrap();
        assert_eq!(imported.tally.count(Kind::SameName), 2, "{}", imported.tally);
        assert!(imported.tally.to_string().contains("task_id (2)"), "{}", imported.tally);
        let dataset = imported.dataset;
        let ids: Vec<ImageId> = dataset.instances.iter().map(|object| object.image_id).collect();
        assert_eq!(ids, [ImageId(1), ImageId(2)]);
        dataset.images.into_iter().map(|image| image.file_name).collect::<Vec<_>>()
    };
    assert_eq!(names([("Train", "1"), ("Val", "2")]), ["Train/a.jpg", "Val/a.jpg"]);
    assert_eq!(names([("Train", "1"), ("Train", "2")]), ["1/a.jpg", "2/a.jpg"]);
    assert_eq!(names([("", "1"), ("", "1")]), ["a.jpg", "a.jpg"]);
}

#[test]
fn what_is_lost_is_counted_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.xml");
    let attribute = |name: &str| format!(r#"<attribute name="{name}">1</attribute>"#);
    let boxed = |members: &str, content: &str| format!(r#"<box label="x" xtl="1" ytl="1" xbr="3" ybr="3" {members}>{content}</box>"#);
    let shapes = [
        boxed(r#"occluded="1" source="auto" z_order="2""#, &[attribute("color"), attribute("parked")].concat()),
        boxed(r#"occluded="0" source="manual" z_order="0" group_id="4""#, &attribute("color")),
        format!(r#"<skeleton label="s"><points label="1" points="1,1">{}</points></skeleton>"#, attribute("of a point")),
        r#"<tag label="t"></tag><points label="p" points="1,1"/><points label="p" points="2,1"/>"#.to_owned(),
    ];
    let image = format!(r#"<image id="0" name="a" width="9" height="9">{}</image>"#, shapes.concat());
    fs::write(&path, format!("<annotations>{image}</annotations>")).unwrap();
    let tally = import(Format::Cvat, &path, None).unwrap().tally;
    let told = tally.to_string();
    assert_eq!((tally.count(Kind::Member), tally.count(Kind::Unsupported)), (7, 4), "{told}");
    let members = "attribute color (2), attribute parked (1), group_id (1), occluded (1), source (1), z_order (1)";
    assert!(told.contains(members) && told.contains("points (2), skeleton (1), tag (1)"), "{told}");
}
