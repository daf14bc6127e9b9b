use std::io::Cursor;
use std::path::Path;

use deepnmf::data::{ImageShape, LoadOptions, load};
use image::{DynamicImage, GrayImage, ImageBuffer, ImageFormat, Luma, Rgb, RgbImage};
use ndarray::arr2;

use super::{Dir, read, refusal, refused};

fn encode(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).expect("in memory");
    bytes.into_inner()
}

fn grey(width: u32, height: u32, pixels: &[u8]) -> DynamicImage {
    GrayImage::from_raw(width, height, pixels.to_vec()).expect("as many as needed").into()
}

fn png(width: u32, height: u32, pixels: &[u8]) -> Vec<u8> {
    encode(&grey(width, height, pixels), ImageFormat::Png)
}

#[test]
fn sub_folders_are_classes_in_natural_order() {
    let dir = Dir::new();
    dir.put("s10/1.png", &png(2, 1, &[1, 2]));
    dir.put("s2/10.png", &png(2, 1, &[3, 4]));
    dir.put("s2/9.pgm", &encode(&grey(2, 1, &[5, 6]), ImageFormat::Pnm));
    dir.put("s2/deep/er/0.png", &png(2, 1, &[7, 8]));
    for ignored in ["README.md", "labels.csv", "s2/.DS_Store", ".hidden/1.png", "s2/._9.png", "notes/about.txt"] {
        dir.put(ignored, b"nothing to decode");
    }
    let set = read(dir.path());
    assert_eq!(set.names, ["s2/9.pgm", "s2/10.png", "s2/deep/er/0.png", "s10/1.png"]);
    assert_eq!(set.x, arr2(&[[5., 6.], [3., 4.], [7., 8.], [1., 2.]]));
    assert_eq!((set.labels, set.classes), (Some(vec![0, 0, 0, 1]), vec!["s2".into(), "s10".into()]));
    assert_eq!(set.image_shape, Some(ImageShape { height: 1, width: 2, channels: 1 }));
}

fn every_format(image: &DynamicImage) -> Vec<(&'static str, Vec<u8>)> {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, Pnm, Tiff, WebP};
    [("png", Png), ("pgm", Pnm), ("bmp", Bmp), ("tiff", Tiff), ("gif", Gif), ("webp", WebP), ("JPG", Jpeg)]
        .map(|(extension, format)| {
            let image = if matches!(format, Gif | WebP) { image.to_rgba8().into() } else { image.clone() };
            (extension, encode(&image, format))
        })
        .into()
}

#[test]
fn every_format_decodes() {
    let dir = Dir::new();
    let formats = every_format(&grey(8, 8, &[200; 64]));
    for (extension, bytes) in &formats {
        dir.put(&format!("a.{extension}"), bytes);
    }
    let set = read(dir.path());
    assert_eq!((set.x.dim(), set.labels, set.classes.len()), ((formats.len(), 64), None, 0));
    assert!(set.x.iter().all(|v| (v - 200.).abs() <= 1.), "{}", set.x);
}

#[test]
fn damaged_images_are_errors_not_panics() {
    for (extension, good) in every_format(&grey(5, 4, &(0..20).map(|v| v * 12).collect::<Vec<_>>())) {
        let dir = Dir::new();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0xff;
            dir.put(&format!("flipped.{extension}"), &bad);
            // Whether it still decodes is up to the format; that the reader returns is up to us.
            let _ = load(dir.path(), &LoadOptions::default());
            dir.put(&format!("flipped.{extension}"), &good[..at]);
            let _ = load(dir.path(), &LoadOptions::default());
        }
    }
}

