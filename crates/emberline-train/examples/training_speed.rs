//! Steps per second of training a small CNN on batches of 32 pictures of 32 x 32: what `benches/training.py` compares with Keras.
//!
//!     cargo run --release -p emberline-train --example training_speed [STEPS] [DEVICE]

use std::{io::Write, time::Instant};

use anyhow::Result;
use emberline_net::{
    Activation, BatchNormalization, Conv, Dense, GlobalPooling, Layer, NetworkBuilder, Padding, Tensor,
    WindowPooling,
};
use emberline_train::{Device, Event, Loss, Optimizer, Samples, TrainOptions, fit, initialized};

const BATCH: usize = 32;
/// The first steps, which also allocate.
const WARM_UP_STEPS: usize = 2;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let steps: usize = arguments.next().map_or(Ok(1), |steps| steps.parse())?;
    let mut layers = NetworkBuilder::new("cnn");
    let mut value = layers.input("image", [32, 32, 3]);
    for (i, filters) in [32, 64, 128].into_iter().enumerate() {
        let conv = Conv::new_2d(filters, 3).padding(Padding::Same).without_bias();
        value = layers.apply(&format!("conv{i}"), conv, value);
        value = layers.apply(&format!("bn{i}"), BatchNormalization::new(1e-3), value);
        value = layers.apply(&format!("relu{i}"), Activation::Relu, value);
        value = layers.apply(&format!("pool{i}"), Layer::MaxPooling(WindowPooling::new_2d(2)), value);
    }
    value = layers.apply("mean", Layer::GlobalAveragePooling(GlobalPooling::default()), value);
    value = layers.apply("out", Dense::new(10).activation(Activation::Softmax), value);
    let network = initialized(layers.build(&[value])?, 1, &Default::default())?;

    let count = (steps + WARM_UP_STEPS) * BATCH;
    let pixels = (0..count * 32 * 32 * 3).map(|i| (i % 251) as f32 / 251.0).collect();
    let labels = (0..count).map(|i| (i % 10) as f32).collect();
    let images = Tensor::new(vec![count, 32, 32, 3], pixels)?;
    let mut samples = Samples::new(vec![images], Tensor::new(vec![count], labels)?, BATCH)?;
    let loss = Loss::parse(&"sparse_categorical_crossentropy".into())?;
    let mut options = TrainOptions::new(Optimizer::parse(&"adam".into())?, loss);
    options.device = Device::parse(arguments.next().as_deref().unwrap_or("cpu"))?;
    let mut start = Instant::now();
    let mut observe = |event: &Event<'_>| {
        if let Event::Step { step: WARM_UP_STEPS, .. } = event {
            start = Instant::now();
        }
    };
    fit(&network, &options, &mut samples, None, &mut observe)?;
    let rate = steps as f64 / start.elapsed().as_secs_f64();
    writeln!(std::io::stdout(), "{rate:.3} steps per second")?;
    Ok(())
}
