"""Files of other programs, read by the command: it packs them, and the array is what the program had."""

from __future__ import annotations

import json
import os
import subprocess

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import tifffile


def packed(path, folder, *options):
    """The samples in a file, and what is known of them."""
    out = folder / "packed.npy"
    subprocess.run([os.environ["DEEPNMF_COMMAND"], "pack", path, "--out", out, "--dtype", "f32", "--restart", "-q", *options], check=True)
    return np.load(out), json.loads(out.with_suffix(".json").read_text())["deepnmf"]


@pytest.fixture
def frame():
    x = np.random.default_rng(0).gamma(0.5, 2.0, (30, 6)).round(4)
    return pd.DataFrame(x, columns=[f"gene {i}" for i in range(6)], index=[f"cell {i}" for i in range(30)])


@pytest.mark.parametrize("form", ["csr", "csc", "dense", "packed"])
def test_anndata(frame, form, tmp_path):
    x = np.where(frame > 1, frame, 0).astype(np.float32)
    obs = pd.DataFrame({"louvain": pd.Categorical([None, "b", "a"] * 10), "age": range(30)}, index=frame.index)
    matrix = {"csr": sp.csr_matrix, "csc": sp.csc_matrix}.get(form, np.asarray)(x)
    data = anndata.AnnData(matrix, obs=obs, var=pd.DataFrame(index=frame.columns), layers={"twice": sp.csr_matrix(2 * x)})
    data.write_h5ad(tmp_path / "cells.h5ad", compression="gzip" if form == "packed" else None)
    found, known = packed(tmp_path / "cells.h5ad", tmp_path, "--y-key", "louvain")
    np.testing.assert_array_equal(found, x)
    assert known["names"] == list(frame.index) and known["feature_names"] == list(frame.columns)
    assert known["classes"] == ["a", "b"] and known["labels"][:4] == [None, 1, 0, None]
    found, _ = packed(tmp_path / "cells.h5ad", tmp_path, "--x-key", "layers/twice")
    np.testing.assert_array_equal(found, 2 * x)


@pytest.mark.parametrize(
    "name, how",
    [
        ("comma.csv", {}),
        ("german.csv", {"sep": ";", "decimal": ","}),
        ("tabs.tsv", {"sep": "\t"}),
        ("packed.csv.gz", {}),
        ("nameless.csv", {"index": False}),
        ("R.csv", {"quoting": 1}),
    ],
)
def test_tables(frame, name, how, tmp_path):
    frame.to_csv(tmp_path / name, **how)
    if name == "R.csv":
        # As write.csv does it: texts in quotes, numbers without, and an empty header over the names.
        lines = (tmp_path / name).read_text().splitlines()
        body = [line.split(",")[0] + "," + ",".join(line.split(",")[1:]).replace('"', "") for line in lines[1:]]
        (tmp_path / name).write_text("\n".join([lines[0], *body]) + "\n")
    found, known = packed(tmp_path / name, tmp_path)
    np.testing.assert_allclose(found, frame, rtol=1e-6)
    assert known["feature_names"] == list(frame.columns)
    assert known["names"] == ([] if name == "nameless.csv" else list(frame.index))


@pytest.mark.parametrize("kind", ["uint8", "uint16", "uint32", "int16", "float32"])
@pytest.mark.parametrize("how", [{"imagej": True}, {"bigtiff": True, "compression": "zlib"}, {"tile": (16, 16)}])
def test_stacks_of_images(kind, how, tmp_path):
    if how.get("imagej") and kind in ("uint32", "int16"):
        pytest.skip("ImageJ has no such images")
    x = (np.random.default_rng(1).random((5, 20, 17)) * 200).astype(kind)
    tifffile.imwrite(tmp_path / "stack.tif", x, photometric="minisblack", **how)
    found, known = packed(tmp_path / "stack.tif", tmp_path)
    bits = np.dtype(kind).itemsize * 8
    unit = 255 if kind == "float32" else 255 / (2**bits - 1)
    np.testing.assert_allclose(found.reshape(x.shape), x * unit, rtol=1e-6, atol=1e-12)
    assert known["names"][4] == "stack.tif#4" and known["image_shape"]["width"] == 17


@pytest.mark.parametrize("how", [{}, {"compression": "gzip"}, {"compression": None}, {"compression": "lz4"}, {"row_group_size": 7}])
def test_parquet(frame, how, tmp_path):
    frame["cluster type"] = ["b", None, "a"] * 10
    frame["gene 2"] = (100 * frame["gene 2"]).astype("int16")
    frame["gene 3"] = frame["gene 3"] > 1
    frame["gene 4"] = (2**31 + 5 + 1000 * frame["gene 4"]).astype("uint32")
    frame.index.name = how.get("compression") and "cell"
    frame.to_parquet(tmp_path / "x.parquet", **how)
    found, known = packed(tmp_path / "x.parquet", tmp_path, "--y-key", "cluster type")
    np.testing.assert_allclose(found, frame.drop(columns="cluster type").astype(float), rtol=1e-6)
    assert known["names"] == list(frame.index) and known["feature_names"] == [f"gene {i}" for i in range(6)]
    assert known["classes"] == ["a", "b"] and known["labels"][:4] == [1, None, 0, 1]
