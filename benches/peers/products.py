#!/usr/bin/env python3
"""The products of `deepnmf bench` by PyTorch (cuBLAS) on the same GPU.

    deepnmf bench --all --json > bench.json
    python3 benches/peers/products.py bench.json > products.json

In f32 without TF32, and in halves where deepnmf's are of halves. Every time is the median of 20 batches by the events of the
GPU, after half a second of work: an idle GPU has a slow clock.
"""

import json
import re
import statistics
import sys
import time

import torch

BATCHES, LAUNCHES = 20, 10


def operands(name, m, k, n, dtype):
    """For a product of k terms; that of XᵀH and HᵀH reads both by terms."""
    shape = (k, m) if "ᵀ" in name else (m, k)
    a, b = torch.rand(shape, device="cuda").to(dtype), torch.rand(k, n, device="cuda").to(dtype)
    return (a.T if "ᵀ" in name else a), b


def seconds(a, b):
    begin = time.perf_counter()
    while time.perf_counter() - begin < 0.5:
        a @ b
        torch.cuda.synchronize()
    times = []
    for _ in range(BATCHES):
        first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        first.record()
        for _ in range(LAUNCHES):
            a @ b
        last.record()
        torch.cuda.synchronize()
        times.append(first.elapsed_time(last) * 1e-3 / LAUNCHES)
    return statistics.median(times)


def main():
    bench = json.load(open(sys.argv[1]))
    torch.backends.cuda.matmul.allow_tf32 = False
    rows = next(device["rows"] for device in bench["devices"] if device["backend"] == "gpu")
    products = []
    for row in rows:
        shape = re.fullmatch(r"(\d+)×(\d+)×(\d+)", row["shape"] or "")
        # Bytes are decoded on their way, which cuBLAS does not do.
        if not row["name"].startswith("product") or not shape or row["name"].endswith("u8"):
            continue
        dtype = torch.float16 if row["name"].endswith("f16") else torch.float32
        a, b = operands(row["name"], *map(int, shape.groups()), dtype)
        products.append({"name": row["name"], "shape": row["shape"], "seconds": seconds(a, b)})
    json.dump({"peer": f"PyTorch {torch.__version__}", "gpu": torch.cuda.get_device_name(), "products": products}, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
