//! `emberline models`: the named networks, and their weights.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use emberline::net::{ImageLayout, LayerSummary, Network, OnnxOptions, keras};
use emberline::zoo::{self, Card, Cut, ModelStore, WeightsFile};
use serde::Serialize;
use serde_json::json;

use crate::verify::VerifyArgs;
use crate::{Common, network, output};

/// The named networks, and their weights.
#[derive(Debug, Args)]
pub(crate) struct ModelsArgs {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// The networks there are (this is what `emberline models` does)
    List,
    /// All there is to know of one: card, layers with shapes and cost
    Info {
        /// The network's name, or a file of Keras (.keras, .h5)
        name: String,
    },
    /// Fetch its weights, and verify those that are there
    Pull {
        /// The network's name
        name: String,
        /// Fetch them as safetensors from a model hub instead, for `--weights` and `modelFile`
        #[arg(long)]
        safetensors: bool,
    },
    /// Write a network as ONNX or Keras, for other programs
    Export(ExportArgs),
    /// Run a network or a model file on golden inputs, from pixels to classes, and compare with what its origin computed
    Verify(VerifyArgs),
}

pub(crate) async fn run(args: ModelsArgs, common: Common) -> Result<()> {
    match args.action.unwrap_or(Action::List) {
        Action::List => list(common),
        Action::Info { name } if Path::new(&name).is_file() => info_of_file(Path::new(&name), common),
        Action::Info { name } => info(zoo::card(&name)?, common),
        Action::Pull { name, safetensors } => pull(zoo::card(&name)?, safetensors, common).await,
        Action::Export(args) => export(zoo::card(&args.name)?, args, common).await,
        Action::Verify(args) => crate::verify::run(args, common).await,
    }
}

#[derive(Debug, Args)]
struct ExportArgs {
    /// The network's name
    name: String,
    /// The new file: .onnx, normalisations folded and images with their channels first, or .keras
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// A file with the network's weights (.h5, .pth, .safetensors) [default: what `emberline models pull` fetches]
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// The layer at which the network ends [default: its last]
    #[arg(long, value_name = "LAYER")]
    layer: Option<String>,
}

/// A card in JSON.
#[derive(Serialize)]
struct Summary {
    name: &'static str,
    input: [u32; 2],
    feature_layer: &'static str,
    features: usize,
    classes: usize,
    top1_percent: f32,
    parameters: u64,
    gflop_per_image: f64,
    weights_bytes: u64,
    weights_checksum: String,
    pulled: bool,
    licence: &'static str,
}

impl Summary {
    fn of(card: &Card) -> Result<Self> {
        let cost = card.cost()?;
        Ok(Self {
            name: card.name,
            input: [card.preprocessing.width, card.preprocessing.height],
            feature_layer: card.feature_layer,
            features: card.feature_width,
            classes: (card.labels)().len(),
            top1_percent: card.top1.percent,
            parameters: cost.parameters,
            gflop_per_image: cost.gflop_per_image,
            weights_bytes: card.weights.bytes.unwrap_or(4 * cost.parameters),
            weights_checksum: card.weights.checksum.to_string(),
            pulled: ModelStore::open().contains(&card.weights),
            licence: card.licence,
        })
    }
}

fn list(common: Common) -> Result<()> {
    let networks = zoo::cards().iter().map(Summary::of).collect::<Result<Vec<_>>>()?;
    if common.json {
        return output::json(&networks);
    }
    let mut table =
        output::table(["name", "input", "features", "top-1", "GFLOP", "weights", "pulled", "licence"]);
    for network in networks {
        table.add_row(vec![
            network.name.to_string(),
            format!("{}×{}", network.input[0], network.input[1]),
            format!("{} ({})", output::thousands(network.features as u64), network.feature_layer),
            format!("{} %", network.top1_percent),
            format!("{:.2}", network.gflop_per_image),
            megabytes(network.weights_bytes),
            if network.pulled { "yes" } else { "no" }.to_string(),
            network.licence.to_string(),
        ]);
    }
    Ok(output::print(&table)?)
}

/// A layer in JSON.
#[derive(Serialize)]
struct LayerInfo {
    name: String,
    kind: &'static str,
    shape: Vec<usize>,
    parameters: u64,
    multiply_adds: u64,
}

fn layers(network: &Network) -> Vec<LayerInfo> {
    let layer = |LayerSummary { name, kind, shape, multiply_adds, parameters }| LayerInfo {
        name,
        kind,
        shape,
        parameters,
        multiply_adds,
    };
    network.summary().into_iter().map(layer).collect()
}

fn info_of_file(file: &Path, common: Common) -> Result<()> {
    let model = keras::read_model(file, &keras::Options::default());
    let network = model.with_context(|| file.display().to_string())?.network;
    let layers = layers(&network);
    let parameters: u64 = layers.iter().map(|layer| layer.parameters).sum();
    let inputs = network.inputs().iter().map(|input| (input.name.as_str(), input.shape.as_slice()));
    if common.json {
        let inputs: Vec<_> = inputs.map(|(name, shape)| json!({ "name": name, "shape": shape })).collect();
        return output::json(&json!({
            "name": network.name(),
            "inputs": inputs,
            "outputs": network.outputs(),
            "parameters": parameters,
            "layers": layers,
        }));
    }
    let inputs: Vec<String> = inputs.map(|(name, shape)| format!("{name} ({})", by(shape))).collect();
    for (what, value) in [
        ("name", network.name().to_string()),
        ("inputs", inputs.join(", ")),
        ("outputs", network.outputs().join(", ")),
        ("cost", format!("{} parameters", output::thousands(parameters))),
    ] {
        output::line(format!("{what:<14} {value}"))?;
    }
    print_layers(None, &layers)
}

