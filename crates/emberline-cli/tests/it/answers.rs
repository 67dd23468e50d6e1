//! What the commands answer.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::support::{Workplace, file_name};

const TRAIN: [&str; 10] = [
    "train",
    "photos",
    "--model",
    "EfficientNetLite0",
    "--reg-param",
    "0.01,0.1",
    "--folds",
    "3",
    "--out",
    "m.ember",
];
const MODEL: &str = "EfficientNetLite0";

/// Colours are easy to tell apart; what is not predicted right here is a fault of the way, not of the model.
#[test]
fn a_trained_model_predicts_and_is_a_sql_function() -> Result<()> {
    let place = Workplace::with_pictures(10)?;
    place.write("photos/red/broken.png", b"not a picture")?;
    place.write("photos/stray.png", &std::fs::read(place.path("photos/red/red0.png"))?)?;

    let trained = place.succeed(&TRAIN)?;
    for expected in
        ["32 images, 3 labels: blue 10, green 10, red 10", "1 image without a label", "on 6 images held out"]
    {
        ensure!(trained.stdout.contains(expected), "{expected} is not in {}", trained.stdout);
    }
    ensure!(trained.stderr.contains("1 of 32 images could not be read"), "{}", trained.stderr);

    let predicted =
        place.succeed(&["predict", "m.ember", "photos", "--json", "--top-k", "2"])?.json_lines()?;
    ensure!(predicted.len() == 32, "{} predictions", predicted.len());
    for prediction in &predicted {
        let name = file_name(&prediction["origin"]);
        if name == "broken.png" {
            ensure!(
                prediction["predictions"] == json!([]) && prediction["error"].is_string(),
                "{prediction}"
            );
        } else {
            let label = prediction["predictions"][0]["label"].as_str().context("no label")?;
            ensure!(name == "stray.png" || name.starts_with(label), "{prediction}");
            ensure!(prediction["predictions"].as_array().map(Vec::len) == Some(2), "{prediction}");
        }
    }
    let table = place.succeed(&["predict", "m.ember", "photos/blue/blue1.png", "photos/red"])?;
    ensure!(
        table.stdout.contains("photos/blue/blue1.png") && table.stdout.contains("not read:"),
        "{}",
        table.stdout
    );

    let query = "SELECT image, what_is_it(image) AS objects FROM photos WHERE origin LIKE '%green1.png'";
    let tables = ["--table", "photos=photos", "--function", "what_is_it=m.ember"];
    let answer = place.succeed(&[&["sql", query][..], &tables].concat())?;
    let row =
        answer.stdout.lines().last().and_then(|row| row.trim().strip_prefix("image(65×48×3, green1.png)"));
    ensure!(row.is_some_and(|objects| objects.trim().starts_with("green ")), "{}", answer.stdout);
    let answer = place.succeed(&[&["sql", query, "--json"][..], &tables].concat())?.json()?;
    ensure!(answer["objects"]["label"] == "green" && answer["image"]["width"] == 65, "{answer}");

    let in_sql = "CREATE EXTERNAL TABLE t STORED AS IMAGES LOCATION 'photos/'; \
                  CREATE FUNCTION f(image) LANGUAGE EMBERLINE AS 'm.ember'; \
                  SELECT count(f(image)) AS answers, count(*) AS images FROM t";
    let answer = place.succeed(&["sql", in_sql, "--json"])?;
    ensure!(answer.json()? == json!({"answers": 31, "images": 32}), "{}", answer.stdout);
    ensure!(answer.stderr.contains("bad_images"), "{}", answer.stderr);
    Ok(())
}

#[test]
fn the_same_seed_gives_the_same_model() -> Result<()> {
    let place = Workplace::with_pictures(6)?;
    let mut reports = Vec::new();
    for threads in ["1", "3"] {
        let report =
            place.succeed(&[&TRAIN[..], &["--json", "--overwrite", "--threads", threads]].concat())?;
        reports.push((report.stdout, place.succeed(&["predict", "m.ember", "photos", "--json"])?.stdout));
    }
    ensure!(reports[0] == reports[1], "{reports:?}");
    let report: Value = serde_json::from_str(&reports[0].0)?;
    ensure!(report["candidates"].as_array().map(Vec::len) == Some(2), "{report}");
    ensure!(report["held_out"]["rows"] == 3 && report["trained_on"] == 15, "{report}");
    // Nothing is left beside what was asked for.
    ensure!(place.entries()? == ["m.ember", "photos"], "{:?}", place.entries()?);
    Ok(())
}

