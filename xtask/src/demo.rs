//! The main job, as a person would type it: train on a folder of pictures, predict, ask in SQL.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::project::{Project, on_path, run as run_command};
use crate::setup::{self, MODEL};

/// The folders of the picture set that are labels; the others hold too few pictures, or several kinds.
const LABELS: [&str; 7] = ["animals", "food", "plants", "vehicles", "clothes", "household", "town"];

/// The query of the project's promise, verbatim but for its LIMIT.
const QUERY: &str =
    "SELECT image, my_object_recognition_function(image) AS objects FROM traffic_imgs LIMIT 10";

/// Ready-made pictures and one's own, told apart only by where they are.
pub(crate) fn run(project: &Project, own: Option<PathBuf>) -> Result<()> {
    let is_own = own.is_some();
    let ready = setup::run(project, own, false)?;
    show(project, &ready, is_own)
}

/// The demo on a machine that is set up.
pub(crate) fn show(project: &Project, ready: &setup::Ready, own: bool) -> Result<()> {
    let folder = project.home.join("demo");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("cannot clear {}", folder.display()))?;
    }
    std::fs::create_dir_all(&folder)?;
    let pictures = if own {
        ready.pictures.display().to_string()
    } else {
        link_pictures(&ready.pictures, &folder.join("pictures"), usize::MAX)?;
        "pictures".to_owned()
    };
    let emberline = |args: &[&str]| {
        let mut command = project.command(ready.bin.join("emberline"));
        on_path(&mut command, &ready.bin)?;
        println!();
        run_command(command.args(args).current_dir(&folder))
    };

    println!("\n$ cd {}", folder.display());
    emberline(&[
        "train",
        &pictures,
        "--model",
        MODEL,
        "--folds",
        "5",
        "--reg-param",
        "0.01,0.1",
        "--out",
        "demo.ember",
    ])?;

    let examples = one_of_each_label(&folder.join(&pictures), 3)?;
    let examples =
        examples.iter().map(|path| path.strip_prefix(&folder).unwrap_or(path).display().to_string());
    let predict: Vec<String> =
        ["predict", "demo.ember"].map(str::to_owned).into_iter().chain(examples).collect();
    emberline(&predict.iter().map(String::as_str).collect::<Vec<_>>())?;

    let table = format!("traffic_imgs={pictures}");
    emberline(&["sql", QUERY, "--table", &table, "--function", "my_object_recognition_function=demo.ember"])?;
    emberline(&["sql", &all_in_sql(&pictures)])?;

    println!("\nThe model and its pictures are in {}.", folder.display());
    println!("Your own pictures, one folder for each label: cargo xtask demo --pictures DIR");
    Ok(())
}

/// The same in SQL alone: the table and the function are created by statements.
fn all_in_sql(pictures: &str) -> String {
    let pictures = pictures.replace('\'', "''");
    format!(
        "CREATE EXTERNAL TABLE traffic_imgs STORED AS IMAGES LOCATION '{pictures}/'; \
         CREATE FUNCTION my_object_recognition_function(image) LANGUAGE EMBERLINE AS 'demo.ember'; {QUERY}"
    )
}

/// Makes `to` the folder of labelled pictures that the set contains: its PNGs, without their sounds and texts, at most
/// `limit` for each label. Folders that are no set of ours are taken with all their labels.
pub(crate) fn link_pictures(from: &Path, to: &Path, limit: usize) -> Result<()> {
    let mut labels: Vec<PathBuf> = LABELS.iter().map(|label| from.join(label)).collect();
    if !labels.iter().all(|folder| folder.is_dir()) {
        labels = sorted(from)?.into_iter().filter(|path| path.is_dir()).collect();
    }
    for label in labels {
        for picture in pictures_below(&label)?.into_iter().take(limit) {
            let target = to.join(picture.strip_prefix(from)?);
            if let Some(parent) = target.parent() {
                std::fs::create_dir_all(parent)?;
            }
            // A link is enough where the file system has them.
            if std::fs::hard_link(&picture, &target).is_err() {
                std::fs::copy(&picture, &target).with_context(|| picture.display().to_string())?;
            }
        }
    }
    Ok(())
}

/// The first picture of up to `labels` labels, to predict on.
fn one_of_each_label(pictures: &Path, labels: usize) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for label in sorted(pictures)?.iter().filter(|path| path.is_dir()) {
        found.extend(pictures_below(label)?.into_iter().next());
    }
    if found.is_empty() {
        bail!("{}: expected one folder of pictures for each label, found none", pictures.display());
    }
    found.truncate(labels);
    Ok(found)
}

/// The pictures of a folder and its subfolders, sorted by path.
fn pictures_below(folder: &Path) -> Result<Vec<PathBuf>> {
    const ENDINGS: [&str; 8] = ["png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff"];
    let mut found = Vec::new();
    for path in sorted(folder)? {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        if path.is_dir() {
            found.extend(pictures_below(&path)?);
        } else if ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str())) {
            found.push(path);
        }
    }
    Ok(found)
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_linked_by_label_without_the_rest() {
        let root = std::env::temp_dir().join(format!("xtask-pictures-{}", std::process::id()));
        let (from, to) = (root.join("from"), root.join("to"));
        for file in
            ["cats/deep/a.PNG", "cats/b.jpg", "cats/b_desc.ogg", "dogs/c.png", "dogs/d.png", "readme.txt"]
        {
            let path = from.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, file).unwrap();
        }
        let below = |folder: &Path| -> Vec<String> {
            let found = pictures_below(folder).unwrap();
            found.iter().map(|path| path.strip_prefix(folder).unwrap().display().to_string()).collect()
        };
        link_pictures(&from, &to, usize::MAX).unwrap();
        assert_eq!(below(&to), ["cats/b.jpg", "cats/deep/a.PNG", "dogs/c.png", "dogs/d.png"]);
        let few = root.join("few");
        link_pictures(&from, &few, 1).unwrap();
        assert_eq!(below(&few), ["cats/b.jpg", "dogs/c.png"]);
        assert_eq!(one_of_each_label(&few, 1).unwrap(), [few.join("cats/b.jpg")]);
        assert!(one_of_each_label(&from.join("cats/deep"), 1).is_err());
        std::fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn sql_quotes_the_folder() {
        assert!(all_in_sql("it's").contains("LOCATION 'it''s/'"));
    }
}
