use std::io::Cursor;
use std::path::Path;

use deepnmf::data::{
    Dim, Features, ImageShape, LoadOptions, PackOptions, PixelOrder, Samples, Scale, load, open, pack,
};
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
    assert_eq!(
        (set.labels, set.classes),
        (Some(vec![Some(0), Some(0), Some(0), Some(1)]), vec!["s2".into(), "s10".into()])
    );
    assert_eq!(set.image_shape, Some(ImageShape::new(1, 2, 1)));
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

/// Two pixels side by side.
fn float_tiff<C>(values: &[C::Inner]) -> Vec<u8>
where
    C: tiff::encoder::colortype::ColorType,
    [C::Inner]: tiff::encoder::TiffValue,
{
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = tiff::encoder::TiffEncoder::new(&mut bytes).expect("in memory");
    encoder.write_image::<C>(2, 1, values).expect("two values");
    bytes.into_inner()
}

/// A TIFF with a page of two pixels for each of `pages`.
fn stack(pages: &[[u8; 2]], described: &str) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = tiff::encoder::TiffEncoder::new(&mut bytes).expect("in memory");
    for page in pages {
        let mut image = encoder.new_image::<tiff::encoder::colortype::Gray8>(2, 1).expect("a page");
        image.encoder().write_tag(tiff::tags::Tag::ImageDescription, described).expect("a tag");
        image.write_data(page).expect("two values");
    }
    bytes.into_inner()
}

#[test]
fn every_page_of_a_tiff_is_a_sample() {
    let dir = Dir::new();
    let three = stack(&[[1, 2], [3, 4], [5, 6]], "ImageJ=1.54f\nimages=3\n");
    let set = read(&dir.put("cells.tif", &three));
    assert_eq!(set.x, arr2(&[[1., 2.], [3., 4.], [5., 6.]]));
    assert_eq!(set.names, ["cells.tif#0", "cells.tif#1", "cells.tif#2"]);
    assert_eq!(set.image_shape, Some(ImageShape::new(1, 2, 1)));
    // A large one has 8 bytes for an offset.
    let mut large = Cursor::new(Vec::new());
    let mut encoder = tiff::encoder::TiffEncoder::new_big(&mut large).expect("in memory");
    for page in [[1.5f32, 2.], [3., 4.]] {
        encoder.write_image::<tiff::encoder::colortype::Gray32Float>(2, 1, &page).expect("a page");
    }
    assert_eq!(read(&dir.put("large.tiff", large.get_ref())).x, arr2(&[[382.5, 510.], [765., 1020.]]));

    // In a folder, beside others and with classes.
    let dir = Dir::new();
    dir.put("a/0.png", &png(2, 1, &[9, 9]));
    dir.put("a/1.tif", &three);
    dir.put("b/2.png", &png(2, 1, &[7, 7]));
    let set = read(dir.path());
    assert_eq!(set.x, arr2(&[[9., 9.], [1., 2.], [3., 4.], [5., 6.], [7., 7.]]));
    assert_eq!(set.labels, Some([0, 0, 0, 0, 1].map(Some).to_vec()));
    assert_eq!(set.names[2], "a/1.tif#1");
    assert!(set.notes[0].contains("5 images in 3 files"), "{:?}", set.notes);

    // A file that was cut short has lost pages: that is said, and with others skipped it is counted as one.
    let dir = Dir::new();
    dir.put("cut.tif", &three[..three.len() * 6 / 10]);
    dir.put("whole.png", &png(2, 1, &[9, 9]));
    let message = load(dir.path(), &Default::default()).expect_err("cut").to_string();
    assert!(message.contains("cut.tif"), "{message}");
    assert!(message.contains("--skip-broken leaves out images"), "{message}");
    let skipped = load(dir.path(), &LoadOptions { skip_broken: true, ..Default::default() }).expect("the other");
    assert_eq!(skipped.names, ["whole.png"]);
    assert!(skipped.notes.iter().any(|note| note.contains("1 of 2 images are broken")), "{:?}", skipped.notes);

    // ImageJ writes one directory for more than 4 GiB: the others would be lost.
    let dir = Dir::new();
    dir.put("huge.tif", &stack(&[[1, 2]], "ImageJ=1.54f\nimages=3\n"));
    let message = load(dir.path(), &Default::default()).expect_err("more than it has").to_string();
    assert!(message.contains("huge.tif") && message.contains("a stack of 3 images") && message.contains("found 1"));
    refused(&dir.put("json.tif", &stack(&[[1, 2]], "{\"shape\": [20, 1, 2]}")), &["a stack of 20 images"]);
    refused(&dir.put("one.tif", &stack(&[[1, 2]], "one")), &["this is one image"]);
}

