//! What every runtime must do alike.

use anyhow::{Result, ensure};
use emberline_net::{
    Activation, BatchNormalization, Conv, Dense, DepthwiseConv, Error, GlobalPooling, ImageLayout, Layer,
    LayerNormalization, MultiHeadAttention, Network, NetworkBuilder, OnnxOptions, Padding, PrepareOptions,
    Rescaling, Reshape, Tensor, WindowPooling, ZeroPadding,
};

use crate::{Tolerance, noise, reference, runtimes, with_noise};

const EXPLICIT: Padding = Padding::Explicit { top: 1, bottom: 2, left: 0, right: 1 };

/// One layer of every kind, in the settings that make a difference, each on its own.
fn single_layers() -> Vec<(Vec<usize>, Layer)> {
    let image = || vec![7, 6, 4];
    let mut cases: Vec<(Vec<usize>, Layer)> = Vec::new();
    for padding in [Padding::Valid, Padding::Same, EXPLICIT] {
        for strides in [1, 2, 3] {
            cases.push((image(), Conv::new_2d(5, (3, 2)).strides(strides).padding(padding).into()));
            cases.push((image(), DepthwiseConv::new_2d(3).strides(strides).padding(padding).into()));
            cases.push((
                image(),
                Layer::MaxPooling(WindowPooling::new_2d(3).strides(strides).padding(padding)),
            ));
            cases.push((
                image(),
                Layer::AveragePooling(WindowPooling::new_2d(3).strides(strides).padding(padding)),
            ));
        }
    }
    let global = |keepdims| GlobalPooling { dimensions: 2, keepdims };
    cases.extend([
        (image(), Conv::new_2d(6, 3).groups(2).padding(Padding::Same).activation(Activation::Relu6).into()),
        (image(), Conv::new_2d(3, (2, 3)).dilation(2).padding(Padding::Same).without_bias().into()),
        (
            image(),
            DepthwiseConv::new_2d(3).depth_multiplier(2).dilation(2).activation(Activation::Relu).into(),
        ),
        (image(), DepthwiseConv::new_2d((1, 2)).strides((2, 1)).without_bias().into()),
        (vec![9], Dense::new(5).activation(Activation::Softmax).into()),
        (vec![9], Dense::new(5).without_bias().into()),
        (image(), Dense::new(3).activation(Activation::Tanh).into()),
        (image(), BatchNormalization::new(1e-3).into()),
        (vec![5], BatchNormalization { epsilon: 1e-5, scale: false, center: false, axis: -1 }.into()),
        (image(), Rescaling { scale: vec![2.0], offset: vec![-1.0] }.into()),
        (image(), Rescaling { scale: vec![1.0, 2.0, 3.0, 4.0], offset: vec![0.5] }.into()),
        (vec![2], Rescaling { scale: vec![1.0, 2.0], offset: vec![0.5] }.into()),
        (image(), ZeroPadding { pads: vec![(1, 2), (3, 0)] }.into()),
        (image(), Layer::GlobalAveragePooling(global(false))),
        (image(), Layer::GlobalAveragePooling(global(true))),
        (image(), Layer::GlobalMaxPooling(global(false))),
        (image(), Layer::GlobalMaxPooling(global(true))),
        (image(), Layer::Flatten),
        (vec![1, 1, 8], Layer::Flatten),
        (image(), Reshape { shape: vec![4, 6, 7] }.into()),
        (vec![6], Reshape { shape: vec![1, 1, 6] }.into()),
        (vec![12], Reshape { shape: vec![2, 3, 2] }.into()),
        (image(), Layer::Dropout { rate: 0.5 }),
    ]);
    let activations = [
        Activation::Linear,
        Activation::Relu,
        Activation::Relu6,
        Activation::LeakyRelu { slope: 0.3 },
        Activation::Elu { alpha: 1.5 },
        Activation::Sigmoid,
        Activation::Tanh,
        Activation::Softmax,
        Activation::Softplus,
        Activation::Swish,
        Activation::HardSigmoid,
        Activation::HardSigmoidOfKeras2,
        Activation::HardSwish,
        Activation::Gelu,
    ];
    cases.extend(activations.map(|activation| (vec![3, 2, 5], activation.into())));
    cases.extend(activations.map(|activation| (vec![5], activation.into())));
    cases.extend(activations.map(|activation| (vec![3, 5], activation.into())));
    cases.extend(layers_of_sequences());
    cases
}

