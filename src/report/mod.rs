//! What a fit looks like to people: pictures of its components.

pub mod montage;
