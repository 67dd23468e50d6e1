//! The project's tasks: `cargo xtask <setup|test|demo|bench|goldens>`.
//!
//! They ask of the machine only what the README asks: rustup (with a linker), python3 with pip, and apt.
//! This crate compiles in seconds and knows nothing of the crates it drives: what needs Emberline goes
//! through the `emberline` command, as a user would.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a task talks to the person or the log that started it"
)]

mod demo;
mod gate;
mod markdown;
mod project;
mod python;
mod setup;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::project::Project;

const HELP: &str = "\
Tasks of this repository:

  cargo xtask setup   [--pictures DIR]            fetch ONNX Runtime, the demo's pictures and the weights; build
  cargo xtask demo    [--pictures DIR]            set up, then the main job: train, predict, ask in SQL
  cargo xtask test    [--pictures DIR] [STEP...]  set up, then everything CI checks, or only the named steps
  cargo xtask bench   [--release] [NAME [ARG...]] run one benchmark of benches/ (without a name: list them)
  cargo xtask goldens [NAME [ARG...]]             run one script of tools/goldens/: the references' answers

  --pictures DIR  use this folder (one folder of pictures for each label) and fetch no pictures
";

fn main() -> ExitCode {
    match task(std::env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without the backtrace that anyhow would add: the causes tell a person what to do.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn task(mut args: Vec<String>) -> Result<()> {
    let task = if args.is_empty() { "help".to_owned() } else { args.remove(0) };
    let project = Project::locate()?;
    match task.as_str() {
        "setup" => {
            let pictures = take_pictures(&mut args)?;
            no_more(&args)?;
            setup::run(&project, pictures, false).map(|_| ())
        }
        "demo" => {
            let pictures = take_pictures(&mut args)?;
            no_more(&args)?;
            demo::run(&project, pictures)
        }
        "test" => {
            let pictures = take_pictures(&mut args)?;
            gate::run(&project, pictures, &args)
        }
        "bench" => python::bench(&project, &args),
        "goldens" => python::goldens(&project, &args),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => bail!("no task is called '{other}'\n\n{HELP}"),
    }
}

/// Takes `--pictures DIR` out of the arguments, as an absolute path: tasks run commands in other folders.
fn take_pictures(args: &mut Vec<String>) -> Result<Option<PathBuf>> {
    let Some(at) = args.iter().position(|arg| arg == "--pictures") else { return Ok(None) };
    if at + 1 >= args.len() {
        bail!("--pictures: expected a folder after it");
    }
    let folder = args.remove(at + 1);
    args.remove(at);
    let path = std::fs::canonicalize(&folder).with_context(|| format!("--pictures {folder}"))?;
    if !path.is_dir() {
        bail!("--pictures {folder}: expected a folder that holds one folder of pictures for each label");
    }
    Ok(Some(path))
}

fn no_more(args: &[String]) -> Result<()> {
    match args.first() {
        Some(arg) => bail!("unknown argument '{arg}'\n\n{HELP}"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_taken_out_of_the_arguments() {
        let mut args = vec!["fmt".to_owned(), "--pictures".to_owned(), "/".to_owned(), "docs".to_owned()];
        assert_eq!(take_pictures(&mut args).unwrap(), Some(PathBuf::from("/")));
        assert_eq!(args, ["fmt", "docs"]);
        assert_eq!(take_pictures(&mut args).unwrap(), None);
    }

    #[test]
    fn pictures_need_a_folder() {
        assert!(take_pictures(&mut vec!["--pictures".to_owned()]).is_err());
        assert!(take_pictures(&mut vec!["--pictures".to_owned(), "/no/such".to_owned()]).is_err());
    }
}