/// What vision transformers are made of, and other layers over what those take and give.
fn layers_of_sequences() -> Vec<(Vec<usize>, Layer)> {
    let image = || vec![7, 6, 4];
    vec![
        (image(), LayerNormalization::new(1e-6).into()),
        (vec![5, 8], LayerNormalization::new(1e-3).into()),
        (vec![8], LayerNormalization::new(1e-5).into()),
        (image(), Layer::LayerScale),
        (vec![5, 8], Layer::LayerScale),
        (vec![5, 8], Dense::new(3).activation(Activation::Gelu).into()),
        (vec![5, 8], Dense::new(3).without_bias().into()),
        (vec![5, 8], Rescaling { scale: vec![2.0], offset: vec![-1.0] }.into()),
        (vec![5, 8], Layer::Flatten),
        (vec![6, 4], Reshape { shape: vec![2, 3, 4] }.into()),
        (image(), Reshape { shape: vec![42, 4] }.into()),
        (vec![5, 8], Layer::ClassToken),
        (vec![5, 8], Layer::PositionEmbedding),
        (vec![5, 8], MultiHeadAttention::new(2, 4).into()),
        (vec![5, 8], MultiHeadAttention::new(1, 8).into()),
        (vec![5, 8], Layer::TakeToken { index: 0 }),
        (vec![5, 8], Layer::TakeToken { index: 4 }),
    ]
}

fn one_layer(shape: &[usize], layer: &Layer) -> Result<Network> {
    let mut layers = NetworkBuilder::new(layer.kind());
    // Values up to 8, so that activations are seen beyond their bends.
    let input = layers.input("input", shape);
    let wide = layers.apply("wide", Rescaling { scale: vec![8.0], offset: vec![0.0] }, input);
    let output = layers.apply("layer", layer.clone(), wide);
    with_noise(layers.build(&[output])?)
}

/// Every kind of merge, a value used twice, a batch normalisation after it, and outputs of both ranks.
fn branches() -> Result<Network> {
    let mut layers = NetworkBuilder::new("branches");
    let image = layers.input("image", [9, 8, 3]);
    let stem = layers.apply("stem", Conv::new_2d(4, 3).padding(Padding::Same).strides(2), image);
    let norm = layers.apply("norm", BatchNormalization::new(1e-3), stem);
    let relu = layers.apply("relu", Activation::Relu, norm);
    let wise = layers.apply("wise", DepthwiseConv::new_2d(3).padding(Padding::Same), relu);
    let sum = layers.merge("sum", Layer::Add, &[relu, wise, relu]);
    let squeeze = layers.apply(
        "squeeze",
        Layer::GlobalAveragePooling(GlobalPooling { keepdims: true, ..Default::default() }),
        sum,
    );
    let gate = layers.apply("gate", Conv::new_2d(4, 1).activation(Activation::Sigmoid), squeeze);
    let gated = layers.merge("gated", Layer::Multiply, &[sum, gate]);
    let both = layers.merge("both", Layer::Concatenate { axis: -1 }, &[gated, stem]);
    let flat = layers.apply("flat", Layer::Flatten, both);
    let scores = layers.apply("scores", Dense::new(6).activation(Activation::Softmax), flat);
    with_noise(layers.build(&[scores, both])?)
}

/// The reference's outputs for every sample, stacked.
fn expected(network: &Network, batch: &Tensor) -> Result<Vec<Tensor>> {
    let shape = &batch.shape()[1..];
    let samples = batch.data().chunks(shape.iter().product());
    let outputs =
        samples.map(|data| reference::evaluate(network, &Tensor::new(shape.to_vec(), data.to_vec())?));
    let outputs = outputs.collect::<Result<Vec<_>>>()?;
    let stack = |i: usize| {
        let shape = [&[outputs.len()], outputs[0][i].shape()].concat();
        Ok(Tensor::new(shape, outputs.iter().flat_map(|sample| sample[i].data().to_vec()).collect())?)
    };
    (0..outputs[0].len()).map(stack).collect()
}

