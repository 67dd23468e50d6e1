//! Finding the tensors in what a pickle has made.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    damaged,
    pickle::{Object, Pickle, Value},
    storage::PickledTensor,
};
use crate::Result;

/// How deep dictionaries may stand in dictionaries. Checkpoints have two or three.
const DEPTH_MAX: usize = 8;

/// The tensors of a dictionary and of the dictionaries in it, by their names joined by a dot. Other values are left out.
pub(super) fn tensors(pickle: &Pickle) -> Result<BTreeMap<String, &PickledTensor>> {
    if !matches!(pickle.object(&pickle.root), Some(Object::Dict(_))) {
        return Err(damaged(
            "it holds no dictionary; save the state dict: torch.save(model.state_dict(), path)",
        ));
    }
    let mut found = BTreeMap::new();
    collect(pickle, &pickle.root, "", &mut BTreeSet::new(), 0, &mut found)?;
    Ok(found)
}

fn collect<'a>(
    pickle: &'a Pickle,
    value: &Value,
    name: &str,
    seen: &mut BTreeSet<usize>,
    depth: usize,
    found: &mut BTreeMap<String, &'a PickledTensor>,
) -> Result<()> {
    match pickle.object(value) {
        // As in Python, the last of several entries of one name stays.
        Some(Object::Tensor(tensor)) => drop(found.insert(name.to_owned(), tensor)),
        Some(Object::Dict(entries)) => {
            // A dictionary that is met again is a cycle, or a way to make a small file name very many tensors.
            let again = matches!(value, Value::Object(index) if !seen.insert(*index));
            if again || depth >= DEPTH_MAX {
                return Err(damaged(format!("dictionary `{name}` is there twice or too deep")));
            }
            for (key, value) in entries {
                // Checkpoints also have dictionaries with numbers for keys; what they hold are no weights.
                let Value::Text(key) = key else { continue };
                let name = if name.is_empty() { key.to_string() } else { format!("{name}.{key}") };
                collect(pickle, value, &name, seen, depth + 1, found)?;
            }
        }
        _ => {}
    }
    Ok(())
}