#[test]
fn without_a_test_ratio_all_rows_train() -> Result<()> {
    let place = Workplace::with_pictures(3)?;
    let report = place.succeed(&[&TRAIN[..], &["--test-ratio", "0", "--json"]].concat())?.json()?;
    ensure!(report["held_out"].is_null() && report["trained_on"] == 9, "{report}");
    Ok(())
}

#[test]
fn a_named_network_predicts() -> Result<()> {
    let place = Workplace::with_pictures(1)?;
    let args = ["predict", "--model", MODEL, "photos/red/red0.png", "photos/blue", "--top-k", "3", "--json"];
    let predicted = place.succeed(&args)?.json_lines()?;
    let names: Vec<&str> = predicted.iter().map(|prediction| file_name(&prediction["origin"])).collect();
    ensure!(names == ["red0.png", "blue0.png"], "{names:?}");
    for prediction in &predicted {
        let guesses = prediction["predictions"].as_array().context("no predictions")?;
        ensure!(guesses.len() == 3 && guesses.iter().all(|guess| guess["class"].is_string()), "{prediction}");
    }
    Ok(())
}

#[test]
fn nothing_is_kept_to_be_told_to_anyone() -> Result<()> {
    let place = Workplace::with_pictures(1)?;
    let home = tempfile::tempdir()?;
    // ONNX Runtime would keep what it gathers below one of these, but not where tests of its own or of others run.
    let mut command = place.command(&["predict", "--model", MODEL, "photos/red"]);
    for variable in ["HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "TMPDIR"] {
        command.env(variable, home.path());
    }
    for variable in ["CI", "GITHUB_ACTIONS", "TF_BUILD", "ORT_DISABLE_TELEMETRY"] {
        command.env_remove(variable);
    }
    let output = command.env("EMBERLINE_RUNTIME", "onnxruntime").output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let kept: Vec<_> = std::fs::read_dir(home.path())?.collect::<Result<_, _>>()?;
    ensure!(kept.is_empty(), "{kept:?}");
    Ok(())
}

#[test]
fn features_are_a_parquet_file() -> Result<()> {
    let place = Workplace::with_pictures(3)?;
    place.write("photos/blue/empty.png", b"")?;
    // What a process that was killed while it wrote leaves.
    std::fs::create_dir_all(place.path(".emberline-killed/new"))?;
    place.write(".emberline-killed/lock", b"")?;
    let args = ["featurize", "photos", "--model", MODEL, "--out", "f.parquet", "--json"];
    let written = place.succeed(&args)?.json()?;
    ensure!(written["rows"] == 10 && written["bad_images"]["count"] == 1, "{written}");
    let query = "SELECT origin, label, error, features FROM f";
    let rows = place.succeed(&["sql", query, "--table", "f=f.parquet", "--json"])?.json_lines()?;
    ensure!(rows.len() == 10 && rows.is_sorted_by_key(|row| row["origin"].to_string()), "{rows:?}");
    for row in &rows {
        let length = row["features"].as_array().map(Vec::len);
        let expected =
            if file_name(&row["origin"]) == "empty.png" { (None, true) } else { (Some(1280), false) };
        ensure!(
            (length, row["error"].is_string()) == expected,
            "{}: {length:?} {}",
            row["origin"],
            row["error"]
        );
    }
    ensure!(place.entries()? == ["f.parquet", "photos"], "{:?}", place.entries()?);
    Ok(())
}

