//! ARCHITECTURE.md's tables of crates against the workspace as cargo sees it.
//!
//! The invariants of `image`, `net` and `zoo` are absences; what a crate cannot reach, its code cannot come to know.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// Crate names, each with a set of names.
type Table = BTreeMap<String, BTreeSet<String>>;

#[test]
fn edges_between_crates_are_those_of_the_table() -> Result<()> {
    let (declared, _) = declared()?;
    let actual = edges(&metadata()?);
    let mut wrong = Vec::new();
    for name in declared.keys().chain(actual.keys()).collect::<BTreeSet<_>>() {
        match (declared.get(name), actual.get(name)) {
            (Some(declared), Some(actual)) => {
                wrong.extend(
                    actual.difference(declared).map(|to| format!("{name} uses {to}: not in the table")),
                );
                wrong.extend(
                    declared.difference(actual).map(|to| format!("{name} may use {to}: it does not")),
                );
            }
            (Some(_), None) => wrong.push(format!("{name} is in the table but not in the workspace")),
            _ => wrong.push(format!("{name} is in the workspace but not in the table")),
        }
    }
    ensure!(wrong.is_empty(), "ARCHITECTURE.md, Crates and edges:\n{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn crates_reach_nothing_that_they_must_not_know() -> Result<()> {
    let (_, refused) = declared()?;
    ensure!(!refused.is_empty(), "ARCHITECTURE.md has no table of absences");
    let metadata = metadata()?;
    let mut wrong = Vec::new();
    for (name, refused) in &refused {
        let reached = reached(&metadata, name)?;
        let is = |package: &str, refused: &str| {
            package == refused || package.strip_prefix(refused).is_some_and(|rest| rest.starts_with('-'))
        };
        let found = reached.iter().filter(|package| refused.iter().any(|refused| is(package, refused)));
        wrong.extend(found.map(|package| format!("{name} reaches {package}")));
    }
    ensure!(wrong.is_empty(), "ARCHITECTURE.md, Crates and edges:\n{}", wrong.join("\n"));
    Ok(())
}

/// The two tables of the section: the last column of the wide one (edges) and of the narrow one (absences).
fn declared() -> Result<(Table, Table)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ARCHITECTURE.md");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let section = text.split("\n## ").find(|part| part.starts_with("Crates and edges\n"));
    let section = section.context("ARCHITECTURE.md has no section 'Crates and edges'")?;
    let (mut edges, mut absences) = (Table::new(), Table::new());
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        let crate_name = names(cells[0]).remove(0);
        let set = names(cells[cells.len() - 1]).into_iter().collect();
        let table = if cells.len() == 3 { &mut edges } else { &mut absences };
        ensure!(table.insert(crate_name, set).is_none(), "ARCHITECTURE.md lists a crate twice: {row}");
    }
    Ok((edges, absences))
}

/// The packages that this platform builds, so that asking needs no network once the tests are compiled.
fn metadata() -> Result<Metadata> {
    let rustc =
        std::process::Command::new("rustc").arg("-vV").output().context("cannot ask rustc for its host")?;
    let version = String::from_utf8(rustc.stdout)?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    Ok(MetadataCommand::new()
        .manifest_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml"))
        .other_options(["--offline".to_owned(), "--filter-platform".to_owned(), host.to_owned()])
        .exec()?)
}

/// For every crate of the workspace the other ones in its `[dependencies]`.
fn edges(metadata: &Metadata) -> Table {
    let crates = metadata.workspace_packages();
    let names: BTreeSet<&str> = crates.iter().map(|package| package.name.as_str()).collect();
    let uses = |package: &cargo_metadata::Package| {
        let normal = package.dependencies.iter().filter(|to| to.kind == DependencyKind::Normal);
        normal.filter(|to| names.contains(to.name.as_str())).map(|to| to.name.clone()).collect()
    };
    crates.iter().map(|package| (package.name.to_string(), uses(package))).collect()
}

/// The names of all packages that end up in a crate: its normal dependencies, theirs, and so on.
fn reached(metadata: &Metadata, name: &str) -> Result<BTreeSet<String>> {
    let resolve = metadata.resolve.as_ref().context("cargo metadata resolved nothing")?;
    let nodes: BTreeMap<&PackageId, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let start = metadata.workspace_packages().into_iter().find(|package| package.name.as_str() == name);
    let start = &start.with_context(|| format!("{name} is not in the workspace"))?.id;
    let (mut seen, mut open) = (BTreeSet::from([start]), vec![start]);
    while let Some(id) = open.pop() {
        for to in &nodes.get(id).with_context(|| format!("{id} is not resolved"))?.deps {
            let normal = to.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
            if normal && seen.insert(&to.pkg) {
                open.push(&to.pkg);
            }
        }
    }
    seen.remove(start);
    Ok(seen.into_iter().map(|id| metadata[id].name.to_string()).collect())
}
