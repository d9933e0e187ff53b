//! PNG files whose values number several objects, as other programs write them, beside masks of one object.

use super::*;
use image::metadata::Orientation;
use image::{GrayImage, ImageBuffer, Luma};

const EDGE: u32 = 20;

/// The value of a picture with a square of 6 x 6 pixels for each of the first values, and a line of the last one.
fn value<T: Copy>(x: u32, y: u32, nothing: T, squares: &[T], line: Option<T>) -> T {
    let place = (0..squares.len()).find(|place| (6 * *place as u32..6 * *place as u32 + 6).contains(&x) && y < 6);
    place.map(|place| squares[place]).or(line.filter(|_| y == 10 && x < 8)).unwrap_or(nothing)
}

fn grey(path: &Path, squares: &[u8], line: Option<u8>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    GrayImage::from_fn(EDGE, EDGE, |x, y| Luma([value(x, y, 0, squares, line)])).save(path).unwrap();
}

fn deep(path: &Path, squares: &[u16]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    ImageBuffer::from_fn(EDGE, EDGE, |x, y| Luma([value(x, y, 0_u16, squares, None)])).save(path).unwrap();
}

/// A picture with a palette.
fn palette(path: &Path, squares: &[u8], line: Option<u8>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut encoder = png::Encoder::new(fs::File::create(path).unwrap(), EDGE, EDGE);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_palette(vec![0; 3 * 256]);
    let values: Vec<u8> = (0..EDGE * EDGE).map(|place| value(place % EDGE, place / EDGE, 0, squares, line)).collect();
    encoder.write_header().unwrap().write_image_data(&values).unwrap();
}

/// The images and areas of the objects.
fn found(dataset: &Dataset) -> Vec<(String, f64)> {
    dataset.instances.iter().map(|object| (file_name(dataset, object), object.area)).collect()
}

#[test]
fn each_number_of_a_file_is_an_object_of_the_image_of_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    deep(&root.join("mots/0002/000000.png"), &[1000, 2003, 10_000]);
    palette(&root.join("voc/2007.png"), &[1, 2], Some(255));
    palette(&root.join("davis/bear/00000.png"), &[1, 2], None);
    palette(&root.join("davis/bear/00001.png"), &[1], None);
    deep(&root.join("city/x_instanceIds.png"), &[7, 255, 26_001]);
    let square = |name: &str| (name.to_owned(), 36.0);
    for (path, objects, void) in [
        ("mots", vec![square("0002/000000.png"); 3], 0),
        ("voc", vec![square("2007.png"); 2], 1),
        ("davis", vec![square("bear/00000.png"), square("bear/00000.png"), square("bear/00001.png")], 0),
        ("city", vec![square("x_instanceIds.png"); 3], 0),
    ] {
        let imported = import(Format::Masks, &root.join(path), None).unwrap();
        assert_eq!(found(&imported.dataset), objects, "{path}");
        let files: BTreeSet<&String> = objects.iter().map(|(name, _)| name).collect();
        assert_eq!((imported.tally.count(Kind::Several), imported.tally.count(Kind::Void)), (files.len(), void), "{}", imported.tally);
    }

    // Folders that `classes.txt` or the pictures name after their images hold numbers too.
    grey(&root.join("own/a/1_1.png"), &[1, 2, 3], None);
    fs::write(root.join("own/classes.txt"), "background\nx\n").unwrap();
    grey(&root.join("bare/a/1.png"), &[1, 2, 3], None);
    let pictures = root.join("pictures");
    fs::create_dir(&pictures).unwrap();
    image::RgbImage::new(EDGE, EDGE).save(pictures.join("a.png")).unwrap();
    for (path, images) in [("own", None), ("own", Some(pictures.as_path())), ("bare", Some(pictures.as_path()))] {
        let imported = import(Format::Masks, &root.join(path), images).unwrap();
        assert_eq!(found(&imported.dataset), vec![square("a.png"); 3], "{path}");
    }
}

