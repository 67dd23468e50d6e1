//! Models from files as stages: what other tools compute (`tools/goldens/foreign.py`), on columns.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use emberline_image::{Channels, Format, Image, encode};
use emberline_ml::{
    IfExists, KerasImageFileTransformer, KerasTransformer, OnnxTransformer, PipelineModel,
    TFImageTransformer, TFTransformer, Transformer, load, save,
};
use emberline_net::{
    Activation, Layer, NetworkBuilder, OnnxOptions, PrepareOptions, Tensor, ZeroPadding, default_runtime,
    keras,
};
use emberline_table::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Float32Array, ListArray, RecordBatch,
};
use emberline_table::arrow::datatypes::{DataType, Float32Type, Float64Type};
use emberline_table::datafusion::dataframe::DataFrame;
use emberline_table::{ImageColumn, Session};

/// The models that the tests of `emberline-net` have.
pub(crate) fn foreign(name: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.join("../emberline-net/tests/fixtures/foreign").join(name).display().to_string()
}

/// `numbers` of the script.
fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 37 + 11) % 101) as f32 / 50.0 - 1.0).collect()
}

/// The script's outputs of a model, a list for each row.
fn expected(list: &str, model: &str, output: &str) -> Result<Vec<Vec<f32>>> {
    let text = std::fs::read_to_string(foreign(list))?;
    let start = format!("{model}|{output}|");
    let line = text.lines().find_map(|line| line.strip_prefix(&start)).context("nothing is expected")?;
    let (shape, values) = line.split_once('|').context("no values")?;
    let rows: usize = shape.split('x').next().context("no shape")?.parse()?;
    let values: Vec<f32> = values.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    Ok(values.chunks(values.len() / rows).map(<[f32]>::to_vec).collect())
}

/// Two rows of a list column, a null, and a list of another length.
fn lists(values: &[f32]) -> ArrayRef {
    let (first, second) = values.split_at(values.len() / 2);
    let some = |row: &[f32]| Some(row.iter().copied().map(Some).collect::<Vec<_>>());
    let rows = vec![some(first), None, some(second), some(&[1.0])];
    Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(rows))
}

fn table(columns: Vec<(&str, ArrayRef)>) -> Result<DataFrame> {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )?;
    Ok(Session::new().context().read_batch(batch)?)
}

async fn columns(stage: &dyn Transformer, table: DataFrame) -> Result<RecordBatch> {
    let batches = stage.transform(table)?.collect().await?;
    let schema = batches.first().context("no rows")?.schema();
    Ok(emberline_table::arrow::compute::concat_batches(&schema, &batches)?)
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef> {
    batch.column_by_name(name).with_context(|| format!("no column {name}"))
}

/// The vectors of a column; `None` for a null.
fn vectors(array: &ArrayRef) -> Vec<Option<Vec<f32>>> {
    let rows = array.as_fixed_size_list().iter();
    rows.map(|row| Some(row?.as_primitive::<Float32Type>().values().to_vec())).collect()
}

fn near(found: &[Option<Vec<f32>>], expected: &[Option<Vec<f32>>]) -> Result<()> {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        match (found, expected) {
            (Some(found), Some(expected)) => {
                let close = |(found, expected): (&f32, &f32)| (found - expected).abs() <= 1e-5;
                ensure!(found.len() == expected.len(), "{found:?}, expected {expected:?}");
                ensure!(found.iter().zip(expected).all(close), "{found:?}, expected {expected:?}");
            }
            _ => assert_eq!(found, expected),
        }
    }
    Ok(())
}

