//! Values of params between Python and Rust.

use emberline::ml::{Param, ParamMap, ParamValue};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyString};
use pyo3::{IntoPyObject, IntoPyObjectExt};

/// A value that Python gave. The package has made it one of the types below.
pub(crate) struct Value(pub(crate) ParamValue);

impl FromPyObject<'_, '_> for Value {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        Ok(Self(if value.is_instance_of::<PyBool>() {
            ParamValue::Bool(value.extract()?)
        } else if value.is_instance_of::<PyInt>() {
            ParamValue::Int(value.extract()?)
        } else if value.is_instance_of::<PyFloat>() {
            ParamValue::Double(value.extract()?)
        } else if value.is_instance_of::<PyString>() {
            ParamValue::Text(value.extract()?)
        } else if value.is_instance_of::<PyDict>() {
            let json = value.py().import("json")?.call_method1("dumps", (value,))?;
            ParamValue::Text(json.extract()?)
        } else if let Ok(texts) = value.extract::<Vec<String>>() {
            ParamValue::Texts(texts)
        } else if let Ok(numbers) = value.extract::<Vec<f64>>() {
            ParamValue::Doubles(numbers)
        } else {
            let kind = value.get_type().name()?;
            return Err(PyTypeError::new_err(format!("a {kind} is no value of a param")));
        }))
    }
}

/// A value for Python.
pub(crate) fn to_python(py: Python<'_>, value: &ParamValue) -> PyResult<Py<PyAny>> {
    match value {
        ParamValue::Bool(value) => value.into_py_any(py),
        ParamValue::Int(value) => value.into_py_any(py),
        ParamValue::Double(value) => value.into_py_any(py),
        ParamValue::Text(value) => value.into_py_any(py),
        ParamValue::Doubles(values) => values.into_py_any(py),
        ParamValue::Texts(values) => values.into_py_any(py),
    }
}

/// A param and its value: the stage's uid, the param's name, the value.
type Setting = (String, String, Value);

/// Values for params of any stages.
pub(crate) fn param_map(settings: Vec<Setting>) -> ParamMap {
    let mut map = ParamMap::default();
    for (parent, name, Value(value)) in settings {
        map.put(Param { parent, name }, value);
    }
    map
}

/// [`param_map`], back.
pub(crate) fn settings<'py>(py: Python<'py>, map: &ParamMap) -> PyResult<Bound<'py, PyAny>> {
    let setting = |(param, value): &(Param, ParamValue)| {
        Ok((param.parent.clone(), param.name.clone(), to_python(py, value)?))
    };
    let all = map.iter().map(setting).collect::<PyResult<Vec<_>>>()?;
    all.into_pyobject(py)
}
