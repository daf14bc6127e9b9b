#!/usr/bin/env bash
# The tests of the Python package: makes a virtual environment, builds a wheel of this tree, installs it there and runs pytest, mypy
# and the examples. Arguments go on to pytest. PYTHON names the interpreter.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# Below the target folder, so that it is found again.
target="${CARGO_TARGET_DIR:-$PWD/target}"
venv="$target/python-tests"
[[ -x "$venv/bin/python" ]] || "${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet 'maturin>=1.9,<2' pytest mypy numpy scikit-learn pandas matplotlib anndata tifffile pyarrow

rm -rf "$target/wheels"
# The same profile as that of the command: what it depends on is compiled once for both.
"$venv/bin/maturin" build --release --quiet --interpreter "$venv/bin/python" --out "$target/wheels"
"$venv/bin/python" -m pip install --quiet --force-reinstall --no-deps "$target"/wheels/deepnmf-*.whl
cargo build --release --quiet
DEEPNMF_COMMAND="$target/release/deepnmf"
export DEEPNMF_COMMAND

cargo clippy --release --quiet --lib --features python -- -D warnings
# scikit-learn's check of arrays of other libraries is skipped without it, and a skip is no pass.
export SCIPY_ARRAY_API=1
# From a folder without the sources, so that what is imported is the wheel.
tests="$PWD/tests/python"
mkdir -p "$target/python-tests/empty" && cd "$target/python-tests/empty"
"$venv/bin/python" -m pytest -q -p no:cacheprovider -W error::pytest.PytestUnraisableExceptionWarning "$tests" "$@"
"$venv/bin/python" -m mypy --strict --config-file "$tests/../../pyproject.toml" -p deepnmf
"$venv/bin/python" -m mypy --strict --config-file "$tests/../../pyproject.toml" "$tests/typed.py"
