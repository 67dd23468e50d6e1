//! The classes a network tells apart: ImageNet's 1000, with their WordNet ids.

use std::sync::LazyLock;

/// A class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// The WordNet id, such as `n02099601`. Unique.
    pub id: &'static str,
    /// The name as Keras' `decode_predictions` gives it, such as `golden_retriever`. Not unique: ImageNet has two
    /// classes `crane` (the bird and the machine) and two `maillot`.
    pub name: &'static str,
}

/// ImageNet's 1000 classes in the order of the networks' outputs, which is that of their WordNet ids.
///
/// The list is `labels/imagenet.tsv`, written by `tools/goldens/imagenet_labels.py` from the lists in the Python package
/// `timm` (Apache-2.0).
///
/// ```
/// let label = emberline_zoo::imagenet_labels()[207];
/// assert_eq!((label.id, label.name), ("n02099601", "golden_retriever"));
/// ```
#[must_use]
pub fn imagenet_labels() -> &'static [Label] {
    static LABELS: LazyLock<Vec<Label>> = LazyLock::new(|| {
        let lines = include_str!("labels/imagenet.tsv").lines();
        lines.filter_map(|line| line.split_once('\t')).map(|(id, name)| Label { id, name }).collect()
    });
    &LABELS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_1000_in_the_order_of_their_ids() {
        let labels = imagenet_labels();
        assert_eq!(labels.len(), 1000);
        assert!(labels.is_sorted_by(|a, b| a.id < b.id));
        assert!(labels.iter().all(|label| label.id.len() == 9 && !label.name.is_empty()));
    }

    #[test]
    fn classes_stand_where_networks_expect_them() {
        let check = |index: usize, id, name| assert_eq!(imagenet_labels()[index], Label { id, name });
        check(0, "n01440764", "tench");
        check(134, "n02012849", "crane");
        check(388, "n02510455", "giant_panda");
        check(517, "n03126707", "crane");
        check(999, "n15075141", "toilet_tissue");
    }
}
