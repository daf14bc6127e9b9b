//! The built binary in temporary folders: exit codes, messages, files.

mod cli {
    pub mod bad_input;
    pub mod commands;
    pub mod fixtures;
}
