//! `cargo xtask test`: everything that CI checks, in one order, each step with its wall time.
//!
//! All steps run even when one fails, so that one run tells everything; the exit code is non-zero if any did.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::project::{Project, run as run_command};
use crate::setup::{self, Ready};
use crate::{demo, markdown, python};

/// What a step may use: the checkout, and what setup has left.
struct Gate<'a> {
    project: &'a Project,
    /// Empty until someone needs it; a failure is kept, so that the steps that need it fail at once.
    setup: Option<Result<Ready, String>>,
    own_pictures: Option<PathBuf>,
}

/// A check with the name that selects it: `cargo xtask test fmt clippy`.
struct Step {
    name: &'static str,
    check: fn(&mut Gate) -> Result<()>,
}

/// Setup comes early because tests and documents use what it fetches; `fmt` before it because it is quick.
const STEPS: &[Step] = &[
    Step { name: "fmt", check: |gate| gate.cargo("fmt --all --check") },
    Step { name: "setup", check: |gate| gate.ready().map(|_| ()) },
    Step { name: "clippy", check: |gate| gate.cargo("clippy --workspace --all-targets -- -D warnings") },
    Step { name: "tests", check: |gate| gate.cargo("test --workspace --no-fail-fast --lib --bins --tests") },
    Step { name: "doctests", check: |gate| gate.cargo("test --workspace --no-fail-fast --doc") },
    Step {
        name: "python",
        check: |gate| gate.ready().map(|_| ()).and_then(|()| python::test_package(gate.project)),
    },
    Step {
        name: "spark",
        check: |gate| gate.ready().map(|_| ()).and_then(|()| python::test_spark(gate.project)),
    },
    Step { name: "examples", check: |gate| gate.examples() },
    Step { name: "documents", check: |gate| markdown::run(gate.project, gate.ready()?) },
    Step { name: "demo", check: |gate| gate.demo() },
    Step { name: "docs", check: |gate| gate.docs() },
    Step { name: "benches", check: |gate| python::bench_tiny(gate.project, &gate.ready()?.bin) },
];

/// Runs all steps, or those named (and setup, which others need and which is quick when done).
pub(crate) fn run(project: &Project, own_pictures: Option<PathBuf>, only: &[String]) -> Result<()> {
    if let Some(unknown) = only.iter().find(|name| STEPS.iter().all(|step| step.name != name.as_str())) {
        let known: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        bail!("no step is called '{unknown}'; the steps are {}", known.join(", "));
    }
    let started = Instant::now();
    let mut gate = Gate { project, setup: None, own_pictures };
    let mut results = Vec::new();
    for step in STEPS.iter().filter(|step| only.is_empty() || only.iter().any(|name| name == step.name)) {
        println!("\n==> {}", step.name);
        let began = Instant::now();
        let result = (step.check)(&mut gate);
        if let Err(error) = &result {
            println!("{} failed: {error:#}", step.name);
        }
        println!("<== {} {:.1} s", step.name, began.elapsed().as_secs_f64());
        results.push((step.name, began.elapsed(), result));
    }
    summarise(&results, started.elapsed())
}

/// The table at the end and the line that counts.
fn summarise(results: &[(&str, Duration, Result<()>)], total: Duration) -> Result<()> {
    println!();
    for (name, wall, result) in results {
        let word = if result.is_ok() { "ok" } else { "FAILED" };
        println!("{name:<10} {word:<6} {:>7.1} s", wall.as_secs_f64());
    }
    println!("{:<10} {:<6} {:>7.1} s\n", "total", "", total.as_secs_f64());
    let failed = results.iter().filter(|(_, _, result)| result.is_err()).count();
    println!("steps: {} passed, {failed} failed", results.len() - failed);
    match failed {
        0 => Ok(()),
        _ => bail!("{failed} of {} steps failed", results.len()),
    }
}

impl Gate<'_> {
    fn cargo(&self, words: &str) -> Result<()> {
        run_command(&mut self.project.cargo(words))
    }

    /// What setup leaves, setting up if no step has.
    fn ready(&mut self) -> Result<&Ready> {
        let set_up = || {
            setup::run(self.project, self.own_pictures.clone(), false).map_err(|error| format!("{error:#}"))
        };
        match self.setup.get_or_insert_with(set_up) {
            Ok(ready) => Ok(ready),
            Err(error) => bail!("setup failed: {error}"),
        }
    }

    fn demo(&mut self) -> Result<()> {
        let (project, own) = (self.project, self.own_pictures.is_some());
        demo::show(project, self.ready()?, own)
    }

    fn examples(&mut self) -> Result<()> {
        let bin = self.ready()?.bin.clone();
        let folder = self.project.build_examples(&bin)?;
        for example in examples(&self.project.root)? {
            run_command(&mut self.project.command(folder.join(example)))?;
        }
        Ok(())
    }

    /// Libraries only: the command shares its name with the facade, and two pages cannot have one address.
    fn docs(&mut self) -> Result<()> {
        let mut doc = self.project.cargo("doc --workspace --no-deps --lib");
        run_command(doc.env("RUSTDOCFLAGS", "-D warnings"))
    }
}

/// The names of all examples of the workspace.
fn examples(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for package in names(&root.join("crates"))? {
        for file in names(&root.join("crates").join(&package).join("examples"))? {
            found.push(file.strip_suffix(".rs").unwrap_or(&file).to_owned());
        }
    }
    Ok(found)
}

/// The sorted names in a folder; none if there is no such folder.
fn names(folder: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    if folder.is_dir() {
        for entry in std::fs::read_dir(folder)? {
            found.push(entry?.file_name().to_string_lossy().into_owned());
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_step_fails_the_run() {
        let second = Duration::from_secs(1);
        assert!(summarise(&[("fmt", second, Ok(()))], second).is_ok());
        let failed = Err(anyhow::anyhow!("not formatted"));
        assert!(summarise(&[("fmt", second, failed), ("docs", second, Ok(()))], second).is_err());
    }

    #[test]
    fn step_names_are_unique_and_unknown_ones_refused() {
        let mut all: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), STEPS.len());
        let project = Project::locate().unwrap();
        let error = run(&project, None, &["no-such".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("clippy"), "{error}");
    }

    #[test]
    fn examples_are_files_and_folders_of_each_crate() {
        let root = std::env::temp_dir().join(format!("xtask-examples-{}", std::process::id()));
        std::fs::create_dir_all(root.join("crates/a/examples/big")).unwrap();
        std::fs::create_dir_all(root.join("crates/b/src")).unwrap();
        std::fs::write(root.join("crates/a/examples/small.rs"), "").unwrap();
        assert_eq!(examples(&root).unwrap(), ["big", "small"]);
        std::fs::remove_dir_all(&root).unwrap();
    }
}
