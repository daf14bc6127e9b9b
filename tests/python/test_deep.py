"""DeepNMF: what it computes, how, and what it refuses."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone

import deepnmf
from deepnmf import DeepNMF

BY_CALLBACKS = pytest.mark.skipif(not hasattr(DeepNMF, "set_callbacks"), reason="callbacks are new in scikit-learn 1.9")

def model(**settings):
    return DeepNMF([8, 3], random_state=0, device="cpu", **settings)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_factors_reconstruct_the_samples(x, dtype):
    x = (x * 255 / x.max()).astype(dtype) if dtype == "uint8" else x.astype(dtype)
    m = DeepNMF([8, 6], random_state=0, device="cpu")
    h = m.fit_transform(x)
    out = np.float32 if dtype == "uint8" else np.dtype(dtype)
    assert h.dtype == out and h.shape == (120, 6) and h.min() >= 0
    assert [w.shape for w in m.weights_] == [(36, 8), (8, 6)] and all(w.dtype == out for w in m.weights_)
    psi = m.weights_[0] @ m.weights_[1]
    np.testing.assert_allclose(m.components_, psi.T, rtol=1e-5)
    left = np.linalg.norm(x.astype(float) - h.astype(float) @ psi.T.astype(float))
    assert abs(left - m.reconstruction_err_) <= 1e-4 * np.linalg.norm(x.astype(float))
    assert left < 0.1 * np.linalg.norm(x.astype(float))
    assert m.score(x) == pytest.approx(1 - m.relative_error_**2, abs=1e-4)
    np.testing.assert_allclose(m.inverse_transform(h), h @ psi.T, rtol=1e-4, atol=1e-6 * x.max())
    assert m.transform_layer(x, 1).shape == (120, 8)
    assert m.components(1).shape == (8, 36)


def test_float64_is_computed_in_float64(x):
    fine, coarse = model(tol=1e-9, max_iter=200).fit(x.astype(float)), model(tol=1e-9, max_iter=200).fit(x)
    assert fine.weights_[0].dtype == np.float64
    h = fine.transform(x.astype(float))
    # The gradient of every coefficient that is not 0 vanishes, to what float64 can tell.
    gradient = (h @ fine.components_ - x.astype(float)) @ fine.components_.T
    assert np.abs(gradient[h > 0]).max() < 1e-7
    assert gradient[h == 0].min() > -1e-7
    assert fine.relative_error_ == pytest.approx(coarse.relative_error_, rel=1e-3)


def test_the_command_gets_the_same_bits(x, tmp_path):
    command = os.environ["DEEPNMF_COMMAND"]
    np.save(tmp_path / "x.npy", x)
    run = [command, "fit", "x.npy", "--layers", "8,3", "--scale", "none", "--device", "cpu", "--seed", "0", "--quiet"]
    subprocess.run(run, cwd=tmp_path, check=True)
    theirs, ours = deepnmf.load(tmp_path / "model.safetensors"), model().fit(x)
    for a, b in zip([*theirs.weights_, theirs.coefficients_], [*ours.weights_, ours.coefficients_]):
        assert np.array_equal(a, b)
    deepnmf.save(ours, tmp_path / "ours.safetensors")
    shown = subprocess.run(
        [command, "transform", "ours.safetensors", "x.npy", "--out", "H.npy", "--device", "cpu", "--quiet"], cwd=tmp_path
    )
    assert shown.returncode == 0
    np.testing.assert_allclose(np.load(tmp_path / "H.npy"), ours.transform(x), rtol=1e-4, atol=1e-5)


def test_a_file_scales_as_its_training_did(x, tmp_path):
    command = os.environ["DEEPNMF_COMMAND"]
    np.save(tmp_path / "x.npy", x)
    subprocess.run(
        [command, "fit", "x.npy", "--layers", "6", "--device", "cpu", "--quiet"], cwd=tmp_path, check=True
    )
    m = deepnmf.load(tmp_path / "model.safetensors", device="cpu")
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    np.testing.assert_allclose(m.transform(x), m.transform(unit), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(m.transform(3 * x), m.coefficients_, rtol=0.05, atol=0.02)
    # What it explains is of the samples as they were scaled, too.
    for samples in (x, 3 * x, tmp_path / "x.npy"):
        assert m.score(samples) == pytest.approx(1 - m.relative_error_**2, abs=0.01)


def test_a_path_and_a_memory_map_are_the_array(x, tmp_path):
    np.save(tmp_path / "x.npy", x)
    held = model().fit(x)
    for given in [str(tmp_path / "x.npy"), tmp_path / "x.npy", np.load(tmp_path / "x.npy", mmap_mode="r")]:
        for stream in ["auto", True]:
            m = model(stream=stream).fit(given)
            assert np.array_equal(m.coefficients_, held.coefficients_)
    assert np.array_equal(m.transform(tmp_path / "x.npy"), m.transform(x))
    assert m.score(tmp_path / "x.npy") == m.score(x)
    with pytest.raises(FileNotFoundError, match="nothing.npy"):
        model().fit(tmp_path / "nothing.npy")
    with pytest.raises(ValueError, match="layers"):
        DeepNMF().fit(tmp_path / "x.npy")


def test_orders_and_strides(x):
    held = model().fit(x)
    padded = np.zeros((240, 72), np.float32)
    padded[::2, ::2] = x
    for given in [np.asfortranarray(x), padded[::2, ::2], x[::-1].copy()[::-1], x.astype(x.dtype.newbyteorder())]:
        assert np.array_equal(model().fit(given).coefficients_, held.coefficients_)
    readonly = x.copy()
    readonly.flags.writeable = False
    assert np.array_equal(model().fit(readonly).coefficients_, held.coefficients_)


def test_samples_are_not_changed(x):
    before = x.copy()
    model().fit(x).transform(x)
    assert np.array_equal(before, x)


def test_models_pickle_and_clone(x):
    m = model().fit(x)
    again = pickle.loads(pickle.dumps(m))
    assert np.array_equal(again.transform(x), m.transform(x))
    assert clone(m).get_params() == m.get_params()


@pytest.mark.parametrize("name", deepnmf.models())
def test_every_model(x, name):
    m = DeepNMF([4], model=name, random_state=0, device="cpu").fit(x)
    assert m.transform(x).shape == (120, 4) and m.n_iter_ > 0
    assert m.relative_error_ < 0.6


def test_nonlinear(x):
    m = model(activation="root", max_iter=5, pretrain=5).fit(x)
    h = m.coefficients_
    np.testing.assert_allclose(m.inverse_transform(h), (((h @ m.weights_[1].T) ** 2) @ m.weights_[0].T), rtol=1e-3, atol=1e-5)
    assert m.transform(x).shape == (120, 3)


def test_signed_models_take_any_sign(x):
    m = DeepNMF([8, 3], model="deep-semi-nmf", random_state=0, device="cpu").fit(x - x.mean(axis=0))
    assert m.components_.min() < 0 <= m.coefficients_.min()
    with pytest.raises(ValueError, match="Negative values in data"):
        model().fit(x - 1)


def test_online(x):
    m = model(online=True, batch_size=32).fit(x)
    assert m.relative_error_ < 0.5
    assert json.loads(m._metadata)["training"]["online"] == {"batch": 32, "forget": 0.8}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["dnmf", "sdnmf-rl2"])
def test_batch_after_batch(x, dtype, name):
    x = np.tile(x, (5, 1)).astype(dtype)
    np.random.default_rng(0).shuffle(x)
    whole = DeepNMF([8, 6], model=name, random_state=0, device="cpu").fit(x)
    m = DeepNMF([8, 6], model=name, random_state=0, device="cpu", batch_size=40)
    m.partial_fit(x[:60])
    before = m.score(x)
    for first in range(60, 600, 60):
        m.partial_fit(x[first : first + 60])
    assert m.coefficients_.shape == (60, 6) and m.weights_[0].dtype == dtype
    assert m.score(x) > before
    # Twice the relative error of all samples at once, at most.
    assert 1 - m.score(x) < 4 * (1 - whole.score(x))
    # A model that was fitted learns on, and can be written.
    known = whole.score(x)
    whole.partial_fit(x[:100])
    assert abs(whole.score(x) - known) < 0.02
    again = pickle.loads(pickle.dumps(whole)).partial_fit(x[100:200])
    assert np.array_equal(again.components_, whole.partial_fit(x[100:200]).components_)
    with pytest.raises(ValueError, match="features"):
        m.partial_fit(x[:, :5])
    with pytest.raises(ValueError, match="path"):
        m.partial_fit("x.npy")
    with pytest.raises(AttributeError, match="partial_fit"):
        DeepNMF([4], model="nmf-mu", device="cpu").partial_fit(x)
    assert not hasattr(DeepNMF([4, 2], activation="tanh"), "partial_fit") and hasattr(DeepNMF([4, 2]), "partial_fit")


def test_a_start_is_that_of_the_seed(x):
    a, b, c = (DeepNMF([8, 3], init="random", random_state=s, device="cpu").fit(x) for s in (0, 0, 1))
    assert np.array_equal(a.coefficients_, b.coefficients_) and not np.array_equal(a.coefficients_, c.coefficients_)
    DeepNMF([8, 3], init="random", random_state=np.random.RandomState(3), device="cpu").fit(x)


BAD = [
    (np.ones((3, 4), complex), ValueError, "Complex data"),
    (np.full((3, 4), np.nan), ValueError, "NaN"),
    (np.full((3, 4), np.inf, np.float32), ValueError, "infinity"),
    (-np.ones((3, 4)), ValueError, "Negative values"),
    (np.ones(4), ValueError, "Expected 2D array"),
    (np.ones((0, 4)), ValueError, "0 sample"),
    (np.ones((4, 0)), ValueError, "0 feature"),
    (np.zeros((4, 3)), ValueError, "all zero"),
    (np.array([["a", "b"]]), ValueError, "could not convert"),
    (np.array([[object(), 1]], object), TypeError, "float"),
    (scipy.sparse.csr_matrix(np.eye(5)), TypeError, "Sparse data was passed"),
]


@pytest.mark.parametrize(("given", "error", "message"), BAD)
def test_bad_samples(given, error, message):
    with pytest.raises(error, match=message):
        DeepNMF([1], device="cpu").fit(given)


def test_an_unknown_device_lists_those_there_are(x):
    with pytest.raises(ValueError) as raised:
        DeepNMF([4], device="abacus").fit(x)
    for device in deepnmf.devices():
        assert device.name in str(raised.value)


def test_layers_that_are_not_there(x):
    m = model().fit(x)
    for layer in [0, 3]:
        with pytest.raises(ValueError, match="1 to 2"):
            m.components(layer)
        with pytest.raises(ValueError, match="1 to 2"):
            m.transform_layer(x, layer)
    with pytest.raises(ValueError, match="features"):
        m.transform(x[:, :5])
    with pytest.raises(ValueError, match="coefficients"):
        m.inverse_transform(np.ones((2, 7)))


def test_a_bar_is_shown(x, capfd):
    model(verbose=1).fit(x)
    said = capfd.readouterr().err
    assert "pretrain 1" in said and "finetune" in said


def test_a_gpu_computes_the_same(x):
    found = [d for d in deepnmf.devices() if d.problem is None]
    assert found, "the tests need an adapter; a software one counts"
    on_gpu = DeepNMF([8, 3], random_state=0, device=found[0].index).fit(x)
    assert on_gpu.device_ != "cpu"
    assert on_gpu.relative_error_ == pytest.approx(model().fit(x).relative_error_, rel=1e-3)


def test_other_threads_run_while_a_fit_does():
    x = np.random.default_rng(0).random((2000, 300), dtype=np.float32)
    m = DeepNMF([60, 20], tol=0, device="cpu", random_state=0)
    beats, done = 0, threading.Event()
    worker = threading.Thread(target=lambda: (m.fit(x), done.set()))
    worker.start()
    while not done.is_set():
        time.sleep(0.002)
        beats += 1
    worker.join()
    assert beats > 10


def test_fits_at_once(x):
    alone = model().fit(x)
    models = [model() for _ in range(4)]
    workers = [threading.Thread(target=m.fit, args=(x,)) for m in models]
    [w.start() for w in workers]
    # Looks at the estimators' engine while it works.
    [repr(deepnmf.devices()) for _ in range(2)]
    [w.join() for w in workers]
    assert all(np.array_equal(m.coefficients_, alone.coefficients_) for m in models)


INTERRUPTED = """
import os, signal, threading, time
# What runs in the background of a script has it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
import numpy as np
from deepnmf import DeepNMF

