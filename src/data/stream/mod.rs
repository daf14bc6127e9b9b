//! Samples that stay in their file: they are read and prepared a block of rows at a time, whenever they are needed.

mod ahead;
mod file;
mod open;
mod raw;
mod reading;

pub use ahead::ReadAhead;
pub use file::FileSamples;
pub use open::open;
pub use reading::Reading;
