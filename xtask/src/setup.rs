//! What the checkout does not contain: ONNX Runtime, the demo's pictures, the weights.
//!
//! Each part is fetched once, by the package manager that checks its digest, into a temporary name in Emberline's
//! home, and renamed when whole: an interrupted setup leaves nothing that a later one would take for finished.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::project::{self, Project, Scratch, on_path, publish};

/// The version that `emberline-net` looks for in Emberline's home.
const ONNXRUNTIME: &str = "1.31.1";

/// The library has 29 MB; what is far smaller is not it.
const ONNXRUNTIME_BYTES_MIN: u64 = 5_000_000;

/// Debian's package of real, labelled pictures (PNGs with alpha, gray and palettes).
const STAMPS: &str = "tuxpaint-stamps-default";

/// The network of the main job.
pub(crate) const MODEL: &str = "EfficientNetLite0";

/// What a set-up machine has.
pub(crate) struct Ready {
    /// The folder of the built `emberline` command.
    pub(crate) bin: PathBuf,
    /// The folder that has one folder of pictures for each label, and perhaps more.
    pub(crate) pictures: PathBuf,
}

pub(crate) fn run(project: &Project, pictures: Option<PathBuf>, release: bool) -> Result<Ready> {
    onnxruntime(project)?;
    let pictures = match pictures {
        Some(folder) => folder,
        None => stamps(project)?,
    };
    Ok(Ready { bin: weights(project, release)?, pictures })
}

/// ONNX Runtime's library, out of its Python wheel.
fn onnxruntime(project: &Project) -> Result<()> {
    let (prefix, suffix) = if cfg!(target_os = "macos") { ("", ".dylib") } else { (".so", "") };
    let name = format!("libonnxruntime{prefix}.{ONNXRUNTIME}{suffix}");
    let library = project.home.join("onnxruntime").join(ONNXRUNTIME).join(&name);
    if library.metadata().is_ok_and(|found| found.len() >= ONNXRUNTIME_BYTES_MIN) {
        println!("ONNX Runtime {ONNXRUNTIME}: {}", library.display());
        return Ok(());
    }
    let scratch = Scratch::new(&project.home, "onnxruntime")?;
    let mut pip = project.command("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    pip.args(["--only-binary=:all:", "--dest", "."]).arg(format!("onnxruntime=={ONNXRUNTIME}"));
    run_in(scratch.path(), &mut pip)
        .context("python3 with pip fetches ONNX Runtime (apt-get install python3-pip)")?;
    let wheel = only_file(scratch.path(), ".whl")?;
    run_in(
        scratch.path(),
        project.command("python3").args(["-m", "zipfile", "-e"]).arg(&wheel).arg("wheel"),
    )?;
    let found = scratch.path().join("wheel/onnxruntime/capi").join(&name);
    let bytes = found.metadata().with_context(|| format!("{} has no {name}", wheel.display()))?.len();
    if bytes < ONNXRUNTIME_BYTES_MIN {
        bail!("{}: expected at least {ONNXRUNTIME_BYTES_MIN} bytes, found {bytes}", found.display());
    }
    publish(&found, &library)?;
    println!("ONNX Runtime {ONNXRUNTIME}: {}", library.display());
    Ok(())
}

/// The folder of the picture set whose folders are the labels.
fn stamps(project: &Project) -> Result<PathBuf> {
    let package = project.home.join("datasets").join(STAMPS);
    let pictures = package.join("usr/share/tuxpaint/stamps");
    if !pictures.is_dir() {
        if !has("apt-get") || !has("dpkg-deb") {
            bail!(
                "the demo's pictures are the Debian package {STAMPS}, and this system has no apt.\n\
                 Use pictures of your own, one folder for each label: cargo xtask demo --pictures DIR"
            );
        }
        let scratch = Scratch::new(&project.home, STAMPS)?;
        let deb = apt_download(project, scratch.path())?;
        let unpacked = scratch.path().join("unpacked");
        run_in(scratch.path(), project.command("dpkg-deb").arg("--extract").arg(&deb).arg(&unpacked))?;
        publish(&unpacked, &package)?;
    }
    println!("Pictures: {}", pictures.display());
    Ok(pictures)
}

/// `apt-get download`; a machine whose package lists were never fetched needs `apt-get update` first.
fn apt_download(project: &Project, to: &Path) -> Result<PathBuf> {
    let download = || {
        // apt drops to a user of its own, who may not write into our home; downloads are verified either way.
        let mut apt = project.command("apt-get");
        apt.args(["download", "--quiet", "-o", "APT::Sandbox::User=root", STAMPS]);
        run_in(to, &mut apt)
    };
    if download().is_err() {
        run_in(to, project.command("apt-get").args(["update", "--quiet"])).with_context(|| {
            format!("apt knows no package {STAMPS} yet: run 'apt-get update' as root, or pass --pictures DIR")
        })?;
        download()?;
    }
    only_file(to, ".deb")
}

/// A Java runtime, which only Spark wants: the one that is there, or Debian's.
pub(crate) fn java(project: &Project) -> Result<()> {
    if has("java") {
        return Ok(());
    }
    let unable = "Apache Spark needs Java 17 or later: install a runtime (on Debian, as root: apt-get install default-jre-headless)";
    if !has("apt-get") {
        bail!("{unable}");
    }
    let install = || {
        let mut apt = project.command("apt-get");
        apt.args(["install", "--quiet", "--yes", "--no-install-recommends", "default-jre-headless"]);
        project::run(apt.env("DEBIAN_FRONTEND", "noninteractive"))
    };
    if install().is_err() {
        project::run(project.command("apt-get").args(["update", "--quiet"])).context(unable)?;
        install().context(unable)?;
    }
    if !has("java") {
        bail!("{unable}");
    }
    Ok(())
}

/// The weights, by the command that every user has; the command verifies what is already there.
fn weights(project: &Project, release: bool) -> Result<PathBuf> {
    let bin = project.build_cli(release)?;
    let mut pull = project.command(bin.join("emberline"));
    on_path(&mut pull, &bin)?;
    project::run(pull.args(["models", "pull", MODEL]))?;
    Ok(bin)
}

fn run_in(folder: &Path, command: &mut Command) -> Result<()> {
    project::run(command.current_dir(folder))
}

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// The one file in a folder whose name ends so.
pub(crate) fn only_file(folder: &Path, ending: &str) -> Result<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        n => bail!("expected one *{ending} in {}, found {n}", folder.display()),
    }
}
