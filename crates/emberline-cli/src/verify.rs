//! `emberline models verify`: does a network, or a model from a file, compute here what it computes elsewhere?

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Args;
use emberline::ml::{Keras, ModelRequest, ModelSource, Onnx, TensorFlow};
use emberline::net::{OnnxModel, OnnxRuntime, Runtime, TractRuntime, default_runtime, read_tensors};
use emberline::zoo::{self, Card, Cut, ModelStore, Verification};
use serde_json::json;

use crate::progress::Progress;
use crate::{Common, network, output};

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// A named network, or a model file: .onnx, .keras, .h5, .pb, a SavedModel's folder
    #[arg(value_name = "NAME|FILE")]
    target: String,
    /// A file with the named network's weights (.h5, .pth, .safetensors), which is verified as well
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// What a model file must compute: inputs and outputs by their names in the model (.safetensors) [default: what
    /// another runtime computes]
    #[arg(long, value_name = "FILE", conflicts_with = "weights")]
    golden: Option<PathBuf>,
}

pub(crate) async fn run(args: VerifyArgs, common: Common) -> Result<()> {
    let file = Path::new(&args.target);
    let (name, found) = if let Ok(card) = zoo::card(&args.target) {
        if args.golden.is_some() {
            bail!("--golden is for model files; the golden values of {} are part of it", card.name);
        }
        let mut found = of_name(card).await?;
        if let Some(weights) = args.weights {
            let of_weights = in_background(card.name, move || of_weights(card, &weights)).await?;
            found.comparisons.extend(of_weights.comparisons);
            found.top5.extend(of_weights.top5);
        }
        (card.name.to_string(), found)
    } else if file.exists() {
        if args.weights.is_some() {
            bail!("--weights goes with the name of a network; `{}` is a file", args.target);
        }
        let path = file.to_owned();
        (
            args.target.clone(),
            in_background(&args.target, move || of_file(&path, args.golden.as_deref())).await?,
        )
    } else {
        zoo::card(&args.target).with_context(|| format!("there is no file `{}` either", args.target))?;
        return Ok(());
    };
    show(&name, &found, common)?;
    if !found.passed() {
        bail!("{name}: it differs by more than is allowed");
    }
    Ok(())
}

async fn in_background(
    name: &str,
    run: impl FnOnce() -> Result<Verification> + Send + 'static,
) -> Result<Verification> {
    let progress = Progress::waiting(format!("Running {name}"));
    let found = tokio::task::spawn_blocking(run).await?;
    drop(progress);
    found
}

/// A network with weights of its own, or where its golden values are those of a formula's weights, with those.
async fn of_name(card: &'static Card) -> Result<Verification> {
    let graph = move || Ok(zoo::verify_graph(card, default_runtime().as_ref())?);
    let progress = Progress::waiting(format!("Running {}", card.name));
    let graph: Result<Option<Verification>> = tokio::task::spawn_blocking(graph).await?;
    drop(progress);
    if let Some(found) = graph? {
        return Ok(found);
    }
    network::pull(card).await?;
    let run = move || {
        let network = card.load(&ModelStore::open(), &Cut::Last)?.fold_batch_norms()?;
        Ok(zoo::verify(card, &network, default_runtime().as_ref())?)
    };
    in_background(card.name, run).await
}

/// A user's weights of a named network: do they all have their place, and is the network the same in two runtimes?
fn of_weights(card: &'static Card, weights: &Path) -> Result<Verification> {
    let (card, network) = card.load_file(weights, &Cut::Last)?;
    let [runtime, other] = two_runtimes()?;
    Ok(zoo::verify_weights(card, &network, runtime.as_ref(), other.as_ref())?)
}

fn of_file(file: &Path, golden: Option<&Path>) -> Result<Verification> {
    let model = read(file)?;
    match golden {
        Some(golden) => {
            let golden = read_tensors(golden)?.read()?;
            Ok(zoo::verify_model(&model, &golden, default_runtime().as_ref())?)
        }
        None => {
            let [runtime, other] = two_runtimes()?;
            Ok(zoo::verify_in_runtimes(&model, runtime.as_ref(), other.as_ref())?)
        }
    }
}

fn read(file: &Path) -> Result<OnnxModel> {
    let request = ModelRequest { inputs: &[], outputs: &[], tags: None, signature: None };
    let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    Ok(match extension.to_ascii_lowercase().as_str() {
        "onnx" => Onnx::read(file, &request)?,
        "keras" | "h5" | "hdf5" => Keras::read(file, &request)?,
        "pb" => TensorFlow::read(file, &request)?,
        _ if file.is_dir() => TensorFlow::read(file, &request)?,
        _ => bail!(
            "{}: expected the name of a network, or a model file (.onnx, .keras, .h5, .pb, a SavedModel's folder); weights alone \
             go with a name: `emberline models verify NAME --weights FILE`",
            file.display()
        ),
    })
}

fn two_runtimes() -> Result<[Arc<dyn Runtime>; 2]> {
    let runtime = default_runtime();
    // Our own kernels do not run all models: without ONNX Runtime tract would be compared with itself.
    if runtime.name() == TractRuntime.name() || OnnxRuntime::find().is_err() {
        bail!(
            "there is one runtime here, tract, and nothing to compare it with; `pip install onnxruntime` brings another"
        );
    }
    Ok([runtime, Arc::new(TractRuntime)])
}

fn show(name: &str, found: &Verification, common: Common) -> Result<()> {
    let runtime = default_runtime().name();
    if common.json {
        let layers = found.comparisons.iter().map(|c| json!({
            "picture": c.picture, "layer": c.layer, "max_difference": c.max_difference, "tolerance": c.tolerance,
        }));
        let top5 = found
            .top5
            .iter()
            .map(|t| json!({ "picture": t.picture, "expected": t.expected, "found": t.found }));
        return output::json(&json!({
            "name": name,
            "runtime": runtime,
            "passed": found.passed(),
            "layers": layers.collect::<Vec<_>>(),
            "top5": top5.collect::<Vec<_>>(),
        }));
    }
    let mut table = output::table(["input", "layer", "largest relative difference", "allowed"]);
    for compared in &found.comparisons {
        table.add_row([
            compared.picture.clone(),
            compared.layer.clone(),
            format!("{:.1e}", compared.max_difference),
            format!("{:.1e}", compared.tolerance),
        ]);
    }
    output::print(&table)?;
    for top in &found.top5 {
        let verdict = if top.expected == top.found { "as they must be" } else { "expected" };
        let expected =
            if top.expected == top.found { String::new() } else { format!(" {}", top.expected.join(", ")) };
        output::line(format!(
            "{}: five most probable classes {}: {verdict}{expected}",
            top.picture,
            top.found.join(", ")
        ))?;
    }
    Ok(output::line(format!("{name} on {runtime}: {}", if found.passed() { "passed" } else { "failed" }))?)
}
