//! Weights that a formula gives, so that a network can be compared with its origin without anybody's training: every number
//! is a hash of its tensor's name in the origin's files and of its index, scaled by the fan-in. `tools/goldens/zoo_formula.py`
//! computes the same numbers.

use std::collections::BTreeMap;

use emberline_net::{Network, Result, Tensor};

use crate::{family::Blueprint, weights::Taken};

/// The tensors of a file that nobody trained. `gain` is the variance that a kernel makes of values of variance one.
pub(crate) fn tensors(blueprint: &Blueprint, gain: f64) -> Result<BTreeMap<String, Tensor>> {
    let mut tensors = BTreeMap::new();
    for (weight, taken) in &blueprint.taken {
        if tensors.contains_key(&taken.name) {
            continue;
        }
        let tensor = tensor(&taken.name, &taken.shape, Kind::of(&blueprint.network, weight, taken), gain)?;
        tensors.insert(taken.name.clone(), tensor);
    }
    Ok(tensors)
}

/// What a tensor does, which decides where its numbers lie.
enum Kind {
    /// A kernel: as many numbers are summed up as given.
    Kernel { fan_in: usize },
    /// A factor around one.
    Scale,
    /// A variance around one.
    Variance,
    /// A summand around zero.
    Offset,
}

impl Kind {
    fn of(network: &Network, weight: &str, taken: &Taken) -> Self {
        let (layer, kind) = weight.rsplit_once('/').unwrap_or((weight, ""));
        match kind {
            "gamma" => Self::Scale,
            "moving_variance" => Self::Variance,
            kind if kind.ends_with("kernel") => {
                let depthwise = network.nodes().iter().any(|node| {
                    node.name == layer && matches!(node.layer, emberline_net::Layer::DepthwiseConv(_))
                });
                let shape = &taken.shape;
                let outputs = if taken.is_channels_last() { &shape[..shape.len() - 1] } else { &shape[1..] };
                let fan_in = if depthwise && taken.is_channels_last() { &shape[..2] } else { outputs };
                Self::Kernel { fan_in: fan_in.iter().product() }
            }
            _ => Self::Offset,
        }
    }
}

fn tensor(name: &str, shape: &[usize], kind: Kind, gain: f64) -> Result<Tensor> {
    let (middle, width) = match kind {
        // Of a uniform distribution the variance is a third of the square of half its width.
        Kind::Kernel { fan_in } => (0.0, (3.0 * gain / fan_in as f64).sqrt()),
        Kind::Scale => (1.0, 0.1),
        Kind::Variance => (1.0, 0.5),
        Kind::Offset => (0.0, 0.1),
    };
    between(name, shape, middle, width)
}

/// A tensor of numbers at most `width` from `middle`.
pub(crate) fn between(name: &str, shape: &[usize], middle: f64, width: f64) -> Result<Tensor> {
    let seed = fnv_1a(name.as_bytes());
    let count: usize = shape.iter().product();
    let number = |i: u64| (middle + width * hashed(seed, i)) as f32;
    Tensor::new(shape.to_vec(), (1..=count as u64).map(number).collect())
}

/// The 64-bit FNV-1a hash: <http://www.isthe.com/chongo/tech/comp/fnv/>.
fn fnv_1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// The `i`-th number of SplitMix64 (Steele, Lea and Flood, 2014), its upper 24 bits in `[-1, 1)`.
fn hashed(seed: u64, i: u64) -> f64 {
    let z = seed.wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let z = z ^ (z >> 31);
    (z >> 40) as f64 / f64::from(1_u32 << 23) - 1.0
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{Card, Cut, cards, weights};

    /// Files that the origins themselves wrote, with the formula's weights in networks of full size:
    /// `zoo_formula.py keras --files DIR` and the like.
    #[test]
    #[ignore = "needs 3 GB of files that Keras and torchvision write; EMBERLINE_ZOO_FILES is their folder"]
    fn files_that_their_origins_write_hold_the_formulas_weights() {
        let folder = std::env::var("EMBERLINE_ZOO_FILES").unwrap();
        let mut compared = 0;
        for card in cards().iter().flat_map(Card::variants) {
            for format in ["h5", "pth", "safetensors"] {
                let path = Path::new(&folder).join(format!("{}.{:?}.{format}", card.name, card.origin));
                if !path.exists() {
                    continue;
                }
                let first = cards().iter().find(|first| first.name == card.name).unwrap();
                let (found, network) = first.load_file(&path, &Cut::Last).unwrap();
                assert_eq!(found.origin, card.origin);
                let blueprint = card.blueprint_of(card.preprocessing.width).unwrap();
                let expected = weights::weights(
                    &blueprint,
                    &blueprint.network,
                    &tensors(&blueprint, 1.0).unwrap().into(),
                )
                .unwrap();
                assert_eq!(network.weights().len(), expected.len());
                for (name, tensor) in network.weights() {
                    assert!(**tensor == expected[name], "{}: {name}", path.display());
                }
                println!("{}: {} tensors are equal", path.display(), expected.len());
                compared += 1;
            }
        }
        assert!(compared > 0);
    }
}
