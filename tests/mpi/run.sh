#!/usr/bin/env bash
# Fits, transforms and scores by 1 to 6 processes on this machine over MPI, compared bit by bit; what happens to them when one is stopped, killed, panics
# or disagrees; and the lints of what is only built with the feature `mpi`. tests/run.sh installs MPI.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# Little optimised, which compiles in half the time: with the feature all of deepnmf is compiled anew anyway.
little=(--release --quiet --features mpi --config 'profile.release.package.deepnmf.opt-level=1')
# Which builds the command, too.
panics="$(cargo test "${little[@]}" --test mpi --no-run --message-format json | grep -o '"executable":"[^"]*/mpi-[^"]*"' | cut -d '"' -f 4)"
target="${CARGO_TARGET_DIR:-$PWD/target}"
# A copy: the plain command takes its place again.
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cp "$target/release/deepnmf" "$work/deepnmf"
cargo clippy "${little[@]}" --lib --bins --test mpi -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc "${little[@]}" --no-deps
cp assets/fashion-mnist-2000-images-idx3-ubyte.gz "$work/images.gz"
cp assets/fashion-mnist-2000-labels-idx1-ubyte.gz "$work/labels.gz"
cd "$work"
./deepnmf pack images.gz --out x.npy --quiet
gzip -dk images.gz && mv images images-idx3-ubyte
mkdir folder
tail -c +129 x.npy | split -a 4 -d -b 784 --filter='{ printf "P5\n28 28\n255\n"; cat; } >"folder/$FILE.pgm"' - image-

failed=0
fault() {
    echo "failed: $*" >&2
    failed=1
}

# processes N COMMAND…: the command as N processes; one that hangs fails.
processes() {
    timeout --kill-after 10 120 mpirun --oversubscribe --allow-run-as-root --bind-to none -n "$@"
}

# ranks N ARGUMENTS…: deepnmf as N processes.
ranks() {
    processes "$1" ./deepnmf "${@:2}" --threads 1 --quiet
}

# numbers FILE: a checksum of its tensors; what stands before them has the time of the fit.
numbers() {
    local header
    header="$(od -An -tu8 -N8 "$1" | tr -d ' ')"
    tail -c "+$((header + 9))" "$1" | cksum
}

# same NAME FILE…: all files have the numbers of the first.
same() {
    local name="$1" first
    shift
    first="$(numbers "$1")"
    for file in "$@"; do
        [[ "$(numbers "$file")" == "$first" ]] || fault "$name: $file differs from $1"
    done
}

# 2000 samples are four shards, which three processes do not divide, and of six two have none.
short=(--sweeps 5 --tol 0 --no-checkpoint --device cpu)
i=0
for how in "--layers 12" "--layers 20,8 --pretrain 4 --solver nesterov" "--layers 24,16,8 --pretrain 4 --model sdnmf-rl1 --hidden" \
    "--layers 20,8 --pretrain 4 --pretrain-samples 1100" "--layers 20,8 --pretrain 4 --labels labels.gz --train-per-class 150"; do
    i=$((i + 1))
    # shellcheck disable=SC2086
    DEEPNMF_RANKS=yes ./deepnmf fit x.npy $how "${short[@]}" --quiet --out "fit-$i-1.safetensors"
    for count in 2 3 6; do
        # shellcheck disable=SC2086
        ranks "$count" fit x.npy $how "${short[@]}" --out "fit-$i-$count.safetensors"
    done
    # shellcheck disable=SC2086
    ranks 3 fit x.npy $how "${short[@]}" --stream yes --out "fit-$i-streamed.safetensors"
    # shellcheck disable=SC2086
    ranks 2 fit images-idx3-ubyte $how "${short[@]}" --out "fit-$i-idx.safetensors"
    # shellcheck disable=SC2086
    ranks 3 fit folder $how "${short[@]}" --out "fit-$i-folder.safetensors"
    # Held whole by each, as what lies in no rows.
    # shellcheck disable=SC2086
    ranks 2 fit images.gz $how "${short[@]}" --out "fit-$i-whole.safetensors"
    same "$how" "fit-$i-1.safetensors" fit-"$i"-*.safetensors