x = np.random.default_rng(0).random((3000, 400), dtype=np.float32)
m = DeepNMF([100, 40], tol=0, max_iter=100_000, pretrain=20, device="cpu", random_state=0, checkpoint="fit.checkpoint")
threading.Timer(4, os.kill, (os.getpid(), signal.SIGINT)).start()
begin = time.time()
try:
    m.fit(x)
except KeyboardInterrupt:
    late = time.time() - begin - 4
    assert late < 2, late
    assert m.coefficients_.shape == (3000, 40) and m.relative_error_ < 1
    h = m.transform(x)
    made = m.n_iter_
    assert 0 < made < 100_000, made
else:
    raise SystemExit("not interrupted")
assert os.path.exists("fit.checkpoint")
m.set_params(resume=True, max_iter=100_000)
threading.Timer(3, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    m.fit(x)
except KeyboardInterrupt:
    assert m.n_iter_ > made, (m.n_iter_, made)
    print("went on from", made, "to", m.n_iter_)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals are sent as on Unix")
def test_control_c_keeps_what_is_fitted(tmp_path):
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "went on from" in done.stdout


IN_THE_START = """
import os, signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)
import numpy as np
import deepnmf._progress

asked = []

class Bar:
    def __call__(self, stage, layer, done, of, *_):
        asked.append((stage, layer, done, of))
        if asked[-1][:3] == ("init", 1, 3):
            os.kill(os.getpid(), signal.SIGINT)

    def close(self):
        pass

deepnmf._progress.Bar = Bar
m = deepnmf.DeepNMF([300, 40], device="cpu", random_state=0, verbose=1, max_iter=1000, tol=0)
try:
    m.fit(np.random.default_rng(0).random((40_000, 784), dtype=np.float32))
except KeyboardInterrupt:
    assert asked[-1][2] == 3 < asked[-1][3] - 8, asked
    assert m.coefficients_.shape == (40_000, 40) and m.relative_error_ < 0.9, m.relative_error_
    assert m.transform(np.ones((2, 784), dtype=np.float32)).any()
    print("given up", m.n_iter_)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals are sent as on Unix")
def test_control_c_in_the_start(tmp_path):
    done = subprocess.run([sys.executable, "-c", IN_THE_START], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert "given up" in done.stdout, done.stdout + done.stderr


SOON = """
import os, signal, sys, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)
import numpy as np
from deepnmf import NMF, DeepNMF

