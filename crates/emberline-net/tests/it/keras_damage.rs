//! Damaged model files of Keras: errors or other numbers, never a panic, never more memory than the limits allow.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read, Write},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use emberline_net::{h5, keras};
use serde_json::{Value, json};
use zip::{CompressionMethod, ZipArchive, ZipWriter, write::SimpleFileOptions};

use crate::allocations::most_held;

const FILES: [(&str, &[u8]); 6] = [
    ("branches.h5", include_bytes!("../fixtures/keras/branches.h5")),
    ("channels_first.keras", include_bytes!("../fixtures/keras/channels_first.keras")),
    ("keras_1_th.h5", include_bytes!("../fixtures/keras/keras_1_th.h5")),
    ("nested.keras", include_bytes!("../fixtures/keras/nested.keras")),
    ("nested_2.h5", include_bytes!("../fixtures/keras/nested_2.h5")),
    ("sequential.keras", include_bytes!("../fixtures/keras/sequential.keras")),
];

/// What a file of these tests, of 50 KB with a description of 20 KB, may make the reader hold: copies of the file, its description
/// as JSON, 20,000 numbers, and tables of HDF5 that claim the 65,535 entries there may be before they are found to be short.
const HELD_BYTES_MAX: usize = 32 << 20;

fn limits() -> keras::Limits {
    keras::Limits {
        config_bytes: 1 << 17,
        layers: 200,
        weights: h5::Limits { file_bytes: 1 << 20, members: 500, elements: 20_000 },
        ..keras::Limits::default()
    }
}

/// Numbers that look random and are the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or(0) % below.max(1)
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// The parts of an archive.
fn unpacked(archive: &[u8]) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut archive = ZipArchive::new(Cursor::new(archive))?;
    let mut parts = BTreeMap::new();
    for place in 0..archive.len() {
        let mut part = archive.by_index(place)?;
        let mut content = Vec::new();
        part.read_to_end(&mut content)?;
        parts.insert(part.name()?.to_string(), content);
    }
    Ok(parts)
}

fn packed(parts: &BTreeMap<String, Vec<u8>>, method: CompressionMethod) -> Result<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        archive.start_file(name.as_str(), SimpleFileOptions::default().compression_method(method))?;
        archive.write_all(content)?;
    }
    Ok(archive.finish()?.into_inner())
}

/// Changes of bytes, as of a bad disk.
fn spoil_bytes(bytes: &mut Vec<u8>, random: &mut Random) {
    if random.below(20) == 0 {
        bytes.truncate(random.below(bytes.len()));
    }
    for _ in 0..=random.below(8) {
        let (at, bit) = (random.below(bytes.len()), random.below(8));
        let value = random.pick(&[0, 1, 0x7F, 0x80, 0xFF]);
        if let Some(byte) = bytes.get_mut(at) {
            *byte = if random.below(2) == 0 { value } else { *byte ^ (1 << bit) };
        }
    }
}

/// Another value in the place of one somewhere in a description: mostly one without parts.
fn spoil_value(value: &mut Value, random: &mut Random) {
    const WORDS: [&str; 16] = [
        "Dense",
        "Flatten",
        "Reshape",
        "Permute",
        "Conv2D",
        "Add",
        "Concatenate",
        "Functional",
        "Sequential",
        "InputLayer",
        "Model",
        "channels_first",
        "same",
        "softmax",
        "inner",
        "",
    ];
    if random.below(40) > 0 {
        match value {
            Value::Array(values) if !values.is_empty() => {
                let at = random.below(values.len());
                return spoil_value(&mut values[at], random);
            }
            Value::Object(values) if !values.is_empty() => {
                let at = random.below(values.len());
                return values.values_mut().nth(at).into_iter().for_each(|value| spoil_value(value, random));
            }
            _ => {}
        }
    }
    *value = match random.below(12) {
        0 => Value::Null,
        1 => json!(-1),
        2 => json!(0),
        3 => json!(1_u64 << random.below(64)),
        4 => json!([]),
        5 => json!({}),
        6 => json!([value.clone(), value.clone()]),
        7 => json!(1.5),
        8 => json!(true),
        9 => json!(random.below(8)),
        _ => json!(random.pick(&WORDS)),
    };
}