#[test]
fn colour_alpha_and_16_bits() {
    let dir = Dir::new();
    let rgb = RgbImage::from_raw(2, 1, vec![255, 0, 0, 10, 20, 30]).expect("two pixels");
    dir.put("a.png", &encode(&rgb.into(), ImageFormat::Png));
    let grey = read(dir.path());
    assert!((grey.x[[0, 0]] - 0.2126 * 255.).abs() < 1., "{}", grey.x);
    let set = load(dir.path(), &LoadOptions { colour: true, ..Default::default() }).expect("colour");
    assert_eq!(set.x, arr2(&[[255., 0., 0., 10., 20., 30.]]));
    assert_eq!(set.image_shape, Some(ImageShape { height: 1, width: 2, channels: 3 }));
    let dir = Dir::new();
    let deep: ImageBuffer<Luma<u16>, _> = ImageBuffer::from_raw(2, 1, vec![65535u16, 384]).expect("two pixels");
    dir.put("a.png", &encode(&deep.into(), ImageFormat::Png));
    let set = read(dir.path());
    assert!((set.x[[0, 0]] - 255.).abs() < 1e-4 && (set.x[[0, 1]] - 384. / 257.).abs() < 1e-4, "{}", set.x);
    let dir = Dir::new();
    let float: ImageBuffer<Rgb<f32>, _> = ImageBuffer::from_raw(1, 1, vec![0.5f32; 3]).expect("one pixel");
    dir.put("a.tiff", &encode(&float.into(), ImageFormat::Tiff));
    assert!((read(dir.path()).x[[0, 0]] - 127.5).abs() < 1e-3);
}

#[test]
fn mixed_sizes_are_refused_or_resized() {
    let dir = Dir::new();
    dir.put("1.png", &png(4, 2, &[8; 8]));
    dir.put("2.png", &png(4, 2, &[8; 8]));
    dir.put("3.png", &png(2, 4, &[8; 8]));
    dir.put("4.png", &png(9, 9, &[8; 81]));
    let message = load(dir.path(), &Default::default()).expect_err("mixed").to_string();
    for part in ["3.png", "2×4", "expected 4×2", "`1.png`", "--resize WxH"] {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
    let set = load(dir.path(), &LoadOptions { resize: Some((3, 5)), ..Default::default() }).expect("resized");
    assert_eq!((set.x.dim(), set.image_shape), ((4, 15), Some(ImageShape { height: 5, width: 3, channels: 1 })));
    assert!(set.x.iter().all(|v| (v - 8.).abs() < 1e-4), "{}", set.x);
    for size in [(0, 5), (5, 0), (usize::MAX, 2)] {
        let error = load(dir.path(), &LoadOptions { resize: Some(size), ..Default::default() }).expect_err("no pixels");
        assert!(error.to_string().contains("cannot resize"), "{error}");
    }
}

#[test]
fn folders_that_hold_no_data_set() {
    let dir = Dir::new();
    refused(dir.path(), &["found none"]);
    dir.put("README", b"no images here");
    dir.put("sub/README", b"nor here");
    refused(dir.path(), &["found none"]);
    dir.put("sub/1.png", &png(1, 1, &[1]));
    read(dir.path());
    dir.put("cover.png", &png(1, 1, &[1]));
    refused(dir.path(), &["1 directly in it", "1 in 1 sub-folders"]);
    let opts = LoadOptions { image_shape: Some(ImageShape { height: 1, width: 1, channels: 1 }), ..Default::default() };
    assert!(refusal(dir.path(), &opts).len() > 10);
}

fn broken(bytes: &[u8], name: &str) -> String {
    let dir = Dir::new();
    dir.put("0.png", &png(4, 4, &[1; 16]));
    let path = dir.put(name, bytes);
    let message = load(dir.path(), &Default::default()).expect_err("broken").to_string();
    assert!(message.contains(&path.file_name().expect("a name").to_string_lossy()[..]), "{message}");
    assert!(!Path::new(name).is_absolute());
    message
}

#[test]
fn images_that_do_not_decode_are_named() {
    let good = png(4, 4, &(0..16).map(|v| v * 16).collect::<Vec<_>>());
    assert!(broken(&good[..good.len() / 2], "cut.png").contains("does not decode"));
    assert!(broken(b"this is text", "text.jpg").contains("does not decode"));
    assert!(broken(b"", "nothing.gif").contains("does not decode"));
    let mut flipped = good;
    let middle = flipped.len() - 20;
    flipped[middle] ^= 0xff;
    assert!(broken(&flipped, "flipped.png").contains("does not decode"));
    // Headers that claim gigabytes.
    let message = broken(b"P5 30000 30000 255\n....", "huge.pgm");
    assert!(message.contains("limit"), "{message}");
    assert!(broken(b"P5 4294967295 4294967295 255\n....", "wrap.pgm").contains("does not decode"));
}
