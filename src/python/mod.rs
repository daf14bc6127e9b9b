//! The bindings of the Python package: arrays and JSON in, arrays and JSON out, errors as exceptions. What makes estimators of them
//! is in Python, in `deepnmf/` beside this file.

mod engine;
mod errors;
mod model;
mod samples;
mod watch;

use pyo3::prelude::*;

#[pymodule]
fn _engine(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<engine::PyEngine>()?;
    module.add_function(wrap_pyfunction!(model::models, module)?)?;
    module.add_function(wrap_pyfunction!(model::devices, module)?)?;
    module.add_function(wrap_pyfunction!(model::save, module)?)?;
    module.add_function(wrap_pyfunction!(model::load, module)?)?;
    module.add_function(wrap_pyfunction!(model::reconstruct, module)?)?;
    module.add_function(wrap_pyfunction!(model::zeros, module)?)?;
    module.add_function(wrap_pyfunction!(model::scores, module)?)?;
    module.add_function(wrap_pyfunction!(model::features, module)?)?;
    module.add_function(wrap_pyfunction!(model::report, module)?)
}
