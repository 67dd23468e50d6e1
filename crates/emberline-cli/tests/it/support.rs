//! A folder of pictures, and the command run in it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context, Result, ensure};
use emberline::image::{Channels, Format, Image, encode};
use serde_json::Value;
use tempfile::TempDir;

/// The labels of the drawn pictures, and the colour that each is mostly of.
const LABELS: [(&str, [u8; 3]); 3] =
    [("blue", [40, 60, 200]), ("green", [40, 180, 60]), ("red", [210, 50, 40])];

/// A folder that the command runs in; `photos/` in it has pictures of [`LABELS`].
pub(crate) struct Workplace {
    folder: TempDir,
    /// A home of its own, with the weights and the runtime of the real one: what the command keeps there, features and
    /// trials, is this workplace's alone.
    home: TempDir,
}

/// How a run ended.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Workplace {
    /// With `per_label` pictures for each label.
    pub(crate) fn with_pictures(per_label: u32) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        for (label, colour) in LABELS {
            let below = folder.path().join("photos").join(label);
            std::fs::create_dir_all(&below)?;
            for number in 0..per_label {
                std::fs::write(below.join(format!("{label}{number}.png")), picture(colour, number)?)?;
            }
        }
        let home = tempfile::tempdir()?;
        for fetched in ["models", "onnxruntime"] {
            std::os::unix::fs::symlink(emberline::net::home_dir().join(fetched), home.path().join(fetched))?;
        }
        Ok(Self { folder, home })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        std::fs::write(self.path(name), bytes).with_context(|| name.to_string())
    }

    /// Runs the command, its output piped.
    pub(crate) fn run(&self, args: &[&str]) -> Result<Ran> {
        Ran::of(self.command(args).output()?)
    }

    /// Starts the command, its output thrown away.
    pub(crate) fn spawn(&self, args: &[&str]) -> Result<Child> {
        Ok(self.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
    }

    /// The command, to be run here.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_emberline"));
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("EMBERLINE_HOME", self.home.path());
        command
    }

    /// Where finished trials are.
    pub(crate) fn ledger(&self) -> PathBuf {
        self.home.path().join("trials.jsonl")
    }

    /// Runs the command, which must succeed, with `--json`.
    pub(crate) fn json(&self, args: &[&str]) -> Result<Value> {
        self.succeed(&[args, &["--json"]].concat())?.json()
    }

    /// Runs the command, which must succeed.
    pub(crate) fn succeed(&self, args: &[&str]) -> Result<Ran> {
        let ran = self.run(args)?;
        ensure!(ran.code == Some(0), "{args:?} ended with {:?}: {}{}", ran.code, ran.stdout, ran.stderr);
        Ok(ran)
    }

    /// What is in the folder itself, sorted.
    pub(crate) fn entries(&self) -> Result<Vec<String>> {
        let entries = std::fs::read_dir(self.folder.path())?;
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let mut names = names.collect::<Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    /// What is below `EMBERLINE_HOME`, sorted.
    pub(crate) fn kept(&self) -> Result<Vec<PathBuf>> {
        let mut folders = vec![self.home.path().to_path_buf()];
        let mut kept = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    folders.push(entry.path());
                }
                kept.push(entry.path().strip_prefix(self.home.path())?.to_path_buf());
            }
        }
        kept.sort();
        Ok(kept)
    }
}

impl Ran {
    fn of(output: Output) -> Result<Self> {
        let (stdout, stderr) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
        for text in [&stdout, &stderr] {
            ensure!(!text.contains('\u{1b}'), "an escape code in a pipe: {text:?}");
        }
        Ok(Self { code: output.status.code(), stdout, stderr })
    }

    /// Standard output as one JSON value.
    pub(crate) fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.stdout).with_context(|| self.stdout.clone())
    }

    /// Standard output as one JSON value per line.
    pub(crate) fn json_lines(&self) -> Result<Vec<Value>> {
        self.stdout.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_string())).collect()
    }
}

/// The name of a file, of an origin.
pub(crate) fn file_name(origin: &Value) -> &str {
    origin.as_str().and_then(|origin| Path::new(origin).file_name()?.to_str()).unwrap_or_default()
}

/// A picture mostly of one colour, with stripes and noise that differ by number.
fn picture(colour: [u8; 3], number: u32) -> Result<Vec<u8>> {
    let (width, height) = (64 + number, 48);
    let mut state = number.wrapping_mul(747_796_405).wrapping_add(u32::from(colour[0]));
    let mut data = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let stripe = if (x / 8 + y / 6 + number).is_multiple_of(2) { 20 } else { 0 };
            for value in colour {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = (state >> 27) as u8;
                data.push(value.saturating_add(noise).saturating_sub(stripe));
            }
        }
    }
    Ok(encode(&Image::new(width, height, Channels::Rgb, data)?, Format::Png)?)
}
