//! The feature cache: used by the commands that featurize, shown and emptied by `emberline cache`.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use clap::{Args, Subcommand};
use emberline::{FeatureCache, ml};
use serde::Serialize;

use crate::{Common, output};

/// Whether a command uses the cache.
#[derive(Debug, Args)]
pub(crate) struct CacheArgs {
    /// Run the network on every image, also where its features are known from an earlier command
    #[arg(long)]
    no_cache: bool,
}

impl CacheArgs {
    /// Lets stages use the cache. One that can't be opened is not used, and that is told.
    pub(crate) fn open(&self) -> Option<Arc<FeatureCache>> {
        if self.no_cache {
            return None;
        }
        let cache = cache().map(Arc::new).map_err(|error| {
            output::note(format!("warning: no feature cache: {error:#}"));
        });
        ml::set_feature_cache(cache.clone().ok());
        cache.ok()
    }
}

fn cache() -> Result<FeatureCache> {
    Ok(FeatureCache::open(&FeatureCache::default_folder(), FeatureCache::default_bytes_max()?)?)
}

/// `emberline cache`.
#[derive(Debug, Args)]
pub(crate) struct CommandArgs {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// How full it is (what `emberline cache` says)
    Stats,
    /// Forget all features
    Clear,
}

#[derive(Serialize)]
struct Shown {
    folder: PathBuf,
    entries: u64,
    bytes: u64,
    bytes_max: u64,
}

pub(crate) fn run(args: &CommandArgs, common: Common) -> Result<()> {
    let cache = cache()?;
    if let Some(Action::Clear) = args.action {
        cache.clear()?;
    }
    let stats = cache.stats()?;
    let shown = Shown {
        folder: FeatureCache::default_folder(),
        entries: stats.entries,
        bytes: stats.bytes,
        bytes_max: stats.bytes_max,
    };
    if common.json {
        return output::json(&shown);
    }
    let megabytes = |bytes: u64| match bytes as f64 / 1e6 {
        small if small < 10.0 => format!("{small:.2} MB"),
        large => format!("{large:.0} MB"),
    };
    output::line(format!(
        "{} in {} of at most {}, {}",
        output::count(shown.entries, "vector"),
        megabytes(shown.bytes),
        megabytes(shown.bytes_max),
        shown.folder.display()
    ))?;
    Ok(())
}