done

# Coefficients are those of one process, which is no rank: of four shards of 64 MiB, which three do not divide; the last is small.
./deepnmf fit x.npy --resize 160x160 --layers 8,4 --pretrain 1 --sweeps 1 --no-checkpoint --device cpu --quiet --out large.safetensors
scores=(evaluate large.safetensors x.npy --labels labels.gz --layer all --kmeans-seeds 2 --device cpu --threads 1 --json)
./deepnmf transform large.safetensors x.npy --device cpu --quiet --out h.npy
./deepnmf transform large.safetensors x.npy --device cpu --quiet --out h.csv
# The error is summed up over shards, as of samples that are streamed.
./deepnmf "${scores[@]}" --stream yes 2>/dev/null | sed 's/"ranks":null/"ranks":{"size":3}/' >scores.json
for count in 2 3; do
    ranks "$count" transform large.safetensors x.npy --device cpu --out "h-$count.npy"
    cmp h.npy "h-$count.npy" || fault "transform by $count"
done
ranks 3 transform large.safetensors x.npy --device cpu --stream no --out h-3.csv
cmp h.csv h-3.csv || fault "transform to a table"
for stream in auto no; do
    ranks 3 transform large.safetensors folder --device cpu --stream "$stream" --out h-folder.npy
    cmp h.npy h-folder.npy || fault "transform of a folder, --stream $stream"
    [[ "$(wc -l <h-folder.names.txt)" -eq 2000 ]] || fault "names of a folder"
done
processes 3 ./deepnmf "${scores[@]}" 2>/dev/null >scores-3.json
cmp scores.json scores-3.json || fault "evaluate: $(cat scores.json scores-3.json)"

# The sums, iterations, and what they say of more processes.
processes 2 ./deepnmf bench --ranks --seconds 3 --device cpu --threads 1 --json 2>/dev/null >bench.json
for found in '"components":100' '"ranks":1024' '"samples":1000000000' '"ranks":2,"samples":16384'; do
    grep -q "$found" bench.json || fault "bench --ranks: no $found in $(cat bench.json)"
done

# What the time of the ranks went into.
processes 3 ./deepnmf fit x.npy --layers 12 "${short[@]}" --threads 1 --json --out phases.safetensors >phases.json 2>/dev/null
for phase in reading products solving exchanging waiting; do
    grep -q "\"$phase\":{\"max\":[0-9.e-]*,\"mean\":[0-9.e-]*,\"min\":[0-9.e-]*,\"root\":" phases.json || fault "$phase: $(cat phases.json)"
done
processes 3 ./deepnmf fit x.npy --layers 12 "${short[@]}" --threads 1 -v --out phases.safetensors >phases.txt 2>&1
grep -q "seconds .*root .*min .*mean .*max" phases.txt || fault "phases: $(cat phases.txt)"

# One process is alone, and so are several that are told to be.
./deepnmf fit x.npy --layers 12 "${short[@]}" --quiet --out alone.safetensors
ranks 1 fit x.npy --layers 12 "${short[@]}" --out alone-1.safetensors
DEEPNMF_RANKS=no processes 2 bash -c 'exec ./deepnmf fit x.npy --layers 12 --sweeps 5 --tol 0 --no-checkpoint --device cpu --quiet \
    --out "alone-no-$OMPI_COMM_WORLD_RANK.safetensors"'
same "alone" alone.safetensors alone-1.safetensors alone-no-0.safetensors alone-no-1.safetensors

