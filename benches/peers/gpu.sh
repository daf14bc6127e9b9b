#!/usr/bin/env bash
# All that is measured on a GPU that is at hand for an hour: two runs of at most ten minutes, and the tables of both.
#
#   benches/peers/gpu.sh speed OUT                          verify, bench, the same products by PyTorch
#   benches/peers/gpu.sh peers OUT FILE:COMPONENTS:ERROR …  fits to the same error beside PyTorch, as run.py takes them
#
# What was measured is in the folder OUT, with `tables.md`. DEEPNMF is the binary, target/release/deepnmf by default; PEAK the
# TFLOP/s of the GPU in f32. What takes longer than ten minutes is ended, and what there is by then is kept.
set -euo pipefail
if [[ $# -lt 2 ]]; then
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
peers="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
what="$1" out="$2"
deepnmf="${DEEPNMF:-target/release/deepnmf}"
mkdir -p "$out"
has_torch() { python3 -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null; }

case "$what" in
    speed)
        # A check that fails is part of what is told.
        timeout 400 "$deepnmf" bench --all --seconds 240 --device gpu --json >"$out/bench.json" || echo "bench ended with $?" >&2
        if has_torch; then timeout 180 python3 "$peers/products.py" "$out/bench.json" >"$out/products.json" || rm -f "$out/products.json"; fi
        ;;
    peers)
        timeout 590 python3 "$peers/run.py" "${@:3}" --device gpu --deepnmf "$deepnmf" --json "$out/peers.json" || echo "peers ended with $?" >&2
        ;;
    *)
        echo "expected speed or peers, found $what" >&2
        exit 2
        ;;
esac
tables=("$out/bench.json")
[[ ! -s "$out/products.json" ]] || tables+=(--products "$out/products.json")
[[ ! -s "$out/peers.json" ]] || tables+=(--peers "$out/peers.json")
[[ -z "${PEAK:-}" ]] || tables+=(--peak "$PEAK")
[[ ! -s "$out/bench.json" ]] || python3 "$peers/markdown.py" "${tables[@]}" | tee "$out/tables.md"