#[test]
fn soft_edges_are_no_objects() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    grey(&root.join("a/1.png"), &[255, 255, 20], Some(128));
    grey(&root.join("a/2.png"), &[1], None);
    palette(&root.join("a/3.png"), &[255], None);
    deep(&root.join("a/4.png"), &[65_535, 65_535, 9]);
    let imported = import(Format::Masks, root, None).unwrap();
    let areas = [116.0, 36.0, 36.0, 108.0].map(|area| ("a.png".to_owned(), area));
    assert_eq!(found(&imported.dataset), areas);
    // Few values may as well be objects, which is for a person to see.
    assert_eq!((imported.tally.kinds.len(), imported.tally.count(Kind::Fused)), (1, 2), "{}", imported.tally);
    assert!(imported.tally.to_string().contains("1.png (20, 128, 255)"), "{}", imported.tally);
    let soft = GrayImage::from_fn(EDGE, EDGE, |x, _| Luma([if x < 10 { 255 } else { x as u8 * 10 }]));
    let alone = root.join("smooth/a");
    fs::create_dir_all(&alone).unwrap();
    soft.save(alone.join("1.png")).unwrap();
    let imported = import(Format::Masks, &root.join("smooth"), None).unwrap();
    assert!(imported.dataset.instances.len() == 1 && imported.tally.is_empty(), "{}", imported.tally);
}

#[test]
fn masks_lie_on_the_stored_or_the_upright_picture() {
    let folder = tempfile::tempdir().unwrap();
    let (masks, pictures) = (folder.path().join("masks"), folder.path().join("pictures"));
    fs::create_dir(&pictures).unwrap();
    let (stored, upright) = ((8, 4), (4, 8));
    for (name, orientation, sizes) in [
        ("a", Orientation::Rotate90, [upright, stored]),
        ("b", Orientation::Rotate270, [stored, upright]),
        ("c", Orientation::Rotate180, [upright, stored]),
    ] {
        let picture = crate::picture::png(&image::RgbImage::new(stored.0, stored.1), orientation);
        fs::write(pictures.join(format!("{name}.png")), picture).unwrap();
        fs::create_dir_all(masks.join(name)).unwrap();
        for (number, (width, height)) in (1..).zip(sizes) {
            let mask = GrayImage::from_pixel(width, height, Luma([255]));
            mask.save(masks.join(format!("{name}/{number}.png"))).unwrap();
        }
    }
    let imported = import(Format::Masks, &masks, Some(&pictures)).unwrap();
    let sizes: Vec<_> = imported.dataset.images.iter().map(|image| (image.size.width, image.size.height)).collect();
    assert_eq!(sizes, [upright, stored, stored]);
    assert_eq!(found(&imported.dataset), ["a.png", "b.png", "c.png"].map(|name| (name.to_owned(), 32.0)));
    assert_eq!(imported.tally.count(Kind::Unreadable), 3, "{}", imported.tally);
}

#[test]
fn a_mask_outside_of_a_folder_says_which_folder_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let (masks, pictures) = (folder.path().join("masks"), folder.path().join("pictures"));
    grey(&masks.join("a_m0_1.png"), &[255], None);
    fs::create_dir(&pictures).unwrap();
    image::RgbImage::new(EDGE, EDGE).save(pictures.join("a.png")).unwrap();
    for images in [None, Some(pictures.as_path())] {
        let error = import(Format::Masks, &masks, images).unwrap_err().to_string();
        assert!(error.contains("IMAGE/1.png") && error.ends_with("a_m0_1.png"), "{error}");
    }
    grey(&masks.join("a/1.png"), &[255], None);
    let imported = import(Format::Masks, &masks, Some(&pictures)).unwrap();
    assert_eq!((imported.dataset.instances.len(), imported.tally.count(Kind::Unreadable)), (1, 1), "{}", imported.tally);
}
