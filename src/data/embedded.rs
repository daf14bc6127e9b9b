//! A small real data set inside the crate, for demonstrations, first runs and tests.

use super::{ImageSet, idx};
use crate::Result;

const IMAGES: &[u8] = include_bytes!("../../assets/fashion-mnist-2000-images-idx3-ubyte.gz");
const LABELS: &[u8] = include_bytes!("../../assets/fashion-mnist-2000-labels-idx1-ubyte.gz");
const CLASSES: [&str; 10] =
    ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];

/// 2,000 images of Fashion-MNIST (Zalando, MIT licence): 28×28 grey pixels in 0..=255.
///
/// The first 200 training images of each of the ten classes. Row `i` is of class `i % 10`, so the first `10 n` rows hold `n`
/// images of every class.
///
/// # Errors
/// [`Error::Format`](crate::Error::Format) if the crate was built with damaged assets.
pub fn fashion_mnist() -> Result<ImageSet> {
    let mut set = idx::embedded(IMAGES, LABELS, "fashion-mnist (embedded)")?;
    set.classes = CLASSES.map(String::from).to_vec();
    Ok(set)
}
