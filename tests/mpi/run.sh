#!/usr/bin/env bash
# Fits by 1, 2, 3 and 4 processes on this machine: installs OpenMPI where there is none (Debian, Ubuntu), builds the command with the
# feature `mpi` and compares model files bit by bit.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if ! command -v mpirun >/dev/null || ! command -v mpicc >/dev/null; then
    as_root=()
    [[ "$(id -u)" -eq 0 ]] || as_root=(sudo)
    echo "no MPI; installing OpenMPI" >&2
    ${as_root[@]+"${as_root[@]}"} apt-get update
    ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends openmpi-bin libopenmpi-dev libclang-dev clang
fi

cargo build --release --quiet --features mpi
target="${CARGO_TARGET_DIR:-$PWD/target}"
# A copy: the plain command takes its place again.
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cp "$target/release/deepnmf" "$work/deepnmf"
cp assets/fashion-mnist-2000-images-idx3-ubyte.gz "$work/images.gz"
cd "$work"
./deepnmf pack images.gz --out x.npy --quiet
gzip -dk images.gz && mv images images-idx3-ubyte

failed=0
fault() {
    echo "failed: $*" >&2
    failed=1
}

# ranks N ARGUMENTS…: the command as N processes.
ranks() {
    local count="$1"
    shift
    timeout 120 mpirun --oversubscribe --allow-run-as-root --bind-to none -n "$count" ./deepnmf "$@" --threads 1 --quiet
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
for how in "--layers 12" "--layers 20,8 --pretrain 4 --solver nesterov" "--layers 24,16,8 --pretrain 4 --model sdnmf-rl1 --hidden" "--layers 20,8 --pretrain 4 --pretrain-samples 1100"; do
    i=$((i + 1))
    for count in 1 2 3 4 6; do
        # shellcheck disable=SC2086
        ranks "$count" fit x.npy $how "${short[@]}" --out "fit-$i-$count.safetensors"
    done
    # shellcheck disable=SC2086
    ranks 3 fit x.npy $how "${short[@]}" --stream yes --out "fit-$i-streamed.safetensors"
    # shellcheck disable=SC2086
    ranks 2 fit images-idx3-ubyte $how "${short[@]}" --out "fit-$i-idx.safetensors"
    same "$how" "fit-$i-1.safetensors" fit-"$i"-*.safetensors
done

# Stopped after some iterations by one signal to the second of three processes, which the others hear of; it goes on by two, and by four.
ranks 3 fit x.npy --layers 40,16 --tol 0 --sweeps 60 --device cpu --out whole.safetensors
(
    mpirun --oversubscribe --allow-run-as-root --bind-to none -n 3 bash -c \
        'echo $$ >"pid-$OMPI_COMM_WORLD_RANK"; exec ./deepnmf fit x.npy --layers 40,16 --tol 0 --sweeps 60 --device cpu \
         --checkpoint-every 0s --checkpoint stopped.checkpoint --out stopped.safetensors --threads 1 --quiet' 2>stopped.txt
) &
running=$!
for _ in $(seq 200); do
    [[ -e stopped.checkpoint ]] && break
    sleep 0.1
done
sleep 1
kill -INT "$(cat pid-1)" || true
wait "$running" && fault "a fit that was stopped ended well"
[[ -e stopped.checkpoint ]] || fault "no checkpoint: $(cat stopped.txt)"
for count in 2 4; do
    cp stopped.checkpoint "stopped-$count.checkpoint"
    ranks "$count" fit x.npy --layers 40,16 --tol 0 --sweeps 60 --device cpu --resume "stopped-$count.checkpoint" \
        --out "resumed-$count.safetensors"
done
same "a fit that went on" whole.safetensors resumed-2.safetensors resumed-4.safetensors

# A process that is killed ends all of them within ten seconds.
(
    mpirun --oversubscribe --allow-run-as-root --bind-to none -n 3 bash -c \
        'echo $$ >"pid-$OMPI_COMM_WORLD_RANK"; exec ./deepnmf fit x.npy --layers 100,25 --tol 0 --sweeps 100000 --device cpu \
         --no-checkpoint --out killed.safetensors --threads 1 --quiet' 2>killed.txt
) &
running=$!
sleep 3
kill -KILL "$(cat pid-2)"
begin="$SECONDS"
wait "$running" && fault "a fit whose process was killed ended well"
((SECONDS - begin <= 10)) || fault "the others lived for $((SECONDS - begin)) s"
grep -q "killed\|signal 9" killed.txt || fault "nothing was said of the killed process: $(cat killed.txt)"

# refused N MESSAGE ARGUMENTS…: ends with that message, said once, and an exit code.
refused() {
    local count="$1" message="$2"
    shift 2
    ranks "$count" "$@" >refused.txt 2>&1 && fault "$*: expected a refusal"
    [[ "$(grep -c "^error: .*$message" refused.txt)" -eq 1 ]] || fault "$*: expected \"$message\" once, found $(cat refused.txt)"
}
refused 2 "gnmf couples all samples: several ranks cannot fit it together" fit x.npy --model gnmf --layers 8 --device cpu
refused 2 "expected fit, which several processes do together" devices
refused 3 "rank 0 of 3: missing.npy: No such file" fit missing.npy --layers 8
# Other data on one of them.
cp x.npy y.npy
printf '\x07' | dd of=y.npy bs=1 seek="$(($(stat -c %s y.npy) - 400))" conv=notrunc status=none
timeout 60 mpirun --oversubscribe --allow-run-as-root --bind-to none -n 2 bash -c \
    'exec ./deepnmf fit $([[ $OMPI_COMM_WORLD_RANK == 1 ]] && echo y.npy || echo x.npy) --layers 8 --device cpu --quiet' \
    >refused.txt 2>&1 && fault "other data were taken"
grep -q "ranks read the same data" refused.txt || fault "other data: $(cat refused.txt)"

exit "$failed"
