//! Keras' HDF5 files: values, refusals, limits, and damage. `tools/goldens/net_h5.py` writes them.

use anyhow::{Context, Result, ensure};
use emberline_net::{
    h5::{Limits, parse_weights},
    parse_tensors,
};

const WEIGHTS: &[u8] = include_bytes!("../fixtures/keras_weights.h5");
const MODEL: &[u8] = include_bytes!("../fixtures/keras_model.h5");

#[test]
fn weights_and_whole_models_hold_what_keras_says() -> Result<()> {
    let expected = include_str!("../fixtures/keras_values.txt");
    for bytes in [WEIGHTS, MODEL] {
        let found = parse_weights(bytes, &Limits::default())?;
        let tensors = found.read()?;
        ensure!(tensors == parse_tensors(bytes)?.read()?);
        let layers = found.layers;
        let order = ["conv", "conv_bn", "wise", "separable", "stem_conv", "stem_norm", "scores"];
        ensure!(layers == order, "{layers:?}");
        ensure!(tensors.len() == expected.lines().count(), "{:?}", tensors.keys());
        for line in expected.lines() {
            let [name, shape, values] = line.split('|').collect::<Vec<_>>()[..] else {
                anyhow::bail!("a part is missing")
            };
            let tensor = tensors.get(name).with_context(|| format!("{name} is missing"))?;
            let shape = shape.split('x').map(str::parse).collect::<Result<Vec<usize>, _>>()?;
            ensure!(tensor.shape() == shape, "{name}: {:?}", tensor.shape());
            let values = values.split(' ').map(str::parse).collect::<Result<Vec<f32>, _>>()?;
            ensure!(tensor.data() == values, "{name}: {:?}", tensor.data());
        }
    }
    Ok(())
}

#[test]
fn what_is_no_such_file_is_refused() -> Result<()> {
    let check = |bytes: &[u8], expected: &str| -> Result<()> {
        let message = parse_weights(bytes, &Limits::default()).err().context("was read")?.to_string();
        ensure!(message.starts_with("HDF5 file: ") && message.contains(expected), "{message}");
        Ok(())
    };
    check(include_bytes!("../fixtures/keras_3.h5"), "Keras 3 writes files called `.weights.h5`")?;
    check(b"", "")?;
    check(&WEIGHTS[..WEIGHTS.len() / 2], "")
}

#[test]
fn limits_are_named() -> Result<()> {
    let check = |limits: Limits, name: &str| -> Result<()> {
        let message = parse_weights(WEIGHTS, &limits).err().context("was read")?.to_string();
        ensure!(message.contains(&format!("{name} is limited to 5")), "{message}");
        Ok(())
    };
    check(Limits { file_bytes: 5, ..Limits::default() }, "file_bytes")?;
    check(Limits { members: 5, ..Limits::default() }, "members")?;
    check(Limits { elements: 5, ..Limits::default() }, "elements")
}

/// Damaged files give errors or other numbers, never a panic, and never more than the limits allow.
#[test]
fn damage_never_panics() -> Result<()> {
    let limits = Limits { elements: 10_000, members: 100, ..Limits::default() };
    let mut state = 1_u32;
    let mut random = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    for end in (0..WEIGHTS.len()).step_by(256) {
        drop(parse_weights(&WEIGHTS[..end], &limits));
    }
    for _ in 0..1_000 {
        let mut damaged = WEIGHTS.to_vec();
        for _ in 0..=random(4) {
            let at = random(damaged.len());
            damaged[at] = u8::try_from(random(256))?;
        }
        if let Ok(tensors) = parse_weights(&damaged, &limits).and_then(|found| found.read()) {
            let elements: usize = tensors.values().map(|tensor| tensor.data().len()).sum();
            ensure!(elements <= 10_000 && tensors.len() <= 100);
        }
    }
    Ok(())
}
