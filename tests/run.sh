#!/usr/bin/env bash
# The one test command: makes sure that there is an adapter, then runs every test with a GPU required (a software
# one counts), so that nothing passes by being skipped. Arguments go on to `cargo test`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Whether deepnmf itself finds what the tests need: on Linux an adapter by Vulkan and one by GL, whose shader
# translators are both tested; elsewhere whatever the system has.
# The build is not lost: the tests of the commands need the same binary.
adapter_found() {
    local adapters
    # Every adapter is one flat JSON object.
    adapters="$(cargo run --release --quiet -- devices --json | grep -o '{[^{}]*}' | grep '"problem":null' || true)"
    if [[ "$(uname -s)" == Linux ]]; then
        grep -q '"backend":"vulkan"' <<<"$adapters" && grep -q '"backend":"gl"' <<<"$adapters"
    else
        [[ -n "$adapters" ]]
    fi
}

# Whether there is a browser to open a report with; the names as tests/cli/report.rs knows them.
browser_found() {
    local name
    [[ -n "${DEEPNMF_CHROMIUM:-}" ]] && return
    for name in chromium-headless-shell chromium chromium-browser google-chrome chrome; do
        command -v "$name" >/dev/null && return
    done
    return 1
}

# apt_install WHAT HINT PACKAGE…: says what is missing, and installs the packages where apt-get can.
apt_install() {
    local what="$1" hint="$2" packages=("${@:3}") as_root=()
    if ! command -v apt-get >/dev/null; then
        echo "error: no $what, and no apt-get to install one. $hint" >&2
        return 1
    fi
    if [[ "$(id -u)" -ne 0 ]]; then
        if ! command -v sudo >/dev/null; then
            echo "error: no $what, and neither root nor sudo; as root: apt-get install ${packages[*]}" >&2
            return 1
        fi
        as_root=(sudo)
    fi
    echo "no $what; installing ${packages[*]}" >&2
    # `${a[@]+…}`: to an old bash an empty array is an unset one.
    ${as_root[@]+"${as_root[@]}"} apt-get update
    ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends "${packages[@]}"
}

cargo build --release
if ! adapter_found; then
    apt_install "usable adapter" "Install a Vulkan loader and a driver by hand; Mesa's lavapipe will do (Fedora: mesa-vulkan-drivers \
vulkan-loader; Arch: vulkan-swrast vulkan-icd-loader)." \
        mesa-vulkan-drivers libvulkan1 libegl1 libgl1-mesa-dri
    if ! adapter_found; then
        echo "error: still no usable adapter; this is what deepnmf sees:" >&2
        cargo run --release --quiet -- devices >&2
        exit 1
    fi
fi

# The reports are opened in a real browser.
if [[ "$(uname -s)" == Linux ]] && ! browser_found; then
    # Debian has the small one, other distributions of the family only the whole.
    hint="Install Chromium or Chrome by hand, or name one in DEEPNMF_CHROMIUM."
    apt_install browser "$hint" chromium-headless-shell || apt_install browser "$hint" chromium
fi

# The data sets of the papers may not be shipped: the tests on them are ignored where these are not.
export DEEPNMF_DATA="${DEEPNMF_DATA:-../shared/data}"
with_data=()
if [[ -d "$DEEPNMF_DATA/pie" && -d "$DEEPNMF_DATA/orl" && -d "$DEEPNMF_DATA/cmu-faces" ]]; then
    with_data=(--include-ignored)
    [[ " $* " == *" -- "* ]] || with_data=(-- "${with_data[@]}")
fi

export DEEPNMF_GPU=require
# Without a selection of targets: the library, the commands, tests/ and the examples in the documentation. deepnmf itself is little
# optimised, what it depends on is as ever: twenty programs with tests, each with the generic training, compile in a third of the time.
# The command that is optimised is in its place again, however this ends.
trap 'cargo build --release --quiet' EXIT
cargo test --release --config 'profile.release.package.deepnmf.opt-level=1' "$@" ${with_data[@]+"${with_data[@]}"}
# Benches are only compiled: their figures mean nothing on a busy machine. Not when single tests were asked for.
if [[ $# -eq 0 ]]; then
    cargo bench --no-run
fi
# Fits by several processes: the feature `mpi` is compiled with the MPI of the system, whose headers libclang reads.
mpi_found() {
    command -v mpirun >/dev/null && command -v mpicc >/dev/null &&
        { [[ -n "${LIBCLANG_PATH:-}" ]] || compgen -G "/usr/lib*/llvm*/lib*/libclang*.so*" || compgen -G "/usr/lib*/libclang*.so*"; } >/dev/null
}
if [[ $# -eq 0 && "$(uname -s)" == Linux ]]; then
    mpi_found || apt_install MPI "Install OpenMPI or MPICH and libclang by hand." openmpi-bin libopenmpi-dev libclang-dev
    bash tests/mpi/run.sh
fi
if [[ ${#with_data[@]} -eq 0 ]]; then
    echo "not run: the tests on PIE, ORL and the CMU faces, which are not in $DEEPNMF_DATA; DEEPNMF_DATA names their folder"
fi
