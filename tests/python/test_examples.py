"""The examples run, on the data of the repository."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(name, *args, cwd):
    done = subprocess.run([sys.executable, str(EXAMPLES / name), *args], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_parts(tmp_path):
    said = run("parts.py", "--layers", "40,10", "--device", "cpu", cwd=tmp_path)
    assert "2000 images × 784 pixels" in said and "NMI" in said
    for name in ["parts.png", "garments.png", "hierarchy.png", "course.png", "report.html"]:
        assert (tmp_path / "pictures" / name).stat().st_size > 5000, name


def test_beside_scikit_learn(tmp_path):
    said = run("beside_sklearn.py", "--components", "20", "--iterations", "5,10", cwd=tmp_path)
    assert said.count("sklearn") == said.count("deepnmf") == 2
    assert (tmp_path / "beside.png").stat().st_size > 5000
