//! A model ready to run: sample after sample, each run in memory of its own.

use std::sync::Arc;

use parking_lot::Mutex;
use prost::Message;

use super::{
    super::{PortInfo, Prepared, samples_of},
    graph::{self, Graph, Port, Refused},
    plan::{Frame, Plan},
};
use crate::{OnnxLimits, OnnxModel, Result, Tensor, TensorView, onnx::proto::NodeProto, tensor::len_of};

/// The oldest operator set that is read: since then operators are what they are today.
const OPSET_MIN: i64 = 13;

pub(super) fn prepare(onnx: &[u8]) -> Result<Arc<dyn Prepared>, Refused> {
    ready(read(onnx)?)
}

pub(super) fn prepare_if_fastest(onnx: &[u8]) -> Option<Arc<dyn Prepared>> {
    if !has_groups(onnx) {
        return None;
    }
    let graph = read(onnx).ok().filter(Graph::runs_best_here)?;
    ready(graph).ok()
}

/// The nodes of a model, without its tensors.
#[derive(Clone, PartialEq, Message)]
struct ModelNodes {
    #[prost(message, optional, tag = "7")]
    graph: Option<GraphNodes>,
}

#[derive(Clone, PartialEq, Message)]
struct GraphNodes {
    #[prost(message, repeated, tag = "1")]
    node: Vec<NodeProto>,
}

/// Whether a model has convolutions in groups, found without copying its tensors.
fn has_groups(onnx: &[u8]) -> bool {
    let Ok(ModelNodes { graph: Some(graph) }) = ModelNodes::decode(onnx) else { return false };
    let grouped = |node: &NodeProto| {
        node.attribute.iter().any(|attribute| attribute.name == "group" && attribute.i > 1)
    };
    graph.node.iter().any(|node| node.op_type == "Conv" && grouped(node))
}

fn read(onnx: &[u8]) -> Result<Graph, Refused> {
    let model = OnnxModel::from_bytes(onnx, &OnnxLimits::default()).map_err(|error| error.to_string())?;
    if model.opset() < OPSET_MIN {
        return Err(format!("expected operator set {OPSET_MIN} or later, found {}", model.opset()));
    }
    graph::read(model.proto.graph.as_ref().ok_or("it has no graph")?)
}

fn ready(graph: Graph) -> Result<Arc<dyn Prepared>, Refused> {
    let ports = |ports: &[Port]| ports.iter().map(|port| port.info.clone()).collect();
    let (inputs, outputs) = (ports(&graph.inputs), ports(&graph.outputs));
    Ok(Arc::new(PreparedPlan { plan: Plan::new(graph)?, inputs, outputs, frames: Mutex::default() }))
}

#[derive(Debug)]
struct PreparedPlan {
    plan: Plan,
    inputs: Vec<PortInfo>,
    outputs: Vec<PortInfo>,
    /// The memory of runs that are over: as many as have gone on at once.
    frames: Mutex<Vec<Frame>>,
}

impl Prepared for PreparedPlan {
    fn inputs(&self) -> &[PortInfo] {
        &self.inputs
    }

    fn outputs(&self) -> &[PortInfo] {
        &self.outputs
    }

    fn run_batch(&self, inputs: &[TensorView<'_>]) -> Result<Vec<Tensor>> {
        let samples = samples_of(&self.inputs, inputs)?;
        let zeros = |port: &PortInfo| {
            let sizes = port.shape.iter().skip(1).map(|size| size.unwrap_or(0));
            let shape: Vec<usize> = std::iter::once(samples).chain(sizes).collect();
            let len = len_of(&shape)?;
            Ok((shape, vec![0.0; len]))
        };
        let mut outputs: Vec<(Vec<usize>, Vec<f32>)> =
            self.outputs.iter().map(zeros).collect::<Result<_>>()?;
        let known = self.frames.lock().pop();
        let mut frame = known.unwrap_or_else(|| self.plan.frame());
        for sample in 0..samples {
            let part = |len: usize| sample * (len / samples)..(sample + 1) * (len / samples);
            let given: Vec<&[f32]> =
                inputs.iter().map(|input| &input.data()[part(input.data().len())]).collect();
            let wanted = outputs.iter_mut().map(|(_, data)| {
                let part = part(data.len());
                &mut data[part]
            });
            self.plan.run(&mut frame, &given, &mut wanted.collect::<Vec<_>>());
        }
        self.frames.lock().push(frame);
        outputs.into_iter().map(|(shape, data)| Tensor::new(shape, data)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Activation, Conv, DepthwiseConv, NativeRuntime, NetworkBuilder, OnnxOptions, Padding, PrepareOptions,
        Runtime,
    };

    /// Expand, depthwise, project: `wide` times as many channels between.
    fn block(wide: usize, activation: Activation) -> Vec<u8> {
        let mut layers = NetworkBuilder::new("block");
        let image = layers.input("image", [16, 16, 8]);
        let x = layers.apply("expand", Conv::new_2d(8 * wide, 1).activation(activation), image);
        let wise = DepthwiseConv::new_2d(3).padding(Padding::Same).activation(activation);
        let x = layers.apply("wise", wise, x);
        let x = layers.apply("project", Conv::new_2d(8, 1), x);
        let network = layers.build(&[x]).unwrap();
        let zeros =
            network.weight_shapes().into_iter().map(|(name, shape)| (name, Tensor::zeros(shape).unwrap()));
        let network = network.clone().with_weights(zeros.collect()).unwrap();
        network.to_onnx(&OnnxOptions::default()).unwrap()
    }

    #[test]
    fn what_is_measured_to_be_faster_runs_here() {
        assert!(prepare_if_fastest(&block(6, Activation::Relu6)).is_some());
        assert!(prepare_if_fastest(&block(6, Activation::Swish)).is_none());
        assert!(prepare(&block(6, Activation::Swish)).is_ok());
        assert!(prepare_if_fastest(b"no model").is_none());
    }

    #[test]
    fn memory_does_not_grow_with_runs() {
        let graph = read(&block(6, Activation::Relu6)).unwrap();
        let (inputs, outputs) = (vec![graph.inputs[0].info.clone()], vec![graph.outputs[0].info.clone()]);
        let prepared =
            PreparedPlan { plan: Plan::new(graph).unwrap(), inputs, outputs, frames: Mutex::default() };
        for samples in [1, 5, 2, 7] {
            let images = Tensor::zeros(vec![samples, 16, 16, 8]).unwrap();
            assert_eq!(prepared.run(&[images.view()]).unwrap()[0].shape(), [samples, 16, 16, 8]);
        }
        assert_eq!(prepared.frames.lock().len(), 1);
    }

    #[test]
    fn several_threads_are_left_to_others() {
        let options = PrepareOptions { threads: 2 };
        let native = NativeRuntime::find().unwrap();
        assert!(native.prepare_if_fastest(&block(6, Activation::Relu6), &options).is_none());
        assert!(native.prepare(&block(6, Activation::Relu6), &options).is_ok());
    }
}
