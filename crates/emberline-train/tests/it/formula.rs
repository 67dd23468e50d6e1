//! The numbers that `tools/goldens/train.py` gives weights and batches.

use emberline_net::{Network, Tensor};
use emberline_train::Batch;

pub(crate) const SAMPLES: usize = 8;

/// Numbers in `[-1, 1)`: SplitMix64 over the FNV-1a hash of the name, the upper 24 bits of each.
pub(crate) fn hashed(name: &str, count: usize) -> Vec<f64> {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    let number = |i: u64| {
        let z = seed.wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f64 / f64::from(1_u32 << 23) - 1.0
    };
    (1..=count as u64).map(number).collect()
}

/// The network with the formula's weights.
pub(crate) fn with_weights(network: Network) -> Network {
    let weight = |(name, shape): (String, Vec<usize>)| {
        let count = shape.iter().product();
        let fan_in: usize = shape.iter().rev().skip(1).product();
        let number = |u: f64| match name.rsplit('/').next().unwrap() {
            kind if kind.ends_with("kernel") => u * (3.0 / fan_in as f64).sqrt(),
            "gamma" => 1.0 + 0.1 * u,
            "moving_variance" | "variance" => 1.0 + 0.5 * u,
            _ => 0.1 * u,
        };
        let values = hashed(&name, count).into_iter().map(|u| number(u) as f32).collect();
        let tensor = Tensor::new(shape, values).unwrap();
        (name, tensor)
    };
    let weights = network.weight_shapes().into_iter().map(weight).collect();
    network.with_weights(weights).unwrap()
}

/// One of the batches: inputs of a shape, targets of a kind.
pub(crate) fn batch(i: usize, shape: &[usize], targets: &str, weighted: bool) -> Batch {
    let count = SAMPLES * shape.iter().product::<usize>();
    let inputs = hashed(&format!("inputs {i}"), count).into_iter().map(|u| u as f32).collect();
    let inputs = Tensor::new([&[SAMPLES], shape].concat(), inputs).unwrap();
    let numbers = hashed(&format!("targets {i}"), SAMPLES * 3);
    let rows = numbers.as_chunks::<3>().0;
    let class = |row: &[f64; 3]| ((row[0] + 1.0) / 2.0 * 3.0).min(2.0) as usize;
    let of = |number: &dyn Fn(&[f64; 3], usize) -> f64| {
        let values = rows.iter().flat_map(|row| (0..3).map(|i| number(row, i) as f32)).collect();
        Tensor::new(vec![SAMPLES, 3], values).unwrap()
    };
    let targets = match targets {
        "classes" => Tensor::new(vec![SAMPLES], rows.iter().map(|row| class(row) as f32).collect()).unwrap(),
        "one_hot" => of(&|row, i| f64::from(u8::from(class(row) == i))),
        "shares" => of(&|row, i| (row[i] + 1.5) / row.iter().map(|u| u + 1.5).sum::<f64>()),
        "any" => of(&|row, i| row[i]),
        "positive" => of(&|row, i| row[i] + 1.5),
        "bits" => of(&|row, i| f64::from(u8::from(row[i] > 0.0))),
        other => panic!("there are no targets `{other}`"),
    };
    let weights = hashed(&format!("weights {i}"), SAMPLES).into_iter().map(|u| (u + 1.0) as f32).collect();
    Batch { inputs: vec![inputs], targets, weights: weighted.then_some(weights) }
}
