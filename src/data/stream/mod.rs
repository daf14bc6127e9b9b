//! Samples that stay in their file: they are read and prepared a block of rows at a time, whenever they are needed.

mod ahead;
mod file;
mod images;
mod open;
mod raw;
mod reading;

pub use ahead::ReadAhead;
pub use file::FileSamples;
pub(super) use images::{Images, is_byte, skippable};
pub use open::{open, open_by};
pub use reading::Reading;
