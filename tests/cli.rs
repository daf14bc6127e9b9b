//! The built binary in temporary folders: exit codes, messages, files.

mod cli {
    mod bad_input;
    mod bench;
    mod checkpoints;
    mod commands;
    mod evaluate;
    mod features;
    mod fixtures;
    mod labels;
    mod models;
    mod outputs;
    mod pack;
    mod reading;
    mod report;
    mod reproduce;
    mod sizes;
    mod streaming;
    mod unused;
}
