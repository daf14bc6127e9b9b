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

install_software_vulkan() {
    local packages=(mesa-vulkan-drivers libvulkan1 libegl1 libgl1-mesa-dri) as_root=()
    if ! command -v apt-get >/dev/null; then
        echo "error: no usable adapter, and no apt-get to install a software one. Install a Vulkan loader and a driver by hand;" >&2
        echo "       Mesa's lavapipe will do (Fedora: mesa-vulkan-drivers vulkan-loader; Arch: vulkan-swrast vulkan-icd-loader)." >&2
        return 1
    fi
    if [[ "$(id -u)" -ne 0 ]]; then
        if ! command -v sudo >/dev/null; then
            echo "error: no usable adapter, and neither root nor sudo; as root: apt-get install ${packages[*]}" >&2
            return 1
        fi
        as_root=(sudo)
    fi
    echo "no usable adapter; installing Mesa's software one: ${packages[*]}" >&2
    # `${a[@]+…}`: to an old bash an empty array is an unset one.
    ${as_root[@]+"${as_root[@]}"} apt-get update
    ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends "${packages[@]}"
}

cargo build --release
if ! adapter_found; then
    install_software_vulkan
    if ! adapter_found; then
        echo "error: still no usable adapter; this is what deepnmf sees:" >&2
        cargo run --release --quiet -- devices >&2
        exit 1
    fi
fi

export DEEPNMF_GPU=require
# Without a selection of targets: the library, the commands, tests/ and the examples in the documentation.
cargo test --release "$@"
# Benches are only compiled: their figures mean nothing on a busy machine. Not when single tests were asked for.
if [[ $# -eq 0 ]]; then
    cargo bench --no-run
fi