fn check(network: &Network, batch: &Tensor) -> Result<()> {
    let expected = expected(network, batch)?;
    let onnx = network.to_onnx(&OnnxOptions::default())?;
    for runtime in runtimes()? {
        let prepared = runtime.prepare(&onnx, &PrepareOptions::default())?;
        let names: Vec<&str> = prepared.outputs().iter().map(|port| port.name.as_str()).collect();
        ensure!(names == network.outputs(), "{}: outputs {names:?}", runtime.name());
        for (i, found) in prepared.run(&[batch.view()])?.iter().enumerate() {
            let what = format!("{} in {}", network.name(), runtime.name());
            Tolerance::Close.check(&what, found, &expected[i])?;
        }
    }
    Ok(())
}

#[test]
fn every_layer_computes_what_it_says() -> Result<()> {
    for (shape, layer) in single_layers() {
        let network = one_layer(&shape, &layer)?;
        let batch = noise(&[&[2], shape.as_slice()].concat(), 99)?;
        check(&network, &batch).map_err(|error| error.context(format!("{layer:?} of {shape:?}")))?;
    }
    Ok(())
}

#[test]
fn branches_and_several_outputs() -> Result<()> {
    check(&branches()?, &noise(&[3, 9, 8, 3], 5)?)
}

/// A runtime may not take a border of zeros for the padding of the pooling after it, which never wins.
#[test]
fn a_border_of_zeros_counts_in_poolings() -> Result<()> {
    for pooling in [Layer::MaxPooling, Layer::AveragePooling] {
        let mut layers = NetworkBuilder::new("border");
        let image = layers.input("image", [6, 6, 3]);
        // Nothing else is above zero.
        let below = Rescaling { scale: vec![1.0], offset: vec![-2.0] };
        let below = layers.apply("below", below, image);
        let border = ZeroPadding::symmetric_2d(1);
        let padded = layers.apply("padded", border, below);
        let pooled = layers.apply("pooled", pooling(WindowPooling::new_2d(3).strides(2)), padded);
        check(&layers.build(&[pooled])?, &noise(&[2, 6, 6, 3], 3)?)?;
    }
    Ok(())
}

#[test]
fn folded_batch_norms_change_nothing() -> Result<()> {
    let mut layers = NetworkBuilder::new("folding");
    let image = layers.input("image", [6, 6, 3]);
    let conv = layers.apply("conv", Conv::new_2d(4, 3).without_bias(), image);
    let norm = layers.apply("norm", BatchNormalization::new(1e-3), conv);
    let wise = layers.apply("wise", DepthwiseConv::new_2d(3).depth_multiplier(2), norm);
    let norm = layers.apply(
        "norm_2",
        BatchNormalization { epsilon: 1e-3, scale: false, center: true, axis: -1 },
        wise,
    );
    let flat = layers.apply("flat", Layer::Flatten, norm);
    let dense = layers.apply("dense", Dense::new(3), flat);
    let norm = layers.apply("norm_3", BatchNormalization::new(1e-5), dense);
    let network = with_noise(layers.build(&[norm])?)?;
    let folded = network.fold_batch_norms()?;
    ensure!(folded.layer_names().collect::<Vec<_>>() == ["norm", "norm_2", "flat", "norm_3"]);
    let batch = noise(&[2, 6, 6, 3], 3)?;
    Tolerance::Close.check("folded", &expected(&folded, &batch)?[0], &expected(&network, &batch)?[0])?;
    check(&folded, &batch)
}

