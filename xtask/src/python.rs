//! Programs in Python: the tests of the Python package, benchmarks against what people use today, and the scripts that ask the
//! references for the tests' expected values.
//!
//! Their pinned packages (`requirements.txt` beside the programs) go to a folder of Emberline's home by
//! `pip install --target`: Debian's python3 comes without `venv`, and nothing of the system is touched.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::project::{Project, Scratch, on_path, publish, run};
use crate::setup;

/// A folder of programs with its `requirements.txt`, and the Python that runs them.
struct Programs {
    folder: &'static str,
    python: &'static str,
}

const BENCHES: Programs = Programs { folder: "benches", python: "python3" };

const TESTS: Programs = Programs { folder: "python/tests", python: "python3" };

const SPARK: Programs = Programs { folder: "python/tests/spark", python: "python3" };

/// What [`SPARK`]'s tests run with on the oldest Spark.
const OLDEST_SPARK: Programs = Programs { folder: "python/tests/spark/oldest", python: "python3" };

/// The benchmark that runs with the packages of [`SPARK`] and with the wheel, not with the command.
const SPARK_BENCH: &str = "spark";

/// By the system's own Python, because Debian's PyTorch belongs to it.
const GOLDENS: Programs = Programs { folder: "tools/goldens", python: "/usr/bin/python3" };

/// `cargo xtask bench [--release] [NAME [ARG...]]`: one program of benches/, with its own arguments.
pub(crate) fn bench(project: &Project, args: &[String]) -> Result<()> {
    let (release, args) = match args.split_first() {
        Some((first, rest)) if first == "--release" => (true, rest),
        _ => (false, args),
    };
    let known = BENCHES.names(project)?;
    let Some((name, own_args)) = args.split_first() else {
        println!("benchmarks: {}", known.join(", "));
        return Ok(());
    };
    check_known(name, &known)?;
    let bin = setup::run(project, None, release)?.bin;
    if name == SPARK_BENCH {
        return bench_spark(project, own_args);
    }
    BENCHES.run(project, name, own_args, &[bin.clone(), project.build_examples(&bin)?])
}

/// Every benchmark with tiny sizes, as a test: it must run, its figures mean nothing.
pub(crate) fn bench_tiny(project: &Project, bin: &Path) -> Result<()> {
    let programs = [bin.to_path_buf(), project.build_examples(bin)?];
    for name in BENCHES.names(project)?.iter().filter(|name| *name != SPARK_BENCH) {
        BENCHES.run(project, name, &["--tiny".to_owned()], &programs)?;
    }
    Ok(())
}

/// `cargo xtask goldens [NAME [ARG...]]`: one script of tools/goldens/, with its own arguments.
pub(crate) fn goldens(project: &Project, args: &[String]) -> Result<()> {
    let known = GOLDENS.names(project)?;
    let Some((name, own_args)) = args.split_first() else {
        println!("scripts: {}", known.join(", "));
        return Ok(());
    };
    check_known(name, &known)?;
    GOLDENS.run(project, name, own_args, &[])
}

/// Builds the wheel of the Python package, in the profile of the tests, and tests what it holds: the tests, the examples in the
/// docs, the notebooks, and whether the classes of stages are those that the crates declare. Its code is formatted and linted by ruff.
pub(crate) fn test_package(project: &Project) -> Result<()> {
    let packages = TESTS.packages(project)?;
    let scratch = Scratch::new(&project.home, "wheel")?;
    let site = install_wheel(project, "dev", scratch.path())?;
    let python = || with_site(project, &TESTS, &site, &packages);
    run(python()?.args(["tools/python_stages.py", "--check"]))?;
    let ruff = packages.join("bin/ruff");
    run(project.command(&ruff).args(["format", "--no-cache", "--check", "."]))?;
    run(project.command(&ruff).args(["check", "--no-cache", "."]))?;
    let mut pytest = python()?;
    pytest.args(["-m", "pytest", "--quiet", "-p", "no:cacheprovider", "--doctest-modules", TESTS.folder]);
    run(pytest.arg(site.join("emberline")))?;
    run(python()?.args(["tools/notebooks.py", "--check"]))
}

/// Tests the wheel on Apache Spark, with workers that are processes: in a JVM of the tests' own, of the oldest Spark too, and behind
/// Spark Connect. Then runs the benchmark with tiny sizes.
pub(crate) fn test_spark(project: &Project) -> Result<()> {
    setup::java(project)?;
    let scratch = Scratch::new(&project.home, "wheel")?;
    let site = install_wheel(project, "dev", scratch.path())?;
    for (programs, server) in [(&SPARK, "classic"), (&SPARK, "connect"), (&OLDEST_SPARK, "classic")] {
        println!("Spark: {server}, by {}/requirements.txt", programs.folder);
        let mut pytest = with_site(project, programs, &site, &programs.packages(project)?)?;
        pytest.args(["-m", "pytest", "--quiet", "-p", "no:cacheprovider", "--durations=5", SPARK.folder]);
        run(pytest.env("EMBERLINE_SPARK", server))?;
    }
    let mut bench = with_site(project, &SPARK, &site, &SPARK.packages(project)?)?;
    run(bench.args([&format!("benches/{SPARK_BENCH}.py"), "--tiny"]))
}

