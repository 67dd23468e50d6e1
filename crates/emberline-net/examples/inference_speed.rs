//! Milliseconds per image of a network shaped like EfficientNet-Lite0 with made-up weights, by batch size and by number of
//! threads that share the prepared network.
//!
//!     cargo run --release -p emberline-net --example inference_speed [RUNS] [FILE.onnx to write]

use std::{
    io::Write,
    time::{Duration, Instant},
};

use anyhow::Result;
use emberline_net::{
    Activation, BatchNormalization, Conv, Dense, DepthwiseConv, GlobalPooling, ImageLayout, Layer, Network,
    NetworkBuilder, NodeId, OnnxOptions, Padding, PrepareOptions, Prepared, Tensor, default_runtime,
};

/// Expansion, window, stride, channels, repeats of every stage: the paper's table 1 with Lite's changes.
const STAGES: [(usize, usize, usize, usize, usize); 7] = [
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
];

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let runs: usize = arguments.next().map_or(Ok(10), |runs| runs.parse())?;
    let network = network()?.fold_batch_norms()?;
    let onnx = network.to_onnx(&OnnxOptions { input_layout: ImageLayout::ChannelsFirst })?;
    if let Some(path) = arguments.next() {
        std::fs::write(path, &onnx)?;
    }
    let runtime = default_runtime();
    let prepared = runtime.prepare(&onnx, &PrepareOptions::default())?;
    let mut out = std::io::stdout().lock();
    for batch in [1, 2, 4, 8, 16] {
        let time = fastest(&*prepared, batch, runs)?;
        let ms = time.as_secs_f64() * 1e3 / batch as f64;
        writeln!(out, "{}, batch {batch:>2}, 1 thread: {ms:.2} ms per image", runtime.name())?;
    }
    for threads in [1, 2] {
        let start = Instant::now();
        std::thread::scope(|scope| -> Result<()> {
            let work = || (0..runs).try_for_each(|_| fastest(&*prepared, 1, 1).map(drop));
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            workers
                .into_iter()
                .try_for_each(|worker| worker.join().map_err(|_| anyhow::anyhow!("panicked"))?)
        })?;
        let rate = (threads * runs) as f64 / start.elapsed().as_secs_f64();
        writeln!(
            out,
            "{}, batch  1, {threads} threads on one prepared network: {rate:.1} images per second",
            runtime.name()
        )?;
    }
    Ok(())
}

/// The fastest of several runs, which other work on the machine disturbs least.
fn fastest(prepared: &dyn Prepared, batch: usize, runs: usize) -> Result<Duration> {
    let images = Tensor::zeros(vec![batch, 3, 224, 224])?;
    let mut fastest = Duration::MAX;
    for _ in 0..runs {
        let start = Instant::now();
        prepared.run(&[images.view()])?;
        fastest = fastest.min(start.elapsed());
    }
    Ok(fastest)
}

fn network() -> Result<Network> {
    let mut layers = NetworkBuilder::new("lite0");
    let image = layers.input("image", [224, 224, 3]);
    let stem = Conv::new_2d(32, 3).strides(2).padding(Padding::Same).without_bias();
    let mut x = layers.apply("stem", stem, image);
    x = finish(&mut layers, "stem", x, true);
    let mut channels = 32;
    for (stage, (expansion, window, stride, filters, repeats)) in STAGES.into_iter().enumerate() {
        for repeat in 0..repeats {
            let (name, input) = (format!("block_{stage}_{repeat}"), x);
            let stride = if repeat == 0 { stride } else { 1 };
            if expansion > 1 {
                let name = format!("{name}_expand");
                x = layers.apply(&name, Conv::new_2d(channels * expansion, 1).without_bias(), x);
                x = finish(&mut layers, &name, x, true);
            }
            let wise_name = format!("{name}_depthwise");
            let wise = DepthwiseConv::new_2d(window).strides(stride).padding(Padding::Same).without_bias();
            x = layers.apply(&wise_name, wise, x);
            x = finish(&mut layers, &wise_name, x, true);
            let project_name = format!("{name}_project");
            x = layers.apply(&project_name, Conv::new_2d(filters, 1).without_bias(), x);
            x = finish(&mut layers, &project_name, x, false);
            if repeat > 0 {
                x = layers.merge(&format!("{name}_add"), Layer::Add, &[input, x]);
            }
            channels = filters;
        }
    }
    x = layers.apply("head", Conv::new_2d(1280, 1).without_bias(), x);
    x = finish(&mut layers, "head", x, true);
    x = layers.apply("features", Layer::GlobalAveragePooling(GlobalPooling::default()), x);
    x = layers.apply("logits", Dense::new(1000), x);
    let network = layers.build(&[x])?;
    let fill = |(name, shape): (String, Vec<usize>)| {
        let value = if name.ends_with("variance") || name.ends_with("gamma") { 1.0 } else { 0.01 };
        let len = shape.iter().product();
        Ok((name, Tensor::new(shape, vec![value; len])?))
    };
    let weights = network.weight_shapes().into_iter().map(fill).collect::<Result<_>>()?;
    Ok(network.with_weights(weights)?)
}

/// A batch normalisation and perhaps an activation.
fn finish(layers: &mut NetworkBuilder, name: &str, x: NodeId, activate: bool) -> NodeId {
    let x = layers.apply(&format!("{name}_bn"), BatchNormalization::new(1e-3), x);
    if activate { layers.apply(&format!("{name}_relu6"), Activation::Relu6, x) } else { x }
}
