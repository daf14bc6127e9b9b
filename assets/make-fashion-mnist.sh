#!/bin/sh
# Makes the small data set that the crate carries: the first 200 training images of every class of
# Fashion-MNIST, the classes taking turns, from the Debian package dataset-fashion-mnist.
# The same input gives the same bytes. Needs apt-get, dpkg, python3 and gzip; installs nothing.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && apt-get download dataset-fashion-mnist && dpkg -x dataset-fashion-mnist_*.deb package)

python3 - "$work/package/usr/share/datasets/fashion-mnist" "$work" <<'PYTHON'
import gzip, struct, sys

source, out = sys.argv[1:]
images = gzip.open(f"{source}/train-images-idx3-ubyte.gz").read()
labels = gzip.open(f"{source}/train-labels-idx1-ubyte.gz").read()
magic, count, height, width = struct.unpack(">IIII", images[:16])
assert (magic, count, height, width) == (0x803, 60000, 28, 28)
assert struct.unpack(">II", labels[:8]) == (0x801, 60000)

per_class, classes, size = 200, 10, height * width
rows = [[] for _ in range(classes)]
for row, label in enumerate(labels[8:]):
    rows[label].append(row)
order = [rows[c][i] for i in range(per_class) for c in range(classes)]
with open(f"{out}/images", "wb") as file:
    file.write(struct.pack(">IIII", 0x803, len(order), height, width))
    file.writelines(images[16 + row * size : 16 + (row + 1) * size] for row in order)
with open(f"{out}/labels", "wb") as file:
    file.write(struct.pack(">II", 0x801, len(order)))
    file.write(bytes(labels[8 + row] for row in order))
PYTHON

gzip -9 -n -c "$work/images" > "$here/fashion-mnist-2000-images-idx3-ubyte.gz"
gzip -9 -n -c "$work/labels" > "$here/fashion-mnist-2000-labels-idx1-ubyte.gz"
cp "$work/package/usr/share/doc/dataset-fashion-mnist/copyright" "$here/LICENSE-fashion-mnist"