fn bench_spark(project: &Project, args: &[String]) -> Result<()> {
    setup::java(project)?;
    let packages = SPARK.packages(project)?;
    let scratch = Scratch::new(&project.home, "wheel")?;
    let site = install_wheel(project, "dev", scratch.path())?;
    let mut bench = with_site(project, &SPARK, &site, &packages)?;
    run(bench.arg(format!("benches/{SPARK_BENCH}.py")).args(args))
}

/// Builds the wheel in a profile and installs it, by itself, into a folder of `scratch`.
fn install_wheel(project: &Project, profile: &str, scratch: &Path) -> Result<PathBuf> {
    let packages = TESTS.packages(project)?;
    let (wheels, site) = (scratch.join("wheels"), scratch.join("site"));
    let mut maturin = project.command(packages.join("bin/maturin"));
    maturin.args(["build", "--profile", profile, "--compatibility", "linux", "--out"]).arg(&wheels);
    run(maturin.env("CARGO_TARGET_DIR", &project.target).env("PYTHONPATH", &packages))?;
    let mut pip = project.command(TESTS.python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore"]);
    pip.args(["--no-deps", "--no-index", "--target"]).arg(&site);
    run(pip.arg(setup::only_file(&wheels, ".whl")?))?;
    Ok(site)
}

/// A Python that finds the installed wheel and the packages of some programs.
fn with_site(project: &Project, programs: &Programs, site: &Path, packages: &Path) -> Result<Command> {
    let mut python = project.command(programs.python);
    python.env("PYTHONPATH", std::env::join_paths([site, packages])?).env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(python)
}

impl Programs {
    fn names(&self, project: &Project) -> Result<Vec<String>> {
        programs(&project.root.join(self.folder))
    }

    /// Runs `folder/name.py` in the checkout with the folder's packages; the folders `bins` are put on its path.
    fn run(&self, project: &Project, name: &str, args: &[String], bins: &[PathBuf]) -> Result<()> {
        let packages = self.packages(project)?;
        let mut python = project.command(self.python);
        python.arg(format!("{}/{name}.py", self.folder)).args(args).env("PYTHONPATH", packages);
        for bin in bins {
            on_path(&mut python, bin)?;
        }
        run(&mut python)
    }

    /// The folder with the packages of `requirements.txt`, installed unless it already has exactly these.
    fn packages(&self, project: &Project) -> Result<PathBuf> {
        let requirements = project.root.join(self.folder).join("requirements.txt");
        let wanted = std::fs::read(&requirements).with_context(|| requirements.display().to_string())?;
        let installed = project.home.join("python").join(self.folder.replace('/', "-"));
        if std::fs::read(installed.join("requirements.txt")).is_ok_and(|found| found == wanted) {
            return Ok(installed);
        }
        let scratch = Scratch::new(&project.home, "python")?;
        let target = scratch.path().join("packages");
        let mut pip = project.command(self.python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        pip.arg("--root-user-action=ignore");
        run(pip.arg("--target").arg(&target).arg("--requirement").arg(&requirements))?;
        std::fs::write(target.join("requirements.txt"), &wanted)?;
        if installed.exists() {
            std::fs::remove_dir_all(&installed)?;
        }
        publish(&target, &installed)?;
        Ok(installed)
    }
}

/// The names of a folder's programs: its *.py files but for modules that they share, which start with `_`.
fn programs(folder: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    if !folder.is_dir() {
        return Ok(found);
    }
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if let Some(stem) = name.strip_suffix(".py").filter(|stem| !stem.starts_with('_')) {
            found.push(stem.to_owned());
        }
    }
    found.sort();
    Ok(found)
}

fn check_known(name: &str, known: &[String]) -> Result<()> {
    if !known.iter().any(|program| program == name) {
        bail!("no program is called '{name}'; there are {}", known.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_the_python_files_without_shared_modules() {
        let folder = std::env::temp_dir().join(format!("xtask-programs-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for name in ["b.py", "a.py", "_shared.py", "requirements.txt"] {
            std::fs::write(folder.join(name), "").unwrap();
        }
        assert_eq!(programs(&folder).unwrap(), ["a", "b"]);
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(check_known("c", &["a".to_owned()]).is_err());
    }
}
