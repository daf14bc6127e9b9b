//! A fit for people: pictures of its components, charts of its course, and a page with all of them.

pub mod charts;
pub mod hierarchy;
pub mod html;
pub mod montage;
mod pictures;
mod text;

pub(crate) use text::{escape, one_line};