# stop SIGNAL RANK NAME: starts a long fit by three processes, sends one of them a signal in the middle, and leaves the exit code in `code`,
# what was said in NAME.txt and the checkpoint in NAME.checkpoint.
long=(fit x.npy --layers 40,16 --tol 0 --sweeps 400 --device cpu)
stop() {
    local signal="$1" rank="$2" name="$3" running
    rm -f pid-*
    processes 3 bash -c "echo \$\$ >pid-\$OMPI_COMM_WORLD_RANK; exec ./deepnmf ${long[*]} --checkpoint-every 0s --threads 1 --quiet \
        --checkpoint $name.checkpoint --out $name.safetensors" 2>"$name.txt" &
    running=$!
    for _ in $(seq 600); do
        [[ -e "$name.checkpoint" ]] && break
        sleep 0.1
    done
    kill "-$signal" "$(cat "pid-$rank")" || fault "$name: it was over before"
    begin="$SECONDS" code=0
    wait "$running" || code=$?
    ((SECONDS - begin <= 10)) || fault "$name: the others lived for $((SECONDS - begin)) s"
    [[ ! -e "$name.safetensors" ]] || fault "$name: it came to its end"
}
ranks 3 "${long[@]}" --no-checkpoint --out whole.safetensors

# Interrupted by one signal to the second process, which the others hear of.
stop INT 1 interrupted
[[ "$code" -eq 130 ]] || fault "interrupted: expected 130, found $code"
[[ "$(grep -c "it goes on with" interrupted.txt)" -eq 1 ]] && grep -q "^ *mpirun -n 3 .*--resume interrupted.checkpoint" interrupted.txt || fault "interrupted: $(cat interrupted.txt)"
# Killed, which mpirun notices.
stop KILL 2 killed
[[ "$code" -ne 0 ]] || fault "killed: it ended well"
grep -q "signal 9" killed.txt || fault "killed: nothing was said of it: $(cat killed.txt)"
for name in interrupted killed; do
    for count in 2 4; do
        cp "$name.checkpoint" "$name-$count.checkpoint"
        ranks "$count" "${long[@]}" --resume "$name-$count.checkpoint" --out "$name-$count.safetensors"
    done
    same "a fit that was $name and went on" whole.safetensors "$name-2.safetensors" "$name-4.safetensors"
done

# One process is a rank only where it is told to be, and says so of a checkpoint of ranks.
./deepnmf "${long[@]}" --resume killed-2.checkpoint --threads 1 --quiet --out killed.safetensors 2>killed.txt && fault "a checkpoint of ranks without them"
grep -q "it was made by ranks.*DEEPNMF_RANKS=yes" killed.txt || fault "a checkpoint of ranks: $(cat killed.txt)"
DEEPNMF_RANKS=yes ./deepnmf "${long[@]}" --resume killed-2.checkpoint --threads 1 --quiet --out killed-1.safetensors
same "a fit that went on by one process" whole.safetensors killed-1.safetensors

# A panic ends all.
begin="$SECONDS" code=0
processes 3 "$panics" >panic.txt 2>&1 || code=$?
((SECONDS - begin <= 10)) || fault "panic: the others lived for $((SECONDS - begin)) s"
[[ "$code" -ne 0 && "$code" -ne 124 ]] || fault "panic: $code"
grep -q "a rank that panics" panic.txt || fault "panic: $(cat panic.txt)"

