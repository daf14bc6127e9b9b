//! The `deepnmf` command.
fn main() {}
