//! Named networks: a card that says all there is to know of one, a builder for its graph, and the store of its weights.
//! Nothing here knows of tables.
//!
//! | part | is |
//! |---|---|
//! | [`Card`] | input size and preprocessing, layers to cut at, labels, licence, published accuracy, source and digest of the weights; [`card`] finds one by name |
//! | [`ModelStore`] | weights files by digest: fetched once from pip, a file or the web, verified, offline from then on |
//! | [`load`] | name → [`Network`] with weights |
//! | [`Card::load_file`] | the same from a file of the user's, of either origin |
//! | [`verify`] | the network against what its origin computed on the same pictures |
//!
//! ```
//! let card = emberline_zoo::card("EfficientNetLite0")?;
//! let network = card.network()?;
//! assert_eq!(network.shapes()[card.feature_layer], [card.feature_width]);
//! assert_eq!(network.output_shapes(), [[(card.labels)().len()]]);
//! # Ok::<(), emberline_zoo::Error>(())
//! ```
//!
//! How to add a network is said where the table is, in `src/cards.rs`.

mod card;
mod cards;
mod error;
mod family;
mod formula;
mod labels;
mod store;
mod verify;
mod verify_file;
mod weights;

use emberline_net::Network;

pub use self::{
    card::{Card, Cost, Cut, Top1, card, cards},
    error::{Error, Result},
    family::Origin,
    labels::{Label, imagenet_labels},
    store::{Checksum, MIRROR_VARIABLE, ModelStore, OFFLINE_VARIABLE, Progress, Source, WeightsFile},
    verify::{Comparison, Top5, Verification, verify, verify_graph, verify_weights},
    verify_file::{verify_in_runtimes, verify_model},
};

/// The named network with its weights, fetched into the store if they are not there: [`Card::load`] by name.
///
/// [`Network::weights_digest`] identifies what was loaded. Batch normalisations are not folded.
///
/// ```no_run
/// use emberline_zoo::{ModelStore, load};
///
/// let network = load("EfficientNetLite0", &ModelStore::open())?;
/// let featurizer = network.cut("avg_pool")?.fold_batch_norms()?;
/// assert_eq!(featurizer.output_shapes(), [[1280]]);
/// # Ok::<(), emberline_zoo::Error>(())
/// ```
pub fn load(name: &str, store: &ModelStore) -> Result<Network> {
    card(name)?.load(store, &Cut::Last)
}
