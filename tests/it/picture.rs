//! Pictures of every kind: the pixels that other readers see, as stored whatever EXIF says, or upright for records that are.

use std::path::{Path, PathBuf};

use annotator::formats::picture;
use annotator::geometry::Size;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageBuffer, ImageEncoder, Luma, LumaA, Rgb, RgbImage, Rgba};

/// An EXIF block that holds nothing but an orientation.
fn exif(orientation: Orientation) -> Vec<u8> {
    // Little-endian TIFF, one directory of one entry: tag 0x0112, type SHORT, count 1.
    let mut block = b"II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    block.extend([orientation.to_exif(), 0, 0, 0, 0, 0, 0, 0]);
    block
}

fn encoded(mut encoder: impl ImageEncoder, pixels: &RgbImage, orientation: Orientation) {
    encoder.set_exif_metadata(exif(orientation)).unwrap();
    encoder.write_image(pixels, pixels.width(), pixels.height(), ExtendedColorType::Rgb8).unwrap();
}

/// A JPEG file with an orientation mark.
pub(crate) fn jpeg(pixels: &RgbImage, orientation: Orientation) -> Vec<u8> {
    let mut bytes = Vec::new();
    encoded(JpegEncoder::new_with_quality(&mut bytes, 95), pixels, orientation);
    bytes
}

/// A PNG file with an orientation mark.
pub(crate) fn png(pixels: &RgbImage, orientation: Orientation) -> Vec<u8> {
    let mut bytes = Vec::new();
    encoded(PngEncoder::new(&mut bytes), pixels, orientation);
    bytes
}

const ORIENTATIONS: [Orientation; 8] = [
    Orientation::NoTransforms,
    Orientation::FlipHorizontal,
    Orientation::Rotate180,
    Orientation::FlipVertical,
    Orientation::Rotate90FlipH,
    Orientation::Rotate90,
    Orientation::Rotate270FlipH,
    Orientation::Rotate270,
];

#[test]
fn a_turned_picture_keeps_its_stored_pixels_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("turned");
    // Red at the left, blue at the right, so that any turning would show.
    let pixels = RgbImage::from_fn(32, 16, |x, _| if x < 16 { Rgb([250, 5, 5]) } else { Rgb([5, 5, 250]) });
    for orientation in ORIENTATIONS {
        let (mut png, mut webp) = (Vec::new(), Vec::new());
        encoded(PngEncoder::new(&mut png), &pixels, orientation);
        encoded(WebPEncoder::new_lossless(&mut webp), &pixels, orientation);
        for bytes in [jpeg(&pixels, orientation), png, webp] {
            std::fs::write(&path, bytes).unwrap();
            let header = picture::header(&path).unwrap();
            assert_eq!((header.size, header.exif_orientation), (Size::new(32, 16), orientation.to_exif()));
            let opened = picture::open(&path).unwrap();
            assert_eq!((opened.pixels.dimensions(), opened.exif_orientation), ((32, 16), orientation.to_exif()));
            assert!(near(*opened.pixels.get_pixel(3, 3), [250, 5, 5]) && near(*opened.pixels.get_pixel(28, 12), [5, 5, 250]));
            assert_eq!(picture::turn(orientation.to_exif()).is_none(), orientation == Orientation::NoTransforms);
        }
    }
}

#[test]
fn a_record_of_the_size_after_the_turn_gets_the_upright_picture() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("turned.png");
    let pixels = RgbImage::from_fn(32, 16, |x, y| Rgb([(x * 7) as u8, (y * 13) as u8, 90]));
    for orientation in ORIENTATIONS {
        std::fs::write(&path, png(&pixels, orientation)).unwrap();
        let (mark, stored) = (orientation.to_exif(), picture::header(&path).unwrap());
        for told in [Size::new(32, 16), Size::default(), Size::new(16, 31)] {
            assert!(picture::load_for(&path, told).unwrap() == pixels, "{mark}");
            assert_eq!(stored.seen_by(told), stored);
        }
        let upright = picture::open_for(&path, Size::new(16, 32)).unwrap();
        let mut expected = DynamicImage::from(pixels.clone());
        if mark > 4 {
            expected.apply_orientation(orientation);
        }
        assert!(upright.pixels == expected.into_rgb8(), "{mark}");
        assert_eq!((upright.header(), upright.exif_orientation), (stored.seen_by(Size::new(16, 32)), if mark > 4 { 1 } else { mark }));
        assert_eq!((stored.is_unsure(), upright.header().is_unsure()), ((2..5).contains(&mark), (2..5).contains(&mark)), "{mark}");

        std::fs::write(&path, png(&RgbImage::new(8, 8), orientation)).unwrap();
        assert_eq!(picture::header(&path).unwrap().seen_by(Size::new(8, 8)).is_unsure(), mark > 1, "{mark}");
    }
}

