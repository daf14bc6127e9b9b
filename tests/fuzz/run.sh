#!/usr/bin/env bash
# run.sh SECONDS [TARGET…]: gives every target what libFuzzer thinks of, from what tests/corpus holds, for so many seconds;
# or, as run.sh N-runs, for N executions. What is found lies in tests/fuzz/artifacts, new inputs in tests/fuzz/corpus.
#
# It needs a C++ compiler, but no nightly Rust and no cargo-fuzz: only deepnmf itself is compiled with counters, and what it
# depends on is shared with the other tests. `cargo +nightly fuzz run --fuzz-dir tests/fuzz TARGET tests/corpus/TARGET`
# counts in the dependencies too, and has the address sanitizer.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if ! command -v c++ >/dev/null; then
    echo "not fuzzed: no C++ compiler for libFuzzer; the test \`corpus\` has tried what is kept"
    exit 0
fi
case "${1:-10}" in
    # The same inputs every time, so that what is found is found again.
    *-runs) limit=(-runs="${1%-runs}" -seed=20170908) ;;
    *) limit=(-max_total_time="${1:-10}") ;;
esac
targets=("${@:2}")
[[ ${#targets[@]} -gt 0 ]] || for file in tests/fuzz/fuzz_targets/*.rs; do targets+=("$(basename "$file" .rs)"); done

# Overflows are found too; what is compiled for speed would take longer to compile than it then saves.
ours="profile.release.package.deepnmf"
RUSTC_WORKSPACE_WRAPPER="$PWD/tests/fuzz/rustc" cargo build --release --package deepnmf-fuzz --config "$ours.opt-level=0" \
    --config "$ours.overflow-checks=true" --config "$ours.debug-assertions=true"
# A file for every execution: in memory, where the system has a place for that.
[[ ! -d /dev/shm ]] || export TMPDIR=/dev/shm
for target in "${targets[@]}"; do
    mkdir -p "tests/fuzz/corpus/$target" tests/fuzz/artifacts
    log="tests/fuzz/artifacts/$target.log"
    if ! "${CARGO_TARGET_DIR:-target}/release/$target" -max_len=65536 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="tests/fuzz/artifacts/$target-" "${limit[@]}" \
        "tests/fuzz/corpus/$target" "tests/corpus/$target" >"$log" 2>&1; then
        tail -60 "$log" >&2
        exit 1
    fi
    echo "fuzzed $target: $(grep -o 'number_of_executed_units: *[0-9]*' "$log" | tr -dc 0-9) executions"
done
