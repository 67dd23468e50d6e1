//! The files of a folder, and what their paths alone say.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::{IMAGE, IMAGE_ERROR, LABEL, LabelFrom, ORIGIN, ReadOptions};
use crate::error::{Result, TableError};
use crate::source::{self, Location};
use emberline_net::Digest;

/// The files of a table, in the order of their paths, and the columns their paths give.
#[derive(Debug)]
pub(crate) struct FileTable {
    location: Location,
    files: Vec<Path>,
    /// `origin`, then the partition columns, then `label`.
    schema: SchemaRef,
    partitions: Vec<Partition>,
}

/// A column read from paths.
#[derive(Debug)]
enum Partition {
    Text(Vec<Option<String>>),
    Number(Vec<Option<i64>>),
}

impl FileTable {
    pub(crate) async fn list(uri: &str, options: &ReadOptions) -> Result<Self> {
        let (root, pattern) = split_pattern(uri);
        let pattern = pattern.or(options.glob.as_deref());
        let chosen = Chosen::try_new(pattern, options)?;
        let location = Location::parse(root)?;
        let files = list_files(root, &location).await?;
        let single = matches!(files.as_slice(), [only] if *only == location.path);
        let base = if single { parent(&location.path) } else { location.path.clone() };
        let mut files: Vec<Path> = files
            .into_iter()
            .filter(|path| single || chosen.contains(&below(&base, path)))
            .filter(|path| sampled(&below(&base, path).join("/"), options))
            .collect();
        files.sort();
        Self::with_columns(location, base, files, options.label)
    }

    fn with_columns(location: Location, base: Path, files: Vec<Path>, label: LabelFrom) -> Result<Self> {
        let folders: Vec<Vec<String>> = files
            .iter()
            .map(|path| {
                let mut parts = below(&base, path);
                parts.pop();
                parts
            })
            .collect();
        let keys: BTreeSet<&str> =
            folders.iter().flatten().filter_map(|folder| Some(folder.split_once('=')?.0)).collect();
        let mut fields = vec![Field::new(ORIGIN, DataType::Utf8, false)];
        let mut partitions = Vec::new();
        for key in keys {
            check_name(key, label)?;
            let values = folders.iter().map(|parts| partition_value(parts, key)).collect();
            let column = Partition::typed(values);
            fields.push(Field::new(key, column.data_type(), true));
            partitions.push(column);
        }
        if label == LabelFrom::Folder {
            fields.push(Field::new(LABEL, DataType::Utf8, true));
            partitions.push(Partition::Text(folders.iter().map(|parts| parts.first().cloned()).collect()));
        }
        Ok(Self { location, files, schema: Arc::new(Schema::new(fields)), partitions })
    }

    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// The columns that are known without reading a file.
    pub(crate) fn columns(&self) -> &SchemaRef {
        &self.schema
    }

    pub(crate) fn all_columns(&self) -> Vec<ArrayRef> {
        let all: Vec<usize> = (0..self.len()).collect();
        self.schema.fields().iter().filter_map(|field| self.column(field.name(), &all)).collect()
    }

    /// The values of a column of [`columns`](Self::columns) for some files.
    pub(crate) fn column(&self, name: &str, files: &[usize]) -> Option<ArrayRef> {
        match self.schema.index_of(name).ok()? {
            0 => Some(Arc::new(StringArray::from_iter_values(files.iter().map(|i| self.origin(*i))))),
            i => Some(self.partitions[i - 1].take(files)),
        }
    }

    pub(crate) fn origin(&self, file: usize) -> String {
        self.location.uri_of(&self.files[file])
    }

    pub(crate) fn location(&self, file: usize) -> Location {
        Location { path: self.files[file].clone(), ..self.location.clone() }
    }
}

impl Partition {
    /// Whole numbers if every value is one, as Spark infers them; else text.
    fn typed(values: Vec<Option<String>>) -> Self {
        let numbers: Option<Vec<Option<i64>>> = values
            .iter()
            .map(|value| value.as_ref().map(|v| v.parse().ok()).map_or(Some(None), |n| n.map(Some)))
            .collect();
        match numbers {
            Some(numbers) => Self::Number(numbers),
            None => Self::Text(values),
        }
    }

    fn data_type(&self) -> DataType {
        match self {
            Self::Text(_) => DataType::Utf8,
            Self::Number(_) => DataType::Int64,
        }
    }

    fn take(&self, files: &[usize]) -> ArrayRef {
        match self {
            Self::Text(values) => {
                Arc::new(files.iter().map(|i| values[*i].as_deref()).collect::<StringArray>())
            }
            Self::Number(values) => Arc::new(files.iter().map(|i| values[*i]).collect::<Int64Array>()),
        }
    }
}

/// Which paths are rows.
struct Chosen {
    pattern: Option<glob::Pattern>,
    /// Whether the pattern is about the file's name alone.
    name_only: bool,
    recursive: bool,
}