#[test]
fn numbers_of_every_type_have_its_range() {
    use tiff::encoder::colortype::{Gray32, GrayI8, GrayI16, GrayI32};
    let one = |bytes: Vec<u8>| {
        let dir = Dir::new();
        dir.put("a.tif", &bytes);
        read(dir.path()).x
    };
    let near = |found: ndarray::Array2<f32>, expected: [f32; 2]| {
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4), "{found} {expected:?}");
    };
    near(one(float_tiff::<Gray32>(&[u32::MAX, 1 << 31])), [255., 127.5]);
    near(one(float_tiff::<GrayI32>(&[-(1 << 30), 1 << 30])), [-63.75, 63.75]);
    near(one(float_tiff::<GrayI16>(&[-257, 514])), [-1., 2.]);
    near(one(float_tiff::<GrayI8>(&[-3, 100])), [-3., 100.]);
}

#[test]
fn broken_images_are_left_out_when_asked() {
    let dir = Dir::new();
    for i in 0..4u8 {
        dir.put(&format!("s{}/{i}.png", i % 2), &png(2, 1, &[i, 1]));
    }
    dir.put("s0/1.png", &png(2, 1, &[9, 9])[..40]);
    dir.put("s1/5.png", b"no image");
    assert!(load(dir.path(), &Default::default()).is_err());
    let opts = LoadOptions { skip_broken: true, ..Default::default() };
    let set = load(dir.path(), &opts).expect("the others");
    assert_eq!(set.names, ["s0/0.png", "s0/2.png", "s1/1.png", "s1/3.png"]);
    assert_eq!((set.labels, set.x.column(0).to_vec()), (Some([0, 0, 1, 1].map(Some).to_vec()), vec![0., 2., 1., 3.]));
    assert!(set.notes.iter().any(|note| note.contains("2 of 6 images are broken and skipped")), "{:?}", set.notes);
    let packed = dir.path().join("packed.npy");
    let how = PackOptions { reading: opts.clone(), ..Default::default() };
    pack(&dir.path().join("s1"), &packed, &how, &mut |_| {}).expect("packed");
    assert_eq!(read(&packed).x, arr2(&[[1., 1.], [3., 1.]]));
    let other = load(&packed, &opts).expect_err("no images").to_string();
    assert!(other.contains("means nothing for an .npy file"), "{other}");
    let dir = Dir::new();
    dir.put("0.png", b"no image");
    assert!(load(dir.path(), &opts).expect_err("none").to_string().contains("every image in it is broken"));
}