# refused N MESSAGE COMMAND…: ends with that message, said once.
refused() {
    local count="$1" message="$2"
    processes "$count" "${@:3}" >refused.txt 2>&1 && fault "${*:3}: expected a refusal"
    [[ "$(grep -c "^error: .*$message" refused.txt)" -eq 1 ]] || fault "${*:3}: expected \"$message\" once, found $(cat refused.txt)"
}
refused 2 "gnmf couples all samples: several ranks cannot fit it together" ./deepnmf fit x.npy --model gnmf --layers 8 --device cpu
refused 2 "share the work of fit, transform, evaluate and bench --ranks, and of no other" ./deepnmf devices
refused 3 "rank 0 of 3: missing.npy: No such file" ./deepnmf fit missing.npy --layers 8
# What one of them has, or is told, all refuse.
# with_other DATA OPTIONS-OF-RANK-1 [OPTIONS-OF-THE-OTHERS]
with_other() {
    echo "exec ./deepnmf fit $1 --layers 8 --device cpu --quiet --no-checkpoint \$([[ \$OMPI_COMM_WORLD_RANK == 1 ]] && echo '$2' || echo '${3:-}')"
}
# overwrite FILE ROW BYTE: all of a row.
row=$((($(stat -c %s x.npy) - 128) / 2000))
overwrite() {
    head -c "$row" /dev/zero | tr '\000' "$3" | dd of="$1" bs=1 seek="$((128 + $2 * row))" conv=notrunc status=none
}
gzip -dkc labels.gz >labels
{ head -c 8 labels; tail -c +10 labels; head -c 9 labels | tail -c 1; } >others
cp x.npy y.npy && overwrite y.npy 1999 '\007'
refused 2 "ranks have to have the same data; rank 1: expected 2000 samples" bash -c \
    'exec ./deepnmf fit $([[ $OMPI_COMM_WORLD_RANK == 1 ]] && echo y.npy || echo x.npy) --layers 8 --device cpu --quiet'
refused 2 "rank 1 failed: missing.npy: No such file" bash -c \
    'exec ./deepnmf fit $([[ $OMPI_COMM_WORLD_RANK == 1 ]] && echo missing.npy || echo x.npy) --layers 8 --device cpu --quiet'
refused 2 "ranks have to have the same settings; rank 1: scale: expected unit, found none$" bash -c "$(with_other x.npy "--scale none")"
refused 2 "the fit of rank 1 is not that of rank 0: seed: expected 0, found 7" bash -c "$(with_other x.npy "--seed 7")"
refused 2 "ranks have to have the same labels; rank 1" bash -c "$(with_other "x.npy --train-per-class 9" "--labels others" "--labels labels.gz")"
refused 2 "ranks have to have the same checkpoint; rank 1: expected one of stage .*, found one of stage" bash -c \
    "exec ./deepnmf ${long[*]} --out o.safetensors --resume \$([[ \$OMPI_COMM_WORLD_RANK == 1 ]] && echo interrupted || echo killed).checkpoint --quiet"
refused 2 "ranks have to have the same checkpoint; rank 1: expected one of stage .*, found none" bash -c \
    "exec ./deepnmf ${long[*]} --out o.safetensors \$([[ \$OMPI_COMM_WORLD_RANK == 1 ]] && echo --checkpoint new.checkpoint || echo --resume killed.checkpoint) --quiet"
refused 2 "ranks have to have the same options; rank 1: clip negative: expected false, found true$" bash -c \
    'exec ./deepnmf transform fit-1-1.safetensors x.npy --out o.npy --device cpu $([[ $OMPI_COMM_WORLD_RANK == 1 ]] && echo --clip-negative)'
refused 2 "ranks have to have the same options; rank 1: --stream: expected auto, found no$" bash -c \
    'exec ./deepnmf transform fit-1-1.safetensors x.npy --out o.npy --device cpu $([[ $OMPI_COMM_WORLD_RANK == 1 ]] && echo --stream no)'
refused 2 "ranks have to have the same options; rank 1: skip broken: expected false, found true$" bash -c "$(with_other folder --skip-broken)"
refused 2 "ranks have to have the same options; rank 1: clip negative: expected false, found true$" bash -c "$(with_other x.npy --clip-negative)"
refused 2 "ranks have to have the same options; rank 1: train per class: expected none, found 9$" bash -c \
    "$(with_other "x.npy --labels labels.gz" "--train-per-class 9")"
mkdir less && cp folder/image-000* less
refused 2 "ranks have to have the same files; rank 1: expected 2000 images" bash -c \
    'exec ./deepnmf fit $([[ $OMPI_COMM_WORLD_RANK == 1 ]] && echo less || echo folder) --layers 8 --device cpu --quiet'