rng = np.random.default_rng(0)
if sys.argv[1] == "transform":
    x = rng.random((40_000, 500), dtype=np.float32)
    work = DeepNMF([300], model="dnmf", device="cpu", max_iter=1, init="random").fit(x[:600]).transform
else:
    x = rng.random((20_000, 300), dtype=np.float32)
    work = DeepNMF([10], model="gnmf", device="cpu", max_iter=2, init="random").fit
threading.Timer(2, os.kill, (os.getpid(), signal.SIGINT)).start()
begin = time.time()
try:
    work(x)
except KeyboardInterrupt:
    print("late by", time.time() - begin - 2)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals are sent as on Unix")
@pytest.mark.parametrize("work", ["transform", "graph"])
def test_control_c_comes_soon(work, tmp_path):
    done = subprocess.run([sys.executable, "-c", SOON, work], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert "late by" in done.stdout, done.stdout + done.stderr


FORKED = """
import multiprocessing, numpy as np
from deepnmf import DeepNMF
x = np.random.default_rng(0).random((50, 9), dtype=np.float32)
DeepNMF([3], device="cpu").fit(x)

def work(_):
    try:
        DeepNMF([3], device="cpu").fit(x)
    except RuntimeError as e:
        return str(e)
    return "fitted"

print(multiprocessing.get_context("fork").Pool(1).map(work, [0]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_process_says_why_it_cannot(tmp_path):
    done = subprocess.run([sys.executable, "-c", FORKED], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert "spawn" in done.stdout, done.stdout + done.stderr


def test_joblib_processes_can(x):
    from joblib import Parallel, delayed

    fits = Parallel(n_jobs=2)(delayed(model().fit)(x) for _ in range(2))
    assert np.array_equal(fits[0].coefficients_, fits[1].coefficients_)


class Stopper:
    """A callback that ends the fine-tuning after three sweeps."""

    def __init__(self):
        self.seen = []

    def setup(self, estimator, context):
        self.began = True

    def teardown(self, estimator, context):
        self.ended = True

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None):
        pass

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, metadata=None):
        if metadata:
            self.seen.append(metadata)
        return metadata is not None and metadata["stage"] == "finetune" and metadata["iteration"] >= 3


@BY_CALLBACKS
def test_scikit_learns_callbacks(x):
    callback = Stopper()
    m = model(tol=0)
    m.set_callbacks(callback).fit(x)
    assert callback.began and callback.ended
    errors = [told["relative_error"] for told in callback.seen if told["stage"] == "finetune"]
    assert len(errors) >= 3 and errors[-1] <= errors[0] and m.n_iter_ < 40
    pickle.dumps(clone(m))


class Until(Stopper):
    """Ends a fit of one layer at an error."""

    def on_fit_task_end(self, estimator, context, *, metadata=None):
        if metadata:
            self.seen.append(metadata["relative_error"])
        return metadata is not None and self.seen[-1] <= 0.3


@BY_CALLBACKS
@pytest.mark.parametrize("solver", ["cd", "nesterov"])
def test_a_fit_that_is_ended_has_the_error_that_was_told(x, solver):
    callback = Until()
    m = deepnmf.NMF(5, init="nndsvd", solver=solver, tol=0, device="cpu").set_callbacks(callback).fit(x)
    error = np.linalg.norm(x - m.coefficients_ @ m.components_) / np.linalg.norm(x)
    assert error <= 0.3 and m.n_iter_ < 50
    assert m.history_["pretrain"][0][-1] == pytest.approx(0.5 * (error * np.linalg.norm(x)) ** 2, rel=1e-4)


class Scorer(Stopper):
    """A callback that asks the fitted estimator, as scikit-learn's own monitor of scores does."""

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        self.seen.append((y, fitted_estimator and fitted_estimator.score(X)))


@BY_CALLBACKS
def test_callbacks_get_the_fitted_estimator(x):
    for estimator in (model(), deepnmf.NMF(3, random_state=0)):
        callback, y = Scorer(), np.arange(120)
        estimator.set_callbacks(callback).fit(x, y)
        assert len(callback.seen) > 2 and all(of is y for of, _ in callback.seen)
        assert callback.seen[-1][1] == pytest.approx(estimator.score(x))


class Raiser(Stopper):
    def on_fit_task_end(self, estimator, context, *, X=None, y=None, metadata=None):
        raise ZeroDivisionError("mine")


@BY_CALLBACKS
def test_what_a_callback_raises_comes_out(x):
    callback = Raiser()
    with pytest.raises(ZeroDivisionError, match="mine"):
        model().set_callbacks(callback).fit(x)
    assert callback.ended


MEMORY = """
import sys
import numpy as np
from deepnmf import DeepNMF

# Of this process; what getrusage tells is at least the peak of its parent.
peak = lambda: 1024 * int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
x = np.ones((100_000, 256), np.float32)
x[:, 1::2] = 0.5
x *= np.random.default_rng(0).random((100_000, 1), dtype=np.float32)
settings = dict(device="cpu", max_iter=1, random_state=0, init=sys.argv[1])
DeepNMF([2], **settings).fit(x[:10])
before = peak()
DeepNMF([2], **settings).fit(x)
print((peak() - before) / x.nbytes)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of the memory is asked as on Linux")
@pytest.mark.parametrize(("init", "copies"), [("random", 1), ("nndsvd", 2)])
def test_memory(init, copies):
    """How many copies of X a fit makes: the one that is divided by its unit, and one for an exact SVD."""
    done = subprocess.run([sys.executable, "-c", MEMORY, init], capture_output=True, text=True, check=True)
    assert copies - 0.4 < float(done.stdout) < copies + 0.5