/// A damaged copy of a file, in its description or in its numbers.
fn damaged(file: &[u8], random: &mut Random) -> Result<Vec<u8>> {
    if random.below(10) == 0 || !file.starts_with(b"PK") {
        let mut bytes = file.to_vec();
        spoil_bytes(&mut bytes, random);
        return Ok(bytes);
    }
    let mut parts = unpacked(file)?;
    let part = random.pick(&["config.json", "config.json", "model.weights.h5", "metadata.json"]);
    let content = parts.get_mut(part).context("a part is missing")?;
    if part == "config.json" {
        let mut description = serde_json::from_slice(content)?;
        for _ in 0..=random.below(4) {
            spoil_value(&mut description, random);
        }
        *content = serde_json::to_vec(&description)?;
    } else {
        spoil_bytes(content, random);
    }
    packed(&parts, CompressionMethod::Stored)
}

/// Reads damaged copies until told to stop, and says how many there were, how many could be read, and the most bytes held.
fn run(seed: u64, mut goes_on: impl FnMut(usize) -> bool) -> Result<(usize, usize, usize)> {
    let mut random = Random(seed);
    let options = keras::Options { limits: limits(), ..keras::Options::default() };
    let (mut count, mut read, mut most) = (0, 0, 0);
    while goes_on(count) {
        let (name, file) = FILES[count % FILES.len()];
        let bytes = damaged(file, &mut random)?;
        let (model, held) = most_held(|| keras::parse_model(&bytes, &options));
        ensure!(held <= HELD_BYTES_MAX, "copy {count} of seed {seed}, of {name}: {held} bytes were held");
        if let Ok(model) = model {
            read += 1;
            let elements: usize = model.network.weights().values().map(|tensor| tensor.data().len()).sum();
            ensure!(elements <= 20_000, "copy {count} of seed {seed}, of {name}: {elements} numbers");
        }
        most = most.max(held);
        count += 1;
    }
    Ok((count, read, most))
}

#[test]
fn damage_never_panics() -> Result<()> {
    let (count, read, _) = run(7, |count| count < 300)?;
    // Some of the changes are of numbers, or of words that mean nothing.
    ensure!(read > 0 && read < count, "{read} of {count} could be read");
    Ok(())
}

/// The same for as many minutes as a variable says.
#[test]
#[ignore = "takes as long as it is told"]
fn damage_never_panics_for_minutes() -> Result<()> {
    let minutes: u64 = std::env::var("EMBERLINE_FUZZ_MINUTES").context("EMBERLINE_FUZZ_MINUTES")?.parse()?;
    let end = Instant::now() + Duration::from_secs(60 * minutes);
    let seed = std::env::var("EMBERLINE_FUZZ_SEED").ok().map_or(Ok(1), |seed| seed.parse())?;
    let (count, read, most) = run(seed, |_| Instant::now() < end)?;
    println!("{count} damaged files, {read} of which could be read; at most {most} bytes were held");
    Ok(())
}

#[test]
fn archives_that_unpack_to_more_than_they_may_are_refused() -> Result<()> {
    let check = |part: &str, len: usize, expected: &str| -> Result<()> {
        let mut parts = unpacked(FILES[3].1)?;
        parts.insert(part.to_owned(), vec![b' '; len]);
        let bytes = packed(&parts, CompressionMethod::Deflated)?;
        ensure!(bytes.len() < len / 100, "{} bytes", bytes.len());
        let limits = keras::Limits { config_bytes: 3 << 20, ..keras::Limits::default() };
        let options = keras::Options { limits, ..keras::Options::default() };
        let (model, held) = most_held(|| keras::parse_model(&bytes, &options));
        let message = model.err().context("was read")?.to_string();
        ensure!(message.contains(expected), "{message}");
        ensure!(held < len / 2, "{held} bytes were held");
        Ok(())
    };
    check("config.json", 4 << 20, "config_bytes is limited to 3145728, the file asks for 4194304")?;
    check("model.weights.h5", 4 << 20, "inflation is limited to 200, the file asks for ")?;

    let mut parts = unpacked(FILES[3].1)?;
    parts.remove("model.weights.h5");
    let bytes = packed(&parts, CompressionMethod::Stored)?;
    let message =
        keras::parse_model(&bytes, &keras::Options::default()).err().context("was read")?.to_string();
    ensure!(message.contains("the archive has no `model.weights.h5`"), "{message}");
    Ok(())
}
