//! Networks that begin alike run once, and answer as they would alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use emberline_image::{ChannelOrder, Fit, Layout, Preprocessing, Resize};
use emberline_net::{
    Activation, Conv, Dense, GlobalPooling, ImageLayout, Layer, Network, NetworkBuilder, OnnxOptions,
    PortInfo, PrepareOptions, Prepared, Runtime, Tensor, TensorView, TractRuntime,
};
use emberline_table::arrow::array::{Array, ArrayRef, AsArray, BinaryArray, StringArray};
use emberline_table::arrow::compute::concat_batches;
use emberline_table::functions::{Class, DecodePredictions, NetworkFunction, PipelineFunction};
use emberline_table::{Blob, ColumnFunction, FeatureCache, ImageTable, ReadOptions, Session, Step, evaluate};

use crate::pictures::{folder, png};

/// Pictures in the folder that can be read.
const READABLE: usize = 4;

/// tract, counting the networks it prepares and runs.
#[derive(Debug, Default)]
struct Counted {
    prepared: AtomicUsize,
    runs: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct CountedNetwork {
    network: Arc<dyn Prepared>,
    runs: Arc<AtomicUsize>,
}

impl Runtime for Counted {
    fn name(&self) -> &'static str {
        "counted"
    }

    fn prepare(&self, onnx: &[u8], options: &PrepareOptions) -> emberline_net::Result<Arc<dyn Prepared>> {
        self.prepared.fetch_add(1, Ordering::Relaxed);
        let network = TractRuntime.prepare(onnx, options)?;
        Ok(Arc::new(CountedNetwork { network, runs: self.runs.clone() }))
    }
}

impl Prepared for CountedNetwork {
    fn inputs(&self) -> &[PortInfo] {
        self.network.inputs()
    }

    fn outputs(&self) -> &[PortInfo] {
        self.network.outputs()
    }

