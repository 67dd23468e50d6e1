//! `emberline models`: the named networks, and their weights.

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use emberline::net::default_runtime;
use emberline::zoo::{self, Card, ModelStore, Verification};
use serde::Serialize;
use serde_json::json;

use crate::progress::Progress;
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
        /// The network's name
        name: String,
    },
    /// Fetch its weights, and verify those that are there
    Pull {
        /// The network's name
        name: String,
    },
    /// Run it on pictures whose answers PyTorch computed, and compare
    Verify {
        /// The network's name
        name: String,
    },
}

pub(crate) async fn run(args: ModelsArgs, common: Common) -> Result<()> {
    match args.action.unwrap_or(Action::List) {
        Action::List => list(common),
        Action::Info { name } => info(zoo::card(&name)?, common),
        Action::Pull { name } => pull(zoo::card(&name)?, common).await,
        Action::Verify { name } => verify(zoo::card(&name)?, common).await,
    }
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
    shape: Vec<usize>,
    parameters: u64,
    multiply_adds: u64,
}

fn info(card: &'static Card, common: Common) -> Result<()> {
    let network = card.network()?;
    let shapes = network.shapes();
    let layers: Vec<LayerInfo> = network
        .cost()
        .into_iter()
        .map(|layer| LayerInfo {
            shape: shapes.get(&layer.name).cloned().unwrap_or_default(),
            name: layer.name,
            parameters: layer.parameters,
            multiply_adds: layer.multiply_adds,
        })
        .collect();
    let summary = Summary::of(card)?;
    let sources: Vec<String> = card.weights.sources.iter().map(ToString::to_string).collect();
    if common.json {
        return output::json(&json!({
            "card": summary,
            "preprocessing": card.preprocessing,
            "cut_layers": card.cut_layers,
            "top1_source": card.top1.source,
            "weights_sources": sources,
            "layers": layers,
        }));
    }
    print_card(card, &summary, &sources)?;
    print_layers(card, &layers)
}

fn print_card(card: &Card, summary: &Summary, sources: &[String]) -> Result<()> {
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
        ("pulled", if summary.pulled { "yes" } else { "no" }.to_string()),
        ("licence", card.licence.to_string()),
    ] {
        output::line(format!("{what:<14} {value}"))?;
    }
    Ok(())
}

fn print_layers(card: &Card, layers: &[LayerInfo]) -> Result<()> {
    let mut table = output::table(["layer", "output", "parameters", "multiply-adds", "worth cutting at"]);
    for LayerInfo { name, shape, parameters, multiply_adds } in layers {
        let cut = match name.as_str() {
            name if name == card.feature_layer => "yes: the features",
            name if card.cut_layers.contains(&name) => "yes",
            _ => "",
        };
        let shape: Vec<String> = shape.iter().map(ToString::to_string).collect();
        table.add_row([
            name,
            &shape.join("×"),
            &output::thousands(*parameters),
            &output::thousands(*multiply_adds),
            &cut.to_string(),
        ]);
    }
    Ok(output::print(&table)?)
}

async fn pull(card: &'static Card, common: Common) -> Result<()> {
    let path = network::pull(card).await?;
    if common.json {
        let (bytes, checksum) = (std::fs::metadata(&path)?.len(), card.weights.checksum.to_string());
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

async fn verify(card: &'static Card, common: Common) -> Result<()> {
    let progress = Progress::waiting(format!("Running {}", card.name));
    // A network whose golden values come of a formula's weights needs no others.
    let graph = move || zoo::verify_graph(card, default_runtime().as_ref());
    let graph = tokio::task::spawn_blocking(graph).await??;
    drop(progress);
    let found = match graph {
        Some(found) => found,
        None => {
            network::pull(card).await?;
            let progress = Progress::waiting(format!("Running {}", card.name));
            let run = move || -> Result<Verification> {
                let network = card.load(&ModelStore::open())?.fold_batch_norms()?;
                Ok(zoo::verify(card, &network, default_runtime().as_ref())?)
            };
            let found = tokio::task::spawn_blocking(run).await??;
            drop(progress);
            found
        }
    };
    show(card, &found, common)?;
    if !found.passed() {
        bail!("{}: it differs from what its origin computed by more than is allowed", card.name);
    }
    Ok(())
}

fn show(card: &Card, found: &Verification, common: Common) -> Result<()> {
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
            "name": card.name,
            "runtime": runtime,
            "passed": found.passed(),
            "layers": layers.collect::<Vec<_>>(),
            "top5": top5.collect::<Vec<_>>(),
        }));
    }
    let mut table = output::table(["picture", "layer", "largest relative difference", "allowed"]);
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
        let verdict = if top.expected == top.found { "as PyTorch has them" } else { "expected" };
        let expected =
            if top.expected == top.found { String::new() } else { format!(" {}", top.expected.join(", ")) };
        output::line(format!(
            "{}: five most probable classes {}: {verdict}{expected}",
            top.picture,
            top.found.join(", ")
        ))?;
    }
    Ok(output::line(format!(
        "{} on {runtime}: {}",
        card.name,
        if found.passed() { "passed" } else { "failed" }
    ))?)
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