#[test]
fn processes_share_what_they_keep() -> Result<()> {
    let place = Workplace::with_pictures(4)?;
    let args = |out| ["featurize", "photos", "--model", MODEL, "--out", out];
    let outs = ["a.parquet", "b.parquet", "c.parquet"];
    let started = outs.map(|out| place.spawn(&args(out)));
    for child in started {
        let status = child?.wait()?;
        ensure!(status.success(), "{status}");
    }
    ensure!(place.json(&["cache", "stats"])?["entries"] == 12);
    let of = |out: &str| place.succeed(&["sql", "SELECT * FROM f", "--table", &format!("f={out}"), "--json"]);
    let [a, b, c] = outs.map(of);
    let (a, b, c) = (a?.json_lines()?, b?.json_lines()?, c?.json_lines()?);
    ensure!(a.len() == 12 && a == b && a == c);
    Ok(())
}

#[test]
fn an_intermediate_layer_gives_features_too() -> Result<()> {
    let place = Workplace::with_pictures(1)?;
    let layer = ["--layer", "block3b_add", "--pooling", "max", "--glob", "red*"];
    place
        .succeed(&[&["featurize", "photos", "--model", MODEL, "--out", "f.parquet"][..], &layer].concat())?;
    let query = "SELECT count(*) AS n, min(array_length(features)) AS width FROM f";
    let answer = place.succeed(&["sql", query, "--table", "f=f.parquet", "--json"])?.json()?;
    ensure!(answer == json!({"n": 1, "width": 40}), "{answer}");
    Ok(())
}

#[test]
fn long_answers_are_cut_for_people_and_whole_as_json() -> Result<()> {
    let place = Workplace::with_pictures(0)?;
    let query = "SELECT value FROM generate_series(1, 60)";
    let table = place.succeed(&["sql", query])?.stdout;
    ensure!(table.contains("and more rows"), "{table}");
    let all = place.succeed(&["sql", query, "--limit-rows", "0"])?.stdout;
    ensure!(!all.contains("and more rows") && all.lines().count() > 60, "{all}");
    let sixty = place.succeed(&["sql", query, "--limit-rows", "60"])?.stdout;
    ensure!(sixty == all, "{sixty}");
    ensure!(place.succeed(&["sql", query, "--json"])?.json_lines()?.len() == 60);
    Ok(())
}

