//! The shell blocks of README.md and docs/*.md: taken out, and run as the reader would run them.
//!
//! ```` ```sh ```` blocks of one document run in order in one scratch folder, which has a small folder `photos/`
//! (one folder of pictures for each label), with the built `emberline` on the path. `rust` blocks are doctests of the
//! facade crate, `python` blocks run with the tests of the Python package; `text` blocks are only shown.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::project::{Project, Scratch, on_path};
use crate::{demo, setup};

/// Blocks that are not run, by how one of their lines starts. A test sees that every entry is still needed.
const NOT_RUN: &[(&str, &str)] = &[
    ("cargo xtask test", "it would run itself without end"),
    ("cargo xtask demo", "the demo is a step of its own"),
    ("pip install", "it writes into the user's Python; the step `python` builds the wheel and tests it"),
    ("cargo install", "it writes into the user's home; the blocks use the command that setup built"),
];

/// Enough for every label to be in every fold, few enough to be quick.
const PICTURES_PER_LABEL: usize = 12;

/// A fenced block of a document.
#[derive(Debug, PartialEq)]
struct Block {
    /// The line of the opening fence, from 1.
    line: usize,
    text: String,
}

/// Runs the shell blocks of all documents.
pub(crate) fn run(project: &Project, ready: &setup::Ready) -> Result<()> {
    for document in documents(&project.root)? {
        let name = document.strip_prefix(&project.root)?.display().to_string();
        let text = std::fs::read_to_string(&document)?;
        let scratch = Scratch::new(&project.home, "document")?;
        demo::link_pictures(&ready.pictures, &scratch.path().join("photos"), PICTURES_PER_LABEL)?;
        for block in shell_blocks(&text).with_context(|| name.clone())? {
            match not_run(&block) {
                Some(reason) => println!("-- {name}:{} not run: {reason}", block.line),
                None => run_block(project, ready, scratch.path(), &name, &block)?,
            }
        }
    }
    Ok(())
}

fn run_block(project: &Project, ready: &setup::Ready, cwd: &Path, name: &str, block: &Block) -> Result<()> {
    println!("-- {name}:{}\n{}", block.line, block.text.trim_end());
    let mut shell = project.command("bash");
    shell.args(["-euo", "pipefail", "-c", &block.text]).current_dir(cwd);
    on_path(&mut shell, &ready.bin)?;
    let status = shell.status().context("cannot start bash")?;
    if !status.success() {
        bail!("{name}:{}: the block failed ({status})", block.line);
    }
    Ok(())
}

fn documents(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = vec![root.join("README.md")];
    let docs = root.join("docs");
    if docs.is_dir() {
        for entry in std::fs::read_dir(&docs)? {
            found.push(entry?.path());
        }
    }
    found.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    found.sort();
    Ok(found)
}

/// Why a block is not run, if it is not.
fn not_run(block: &Block) -> Option<&'static str> {
    NOT_RUN.iter().find(|(line, _)| block.has_line(line)).map(|(_, reason)| *reason)
}

impl Block {
    fn has_line(&self, start: &str) -> bool {
        self.text.lines().any(|line| line.trim_start().starts_with(start))
    }
}

/// The `sh` blocks in order. A shell block under another name, or under none, would silently not run: an error.
fn shell_blocks(document: &str) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    let mut open: Option<(&str, Block)> = None;
    for (index, line) in document.lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```");
        match (&mut open, fence) {
            (None, Some(language)) => {
                let language = language.trim();
                if matches!(language, "" | "bash" | "shell" | "console" | "shell-session") {
                    bail!(
                        "line {}: a block is `sh` or `python` (run), `rust` (a doctest) or `text` (shown)",
                        index + 1
                    );
                }
                open = Some((language, Block { line: index + 1, text: String::new() }));
            }
            (Some(_), Some("")) => {
                if let Some(("sh", block)) = open.take() {
                    blocks.push(block);
                }
            }
            (Some((_, block)), _) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    match open {
        Some((_, block)) => bail!("line {}: this block has no end", block.line),
        None => Ok(blocks),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(line: usize, text: &str) -> Block {
        Block { line, text: text.to_owned() }
    }

    #[test]
    fn shell_blocks_are_found_in_order_and_others_left() {
        let check = |document: &str, expected: &[Block]| {
            assert_eq!(shell_blocks(document).unwrap(), expected, "{document}");
        };
        check("no block", &[]);
        check("a\n```sh\nls\n```\nb\n```sh\ncd /\npwd\n```\n", &[block(2, "ls\n"), block(6, "cd /\npwd\n")]);
        check("```rust\nfn main() {}\n```\n```text\nout\n```\n", &[]);
        check("- item\n  ```sh\n  ls\n  ```\n", &[block(2, "  ls\n")]);
        check("```sh\necho '```x'\n```\n", &[block(1, "echo '```x'\n")]);
    }

    #[test]
    fn blocks_that_would_silently_not_run_are_refused() {
        for document in ["```\nls\n```\n", "```bash\nls\n```\n", "```console\n$ ls\n```\n", "```sh\nls\n"] {
            assert!(shell_blocks(document).is_err(), "{document}");
        }
    }

    #[test]
    fn what_is_not_run_is_listed() {
        assert!(not_run(&block(1, "cargo xtask test\n")).is_some());
        assert!(not_run(&block(1, "ls\n  cargo xtask demo --pictures photos\n")).is_some());
        assert!(not_run(&block(1, "echo cargo xtask test\n")).is_none());
    }

    #[test]
    fn the_readme_can_be_read_and_every_exception_is_still_needed() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let blocks: Vec<Block> = documents(root)
            .unwrap()
            .iter()
            .flat_map(|path| shell_blocks(&std::fs::read_to_string(path).unwrap()).unwrap())
            .collect();
        assert!(blocks.iter().any(|block| not_run(block).is_none()), "no block is run");
        for (line, _) in NOT_RUN {
            assert!(blocks.iter().any(|block| block.has_line(line)), "no block has '{line}': take it off");
        }
    }
}
