//! Where things are, and how commands are started: the checkout, Emberline's home, cargo's output.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The folders and programs a task works with.
pub(crate) struct Project {
    /// The checkout.
    pub(crate) root: PathBuf,
    /// `EMBERLINE_HOME`, by default `emberline` in the user's cache folder: what is fetched once.
    pub(crate) home: PathBuf,
    /// `CARGO_TARGET_DIR`, by default `emberline/target` in the user's cache folder, so that a fresh clone finds
    /// the dependencies already compiled. Nothing depends on its being filled.
    pub(crate) target: PathBuf,
    cargo: OsString,
}

impl Project {
    pub(crate) fn locate() -> Result<Self> {
        let manifest_dir = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest_dir.parent().context("xtask lies in no workspace")?.to_path_buf();
        let cache = || Some(dirs::cache_dir()?.join("emberline"));
        let folder = |variable: &str, default: Option<PathBuf>| {
            let set = std::env::var_os(variable).filter(|value| !value.is_empty());
            let path = set.map(PathBuf::from).or(default);
            let path = path.with_context(|| format!("no cache folder for this user: set {variable}"))?;
            Ok::<_, anyhow::Error>(std::path::absolute(path)?)
        };
        Ok(Self {
            home: folder("EMBERLINE_HOME", cache())?,
            target: folder("CARGO_TARGET_DIR", cache().map(|dir| dir.join("target")))?,
            cargo: std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
            root,
        })
    }

    /// A program in the checkout that works on the same home as this task.
    pub(crate) fn command(&self, program: impl Into<OsString>) -> Command {
        let mut command = Command::new(program.into());
        command.current_dir(&self.root).env("EMBERLINE_HOME", &self.home).stdin(Stdio::null());
        // `cargo run` describes xtask to xtask. A nested cargo must not see that: build scripts that watch these
        // variables (ring's does) would run again each time a person and a task take turns.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") || text == "CARGO" {
                command.env_remove(&name);
            }
        }
        command
    }

    /// A cargo subcommand; the words are given as one string.
    pub(crate) fn cargo(&self, words: &str) -> Command {
        let mut command = self.command(&self.cargo);
        command.args(words.split_whitespace()).env("CARGO_TARGET_DIR", &self.target);
        command
    }

    /// Builds the `emberline` command and returns the folder it is in: in the profile that the tests use, or with every
    /// optimisation, which takes several times as long.
    pub(crate) fn build_cli(&self, release: bool) -> Result<PathBuf> {
        let (profile, folder) = if release { (" --release", "release") } else { ("", "debug") };
        run(&mut self.cargo(&format!("build{profile} --workspace --bin emberline")))?;
        Ok(self.target.join(folder))
    }

    /// Builds the examples, and the extension module of the Python package, beside the programs in `bin`, the folder of
    /// the above, and returns the folder of the examples.
    /// They are built as part of the workspace, so that features, and with them the dependencies, are those of the tests.
    pub(crate) fn build_examples(&self, bin: &Path) -> Result<PathBuf> {
        let profile = if bin.ends_with("release") { " --release" } else { "" };
        run(&mut self.cargo(&format!("build{profile} --workspace --lib --examples")))?;
        Ok(bin.join("examples"))
    }
}

/// Puts a folder first on the command's search path.
pub(crate) fn on_path(command: &mut Command, folder: &Path) -> Result<()> {
    let own = command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, value)| value);
    let old = own.map(OsString::from).or_else(|| std::env::var_os("PATH")).unwrap_or_default();
    let all = std::iter::once(folder.to_path_buf()).chain(std::env::split_paths(&old));
    command.env("PATH", std::env::join_paths(all)?);
    Ok(())
}

/// Prints the command and runs it; its output goes where ours goes.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    println!("$ {}", typed(command));
    let status = command.status().with_context(|| format!("cannot start {}", typed(command)))?;
    if !status.success() {
        bail!("{} ({status})", typed(command));
    }
    Ok(())
}

/// The command as a person would type it: the program by its name, arguments quoted where a shell needs it.
pub(crate) fn typed(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy();
    let mut line = program.into_owned();
    for arg in command.get_args() {
        let arg = arg.to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
        line.push(' ');
        match (!arg.is_empty() && arg.chars().all(plain), arg.contains('\'')) {
            (true, _) => line.push_str(&arg),
            (false, false) => line.push_str(&format!("'{arg}'")),
            (false, true) => line.push_str(&format!("\"{arg}\"")),
        }
    }
    line
}

/// A folder of our own that goes away with this value. Results are renamed out of it when they are whole, so it
/// lies on the same file system as they will.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(parent: &Path, name: &str) -> Result<Self> {
        let path = parent.join(format!("tmp-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is named `tmp-` and harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Moves a finished file or folder to its name. Another task may have been faster: theirs is as good as ours.
pub(crate) fn publish(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    }
    match std::fs::rename(from, to) {
        Err(_) if to.is_dir() => Ok(()),
        result => result.with_context(|| format!("cannot move {} to {}", from.display(), to.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_shown_as_typed() {
        let check = |args: &[&str], expected: &str| {
            assert_eq!(typed(Command::new("/usr/bin/emberline").args(args)), expected);
        };
        check(&["models", "pull", "EfficientNetLite0"], "emberline models pull EfficientNetLite0");
        check(&["sql", "SELECT 1"], "emberline sql 'SELECT 1'");
        check(&["sql", "SELECT 'a'"], "emberline sql \"SELECT 'a'\"");
        check(&[""], "emberline ''");
    }

    #[test]
    fn a_result_appears_whole_and_the_scratch_goes() {
        let parent = std::env::temp_dir().join(format!("xtask-publish-{}", std::process::id()));
        let scratch = Scratch::new(&parent, "a").unwrap();
        std::fs::create_dir(scratch.path().join("new")).unwrap();
        std::fs::write(scratch.path().join("new/file"), "x").unwrap();
        publish(&scratch.path().join("new"), &parent.join("deep/done")).unwrap();
        drop(scratch);
        let left: Vec<_> =
            std::fs::read_dir(&parent).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["deep"]);
        assert!(parent.join("deep/done/file").is_file());
        std::fs::remove_dir_all(&parent).unwrap();
    }
}