    fn run_batch(&self, inputs: &[TensorView<'_>]) -> emberline_net::Result<Vec<Tensor>> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        self.network.run(inputs)
    }
}

/// Two convolutions and a classifier, with weights that `seed` changes.
fn network(seed: usize) -> Result<Network> {
    let mut layers = NetworkBuilder::new("small");
    let image = layers.input("image", [8, 8, 3]);
    let relu =
        |filters, size| Layer::from(Conv { activation: Activation::Relu, ..Conv::new_2d(filters, size) });
    let early = layers.apply("early", relu(4, [3, 3]), image);
    let late = layers.apply("late", relu(6, [3, 3]), early);
    let pooled = layers.apply(
        "pooled",
        Layer::GlobalAveragePooling(GlobalPooling { dimensions: 2, keepdims: false }),
        late,
    );
    let softmax = Dense { activation: Activation::Softmax, ..Dense::new(3) };
    let classes = layers.apply("classes", softmax, pooled);
    let network = layers.build(&[classes])?;
    let values = |(name, shape): (String, Vec<usize>)| {
        let length: usize = shape.iter().product();
        let value = |i: usize| ((i * 7919 + name.len() * 104_729 + seed) % 97) as f32 / 97.0 - 0.4;
        Ok((name.clone(), Tensor::new(shape, (0..length).map(value).collect())?))
    };
    let weights = network.weight_shapes().into_iter().map(values).collect::<Result<BTreeMap<_, _>>>()?;
    Ok(network.with_weights(weights)?)
}

fn preprocessing() -> Preprocessing {
    Preprocessing {
        width: 8,
        height: 8,
        resize: Resize::Nearest,
        fit: Fit::Stretch,
        background: [255; 3],
        order: ChannelOrder::Rgb,
        layout: Layout::Nchw,
        mean: [127.0; 3],
        std: [128.0; 3],
    }
}

fn function(
    network: &Network,
    preprocessing: Preprocessing,
    runtime: &Arc<Counted>,
) -> Result<NetworkFunction> {
    let outputs = network.output_shapes()[0].iter().product();
    let onnx = network.to_onnx(&OnnxOptions { input_layout: ImageLayout::ChannelsFirst })?;
    let onnx = Blob::new(onnx.into());
    Ok(NetworkFunction::try_new(onnx, preprocessing, outputs, 1, runtime.clone())?)
}

fn cut(layer: &str, seed: usize, runtime: &Arc<Counted>) -> Result<Arc<dyn ColumnFunction>> {
    Ok(Arc::new(function(&network(seed)?.cut(layer)?, preprocessing(), runtime)?))
}

/// Named classes of an image, as a predictor answers them.
fn predictor(runtime: &Arc<Counted>) -> Result<Arc<dyn ColumnFunction>> {
    let class = |name: &str| Class { class: name.into(), description: name.into() };
    let decode = DecodePredictions::try_new(["a", "b", "c"].map(class).to_vec(), 2)?;
    let steps = vec![
        Step::new(cut("classes", 0, runtime)?, ["image"], ["probabilities"]),
        Step::new(Arc::new(decode), ["probabilities"], ["classes"]),
    ];
    Ok(Arc::new(PipelineFunction::try_new(vec!["image".into()], steps, "classes".into())?))
}

async fn pictures(session: &Session) -> Result<tempfile::TempDir> {
    let dir = tempfile::tempdir()?;
    folder(dir.path())?;
    let table = ImageTable::open(&dir.path().display().to_string(), ReadOptions::default()).await?;
    session.register_table("t", Arc::new(table))?;
    Ok(dir)
}

/// Applies functions to the pictures, as stages do; each one's answers and reasons, sorted by the pictures' origins.
async fn answers(functions: &[Arc<dyn ColumnFunction>]) -> Result<Vec<ArrayRef>> {
    let session = Session::new();
    let dir = pictures(&session).await?;
    let steps: Vec<Step> = functions
        .iter()
        .enumerate()
        .map(|(i, f)| Step::new(f.clone(), ["image"], [format!("a{i}")]).with_error(Some(format!("why{i}"))))
        .collect();
    let table = evaluate::apply(session.context().table("t").await?, &steps)?;
    session.register_table("answers", table.into_view())?;
    let columns: Vec<String> = (0..functions.len())
        .map(|i| format!("a{i}, replace(why{i}, '{}', '') AS why{i}", dir.path().display()))
        .collect();
    let query = format!("SELECT {} FROM answers ORDER BY split_part(origin, '/', -1)", columns.join(", "));
    let batches = session.sql(&query).await?.collect().await?;
    Ok(concat_batches(&batches[0].schema(), &batches)?.columns().to_vec())
}

/// Runs functions together and each alone: equal answers and reasons, and as many runs as expected.
async fn check(
    functions: impl Fn(&Arc<Counted>) -> Result<Vec<Arc<dyn ColumnFunction>>>,
    expected_runs: usize,
) -> Result<()> {
    let runtime = Arc::new(Counted::default());
    let together = answers(&functions(&runtime)?).await?;
    assert_eq!(runtime.runs.load(Ordering::Relaxed), expected_runs);
    let alone = functions(&Arc::new(Counted::default()))?;
    for (function, answer) in alone.into_iter().zip(together.chunks(2)) {
        let found = answers(&[function]).await?;
        assert_eq!(found, answer, "bit for bit");
        assert_eq!((answer[0].null_count(), answer[1].null_count()), (2, READABLE));
    }
    Ok(())
}

#[tokio::test]
async fn cuts_of_a_network_share_a_run() -> Result<()> {
    check(
        |runtime| ["early", "late", "pooled"].iter().map(|cut_at| cut(cut_at, 0, runtime)).collect(),
        READABLE,
    )
    .await?;
    // The same cut, made twice: one network, prepared once.
    check(|runtime| Ok(vec![cut("late", 0, runtime)?, cut("late", 0, runtime)?]), READABLE).await
}

#[tokio::test]
async fn a_featurizer_and_a_predictor_share_a_run() -> Result<()> {
    check(|runtime| Ok(vec![cut("pooled", 0, runtime)?, predictor(runtime)?]), READABLE).await?;
    check(|runtime| Ok(vec![predictor(runtime)?, cut("early", 0, runtime)?, predictor(runtime)?]), READABLE)
        .await
}

#[tokio::test]
async fn what_differs_runs_alone() -> Result<()> {
    check(|runtime| Ok(vec![cut("late", 0, runtime)?, cut("late", 1, runtime)?]), 2 * READABLE).await?;
    let other_mean = |runtime: &Arc<Counted>| -> Result<Vec<Arc<dyn ColumnFunction>>> {
        let other = Preprocessing { mean: [0.0; 3], ..preprocessing() };
        let other = function(&network(0)?.cut("late")?, other, runtime)?;
        Ok(vec![cut("late", 0, runtime)?, Arc::new(other)])
    };
    check(other_mean, 2 * READABLE).await
}

#[tokio::test]
async fn calls_in_a_query_share_a_run() -> Result<()> {
    let runtime = Arc::new(Counted::default());
    let session = Session::new();
    let _dir = pictures(&session).await?;
    session.register_function("features", cut("pooled", 0, &runtime)?);
    session.register_function("classes", predictor(&runtime)?);
    for query in 1..=2 {
        let batches = session.sql("SELECT features(image), classes(image) FROM t").await?.collect().await?;
        assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 6);
        assert_eq!(runtime.runs.load(Ordering::Relaxed), query * READABLE);
        assert_eq!(
            runtime.prepared.load(Ordering::Relaxed),
            1,
            "what runs together is kept for the next query"
        );
    }
    session.sql("SELECT features(image) FROM t").await?.collect().await?;
    assert_eq!(runtime.runs.load(Ordering::Relaxed), 3 * READABLE);
    Ok(())
}

