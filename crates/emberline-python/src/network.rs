//! What networks consist of: those of the zoo, and those of Keras' files.

use std::path::PathBuf;

use emberline::ml::MlError;
use emberline::net::{self, keras};
use emberline::zoo::{self, Card};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::Failure;

/// A graph of layers, and its card if it is a named one.
#[pyclass(frozen, module = "emberline._emberline")]
pub(crate) struct Network {
    network: net::Network,
    card: Option<&'static Card>,
}

/// A layer: name, kind, shape of its output, parameters, multiply-adds.
type Layer = (String, &'static str, Vec<usize>, u64, u64);

#[pymethods]
impl Network {
    #[staticmethod]
    fn named(name: &str) -> Result<Self, Failure> {
        let card = zoo::card(name).map_err(MlError::from)?;
        Ok(Self { network: card.network().map_err(MlError::from)?, card: Some(card) })
    }

    #[staticmethod]
    fn of_file(py: Python<'_>, path: PathBuf) -> Result<Self, Failure> {
        let model = py.detach(|| keras::read_model(&path, &keras::Options::default()));
        let model = model.map_err(|error| match error {
            net::Error::Io { .. } => MlError::from(error).into(),
            error => Failure::from(PyValueError::new_err(format!("{}: {error}", path.display()))),
        })?;
        Ok(Self { network: model.network, card: None })
    }

    fn name(&self) -> &str {
        self.network.name()
    }

    fn inputs(&self) -> Vec<(String, Vec<usize>)> {
        self.network.inputs().iter().map(|input| (input.name.clone(), input.shape.clone())).collect()
    }

    fn outputs(&self) -> Vec<String> {
        self.network.outputs().to_vec()
    }

    fn layers(&self) -> Vec<Layer> {
        let layer = |layer: net::LayerSummary| {
            (layer.name, layer.kind, layer.shape, layer.parameters, layer.multiply_adds)
        };
        self.network.summary().into_iter().map(layer).collect()
    }

    /// What a named network's card says.
    fn card<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let Some(card) = self.card else { return Ok(None) };
        let told = PyDict::new(py);
        told.set_item("cutLayers", card.cut_layers)?;
        told.set_item("featureLayer", card.feature_layer)?;
        told.set_item("labels", (card.labels)().iter().map(|label| label.name).collect::<Vec<_>>())?;
        told.set_item("licence", card.licence)?;
        Ok(Some(told))
    }
}