#[tokio::test]
async fn onnx_on_vectors_survives_saving_without_its_file() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("model.onnx");
    std::fs::copy(foreign("old.onnx"), &file)?;
    let stage = OnnxTransformer::new()
        .model_file(&file.display().to_string())
        .input_mapping(&[("features", "x")])
        .output_mapping(&[("scores", "p"), ("relu", "inner")])
        .error_col("why")
        .batch_size(1);
    let rows = || table(vec![("features", lists(&numbers(8)))]);
    let found = columns(&stage, rows()?).await?;
    let scores = expected("onnx.txt", "old.onnx", "scores")?;
    near(&vectors(column(&found, "p")?), &[Some(scores[0].clone()), None, Some(scores[1].clone()), None])?;
    assert_eq!(column(&found, "inner")?.null_count(), 2);
    let why = column(&found, "why")?.as_string::<i32>();
    ensure!(why.is_null(0) && why.is_null(1), "{why:?}");
    assert_eq!(why.value(3), "expected a tensor of shape [4], found [1]");
    // The same in one run, and saved and loaded when the file is gone.
    let batched = columns(&stage.clone().batch_size(8), rows()?).await?;
    assert_eq!(column(&batched, "p")?, column(&found, "p")?);
    let saved = dir.path().join("saved");
    save(&stage, &saved, IfExists::Fail)?;
    let missing = stage.clone().batch_size(2);
    std::fs::remove_file(&file)?;
    let loaded = load(&saved)?;
    let emberline_ml::Saved::Transformer(loaded) = loaded else { anyhow::bail!("it changed") };
    assert_eq!(columns(loaded.as_ref(), rows()?).await?, found);
    let error = columns(&missing, rows()?).await.err().context("there is no file")?.to_string();
    ensure!(error.contains("model.onnx"), "{error}");
    Ok(())
}

#[tokio::test]
async fn several_outputs_are_a_struct_or_columns() -> Result<()> {
    let stage = TFTransformer::new().model_file(&foreign("v1")).output_col("both");
    let mapped = stage.clone().input_mapping(&[("a", "first"), ("b", "second")]);
    let second: Vec<f32> = numbers(6).iter().map(|value| value + 1.0).collect();
    let rows = || table(vec![("a", lists(&numbers(6))), ("b", lists(&second))]);
    let found = columns(&mapped, rows()?).await?;
    let both = column(&found, "both")?.as_struct();
    let with_nulls = |rows: Vec<Vec<f32>>| match rows.as_slice() {
        [first, second] => vec![Some(first.clone()), None, Some(second.clone()), None],
        _ => Vec::new(),
    };
    for (name, field) in [("plus", 0), ("twice", 1)] {
        assert_eq!(both.column_names()[field], name);
        near(&vectors(both.column(field)), &with_nulls(expected("tensorflow.txt", "v1", name)?))?;
    }
    let named = mapped.clone().output_mapping(&[("twice", "t"), ("inner:0", "i")]);
    let found = columns(&named, rows()?).await?;
    near(&vectors(column(&found, "t")?), &with_nulls(expected("tensorflow.txt", "v1", "twice")?))?;
    near(&vectors(column(&found, "i")?), &with_nulls(expected("tensorflow.txt", "v1", "inner:0")?))?;
    let wrong = |stage: &TFTransformer| {
        Ok::<_, anyhow::Error>(stage.transform(rows()?).err().context("it is used")?.to_string())
    };
    ensure!(
        wrong(&stage)?.contains("the model has the inputs first, second; inputMapping says their columns")
    );
    let half = stage.clone().input_mapping(&[("a", "first")]);
    ensure!(wrong(&half)?.contains("(Placeholder)"), "{}", wrong(&half)?);
    ensure!(wrong(&mapped.clone().output_mapping(&[("x", "y")]))?.contains("it has no tensor `x:0`"));
    ensure!(wrong(&mapped.input_mapping(&[("c", "first"), ("b", "second")]))?.contains("`c`"));
    Ok(())
}

/// A network that gives what it takes, in a file.
fn identity(dir: &Path, shape: [usize; 3], layer: Layer) -> Result<String> {
    let mut layers = NetworkBuilder::new("identity");
    let image = layers.input("image", shape);
    let same = layers.apply("same", layer, image);
    let path = dir.join(format!("{}.onnx", shape[2]));
    std::fs::write(&path, layers.build(&[same])?.to_onnx(&OnnxOptions::default())?)?;
    Ok(path.display().to_string())
}

fn pictures() -> Result<DataFrame> {
    let image = Image::new(2, 1, Channels::Rgb, vec![250, 100, 3, 0, 20, 200])?;
    let png = encode(&image, Format::Png)?;
    let images = BinaryArray::from_opt_vec(vec![Some(png.as_slice()), None, Some(b"no picture")]);
    table(vec![("image", Arc::new(images))])
}

