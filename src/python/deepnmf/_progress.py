"""What is told while a fit runs: a bar, and scikit-learn's callbacks."""

from __future__ import annotations

import sys
from typing import Any


class Bar:
    """One line for every stage: by tqdm where it is installed, else by itself."""

    def __init__(self) -> None:
        self._stage: tuple[str, int] | None = None
        self._bar: Any = None
        try:
            from tqdm.auto import tqdm
        except ImportError:
            tqdm = None
        self._tqdm = tqdm

    def __call__(self, stage: str, layer: int, done: int, of: int, objective: float, error: float) -> None:
        if stage == "init" and not done:
            return
        if (stage, layer) != self._stage:
            self.close()
            self._stage = (stage, layer)
            if self._tqdm is not None:
                self._bar = self._tqdm(total=of, desc=f"{stage} {layer}" if layer else stage, leave=True)
        known = {"error": f"{error:.4f}"} if error == error else {}
        if self._bar is not None:
            self._bar.update(done - self._bar.n)
            self._bar.set_postfix(known)
        else:
            title = f"{stage} {layer}" if layer else stage
            said = "".join(f", {name} {value}" for name, value in known.items())
            sys.stderr.write(f"\r{title}: {done} of {of}{said}   ")
            sys.stderr.flush()

    def close(self) -> None:
        """End the line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        elif self._stage is not None:
            sys.stderr.write("\n")
        self._stage = None


class Watch:
    """What the engine calls after every iteration."""

    def __init__(self, estimator: Any, verbose: int, X: Any = None, y: Any = None) -> None:
        # A program without a console has no place for it.
        self._bar = Bar() if verbose and sys.stderr is not None else None
        self._estimator = estimator
        self._samples = {"X": X, "y": y}
        self._context: Any = None
        if getattr(estimator, "_skl_callbacks", None):
            self._context = estimator._init_callback_context(max_subtasks=None)
            self._context.call_on_fit_task_begin(estimator=estimator, **self._samples)

    @property
    def function(self) -> Watch | None:
        """Itself, or None where nobody wants to be told."""
        return None if self._bar is None and self._context is None else self

    def __call__(self, stage: str, layer: int, done: int, of: int, objective: float, error: float) -> bool:
        if self._bar is not None:
            self._bar(stage, layer, done, of, objective, error)
        if self._context is None or stage not in ("pretrain", "finetune"):
            return False
        told = {"stage": stage, "layer": layer, "iteration": done, "objective": objective, "relative_error": error}
        task = self._context.subcontext(task_name=stage)
        task.call_on_fit_task_begin(estimator=self._estimator, **self._samples, metadata=told)
        return bool(task.call_on_fit_task_end(estimator=self._estimator, **self._samples, metadata=told))

    def close(self) -> None:
        """The fit is over."""
        if self._bar is not None:
            self._bar.close()

    def finish(self) -> None:
        """The estimator is fitted."""
        if self._context is not None:
            # It has all attributes itself.
            self._context.call_on_fit_task_end(estimator=self._estimator, **self._samples, reconstruction_attributes={})
