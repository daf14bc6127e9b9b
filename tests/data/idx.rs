use super::{Dir, gzip, read, refused, survives_damage};

pub(crate) fn images(shape: &[u32], pixels: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0x08, shape.len() as u8];
    shape.iter().for_each(|d| bytes.extend(d.to_be_bytes()));
    bytes.extend(pixels);
    bytes
}

#[test]
fn images_find_their_labels_beside_them() {
    let dir = Dir::new();
    let plain = dir.put("train-images-idx3-ubyte", &images(&[3, 1, 2], &[1, 2, 3, 4, 5, 255]));
    assert_eq!(read(&plain).labels, None);
    dir.put("train-labels-idx1-ubyte.gz", &gzip(&images(&[3], &[7, 2, 7])));
    let packed = dir.put("train-images-idx3-ubyte.gz", &gzip(&std::fs::read(&plain).expect("just written")));
    for path in [plain, packed] {
        let set = read(&path);
        assert_eq!(set.x, ndarray::arr2(&[[1., 2.], [3., 4.], [5., 255.]]));
        let shape = set.image_shape.expect("three dimensions");
        assert_eq!((shape.height, shape.width, shape.channels), (1, 2, 1));
        assert_eq!(set.labels, Some(vec![Some(1), Some(0), Some(1)]));
        assert_eq!(set.classes, ["2", "7"]);
        assert_eq!(set.label_source.as_deref(), Some("train-labels-idx1-ubyte.gz"));
        assert_eq!((set.names.len(), set.name(2)), (0, "2".into()));
        assert_eq!(set.class_counts(), [1, 2]);
        let part = set.select(&[2, 0, 2]);
        assert_eq!(part.x, ndarray::arr2(&[[5., 255.], [1., 2.], [5., 255.]]));
        assert_eq!((part.labels, part.names), (Some(vec![Some(1); 3]), vec!["2".into(), "0".into(), "2".into()]));
    }
}

#[test]
fn other_number_types_and_dimensions() {
    let dir = Dir::new();
    let mut shorts = vec![0, 0, 0x0b, 2, 0, 0, 0, 1, 0, 0, 0, 2];
    shorts.extend([0xff, 0xfe, 0x01, 0x00]);
    assert_eq!(read(&dir.put("s-images-idx2-short", &shorts)).x, ndarray::arr2(&[[-2., 256.]]));
    let mut floats = vec![0, 0, 0x0d, 4, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 3];
    [1.0f32, 10., 100.].iter().for_each(|v| floats.extend(v.to_be_bytes()));
    let set = read(&dir.put("colour", &floats));
    assert_eq!(set.x.dim(), (1, 1));
    assert!((set.x[[0, 0]] - (0.2126 + 7.152 + 7.22)).abs() < 1e-5, "grey by luma: {}", set.x);
}

#[test]
fn headers_that_lie() {
    let dir = Dir::new();
    let short = images(&[3, 2, 2], &[9; 11]);
    refused(&dir.put("short", &short), &["expected 12 bytes", "found 11"]);
    refused(&dir.put("short.gz", &gzip(&short)), &["expected 12 bytes", "found 11"]);
    let long = images(&[3, 2, 2], &[9; 13]);
    refused(&dir.put("long", &long), &["28 bytes", "found more"]);
    refused(&dir.put("long.gz", &gzip(&long)), &["28 bytes", "found more"]);
    let huge = images(&[u32::MAX, u32::MAX, u32::MAX], &[0; 16]);
    refused(&dir.put("huge", &huge), &["4294967295×4294967295×4294967295", "more than can be addressed"]);
    refused(&dir.put("huge.gz", &gzip(&huge)), &["more than can be addressed"]);
    // 2^40 pixels: addressable, but not in this file.
    let big = images(&[1 << 20, 1 << 10, 1 << 10], &[0; 16]);
    refused(&dir.put("big", &big), &["expected 1099511627776 bytes", "found 16"]);
    refused(&dir.put("big.gz", &gzip(&big)), &["expected 1099511627776 bytes", "at most"]);
    refused(&dir.put("cut", &images(&[3, 2, 2], &[])[..9]), &["truncated"]);
    refused(&dir.put("none", &images(&[0, 28, 28], &[])), &["expected samples"]);
    refused(&dir.put("none2", &images(&[3, 0, 28], &[])), &["expected samples"]);
    refused(&dir.put("labels", &images(&[3], &[1, 2, 3])), &["labels"]);
}

#[test]
fn labels_that_do_not_fit() {
    let dir = Dir::new();
    let path = dir.put("t10k-images.idx3-ubyte", &images(&[2, 1, 1], &[1, 2]));
    dir.put("t10k-labels.idx1-ubyte", &images(&[3], &[1, 2, 3]));
    let message = deepnmf::data::load(&path, &Default::default()).expect_err("three labels for two").to_string();
    assert!(
        message.contains("t10k-labels") && message.contains("expected 2 labels") && message.contains("found 3"),
        "{message}"
    );
}

#[test]
fn damage_is_survived() {
    survives_damage("images", &images(&[3, 2, 2], &[5; 12]));
    survives_damage("images.gz", &gzip(&images(&[3, 2, 2], &[5; 12])));
}

#[test]
fn the_embedded_set_is_fashion_mnist() {
    let set = deepnmf::data::embedded::fashion_mnist().expect("it is part of the crate");
    assert_eq!(set.x.dim(), (2000, 784));
    assert_eq!(set.class_counts(), [200; 10]);
    assert_eq!(set.labels.as_deref().map(|l| &l[..12]), Some(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1].map(Some)[..]));
    assert_eq!((set.classes[0].as_str(), set.classes[9].as_str()), ("T-shirt/top", "Ankle boot"));
    let (min, max) = set.x.iter().fold((f32::MAX, f32::MIN), |(a, b), &v| (a.min(v), b.max(v)));
    assert_eq!((min, max), (0., 255.));
    // Trousers leave the upper corners empty; the middle of a pullover is cloth.
    let mean = |class: usize, pixel: usize| (class..2000).step_by(10).map(|r| set.x[[r, pixel]]).sum::<f32>() / 200.;
    assert!(mean(1, 0) < 1. && mean(2, 14 * 28 + 14) > 60., "{} {}", mean(1, 0), mean(2, 14 * 28 + 14));
}
