//! Named networks as arguments of commands: checked, and their weights fetched, before any image is read.

use anyhow::{Result, bail};
use clap::Args;
use emberline::ml::DeepImageFeaturizer;
use emberline::zoo::{self, Card, ModelStore, WeightsFile};

use crate::cache::CacheArgs;
use crate::progress::Progress;

/// Which network gives the features, and how.
#[derive(Debug, Args)]
pub(crate) struct FeatureArgs {
    /// The named network whose features are used; `emberline models list` has them all
    #[arg(long, value_name = "NAME")]
    pub(crate) model: String,
    /// A file with the network's weights (.h5, .pth, .safetensors) [default: what `emberline models pull` fetches]
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: Option<String>,
    /// The layer whose output is the features [default: the one that the network's card names]
    #[arg(long, value_name = "LAYER")]
    pub(crate) layer: Option<String>,
    /// How the places of a layer's output become one vector
    #[arg(long, value_parser = ["avg", "max", "flatten"], default_value = "avg")]
    pub(crate) pooling: String,
    /// The rule by which images are brought to the network's size [default: the one of the network's card]
    #[arg(long, value_name = "RULE", value_parser = ["bilinear", "bicubic", "area", "nearest"])]
    pub(crate) resize: Option<String>,
    #[command(flatten)]
    pub(crate) cache: CacheArgs,
}

impl FeatureArgs {
    /// The stage from `image` to `features`, its network at hand.
    pub(crate) async fn featurizer(&self) -> Result<DeepImageFeaturizer> {
        match &self.weights {
            None => ready(&self.model, self.layer.as_deref()).await.map(drop)?,
            Some(_) => zoo::card(&self.model).map(drop)?,
        }
        let _ = self.cache.open();
        let mut featurizer = DeepImageFeaturizer::new()
            .input_col("image")
            .output_col("features")
            .model_name(&self.model)
            .pooling(&self.pooling);
        if let Some(file) = &self.weights {
            featurizer = featurizer.model_file(file);
        }
        if let Some(layer) = &self.layer {
            featurizer = featurizer.layer(layer);
        }
        if let Some(rule) = &self.resize {
            featurizer = featurizer.scale_hint(rule);
        }
        Ok(featurizer)
    }
}

/// The card of a network whose weights are at hand. An unknown name or layer is found before anything is fetched.
pub(crate) async fn ready(model: &str, layer: Option<&str>) -> Result<&'static Card> {
    let card = zoo::card(model)?;
    if let Some(layer) = layer
        && card.network()?.layer_names().all(|known| known != layer)
    {
        bail!(
            "--layer: {model} has no layer `{layer}`; expected one such as {} (`emberline models info {model}` has all)",
            card.cut_layers.join(", ")
        );
    }
    pull(card).await?;
    Ok(card)
}

/// Makes sure that the weights of a network are in the store, and returns where.
pub(crate) async fn pull(card: &'static Card) -> Result<std::path::PathBuf> {
    pull_file(card, &card.weights).await
}

/// The same of one file of a network's.
pub(crate) async fn pull_file(
    card: &'static Card,
    file: &'static WeightsFile<'static>,
) -> Result<std::path::PathBuf> {
    let pull = move || {
        let mut bar: Option<Progress> = None;
        // Nothing is reported, and no bar shown, where the file is there.
        ModelStore::open().pull(file, &mut |progress| {
            bar.get_or_insert_with(|| Progress::bytes(card.name, progress.total.unwrap_or_default()))
                .set(progress.done);
        })
    };
    Ok(tokio::task::spawn_blocking(pull).await??)
}