/// Images that are decoded whenever they are asked for are those that are read at once.
#[test]
fn images_stay_in_their_files() {
    let dir = Dir::new();
    for i in 0..7u8 {
        dir.put(&format!("s{}/{i}.png", i % 2), &png(3, 2, &[i, 1, 90, 200, 3 * i, 7]));
    }
    dir.put("s1/8.tif", &float_tiff::<tiff::encoder::colortype::Gray32Float>(&[-0.5, 1.]));
    let opts = LoadOptions { resize: Some((4, 3)), clip_negative: true, ..Default::default() };
    let (held, mut set) = (load(dir.path(), &opts).expect("held"), open(dir.path(), &opts).expect("opened"));
    assert!(set.x.are_images() && set.x.size() == (8, 12));
    assert_eq!((&set.names, &set.labels, set.image_shape), (&held.names, &held.labels, held.image_shape));
    assert_eq!(set.clone().hold().expect("decoded").x, held.x);
    assert_eq!(set.select(&[6, 0, 3]).hold().expect("decoded").x, held.x.select(ndarray::Axis(0), &[6, 0, 3]));
    assert_eq!(set.select(&[6, 0, 3]).names, ["s1/5.png", "s0/0.png", "s0/6.png"]);
    // Clipped values are told where they are seen first.
    let clipped = |notes: &[String]| notes.iter().filter(|note| note.contains("made 0, the lowest")).count();
    assert_eq!((clipped(&held.notes), clipped(&set.notes)), (1, 0));
    assert!(set.validate(false, "x").expect("fine").zero_rows.is_empty());
    assert_eq!(clipped(&set.notes), 1);
    let (mut held, mut turned) = (held.with_x(Samples::Held), set.clone());
    for set in [&mut held, &mut turned] {
        set.reorder(PixelOrder::Columns);
        set.preprocess_features(Scale::UnitL2, Features::Igo).expect("images");
    }
    assert_eq!(turned.hold().expect("decoded").x, held.hold().expect("held").x);
    // Every reading looks whether a file is as it was when it was decoded first.
    for other in [png(3, 2, &[1; 6]), png(3, 2, &[1; 6])[..30].to_vec()] {
        dir.put("s1/5.png", &other);
        let changed = set.clone().hold().expect_err("another one").to_string();
        assert!(changed.contains("5.png") && changed.contains("changed while its samples were streamed"), "{changed}");
    }
    std::fs::remove_file(dir.path().join("s1/5.png")).expect("there");
    assert!(set.select(&[6]).hold().expect_err("gone").to_string().contains("5.png"));
    set.select(&[0, 7]).hold().expect("as they were");
}

