"""Files, metrics, pictures, the page."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.metrics import normalized_mutual_info_score

import deepnmf
from deepnmf import DeepNMF, metrics


@pytest.fixture(scope="module")
def fitted(x):
    return DeepNMF([8, 3], random_state=0, device="cpu").fit(x)


def test_a_file_has_all_of_a_model(x, fitted, tmp_path):
    deepnmf.save(fitted, tmp_path / "m.safetensors")
    again = deepnmf.load(tmp_path / "m.safetensors", device="cpu")
    assert np.array_equal(again.transform(x), fitted.transform(x))
    assert again.layers == [8, 3] and again.n_iter_ == fitted.n_iter_ and again.history_["finetune"][0] > 0
    # It can be fitted again, with what the file says.
    assert np.array_equal(again.fit(x).coefficients_, fitted.coefficients_)
    with pytest.raises(FileNotFoundError):
        deepnmf.load(tmp_path / "nothing")
    (tmp_path / "other").write_bytes(b"12345678")
    with pytest.raises(ValueError, match="other"):
        deepnmf.load(tmp_path / "other")
    with pytest.raises(OSError):
        deepnmf.save(fitted, tmp_path / "no" / "folder")


def test_names_of_features(x):
    frame = pd.DataFrame(x, columns=[f"pixel {i}" for i in range(36)])
    m = DeepNMF([4, 2], device="cpu", random_state=0).fit(frame)
    assert m.feature_names_in_[3] == "pixel 3"
    assert list(m.get_feature_names_out()) == ["deepnmf0", "deepnmf1"]


def test_metrics():
    classes, clusters = ["a", "a", "b", "b", "c", "c"], [1, 1, 0, 0, 0, 2]
    assert metrics.nmi(classes, clusters) == pytest.approx(normalized_mutual_info_score(classes, clusters))
    assert metrics.accuracy(classes, clusters) == pytest.approx(5 / 6)
    assert metrics.purity(classes, clusters) == pytest.approx(5 / 6)
    assert metrics.naive_precision(classes, clusters) == pytest.approx((1 + 1 + 0.5) / 3)
    # Pairs that are together in one only: three of the cluster, one of the class; here 2 · 3 of ordered pairs each way.
    assert metrics.error_rate(classes, clusters) == pytest.approx((4 + 4 + 4 + 4 + 9 + 1 - 2 * (4 + 4 + 1 + 1)) ** 0.25)
    assert set(metrics.scores([0], [0])) == {"NMI", "NP", "ER", "AC", "purity"}
    with pytest.raises(ValueError, match="scores need samples"):
        metrics.scores([0, 1], [0])
    for labels, said in [(None, "one dimension"), (3, "one dimension"), ([[0], [1]], "one dimension"), ([0, np.nan], "NaN"), (["a", None], "NaN")]:
        with pytest.raises(ValueError, match=f"labels_true must have .*{said}"):
            metrics.scores(labels, [0, 1])
    with pytest.raises(ValueError, match="labels_pred must have a label for every sample"):
        metrics.nmi([0, 1], pd.array([1, None], dtype="Int64"))


def test_the_page(x, fitted, tmp_path):
    labels = np.array(["odd", "even"])[np.arange(120) % 2]
    missing = deepnmf.report(fitted, x, tmp_path / "r.html", labels=labels, image_shape=(6, 6))
    page = (tmp_path / "r.html").read_text()
    assert not missing and "odd" in page and "Clusters" in page
    missing = deepnmf.report(fitted, path=tmp_path / "bare.html")
    assert any("lusters" in name for name in missing)
    some = np.where(np.arange(120) % 3 == 0, None, labels)
    assert not deepnmf.report(fitted, x, tmp_path / "r.html", labels=some, image_shape=(6, 6), random_state=None)
    for settings, said in [
        ({"image_shape": (5, 5)}, "36"),
        ({"image_shape": 36}, "image_shape must be"),
        ({"labels": labels[:7]}, "labels must be one for each of 120 samples, got 7"),
        ({"clusters": -1}, "clusters must be an int of at least 0"),
        ({"X": "x.npy"}, "X must be an array, got the path"),
    ]:
        with pytest.raises(ValueError, match=said):
            deepnmf.report(fitted, path=tmp_path / "r.html", **{"X": x, **settings})


def test_names_of_features(x, tmp_path):
    frame = pd.DataFrame(x, columns=[f"gene {i}" for i in range(x.shape[1])])
    model = DeepNMF([4, 2], max_iter=5, random_state=0).fit(frame)
    deepnmf.report(model, frame, tmp_path / "r.html")
    assert ">gene 7</li>" in (tmp_path / "r.html").read_text()
    deepnmf.save(model, tmp_path / "m.safetensors")
    back = deepnmf.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(back.feature_names_in_, model.feature_names_in_)


def test_pictures(fitted):
    import matplotlib

    matplotlib.use("agg")
    from deepnmf import plot

    sheet = plot.components(fitted, (6, 6), 1).images[0].get_array()
    assert sheet.shape == (3 * 7 - 1, 3 * 7 - 1)
    first = fitted.components(1)[0]
    np.testing.assert_allclose(sheet[:6, :6], (first / first.max()).reshape(6, 6), rtol=1e-6)
    figure = plot.hierarchy(fitted, (6, 6), parts=4)
    assert len(figure.axes) == 3 * 5
    assert len(plot.course(fitted, ax=figure.add_subplot()).lines) == 3
    with pytest.raises(ValueError, match="from 2"):
        plot.hierarchy(fitted, (6, 6), 1)
    for layer in (0, -1, 9):
        for picture in (plot.components, plot.hierarchy):
            with pytest.raises(ValueError, match=f"layer must be an int from 1 to 2, got {layer}"):
                picture(fitted, (6, 6), layer)
    for shape in (64, (5, 5), (6, 6, 1, 1)):
        with pytest.raises(ValueError, match="image_shape"):
            plot.components(fitted, shape)


def test_single_cell_data(x, fitted):
    import anndata

    data = anndata.AnnData(x)
    deepnmf.annotate(data, fitted)
    assert data.obsm["X_deepnmf"].shape == (120, 3) and data.varm["deepnmf"].shape == (36, 3)
    sparse = anndata.AnnData(scipy.sparse.csr_matrix(x))
    deepnmf.annotate(sparse, clone(fitted).set_output(transform="pandas").fit(x))
    assert np.array_equal(sparse.obsm["X_deepnmf"], data.obsm["X_deepnmf"])


def test_features_are_taken_by_their_names(x, tmp_path):
    import anndata

    names = [f"g{i}" for i in range(36)]
    frame = pd.DataFrame(x, columns=names)
    turned = frame[names[::-1]]
    frame.to_csv(tmp_path / "frame.csv", index=False)
    turned.to_csv(tmp_path / "turned.csv", index=False)
    turned.to_parquet(tmp_path / "turned.parquet")
    turned.rename(columns={"g0": "other"}).to_csv(tmp_path / "other.csv", index=False)
    model = DeepNMF([4], random_state=0, device="cpu", max_iter=5)
    fitted = clone(model).fit(frame)
    expected = fitted.transform(frame)
    for name in ("turned.csv", "turned.parquet"):
        np.testing.assert_allclose(fitted.transform(tmp_path / name), expected, rtol=1e-4, atol=1e-6)
        assert fitted.score(tmp_path / name) == pytest.approx(fitted.score(frame), abs=1e-5)
    with pytest.raises(ValueError, match="1 of 36 features are missing, the first `g0`"):
        fitted.transform(tmp_path / "other.csv")

    of_file = clone(model).fit(tmp_path / "frame.csv")
    assert list(of_file.feature_names_in_) == names
    with pytest.raises(ValueError, match="feature names"):
        of_file.transform(turned)
    np.save(tmp_path / "x.npy", x)
    assert not hasattr(of_file.fit(tmp_path / "x.npy"), "feature_names_in_")

    more = anndata.AnnData(turned.assign(unknown=np.float32(1)))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        deepnmf.annotate(more, fitted)
    np.testing.assert_allclose(more.obsm["X_deepnmf"], expected, rtol=1e-4, atol=1e-6)
    assert np.array_equal(more.varm["deepnmf"][:36], fitted.components_.T[::-1]) and np.isnan(more.varm["deepnmf"][36]).all()
    with pytest.raises(ValueError, match="1 of the 36 features of the model are not in var_names, the first 'g35'"):
        deepnmf.annotate(anndata.AnnData(frame[names[:35]]), fitted)


def test_sparse_coefficients(fitted):
    h = fitted.coefficients_
    assert np.array_equal(fitted.inverse_transform(scipy.sparse.csr_matrix(h)), fitted.inverse_transform(h))
    with pytest.raises(ValueError, match="Complex data not supported"):
        fitted.inverse_transform(h * 1j)


def test_a_model_of_a_file_warns_as_the_one_before(x, fitted, tmp_path):
    deepnmf.save(fitted, tmp_path / "m.safetensors")
    again = deepnmf.load(tmp_path / "m.safetensors", device="cpu")
    assert (again.max_iter, again.pretrain, again.tol) == (None, None, None)


def test_nothing_is_said_by_itself():
    bare = {name: value for name, value in os.environ.items() if name != "XDG_RUNTIME_DIR"}
    run = "import deepnmf; deepnmf.devices(); print(callable(deepnmf.plot.components))"
    done = subprocess.run([sys.executable, "-c", run], env=bare, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_the_script_for_mypy_uses_everything_and_runs(tmp_path):
    script = Path(__file__).with_name("typed.py")
    used, text = {name for name in dir(deepnmf) if name in deepnmf.__all__}, script.read_text()
    used |= {*metrics.__all__, *(f"plot.{name}" for name in deepnmf.plot.__all__), *deepnmf.Device.__dataclass_fields__}
    for estimator in (DeepNMF, deepnmf.NMF):
        used |= {name for of in estimator.__mro__ if of.__module__.startswith("deepnmf") for name in vars(of)}
        # Attributes of a fit are described, and not there before.
        used |= set(re.findall(r"^(\w+_) : ", inspect.getdoc(estimator) or "", re.MULTILINE))
    public = {name for name in used if not name.startswith("_")} | {"__version__"}
    # X has no names here; the rest is set by the constructor, or made by scikit-learn.
    missing = {name for name in public if name not in text} - {"feature_names_in_", "device", "precision", "verbose", "set_fit_request"}
    assert not missing, missing
    environment = {**os.environ, "MPLBACKEND": "agg"}
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "report.html").exists() and (tmp_path / "fit.checkpoint").exists() is False


def test_the_documentation_knows_all_models_and_options():
    from deepnmf._settings import OPTIONS

    said = inspect.getdoc(DeepNMF)
    assert not [name for name in [*deepnmf.models(), *OPTIONS] if f'"{name}"' not in said]
    # All parameters, in their order.
    described = re.findall(r"^(\w+) : ", said[said.index("Parameters") : said.index("Attributes")], re.MULTILINE)
    assert described == list(inspect.signature(DeepNMF).parameters)