fn near(found: Rgb<u8>, expected: [u8; 3]) -> bool {
    found.0.iter().zip(expected).all(|(found, expected)| found.abs_diff(expected) < 8)
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pictures").join(name)
}

#[test]
fn a_kind_that_cannot_be_read_is_named() {
    let error = picture::load(&data("palette.tiff")).unwrap_err().to_string();
    assert!(error.contains("RGBPalette") && error.ends_with("palette.tiff"), "{error}");
}

/// Kinds that the encoders here cannot write; the colours are those that Pillow reads from the same files.
#[test]
fn cmyk_palette_and_bitmap_files_have_the_colours_of_other_readers() {
    let cmyk = [[0, 255, 255], [0, 0, 0], [255, 255, 255]];
    let palette = [[255, 0, 0], [0, 128, 255], [0, 128, 255]];
    let bits = [[0, 0, 0], [255, 255, 255], [255, 255, 255]];
    let files = [
        ("cmyk.jpg", cmyk),
        ("cmyk.tiff", cmyk),
        ("palette.png", palette),
        ("palette.bmp", palette),
        ("bit.png", bits),
        ("bit.tiff", bits),
        ("grey16.tiff", [[156, 156, 156]; 3]),
    ];
    for (name, colours) in files {
        let pixels = picture::load(&data(name)).unwrap();
        assert_eq!(pixels.dimensions(), (16, 8), "{name}");
        for ((x, y), colour) in [(1, 1), (12, 1), (12, 6)].into_iter().zip(colours) {
            let found = *pixels.get_pixel(x, y);
            assert!(near(found, colour), "{name} at {x}, {y}: {found:?} is not {colour:?}");
        }
    }
}

#[test]
fn deep_grey_and_clear_samples_become_rgb() {
    let folder = tempfile::tempdir().unwrap();
    let saved = |name: &str, image: DynamicImage| -> PathBuf {
        let path = folder.path().join(name);
        image.save(&path).unwrap();
        path
    };
    let kinds: [(DynamicImage, [u8; 3]); 8] = [
        (ImageBuffer::from_pixel(3, 2, Luma([70_u8])).into(), [70; 3]),
        (ImageBuffer::from_pixel(3, 2, LumaA([70_u8, 255])).into(), [70; 3]),
        (ImageBuffer::from_pixel(3, 2, Luma([0x46ff_u16])).into(), [71; 3]),
        (ImageBuffer::from_pixel(3, 2, LumaA([0x4646_u16, 0xffff])).into(), [70; 3]),
        (ImageBuffer::from_pixel(3, 2, Rgb([0x1010_u16, 0x8080, 0xf0f0])).into(), [16, 128, 240]),
        (ImageBuffer::from_pixel(3, 2, Rgba([0x1010_u16, 0x8080, 0xf0f0, 0xffff])).into(), [16, 128, 240]),
        (ImageBuffer::from_pixel(3, 2, Rgba([10_u8, 20, 30, 255])).into(), [10, 20, 30]),
        (ImageBuffer::from_pixel(3, 2, Rgba([10_u8, 20, 30, 0])).into(), [255; 3]),
    ];
    for (number, (image, colour)) in kinds.into_iter().enumerate() {
        for ending in ["png", "tiff"] {
            // The TIFF encoder knows no grey with alpha.
            if ending == "tiff" && image.color().has_alpha() && !image.color().has_color() {
                continue;
            }
            let path = saved(&format!("{number}.{ending}"), image.clone());
            let found = picture::load(&path).unwrap().get_pixel(2, 1).0;
            let differs = found.iter().zip(colour).any(|(found, colour)| found.abs_diff(colour) > 1);
            assert!(!differs, "{number}.{ending}: {found:?} is not {colour:?}");
        }
    }
}