fn info(card: &'static Card, common: Common) -> Result<()> {
    let layers = layers(&card.network()?);
    let summary = Summary::of(card)?;
    let sources: Vec<String> = card.weights.sources.iter().map(ToString::to_string).collect();
    if common.json {
        return output::json(&json!({
            "card": summary,
            "preprocessing": card.preprocessing,
            "cut_layers": card.cut_layers,
            "top1_source": card.top1.source,
            "weights_sources": sources,
            "safetensors_sources": safetensors_sources(card),
            "layers": layers,
        }));
    }
    print_card(card, &summary, &sources)?;
    print_layers(Some(card), &layers)
}

fn print_card(card: &'static Card, summary: &Summary, sources: &[String]) -> Result<()> {
    let rule = &card.preprocessing;
    let features = output::thousands(card.feature_width as u64);
    let labels = (card.labels)();
    let classes = output::thousands(labels.len() as u64);
    let parameters = output::thousands(summary.parameters);
    for (what, value) in [
        ("name", card.name.to_string()),
        ("input", format!("{}×{} pixels, {}", rule.width, rule.height, rule.resize)),
        ("preprocessing", format!("{:?}, (pixel - {:?}) / {:?}", rule.order, rule.mean, rule.std)),
        ("features", format!("{features} at layer {}", card.feature_layer)),
        ("classes", format!("{classes}, such as {}", labels.first().map_or("", |label| label.name))),
        ("top-1", format!("{} % ({})", card.top1.percent, card.top1.source)),
        ("cost", format!("{parameters} parameters, {:.2} GFLOP per image", summary.gflop_per_image)),
        ("weights", format!("{}, {}", megabytes(summary.weights_bytes), summary.weights_checksum)),
        ("from", sources.join("; ")),
        ("safetensors", safetensors_sources(card).join("; ")),
        ("pulled", if summary.pulled { "yes" } else { "no" }.to_string()),
        ("licence", card.licence.to_string()),
    ] {
        output::line(format!("{what:<14} {value}"))?;
    }
    Ok(())
}

fn print_layers(card: Option<&Card>, layers: &[LayerInfo]) -> Result<()> {
    let mut table =
        output::table(["layer", "kind", "output", "parameters", "multiply-adds", "worth cutting at"]);
    for LayerInfo { name, kind, shape, parameters, multiply_adds } in layers {
        let cut = match card {
            Some(card) if name == card.feature_layer => "yes: the features",
            Some(card) if card.cut_layers.contains(&name.as_str()) => "yes",
            _ => "",
        };
        table.add_row([
            name.as_str(),
            kind,
            &by(shape),
            &output::thousands(*parameters),
            &output::thousands(*multiply_adds),
            cut,
        ]);
    }
    Ok(output::print(&table)?)
}

/// `224×224×3`.
fn by(shape: &[usize]) -> String {
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("×")
}

async fn pull(card: &'static Card, safetensors: bool, common: Common) -> Result<()> {
    let file = match (safetensors, safetensors_of(card)) {
        (false, _) => &card.weights,
        (true, Some(file)) => file,
        (true, None) => bail!("--safetensors: no model hub is known to have the weights of {} so", card.name),
    };
    let path = network::pull_file(card, file).await?;
    if common.json {
        let (bytes, checksum) = (std::fs::metadata(&path)?.len(), file.checksum.to_string());
        return output::json(
            &json!({ "name": card.name, "path": path, "bytes": bytes, "checksum": checksum }),
        );
    }
    Ok(output::line(format!(
        "{}: {}, verified, {}",
        card.name,
        megabytes(std::fs::metadata(&path)?.len()),
        path.display()
    ))?)
}

async fn export(card: &'static Card, args: ExportArgs, common: Common) -> Result<()> {
    let extension = args.out.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let to_onnx = match extension {
        "onnx" => true,
        "keras" => false,
        _ => bail!("--out: expected a file called .onnx or .keras, found `{}`", args.out.display()),
    };
    let cut = args.layer.map_or(Cut::Last, Cut::Layer);
    let (card, network) = match &args.weights {
        Some(file) => card.load_file(file, &cut)?,
        None => {
            network::pull(card).await?;
            (card, card.load(&ModelStore::open(), &cut)?)
        }
    };
    let bytes = if to_onnx {
        let options = OnnxOptions { input_layout: ImageLayout::ChannelsFirst };
        network.fold_batch_norms()?.to_onnx(&options)?
    } else {
        network.to_keras()?
    };
    std::fs::write(&args.out, &bytes).with_context(|| args.out.display().to_string())?;
    if common.json {
        let (path, bytes) = (&args.out, bytes.len());
        return output::json(
            &json!({ "name": card.name, "path": path, "bytes": bytes, "preprocessing": card.preprocessing }),
        );
    }
    Ok(output::line(format!("{}: {}, {}", card.name, megabytes(bytes.len() as u64), args.out.display()))?)
}

/// The safetensors of a network, or of its variant.
fn safetensors_of(card: &'static Card) -> Option<&'static WeightsFile<'static>> {
    card.variants().find_map(|variant| variant.safetensors.as_ref())
}

fn safetensors_sources(card: &'static Card) -> Vec<String> {
    safetensors_of(card).into_iter().flat_map(|file| file.sources).map(ToString::to_string).collect()
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
