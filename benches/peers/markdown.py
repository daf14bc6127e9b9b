#!/usr/bin/env python3
"""Tables for a README from what was measured on a GPU.

    python3 benches/peers/markdown.py bench.json [--products products.json] [--peers peers.json] [--peak TFLOP/s]

`bench.json` is of `deepnmf bench --all --json`, the others of products.py and of `run.py --json`. With the peak of the GPU in f32
products have their share of it.
"""

import argparse
import json
import os
import statistics


def duration(seconds):
    if seconds is None:
        return "–"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def rate(row):
    if row["rate"] is None or not row["unit"]:
        return ""
    if row["unit"] == "GFLOP/s":
        return f"{row['rate'] / 1000:.3g} TFLOP/s"
    if row["rate"] >= 1e6:
        return f"{row['rate'] / 1e6:.3g} million {row['unit']}"
    return f"{row['rate']:,.0f} {row['unit']}"


def table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def bench(measured, products, peak):
    gpu = next(d for d in measured["devices"] if d["backend"] == "gpu")
    cpu = next((d for d in measured["devices"] if d["backend"] == "cpu"), None)
    driver = (gpu["adapter"] or {}).get("driver", "")
    print(f"{gpu['name']}, driver {driver}, beside {measured['cores']} cores; deepnmf {measured['version']}, `deepnmf bench --all`.")
    if gpu.get("verify"):
        failed = gpu["verify"]["failed"]
        total = gpu["verify"]["checks"]
        print(f"`verify`: {total - len(failed)} of {total}." + "".join(f" FAILED: {name}." for name in failed))
    print()
    of_peer = {(p["name"], p["shape"]): p["seconds"] for p in products["products"]} if products else {}
    head = ["", "shape", "GPU", "rate"] + ([f"of {peak:g} TFLOP/s"] if peak else [])
    head += [products["peer"]] if products else []
    head += ["CPU"] if cpu else []
    rows = []
    for i, row in enumerate(gpu["rows"]):
        # By the clock of the device, where it has one.
        seconds = row["device_seconds"] if row["name"] != "fit" and row["device_seconds"] else row["seconds"]
        line = [row["name"], row["shape"], duration(seconds) if seconds else row["note"] or "–", rate(row)]
        if peak:
            of_peak = row["unit"] == "GFLOP/s" and row["rate"] and not row["name"].endswith("f16")
            line.append(f"{row['rate'] / 10 / peak:.0f} %" if of_peak else "")
        if products:
            line.append(duration(of_peer.get((row["name"], row["shape"]))))
        if cpu:
            of_cpu = cpu["rows"][i] if i < len(cpu["rows"]) else None
            same = of_cpu and of_cpu["shape"] == row["shape"]
            line.append(duration(of_cpu["seconds"]) if same else "–")
        rows.append(line)
    table(head, rows)
    if gpu.get("tuned"):
        print("Fastest tiles, by one product (rows × terms × columns) of every class:\n")
        table(["product", "tile"], [[name, tile] for name, tile in sorted(gpu["tuned"].items())])


def peers(measured):
    print(f"To the same error: {measured['cpu']}; {', '.join(measured['versions'])}.\n")
    keys = list(dict.fromkeys((r["data"], r["k"], r["target"]) for r in measured["runs"]))
    names = list(dict.fromkeys(r["peer"] for r in measured["runs"]))
    rows = []
    for name in names:
        line = [name]
        for data, k, target in keys:
            runs = [r for r in measured["runs"] if (r["data"], r["k"], r["target"], r["peer"]) == (data, k, target, name)]
            if not runs:
                line.append("–")
                continue
            missed = "" if runs[-1]["relative_error"] <= target * 1.0005 else " (does not get there)"
            median = statistics.median(r["seconds"] for r in runs)
            line.append(f"{median:.3g} s, {runs[-1]['iterations']} iterations{missed}")
        rows.append(line)
    table([""] + [f"{os.path.basename(d)}, k = {k}, to {t:g}" for d, k, t in keys], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench")
    parser.add_argument("--products")
    parser.add_argument("--peers")
    parser.add_argument("--peak", type=float)
    args = parser.parse_args()
    bench(json.load(open(args.bench)), json.load(open(args.products)) if args.products else None, args.peak)
    if args.peers:
        peers(json.load(open(args.peers)))


if __name__ == "__main__":
    main()