#[tokio::test]
async fn what_the_cache_knows_does_not_run() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let cache = Arc::new(FeatureCache::open(dir.path(), 1 << 20)?);
    let runtime = Arc::new(Counted::default());
    let cached = |layer: &str| -> Result<Arc<dyn ColumnFunction>> {
        let function = function(&network(0)?.cut(layer)?, preprocessing(), &runtime)?;
        Ok(Arc::new(function.with_cache(cache.clone())))
    };
    let runs = || runtime.runs.load(Ordering::Relaxed);
    let late = answers(&[cached("late")?]).await?;
    assert_eq!(runs(), READABLE);
    let both = answers(&[cached("late")?, cached("early")?]).await?;
    assert_eq!(runs(), 2 * READABLE, "only what was not known ran");
    assert_eq!(both[..2], late[..]);
    assert_eq!(answers(&[cached("late")?, cached("early")?]).await?, both);
    assert_eq!(runs(), 2 * READABLE);
    Ok(())
}

#[tokio::test]
async fn what_changes_an_answer_is_not_looked_up() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let cache = Arc::new(FeatureCache::open(dir.path(), 1 << 20)?);
    let settings = |layer: &str, seed, preprocessing| (layer.to_owned(), seed, preprocessing);
    let changed = [
        ("nothing kept yet", settings("late", 0, preprocessing())),
        ("weights", settings("late", 1, preprocessing())),
        ("layer", settings("early", 0, preprocessing())),
        ("resizing", settings("late", 0, Preprocessing { resize: Resize::Area, ..preprocessing() })),
        (
            "order of channels",
            settings("late", 0, Preprocessing { order: ChannelOrder::Bgr, ..preprocessing() }),
        ),
        ("mean", settings("late", 0, Preprocessing { mean: [127.0, 126.0, 127.0], ..preprocessing() })),
        ("deviation", settings("late", 0, Preprocessing { std: [128.0, 128.0, 129.0], ..preprocessing() })),
    ];
    // Twice: what was kept for one setting is there while others are looked up.
    for known in [false, true] {
        for (what, (layer, seed, preprocessing)) in &changed {
            let runtime = Arc::new(Counted::default());
            let made = || function(&network(*seed)?.cut(layer)?, preprocessing.clone(), &runtime);
            let found = answers(&[Arc::new(made()?.with_cache(cache.clone()))]).await?;
            let runs = runtime.runs.load(Ordering::Relaxed);
            assert_eq!(runs, if known { 0 } else { READABLE }, "{what}, known: {known}");
            assert_eq!(found, answers(&[Arc::new(made()?)]).await?, "{what}, known: {known}");
        }
    }
    Ok(())
}

#[test]
fn new_images_alone_run() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let cache = Arc::new(FeatureCache::open(dir.path(), 1 << 20)?);
    let images = (0..60).map(|i| png(3, 3, [i, 0, 255 - i])).collect::<Result<Vec<_>>>()?;
    let runs_of = |images: &[Vec<u8>]| -> Result<usize> {
        let runtime = Arc::new(Counted::default());
        let function = function(&network(0)?, preprocessing(), &runtime)?.with_cache(cache.clone());
        let input: ArrayRef = Arc::new(BinaryArray::from_iter_values(images));
        assert_eq!(function.evaluate(&[input])?.values.null_count(), 0);
        Ok(runtime.runs.load(Ordering::Relaxed))
    };
    assert_eq!(runs_of(&images[..50])?, 50);
    assert_eq!(runs_of(&images)?, 10);
    assert_eq!(runs_of(&images)?, 0);
    Ok(())
}

#[test]
fn a_pipeline_shares_runs_within() -> Result<()> {
    let dir = tempfile::tempdir()?;
    folder(dir.path())?;
    let runtime = Arc::new(Counted::default());
    let steps = vec![
        Step::new(cut("early", 0, &runtime)?, ["image"], ["early"]),
        Step::new(cut("pooled", 0, &runtime)?, ["image"], ["pooled"]),
    ];
    let pipeline = PipelineFunction::try_new(vec!["image".into()], steps, "pooled".into())?;
    let uris = ["cats/a.png", "dogs/broken.jpg"].map(|name| dir.path().join(name).display().to_string());
    let input: ArrayRef = Arc::new(StringArray::from(uris.to_vec()));
    let answer = pipeline.evaluate(std::slice::from_ref(&input))?;
    assert_eq!(runtime.runs.load(Ordering::Relaxed), 1);
    assert_eq!(answer.errors.len(), 1, "one reason for a row, however many steps failed on it");
    let alone = cut("pooled", 0, &runtime)?.evaluate(&[input])?;
    assert_eq!(answer.values.as_fixed_size_list(), alone.values.as_fixed_size_list());
    assert_eq!(answer.errors.first().context("no reason")?.reason, alone.errors[0].reason);
    Ok(())
}