#[tokio::test]
async fn images_enter_in_the_order_of_channels_that_is_asked_for() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let colour = identity(dir.path(), [1, 2, 3], Layer::Activation(Activation::Linear))?;
    let gray = identity(dir.path(), [1, 2, 1], Layer::Activation(Activation::Linear))?;
    let stage = |file: &str, order: &str| {
        TFImageTransformer::new()
            .input_col("image")
            .output_col("o")
            .error_col("why")
            .model_file(file)
            .channel_order(order)
    };
    for (file, order, expected) in [
        (&colour, "RGB", vec![250.0, 100.0, 3.0, 0.0, 20.0, 200.0]),
        (&colour, "BGR", vec![3.0, 100.0, 250.0, 200.0, 20.0, 0.0]),
        // Pillow's convert("L") of the two pixels.
        (&gray, "L", vec![134.0, 35.0]),
    ] {
        let stage = stage(file, order);
        let found = columns(&stage, pictures()?).await?;
        near(&vectors(column(&found, "o")?), &[Some(expected), None, None])?;
        ensure!(column(&found, "why")?.is_valid(2));
        let saved = dir.path().join(order);
        save(&stage, &saved, IfExists::Fail)?;
        let emberline_ml::Saved::Transformer(loaded) = load(&saved)? else { anyhow::bail!("it changed") };
        assert_eq!(columns(loaded.as_ref(), pictures()?).await?, found);
    }
    let error = stage(&gray, "RGB").transform(pictures()?).err().context("one channel")?.to_string();
    ensure!(
        error.contains("expected an input of images of 3 channel(s), found `image: f32 [?, 1, 2, 1]`"),
        "{error}"
    );
    let error = stage(&gray, "CMYK").transform(pictures()?).err().context("no order")?.to_string();
    ensure!(error.contains("channelOrder") && error.contains("L, RGB, BGR"), "{error}");
    Ok(())
}

#[tokio::test]
async fn outputs_become_images() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file =
        identity(dir.path(), [1, 2, 3], Layer::ZeroPadding(ZeroPadding { pads: vec![(1, 0), (0, 1)] }))?;
    let stage = TFImageTransformer::new()
        .input_col("image")
        .output_col("o")
        .model_file(&file)
        .channel_order("BGR")
        .output_mode("image");
    let found = columns(&stage, pictures()?).await?;
    let images = ImageColumn::try_new(column(&found, "o")?).context("no images")?;
    let image = images.get(0).context("null")?.to_image().map_err(anyhow::Error::msg)?;
    assert_eq!((image.width(), image.height()), (3, 2));
    assert_eq!(image.data(), [[0; 9], [250, 100, 3, 0, 20, 200, 0, 0, 0]].concat());
    ensure!(images.get(1).is_none() && images.get(2).is_none());
    Ok(())
}

#[tokio::test]
async fn a_saved_model_of_keras_sees_images_of_its_size() -> Result<()> {
    let stage = TFImageTransformer::new()
        .input_col("image")
        .output_col("scores")
        .model_file(&foreign("keras"))
        .channel_order("RGB")
        .output_tensor("output_0");
    let found = columns(&stage, pictures()?).await?;
    let scores = vectors(column(&found, "scores")?);
    let sum: f32 = scores[0].as_ref().context("null")?.iter().sum();
    ensure!((sum - 1.0).abs() < 1e-5 && scores[1].is_none(), "{scores:?}");
    let error = stage.clone().height(9).transform(pictures()?).err().context("another size")?.to_string();
    ensure!(error.contains("parameter `height`: the model takes 8, found 9"), "{error}");
    let model = PipelineModel::new(vec![Arc::new(stage)]).as_function()?;
    assert!(matches!(
        emberline_table::ColumnFunction::return_field(
            &model,
            &[column(&found, "image").map(|_| found.schema().field(0).clone().into())?]
        )?
        .data_type(),
        DataType::FixedSizeList(_, 3)
    ));
    Ok(())
}