impl Chosen {
    fn try_new(pattern: Option<&str>, options: &ReadOptions) -> Result<Self> {
        let compiled = pattern.map(glob::Pattern::new).transpose().map_err(|e| TableError::Setting {
            parameter: "glob".into(),
            expected: "a pattern such as `*.jpg` or `2024/**/*.png`".into(),
            found: format!("`{}`: {e}", pattern.unwrap_or_default()),
        })?;
        let name_only = pattern.is_some_and(|p| !p.contains('/'));
        Ok(Self { pattern: compiled, name_only, recursive: options.recursive })
    }

    fn contains(&self, parts: &[String]) -> bool {
        if !self.recursive && parts.len() > 1 {
            return false;
        }
        if parts.iter().any(|part| part.starts_with(['.', '_'])) {
            return false;
        }
        let Some(pattern) = &self.pattern else { return true };
        let options = glob::MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            require_literal_leading_dot: false,
        };
        match (self.name_only, parts.last()) {
            (true, Some(name)) => pattern.matches_with(name, options),
            _ => pattern.matches_with(&parts.join("/"), options),
        }
    }
}

/// Splits `photos/*/a.jpg` into the folder before the first pattern and the pattern below it.
fn split_pattern(uri: &str) -> (&str, Option<&str>) {
    let Some(special) = uri.find(['*', '?', '[']) else { return (uri, None) };
    // A name that exists as it is, is no pattern; and an address may have a query.
    if std::path::Path::new(uri).exists() || uri.starts_with("http") {
        return (uri, None);
    }
    match uri[..special].rfind('/') {
        Some(slash) => (&uri[..=slash], Some(&uri[slash + 1..])),
        None => (".", Some(uri)),
    }
}

async fn list_files(root: &str, location: &Location) -> Result<Vec<Path>> {
    let wrong = |reason: String| TableError::Source { uri: root.into(), reason };
    if let Some(local) = source::local_path(root) {
        let kind =
            std::fs::metadata(&local).map_err(|e| wrong(format!("{e}; expected a folder or a file")))?;
        if kind.is_file() {
            return Ok(vec![location.path.clone()]);
        }
    } else if root.starts_with("http") && !root.ends_with('/') {
        // A web server has no folders; a WebDAV server's address of one ends with a slash.
        return Ok(vec![location.path.clone()]);
    }
    let listed = location.store.list(Some(&location.path)).map_ok(|meta| meta.location);
    let files: Vec<Path> = listed.try_collect().await.map_err(|e| wrong(e.to_string()))?;
    if files.is_empty() && source::local_path(root).is_none() {
        location.store.head(&location.path).await.map_err(|e| wrong(format!("nothing is there: {e}")))?;
        return Ok(vec![location.path.clone()]);
    }
    Ok(files)
}

fn parent(path: &Path) -> Path {
    let mut parts: Vec<_> = path.parts().collect();
    parts.pop();
    Path::from_iter(parts)
}

/// The parts of `path` below `base`.
fn below(base: &Path, path: &Path) -> Vec<String> {
    match path.prefix_match(base) {
        Some(parts) => parts.map(|part| part.as_ref().to_string()).collect(),
        None => path.filename().map(String::from).into_iter().collect(),
    }
}

/// The value of a `key=value` folder; Spark writes a null as `__HIVE_DEFAULT_PARTITION__` and escapes with `%`.
fn partition_value(folders: &[String], key: &str) -> Option<String> {
    let (_, value) =
        folders.iter().rev().filter_map(|folder| folder.split_once('=')).find(|(k, _)| *k == key)?;
    let value = percent_decoded(value);
    (value != "__HIVE_DEFAULT_PARTITION__").then_some(value)
}

fn percent_decoded(text: &str) -> String {
    let query = format!("v={}", text.replace('+', "%2B").replace('&', "%26"));
    let decoded = url::form_urlencoded::parse(query.as_bytes()).next();
    decoded.map_or_else(|| text.to_string(), |(_, value)| value.into_owned())
}

fn check_name(key: &str, label: LabelFrom) -> Result<()> {
    let reserved = [IMAGE, ORIGIN, super::WIDTH, super::HEIGHT, IMAGE_ERROR];
    if reserved.contains(&key) || (key == LABEL && label == LabelFrom::Folder) {
        return Err(TableError::Setting {
            parameter: "partition column".into(),
            expected: "folder names `key=value` whose keys are not columns already".into(),
            found: format!("`{key}=...`"),
        });
    }
    Ok(())
}

/// Whether a path is in the sample: by the hash of seed and path, so that neither the order of files nor their
/// number nor where the folder lies matters.
fn sampled(path: &str, options: &ReadOptions) -> bool {
    let hash = Digest::of_parts([&options.seed.to_le_bytes()[..], path.as_bytes()]).as_u64();
    options.sample_ratio >= 1.0 || (hash as f64) < options.sample_ratio * (u64::MAX as f64)
}
