//! Files that lie, are cut, or were found by fuzzing (tests/fuzz): each of them, each cut short, and each with single bytes
//! changed, against the function that libFuzzer tries as well.

mod targets;

use std::path::Path;

// One test: what is noted is noted of the whole process.
#[test]
fn no_kept_input_panics_or_takes_memory_that_it_does_not_account_for() {
    // It must be able to fail.
    let large = || targets::watched("large", &[1], |_| drop(std::hint::black_box(vec![0u8; targets::BLOCK + 1])));
    assert!(std::panic::catch_unwind(large).is_err(), "a large block goes unnoticed");

    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    for (name, _) in targets::TARGETS {
        let files = std::fs::read_dir(corpus.join(name)).unwrap_or_else(|e| panic!("the corpus of {name}: {e}"));
        let mut paths: Vec<_> = files.map(|f| f.expect("an entry").path()).collect();
        paths.sort();
        assert!(paths.len() >= 3, "the corpus of {name}: expected at least 3 files, found {}", paths.len());
        for path in paths {
            // The last line before a failure.
            println!("{}", path.display());
            let bytes = std::fs::read(&path).expect("read");
            targets::run(name, &bytes);
            for cut in 0..16 {
                targets::run(name, &bytes[..bytes.len() * cut / 16]);
            }
            for i in 0..48 {
                let mut changed = bytes.clone();
                let at = (i * 7919 + 13) % bytes.len().max(1);
                if let Some(byte) = changed.get_mut(at) {
                    *byte = [0, 1, 0x7f, 0x80, 0xff, b'9', b'-', *byte ^ 1][i % 8];
                }
                targets::run(name, &changed);
            }
        }
    }
}