refused 2 "rank 1 of 2: its arguments may not be those of rank 0" bash -c \
    'exec ./deepnmf transform fit-1-1.safetensors x.npy --out o.npy --device cpu $([[ $OMPI_COMM_WORLD_RANK == 1 ]] && echo --bogus)'
refused 2 "ranks have to have the same model; rank 1" bash -c \
    'exec ./deepnmf transform $([[ $OMPI_COMM_WORLD_RANK == 1 ]] && echo fit-1-1 || echo fit-2-1).safetensors x.npy --out o.npy --device cpu'
refused 2 "ranks have to have the same task; rank 1: layer: expected 2, found 1$" bash -c \
    'exec ./deepnmf transform fit-2-1.safetensors x.npy --layer $((2 - OMPI_COMM_WORLD_RANK)) --out o.npy --device cpu'
refused 2 "rank 1 failed: missing.npy: No such file" bash -c \
    'exec ./deepnmf evaluate fit-1-1.safetensors $([[ $OMPI_COMM_WORLD_RANK == 1 ]] && echo missing.npy || echo x.npy) --device cpu'
[[ ! -e o.npy ]] || fault "a transform that was refused has written something"
# Processes that MPI does not know of each other.
code=0
PMI_RANK=1 PMI_SIZE=4 timeout 60 ./deepnmf fit x.npy --layers 8 --device cpu >refused.txt 2>&1 || code=$?
[[ "$code" -eq 2 ]] && grep -q "this is process 1 of 4, MPI that it is 0 of 1" refused.txt || fault "launchers: $code, $(cat refused.txt)"

# Samples are counted over all ranks.
cp x.npy zeros.npy && overwrite zeros.npy 700 '\000' && overwrite zeros.npy 1500 '\000'
for stream in yes no; do
    ranks 3 fit zeros.npy --layers 8 "${short[@]}" --stream "$stream" --out zeros.safetensors 2>zeros.txt
    grep -q "2 of 2000 samples are all zero (the first: 700)" zeros.txt || fault "zero samples: $(cat zeros.txt)"
done
ranks 3 transform fit-1-1.safetensors zeros.npy --device cpu --out zeros-h.npy 2>zeros.txt
grep -q "2 of 2000 samples are all zero (the first: 700)" zeros.txt || fault "zero samples of a transform: $(cat zeros.txt)"

# Values that are made 0 are counted over all ranks, and those that are not finite are named.
for ((i = 0; i < 1200; i++)); do echo "$((i % 7 + 1)),$((i % 600 == 599 ? -i : 3)),$((i % 5))"; done >negative.csv
./deepnmf pack negative.csv --out negative.npy --quiet
for stream in yes no; do
    processes 3 ./deepnmf fit negative.npy --layers 2 "${short[@]}" --clip-negative --stream "$stream" --json --out o.safetensors \
        2>negative.txt >negative.json
    for said in negative.txt negative.json; do
        [[ "$(grep -o "2 negative values were made 0, the lowest -1199" "$said" | wc -l)" -eq 1 ]] || fault "clipped: $(cat "$said")"
    done
    ranks 3 transform o.safetensors negative.npy --clip-negative --stream "$stream" --device cpu --out o.npy 2>negative.txt
done
cp negative.npy infinite.npy
printf '\000\000\200\177' | dd of=infinite.npy bs=1 seek="$(($(stat -c %s infinite.npy) - 4))" conv=notrunc status=none
refused 3 "infinite.npy: 1 value is not finite, the first inf in sample 1200, feature 3" ./deepnmf fit infinite.npy --layers 2 "${short[@]}" --clip-negative

# The help is printed once.
processes 3 ./deepnmf fit --help >help.txt
[[ "$(grep -c "Usage:" help.txt)" -eq 1 ]] || fault "help: $(grep -c "Usage:" help.txt) times"

[[ "$failed" -eq 0 ]] && echo "all tests over MPI passed"
exit "$failed"