/// A model of rank 1 gives numbers, of more axes lists of lists; numbers of any type are taken.
#[tokio::test]
async fn tensors_of_any_rank_are_columns() -> Result<()> {
    let stage = OnnxTransformer::new()
        .model_file(&foreign("typed.onnx"))
        .input_mapping(&[("ids", "ids")])
        .output_mapping(&[("rows", "rows")]);
    let table = Session::new()
        .sql("SELECT [0, 1, 2] AS ids, 1 AS one UNION ALL SELECT [3, 4, 0], 2 ORDER BY one")
        .await?;
    let found = columns(&stage, table).await?;
    let rows = column(&found, "rows")?.as_fixed_size_list();
    assert_eq!((rows.value_length(), rows.value(0).as_fixed_size_list().value_length()), (3, 4));
    let first: Vec<f32> =
        rows.value(0).as_fixed_size_list().values().as_primitive::<Float32Type>().values()[..4].to_vec();
    near(&[Some(first)], &[Some(numbers(4))])?;
    let flags = OnnxTransformer::new()
        .model_file(&foreign("typed.onnx"))
        .input_mapping(&[("flag", "flag")])
        .output_mapping(&[("unflag", "not")]);
    let found = columns(&flags, Session::new().sql("SELECT true AS flag").await?).await?;
    assert_eq!(column(&found, "not")?.as_primitive::<Float32Type>(), &Float32Array::from(vec![0.0]));
    let text = Session::new().sql("SELECT 'true' AS flag").await?;
    let error = flags.transform(text).err().context("text")?.to_string();
    ensure!(error.contains("tensors of numbers of shape []"), "{error}");
    let doubles: ArrayRef =
        Arc::new(emberline_table::arrow::array::PrimitiveArray::<Float64Type>::from(vec![1.0]));
    ensure!(flags_of(&flags, doubles).await? == [0.0]);
    Ok(())
}

async fn flags_of(stage: &OnnxTransformer, flags: ArrayRef) -> Result<Vec<f32>> {
    let found = columns(stage, table(vec![("flag", flags)])?).await?;
    Ok(column(&found, "not")?.as_primitive::<Float32Type>().values().to_vec())
}

/// What a Keras file, whose reader has tests of its own, gives for one row.
fn of_keras(file: &str, inputs: &[(&str, Tensor)]) -> Result<Vec<Vec<f32>>> {
    let network = keras::read_model(file, &Default::default())?.network;
    let onnx = network.to_onnx(&OnnxOptions::default())?;
    let prepared = default_runtime().prepare(&onnx, &PrepareOptions::default())?;
    let input = |name: &str| inputs.iter().find(|(known, _)| *known == name).map(|(_, tensor)| tensor.view());
    let views: Option<Vec<_>> = prepared.inputs().iter().map(|port| input(&port.name)).collect();
    let views = views.context("an input is missing")?;
    Ok(prepared.run(&views)?.into_iter().map(Tensor::into_data).collect())
}

#[tokio::test]
async fn keras_files_are_stages() -> Result<()> {
    let file = foreign("../keras/shared.keras");
    let stage = KerasTransformer::new()
        .model_file(&file)
        .input_mapping(&[("a", "first"), ("b", "second")])
        .output_mapping(&[("scores", "p")]);
    let (first, second) = (numbers(10), numbers(10).into_iter().rev().collect::<Vec<_>>());
    let rows = table(vec![("a", lists(&first)), ("b", lists(&second))])?;
    let found = vectors(column(&columns(&stage, rows).await?, "p")?);
    let row = |values: &[f32]| Tensor::new(vec![1, 5], values.to_vec());
    let expected = of_keras(&file, &[("first", row(&first[..5])?), ("second", row(&second[..5])?)])?;
    ensure!(
        expected.iter().any(|output| near(&found[..1], &[Some(output.clone())]).is_ok()),
        "{found:?} {expected:?}"
    );
    ensure!(found[1].is_none() && found[2].is_some() && found[3].is_none(), "{found:?}");

    let file = foreign("../keras/sequential.keras");
    let stage = KerasImageFileTransformer::new().model_file(&file).input_col("image").output_col("scores");
    let image = Image::new(8, 8, Channels::Rgb, (0..192).collect())?;
    let pixels = Tensor::new(vec![1, 8, 8, 3], (0..192_u8).map(f32::from).collect())?;
    let expected = of_keras(&file, &[("image", pixels)])?;
    let png = encode(&image, Format::Png)?;
    let images: ArrayRef = Arc::new(BinaryArray::from_opt_vec(vec![Some(png.as_slice())]));
    let found = vectors(column(&columns(&stage, table(vec![("image", images)])?).await?, "scores")?);
    near(&found, &[expected.first().cloned()])
}