#[test]
fn channels_may_come_first() -> Result<()> {
    let network = branches()?;
    let batch = noise(&[2, 9, 8, 3], 5)?;
    let options = OnnxOptions { input_layout: ImageLayout::ChannelsFirst };
    for runtime in runtimes()? {
        let prepared = runtime.prepare(&network.to_onnx(&options)?, &PrepareOptions::default())?;
        ensure!(prepared.inputs()[0].shape == [None, Some(3), Some(9), Some(8)]);
        let found = prepared.run(&[batch.permuted(&[0, 3, 1, 2])?.view()])?;
        for (found, expected) in found.iter().zip(expected(&network, &batch)?) {
            Tolerance::Close.check(runtime.name(), found, &expected)?;
        }
    }
    Ok(())
}

#[test]
fn the_batch_size_changes_nothing() -> Result<()> {
    let network = branches()?;
    let onnx = network.to_onnx(&OnnxOptions::default())?;
    let batch = noise(&[5, 9, 8, 3], 5)?;
    for runtime in runtimes()? {
        let prepared = runtime.prepare(&onnx, &PrepareOptions::default())?;
        let whole = prepared.run(&[batch.view()])?;
        for (i, sample) in batch.data().chunks(9 * 8 * 3).enumerate() {
            let single = prepared.run(&[Tensor::new(vec![1, 9, 8, 3], sample.to_vec())?.view()])?;
            for (whole, single) in whole.iter().zip(single) {
                let len = single.data().len();
                let row = Tensor::new(single.shape().to_vec(), whole.data()[i * len..][..len].to_vec())?;
                Tolerance::Close.check(runtime.name(), &row, &single)?;
            }
        }
        let none = prepared.run(&[Tensor::new(vec![0, 9, 8, 3], vec![])?.view()])?;
        ensure!(none[0].shape() == [0, 6] && none[1].shape()[0] == 0);
    }
    Ok(())
}

#[test]
fn threads_may_share_a_prepared_network() -> Result<()> {
    const THREADS: u32 = 8;
    const RUNS: usize = 50;
    let onnx = branches()?.to_onnx(&OnnxOptions::default())?;
    for runtime in runtimes()? {
        let prepared = runtime.prepare(&onnx, &PrepareOptions::default())?;
        let work = |seed: u32| -> Result<()> {
            // Batches of different sizes at once, each with its own answer.
            let batch = noise(&[1 + seed as usize % 3, 9, 8, 3], seed)?;
            let first = prepared.run(&[batch.view()])?;
            for _ in 0..RUNS {
                for (found, first) in prepared.run(&[batch.view()])?.iter().zip(&first) {
                    Tolerance::Exact.check(runtime.name(), found, first)?;
                }
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|seed| scope.spawn(move || work(seed))).collect();
            threads
                .into_iter()
                .try_for_each(|thread| thread.join().map_err(|_| anyhow::anyhow!("panicked"))?)
        })?;
    }
    Ok(())
}

#[test]
fn wrong_inputs_are_named() -> Result<()> {
    let onnx = branches()?.to_onnx(&OnnxOptions::default())?;
    for runtime in runtimes()? {
        let prepared = runtime.prepare(&onnx, &PrepareOptions::default())?;
        let wrong = noise(&[1, 8, 8, 3], 1)?;
        let error = prepared.run(&[wrong.view()]).err().map(|error| error.to_string());
        let expected = "input `image`: expected shape [?, 9, 8, 3], found [1, 8, 8, 3]";
        ensure!(error.as_deref() == Some(expected), "{}: {error:?}", runtime.name());
        ensure!(matches!(prepared.run(&[]), Err(Error::InputCount { expected: 1, found: 0 })));
    }
    Ok(())
}

#[test]
fn damaged_models_are_errors() -> Result<()> {
    let onnx = branches()?.to_onnx(&OnnxOptions::default())?;
    let mut garbled = onnx.clone();
    garbled.iter_mut().step_by(7).for_each(|byte| *byte ^= 0x55);
    for runtime in runtimes()? {
        for bytes in [&b""[..], b"not an ONNX model", &onnx[..onnx.len() / 2], &garbled] {
            let error = runtime.prepare(bytes, &PrepareOptions::default()).err();
            ensure!(matches!(error, Some(Error::Runtime { .. })), "{}: {error:?}", runtime.name());
        }
    }
    Ok(())
}