#[test]
fn images_cost_what_the_budget_allows() {
    let dir = Dir::new();
    let large = png(1000, 1000, &[7; 1_000_000]);
    assert!(large.len() < 64 << 10, "{}", large.len());
    for i in 0..3 {
        dir.put(&format!("{i}.png"), &large);
    }
    let with = |memory: u64| load(dir.path(), &LoadOptions { memory: Some(memory), ..Default::default() });
    assert_eq!(with(64 << 20).expect("enough").x.dim(), (3, 1_000_000));
    let error = with(4 << 20).expect_err("one is too many").to_string();
    assert!(error.contains("0.png: decoding 1000×1000 pixels needs 5.72 MiB"), "{error}");
    let error = with(10 << 20).expect_err("all are too many").to_string();
    assert!(error.contains("3 images of 1000000 numbers needs 11.44 MiB"), "{error}");
    // Resized they are small; while one is decoded it is not.
    let small = |memory: u64| LoadOptions { resize: Some((10, 10)), memory: Some(memory), ..Default::default() };
    assert_eq!(load(dir.path(), &small(64 << 20)).expect("enough").x.dim(), (3, 100));
    assert!(load(dir.path(), &small(1 << 20)).is_err());
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
    assert_eq!(set.image_shape, Some(ImageShape::new(1, 2, 3)));
    let dir = Dir::new();
    let deep: ImageBuffer<Luma<u16>, _> = ImageBuffer::from_raw(2, 1, vec![65535u16, 384]).expect("two pixels");
    dir.put("a.png", &encode(&deep.into(), ImageFormat::Png));
    let set = read(dir.path());
    assert!((set.x[[0, 0]] - 255.).abs() < 1e-4 && (set.x[[0, 1]] - 384. / 257.).abs() < 1e-4, "{}", set.x);
    // What becomes of some of the images is said, and of how many.
    let clear = image::RgbaImage::from_raw(2, 1, vec![9, 9, 9, 0, 9, 9, 9, 255]).expect("two pixels");
    dir.put("b.png", &encode(&clear.into(), ImageFormat::Png));
    let mut moving = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut moving);
    for grey in [3, 200] {
        let frame = image::RgbaImage::from_pixel(2, 1, image::Rgba([grey, grey, grey, 255]));
        encoder.encode_frame(image::Frame::new(frame)).expect("a frame");
    }
    drop(encoder);
    dir.put("c.gif", &moving);
    dir.put("d.heic", b"....ftypheic");
    let said = read(dir.path()).notes.join("; ");
    for part in [
        "16 bits are divided by 257 (1 of 3 images)",
        "the alpha channel (what is transparent) is left out (",
        "of a GIF with several images the first is taken (1 of 3 images)",
        "1 image is of a kind that is not read, the first `d.heic`",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let dir = Dir::new();
    dir.put("d.avif", b"....ftypavif");
    refused(dir.path(), &["expected images", "1 image is of a kind that is not read, the first `d.avif`; convert"]);
    let dir = Dir::new();
    let float: ImageBuffer<Rgb<f32>, _> = ImageBuffer::from_raw(1, 1, vec![0.5f32; 3]).expect("one pixel");
    dir.put("a.tiff", &encode(&float.into(), ImageFormat::Tiff));
    assert!((read(dir.path()).x[[0, 0]] - 127.5).abs() < 1e-3);
    // Of one channel, which the crate that reads images does not know.
    let dir = Dir::new();
    dir.put("a.tif", &float_tiff::<tiff::encoder::colortype::Gray32Float>(&[0.5f32, -0.25]));
    assert_eq!(read(dir.path()).x, arr2(&[[127.5, -63.75]]));
    let set = load(dir.path(), &LoadOptions { colour: true, ..Default::default() }).expect("colour");
    assert_eq!(set.x, arr2(&[[127.5, 127.5, 127.5, -63.75, -63.75, -63.75]]));
    let dir = Dir::new();
    dir.put("a.tif", &float_tiff::<tiff::encoder::colortype::Gray64Float>(&[0.5f64, 1.0]));
    assert_eq!(read(dir.path()).x, arr2(&[[127.5, 255.]]));
    let good = float_tiff::<tiff::encoder::colortype::Gray32Float>(&[0.5f32, -0.25]);
    let dir = Dir::new();
    for at in 0..good.len() {
        dir.put("cut.tif", &good[..at]);
        let _ = load(dir.path(), &LoadOptions::default());
    }
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
    assert_eq!((set.x.dim(), set.image_shape), ((4, 15), Some(ImageShape::new(5, 3, 1))));
    assert!(set.x.iter().all(|v| (v - 8.).abs() < 1e-4), "{}", set.x);
    for (size, say) in [
        ((0, 5), "cannot resize to 0×5"),
        ((5, 0), "cannot resize"),
        ((usize::MAX, 2), "needs"),
        ((1_000_000, 1_000_000), "resizing to 1000000×1000000 pixels needs "),
        // Small, but not on the way there.
        ((1 << 40, 1), "--memory SIZE"),
    ] {
        let error = load(dir.path(), &LoadOptions { resize: Some(size), ..Default::default() }).expect_err("no pixels");
        assert!(matches!(&error, deepnmf::Error::Config(message) if message.contains(say)), "{error}");
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
    let opts = LoadOptions { image_shape: Some(ImageShape::new(1, 1, 1)), ..Default::default() };
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
    assert!(broken(b"P5 5 0 255\n", "empty.pgm").contains("it has no pixels"));
    let mut flipped = good;
    let middle = flipped.len() - 20;
    flipped[middle] ^= 0xff;
    assert!(broken(&flipped, "flipped.png").contains("does not decode"));
    // Headers that claim gigabytes.
    let message = broken(b"P5 30000 30000 255\n....", "huge.pgm");
    assert!(message.contains("limit"), "{message}");
    assert!(broken(b"P5 4294967295 4294967295 255\n....", "wrap.pgm").contains("does not decode"));
}
