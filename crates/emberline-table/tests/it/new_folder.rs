//! Folders that are written under another name: whole or not there, and nothing stays of what a killed process wrote.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use emberline_table::NewFolder;

/// Where the process that is to be killed writes.
const PLACE: &str = "EMBERLINE_TABLE_TEST_PLACE";

fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names: Vec<String> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    names.sort();
    Ok(names)
}

/// Writes a folder with one file.
fn write(path: &Path, content: &str) -> Result<()> {
    let folder = NewFolder::beside(path)?;
    fs::write(folder.path().join("content"), content)?;
    Ok(folder.publish(path)?)
}

#[test]
fn a_folder_is_replaced_as_a_whole() -> Result<()> {
    let place = tempfile::tempdir()?;
    let path = place.path().join("inner/model");
    for content in ["one", "two"] {
        write(&path, content)?;
        ensure!(fs::read_to_string(path.join("content"))? == content);
        ensure!(names(&place.path().join("inner"))? == ["model"]);
    }
    // One that is not published goes; what was there stays.
    let folder = NewFolder::beside(&path)?;
    fs::write(folder.path().join("content"), "three")?;
    drop(folder);
    ensure!(fs::read_to_string(path.join("content"))? == "two");
    ensure!(names(&place.path().join("inner"))? == ["model"]);
    Ok(())
}

#[test]
#[ignore = "the process that the next test kills"]
fn writes_until_it_is_killed() -> Result<()> {
    let place = PathBuf::from(std::env::var_os(PLACE).unwrap_or_default());
    let folder = NewFolder::beside(&place.join("model"))?;
    fs::write(folder.path().join("content"), "half")?;
    std::thread::sleep(Duration::from_secs(60));
    Ok(())
}

#[test]
fn what_a_killed_process_left_goes_and_what_is_being_written_stays() -> Result<()> {
    let place = tempfile::tempdir()?;
    let mut process = Command::new(std::env::current_exe()?)
        .args(["--ignored", "--exact", "new_folder::writes_until_it_is_killed"])
        .env(PLACE, place.path())
        .stdout(Stdio::null())
        .spawn()?;
    let start = Instant::now();
    let half_written = || -> Result<bool> {
        let entries = names(place.path())?;
        Ok(entries.iter().any(|entry| place.path().join(entry).join("new/content").exists()))
    };
    while !half_written()? && start.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(1));
    }
    let path = place.path().join("model");
    write(&path, "one")?;
    ensure!(names(place.path())?.len() == 2 && half_written()?, "a folder that is being written was removed");
    process.kill()?;
    process.wait()?;
    ensure!(names(place.path())?.len() == 2, "it was not killed in the middle");

    // What a process killed between two renames has of both folders is nobody's to remove.
    let both = place.path().join(".emberline-both");
    fs::create_dir_all(both.join("old"))?;
    fs::create_dir(both.join("new"))?;
    fs::write(both.join("lock"), "")?;
    // Nor is what is not ours.
    fs::write(place.path().join(".emberline-notes"), "")?;
    write(&path, "two")?;
    ensure!(names(place.path())? == [".emberline-both", ".emberline-notes", "model"]);
    ensure!(fs::read_to_string(path.join("content"))? == "two");
    Ok(())
}
