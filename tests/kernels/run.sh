#!/usr/bin/env bash
# What the compilers of GPUs make of every kernel, without a GPU: RADV builds them for cards that are not there, and what the other
# drivers are given is read by spirv-val and glslang. The tests of the library must have been built for it to be quick.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if [[ "$(uname -s)" != Linux ]]; then
    echo "kernels not built for cards that are not there: that needs RADV, on Linux"
    exit 0
fi
radv="$(ls /usr/share/vulkan/icd.d/radeon_icd.*.json /etc/vulkan/icd.d/radeon_icd.*.json 2>/dev/null | head -1 || true)"
if [[ -z "$radv" ]] || ! command -v spirv-val >/dev/null || ! command -v glslangValidator >/dev/null; then
    as_root=()
    [[ "$(id -u)" -eq 0 ]] || as_root=(sudo)
    ${as_root[@]+"${as_root[@]}"} apt-get update
    ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends mesa-vulkan-drivers libvulkan1 spirv-tools glslang-tools
    radv="$(ls /usr/share/vulkan/icd.d/radeon_icd.*.json | head -1)"
fi
# Nothing that is kept from another time, and no other driver.
export VK_ICD_FILENAMES="$radv" MESA_SHADER_CACHE_DISABLE=true

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
DEEPNMF_KERNELS="$folder" cargo test --release --quiet --lib gpu::kernels::tests::every_kernel_is_written
# Its tests first: what it is there for is caught.
cargo test --release --quiet --package deepnmf-kernels
cargo build --release --quiet --package deepnmf-kernels
kernels="${CARGO_TARGET_DIR:-target}/release/deepnmf-kernels"

"$kernels" translate "$folder"
for file in "$folder"/*.spv; do
    # Debian's spirv-val is older than the matrices of subgroups.
    [[ "$file" != */matmul_halves-* ]] || continue
    spirv-val --target-env vulkan1.3 "$file" || { echo "error: $(basename "$file") is not valid" >&2 && exit 1; }
done
for file in "$folder"/*.hlsl; do
    # Debian's glslang crashes where the length of a buffer is asked for.
    [[ "$file" != */stop.hlsl ]] || continue
    said="$(glslangValidator -D -S comp -e main -V --target-env vulkan1.2 -o /dev/null "$file")" ||
        { echo "$said" >&2 && exit 1; }
done
for family in navi21 vega20; do
    RADV_FORCE_FAMILY=$family "$kernels" build "$folder" tests/kernels/hot.csv
done
