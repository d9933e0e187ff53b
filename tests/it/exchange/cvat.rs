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
    let turned = read(&[boxed(4, "90"), boxed(4, "0"), boxed(30, "90"), boxed(30, "0")].concat()).unwrap();
    let boxes: Vec<_> = turned.dataset.instances.iter().map(|object| (object.id.0, object.bbox)).collect();
    assert_eq!(boxes, [(1, Rect::new(15.0, 15.0, 10.0, 20.0)), (2, Rect::new(10.0, 20.0, 20.0, 10.0))]);
    assert_eq!((turned.tally.count(Kind::Object), turned.tally.to_string().matches("a box on a").count()), (2, 2), "{}", turned.tally);
    for rotation in ["x", "inf"] {
        let error = read(&[boxed(30, "0"), boxed(30, rotation)].concat()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("box 2 (image a): `{rotation}` is no")) && error.ends_with("c.xml"), "{error}");
    }

    let flat = read(&ellipse(r#"cy="80" rx="0" ry="20""#)).unwrap();
    assert_eq!((flat.dataset.instances.len(), flat.tally.count(Kind::Object)), (0, 1));
    for (members, said) in [(r#"cy="80" rx="x" ry="20""#, "`x` is no"), (r#"rx="4" ry="20""#, "has no usable `cy`")] {
        let error = read(&ellipse(members)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("ellipse 1 (image a): {said}")) && error.ends_with("c.xml"), "{error}");
    }
}