#[test]
fn a_closed_pipe_ends_the_command_quietly() -> Result<()> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_emberline"));
    let command = command.args(["sql", "SELECT value FROM generate_series(1, 1000000)", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut first = String::new();
    BufReader::new(child.stdout.take().context("no output")?).read_line(&mut first)?;
    let output = child.wait_with_output()?;
    ensure!(first == "{\"value\":1}\n", "{first}");
    ensure!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    Ok(())
}

#[test]
fn models_are_listed_described_pulled_and_verified() -> Result<()> {
    let place = Workplace::with_pictures(0)?;
    ensure!(place.succeed(&["models"])?.stdout.contains(MODEL));
    let list = place.succeed(&["models", "list", "--json"])?.json()?;
    ensure!(list[0]["name"] == MODEL && list[0]["features"] == 1280, "{list}");
    let info = place.succeed(&["models", "info", MODEL, "--json"])?.json()?;
    let layers = info["layers"].as_array().context("no layers")?;
    let pooled = layers.iter().find(|layer| layer["name"] == "avg_pool").context("no avg_pool")?;
    ensure!(pooled["shape"] == json!([1280]), "{pooled}");
    ensure!(place.succeed(&["models", "info", MODEL])?.stdout.contains("block3b_add"));
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../emberline-net/tests/fixtures/keras/shared.keras");
    let file = file.display().to_string();
    let info = place.succeed(&["models", "info", &file, "--json"])?.json()?;
    ensure!(info["layers"][0]["kind"] == "Dense" && info["parameters"] == 42, "{info}");
    ensure!(place.succeed(&["models", "info", &file])?.stdout.contains("shared_call_1"));
    let pulled = place.succeed(&["models", "pull", MODEL])?;
    ensure!(
        pulled.stdout.lines().count() == 1 && pulled.stderr.is_empty(),
        "{}{}",
        pulled.stdout,
        pulled.stderr
    );
    ensure!(place.succeed(&["models", "verify", MODEL, "--json"])?.json()?["passed"] == true);

    // Weights of a user's are compared in two runtimes; those of another network do not fit.
    let file = place.succeed(&["models", "pull", MODEL, "--json"])?.json()?;
    let file = file["path"].as_str().context("no path")?;
    let own = place.succeed(&["models", "verify", MODEL, "--weights", file, "--json"])?.json()?;
    let layers = own["layers"].as_array().context("no layers")?;
    let in_two = layers.iter().filter(|l| l["picture"].as_str().is_some_and(|p| p.contains(", as in ")));
    ensure!(own["passed"] == true && in_two.count() > 1, "{own}");
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../emberline-net/tests/fixtures");
    let foreign = fixtures.join("keras_weights.h5").display().to_string();
    let other = place.run(&["models", "verify", MODEL, "--weights", &foreign])?;
    ensure!(other.code != Some(0) && other.stderr.contains(&format!("{MODEL}: ")), "{}", other.stderr);
    let both = place.run(&["models", "verify", file, "--weights", file])?;
    ensure!(both.stderr.contains("--weights goes with the name of a network"), "{}", both.stderr);

    for file in ["cut.onnx", "cut.keras"] {
        place.succeed(&["models", "export", MODEL, "--layer", "block3b_add", "--out", file])?;
        let found = place.succeed(&["models", "verify", file, "--json"])?.json()?;
        ensure!(found["passed"] == true, "{file}: {found}");
    }
    let refused = place.run(&["models", "export", MODEL, "--out", "network.txt"])?;
    ensure!(refused.stderr.contains("expected a file called .onnx or .keras"), "{}", refused.stderr);
    Ok(())
}

#[test]
fn model_files_are_verified() -> Result<()> {
    use emberline::net::{OnnxOptions, keras};
    let place = Workplace::with_pictures(0)?;
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../emberline-net/tests/fixtures");
    for file in ["keras/sequential.keras", "keras/branches_2.h5", "foreign/v1"] {
        let file = fixtures.join(file).display().to_string();
        let found = place.succeed(&["models", "verify", &file, "--json"])?.json()?;
        ensure!(found["passed"] == true && found["layers"][0]["layer"].is_string(), "{file}: {found}");
    }

    let network = keras::read_model(fixtures.join("keras/sequential.keras"), &Default::default())?.network;
    place.write("model.onnx", &network.to_onnx(&OnnxOptions::default())?)?;
    let values = emberline::net::read_tensors(fixtures.join("keras/values.safetensors"))?.read()?;
    let (input, output) = (&values["sequential.keras/input_0"], &values["sequential.keras/output_0"]);
    let bytes = |tensor: &emberline::net::Tensor| -> Vec<u8> {
        tensor.data().iter().flat_map(|value| value.to_le_bytes()).collect()
    };
    // A file of safetensors: the length of its header, the header, the numbers.
    let golden = |output_bytes: Vec<u8>| -> Vec<u8> {
        let input_bytes = bytes(input);
        let (middle, end) = (input_bytes.len(), input_bytes.len() + output_bytes.len());
        let header = json!({
            &network.inputs()[0].name: {"dtype": "F32", "shape": input.shape(), "data_offsets": [0, middle]},
            &network.outputs()[0]: {"dtype": "F32", "shape": output.shape(), "data_offsets": [middle, end]},
        });
        let header = header.to_string().into_bytes();
        [(header.len() as u64).to_le_bytes().to_vec(), header, input_bytes, output_bytes].concat()
    };
    place.write("right.safetensors", &golden(bytes(output)))?;
    place.write("wrong.safetensors", &golden(vec![0; 4 * output.data().len()]))?;
    let args = ["models", "verify", "model.onnx", "--golden"];
    ensure!(place.succeed(&[&args[..], &["right.safetensors"]].concat())?.stdout.contains("passed"));
    let wrong = place.run(&[&args[..], &["wrong.safetensors"]].concat())?;
    ensure!(
        wrong.code != Some(0) && wrong.stderr.contains("differs by more than is allowed"),
        "{}",
        wrong.stderr
    );

    let nothing = place.run(&["models", "verify", "nothing.onnx"])?;
    ensure!(nothing.stderr.contains("there is no file `nothing.onnx` either"), "{}", nothing.stderr);
    Ok(())
}

/// Arguments of a small search: four candidates, three folds.
const TUNE: [&str; 10] = [
    "tune",
    "photos",
    "--model",
    "EfficientNetLite0",
    "--grid",
    "regParam=0.01..1:log:2",
    "--grid",
    "elasticNetParam=0,0.5",
    "--folds",
    "3",
];

#[test]
fn tuning_does_no_work_twice() -> Result<()> {
    let place = Workplace::with_pictures(4)?;
    let first = place.json(&[&TUNE[..], &["--out", "best.ember", "--plot", "tuning.svg"]].concat())?;
    assert_eq!((&first["passes"], &first["passes_one_by_one"]), (&json!(1), &json!(13)));
    assert_eq!((&first["trials"], &first["trials_known"]), (&json!(12), &json!(0)));
    assert_eq!(first["features_known"], json!(0));
    assert_eq!(first["candidates"].as_array().map(Vec::len), Some(4));
    let best = first["best"].as_u64().unwrap_or(9) as usize;
    assert!(first["candidates"][best]["mean"].as_f64() > Some(0.9), "{first}");
    let picture = std::fs::read_to_string(place.path("tuning.svg"))?;
    assert!(picture.starts_with("<svg") && picture.contains("regParam") && picture.contains("</svg>"));

    // Every image's features are known now, and every trial.
    let kept = place.json(&["cache", "stats"])?;
    assert_eq!(kept["entries"], json!(12));
    let again = place.json(&[&TUNE[..], &["--out", "again.ember", "--resume"]].concat())?;
    assert_eq!((&again["trials"], &again["trials_known"]), (&json!(0), &json!(12)));
    assert_eq!(again["features_known"], json!(12));
    assert_eq!(again["candidates"], first["candidates"]);
    assert_eq!(place.json(&["cache"])?["entries"], json!(12));
    let trials = place.json(&["sql", "SELECT count(*) AS n, max(metric) AS best FROM emberline.trials"])?;
    assert_eq!(trials["n"], json!(12));
    place.succeed(&["predict", "best.ember", "photos/red"])?;
    assert_eq!(place.json(&["cache", "clear"])?["entries"], json!(0));
    Ok(())
}

#[test]
fn killed_tuning_goes_on_where_it_was() -> Result<()> {
    let place = Workplace::with_pictures(3)?;
    let args = [&TUNE[..], &["--out", "best.ember"]].concat();
    let mut child = place.spawn(&args)?;
    let ledger = place.ledger();
    let lines = || std::fs::read_to_string(&ledger).map_or(0, |text| text.matches('\n').count());
    while lines() < 2 && child.try_wait()?.is_none() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill()?;
    child.wait()?;
    let finished = lines();
    assert!(finished >= 2, "{finished}");
    let resumed = place.json(&[&args[..], &["--resume", "--overwrite"]].concat())?;
    assert_eq!(resumed["trials_known"], json!(finished));
    assert_eq!(resumed["trials"], json!(12 - finished));
    assert_eq!(
        place.json(&["cache"])?["entries"],
        json!(9),
        "no image was featurized twice, and none is missing"
    );
    Ok(())
}

#[test]
fn weights_come_from_a_file_of_ones_own() -> Result<()> {
    let place = Workplace::with_pictures(1)?;
    let pulled = place.json(&["models", "pull", MODEL])?;
    let file = pulled["path"].as_str().with_context(|| pulled.to_string())?;
    std::fs::copy(file, place.path("own.pth"))?;
    let args = ["predict", "photos", "--model", MODEL, "--top-k", "2"];
    let own = place.succeed(&[&args[..], &["--weights", "own.pth", "--json"]].concat())?;
    ensure!(own.stdout == place.succeed(&[&args[..], &["--json"]].concat())?.stdout);
    // What is saved brings its network, and needs the file no more.
    let train = [&TRAIN[..], &["--test-ratio", "0", "--weights", "own.pth"]].concat();
    place.succeed(&train)?;
    std::fs::remove_file(place.path("own.pth"))?;
    place.succeed(&["predict", "m.ember", "photos"])?;
    let missing = place.run(&[&args[..], &["--weights", "own.pth"]].concat())?;
    ensure!(missing.code == Some(1) && missing.stderr.contains("own.pth"), "{}", missing.stderr);
    Ok(())
}
