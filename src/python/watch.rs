//! What Python is told while a fit runs, and how it ends one.

use crate::train::{Progress, Stage};
use pyo3::prelude::*;
use std::ops::ControlFlow;

/// Calls Python between two iterations: a signal that came, or an exception or True of the caller's function, ends the work.
pub(super) struct Reporter {
    function: Option<Py<PyAny>>,
    /// What ended it.
    pub(super) raised: Option<PyErr>,
}

impl Reporter {
    pub(super) fn new(function: Option<Py<PyAny>>) -> Self {
        Self { function, raised: None }
    }

    /// Reports `progress`. The function gets the stage, its layer (from 1, 0 for none), the iterations that are done and at most,
    /// the objective and the relative error; NaN where there is none.
    pub(super) fn report(&mut self, progress: &Progress) -> ControlFlow<()> {
        if self.raised.is_some() {
            return ControlFlow::Break(());
        }
        let told = Python::attach(|py| -> PyResult<bool> {
            py.check_signals()?;
            let Some(function) = &self.function else { return Ok(false) };
            let (stage, layer) = match progress.stage {
                Stage::Init { layer } => ("init", layer + 1),
                Stage::Pretrain { layer } => ("pretrain", layer + 1),
                Stage::Finetune => ("finetune", 0),
                Stage::Project => ("project", 0),
            };
            let Progress { done, of, objective, relative_error, .. } = *progress;
            function.bind(py).call1((stage, layer, done, of, objective, relative_error))?.is_truthy()
        });
        match told {
            Ok(false) => ControlFlow::Continue(()),
            Ok(true) => ControlFlow::Break(()),
            Err(raised) => {
                self.raised = Some(raised);
                ControlFlow::Break(())
            }
        }
    }
}
