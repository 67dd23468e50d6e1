//! What candidates have in common before anything is learned: each distinct featurizer runs once over all rows.
//!
//! A transformer of a pipeline can be taken out in front when it works row by row and its columns are there without
//! anything having been fitted. Candidates that only differ behind such stages share them; those that differ in them
//! (another network, another layer) each get columns of their own in one shared table, all made in a single pass.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::Expr;
use datafusion::prelude::ident;
use emberline_table::functions::ImageDigest;
use emberline_table::{ImageInput, Step, evaluate};

use crate::error::Result;
use crate::pipeline::{Pipeline, PipelineModel};
use crate::stage::{Estimator, PipelineStage, Stage, Transformer, downcast, schema_after};

/// The column that says why an image is null: to know it, each image would have to be decoded by itself.
const IMAGE_ERROR: &str = "image_error";

/// The stages that are taken out of the candidates, and the columns that they make.
pub(super) struct Shared {
    /// The columns of the table as it came that stay.
    kept: Vec<String>,
    /// Columns of images, which stay where a stage that learns reads them, and the names of their digests.
    digests: Vec<(String, String)>,
    /// Every distinct stage's steps, over names of the shared table.
    steps: Vec<Step>,
    /// The distinct stages, in words.
    pub(super) stages: Vec<String>,
    /// One for each candidate.
    pub(super) candidates: Vec<Front>,
}

/// What was taken out of one candidate.
#[derive(Debug, Clone, Default)]
pub(super) struct Front {
    /// The stages, by their places in the pipeline.
    stages: Vec<(usize, Arc<dyn Transformer>)>,
    /// The names of their columns, for the pipeline and in the shared table.
    columns: Vec<(String, String)>,
}

impl Shared {
    /// Takes out what can be taken out of estimators that fit a table with these columns. `others` are stages that also
    /// read the table.
    pub(super) fn plan(
        schema: &Schema,
        estimators: &[Option<Arc<dyn Estimator>>],
        others: &[&dyn Stage],
    ) -> Result<Self> {
        let mut known: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        let mut taken: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        let mut shared = Self {
            kept: Vec::new(),
            digests: Vec::new(),
            steps: Vec::new(),
            stages: Vec::new(),
            candidates: Vec::new(),
        };
        for estimator in estimators {
            let pipeline = estimator.as_ref().and_then(|estimator| downcast::<Pipeline>(estimator.as_ref()));
            let mut front = Front::default();
            let mut schema = schema.clone();
            for (place, stage) in pipeline.map_or(&[][..], Pipeline::stages).iter().enumerate() {
                let PipelineStage::Transformer(stage) = stage else { continue };
                if !stage.is_row_wise() {
                    break;
                }
                // It may read a column that only fitting makes.
                let Some(steps) = stage.steps(&schema).ok().filter(|steps| !steps.is_empty()) else {
                    continue;
                };
                let steps_before = shared.steps.len();
                let columns = shared.resolved(&front, &steps, &taken);
                let key = format!("{} {:?}", words(stage.as_ref()), inputs(&shared.steps[steps_before..]));
                match known.get(&key) {
                    Some(columns) => {
                        shared.steps.truncate(steps_before);
                        front.columns.extend(columns.iter().cloned());
                    }
                    None => {
                        taken.extend(columns.iter().map(|(_, name)| name.clone()));
                        shared.stages.push(words(stage.as_ref()));
                        known.insert(key, columns.clone());
                        front.columns.extend(columns);
                    }
                }
                schema = schema_after(stage.params().uid(), &schema, &steps)?;
                front.stages.push((place, stage.clone()));
            }
            shared.candidates.push(front);
        }
        shared.choose_columns(schema, estimators, others);
        Ok(shared)
    }

    /// Adds steps under names of the shared table; returns the names of their columns, there and here.
    fn resolved(&mut self, front: &Front, steps: &[Step], taken: &[String]) -> Vec<(String, String)> {
        let mut columns: Vec<(String, String)> = Vec::new();
        for step in steps {
            let find = |name: &String| {
                let renamed = columns.iter().chain(&front.columns).find(|(own, _)| own == name);
                renamed.map_or_else(|| name.clone(), |(_, shared)| shared.clone())
            };
            let inputs: Vec<String> = step.inputs.iter().map(find).collect();
            let free = |name: &String, more: &[(String, String)]| {
                let is_free = |wanted: &String| {
                    !taken.contains(wanted) && !more.iter().any(|(_, shared)| shared == wanted)
                };
                let numbered = (2..).map(|i| format!("{name}__{i}"));
                std::iter::once(name.clone()).chain(numbered).find(is_free).unwrap_or_default()
            };
            let mut renamed = Step { inputs, outputs: Vec::new(), ..step.clone() };
            for output in &step.outputs {
                let shared = free(output, &columns);
                columns.push((output.clone(), shared.clone()));
                renamed.outputs.push(shared);
            }
            if let Some(error) = &step.error {
                let shared = free(error, &columns);
                columns.push((error.clone(), shared.clone()));
                renamed.error = Some(shared);
            }
            self.steps.push(renamed);
        }
        columns
    }

    /// Images do not stay, unless a stage that stays reads them: decoded, they would fill the memory.
    fn choose_columns(
        &mut self,
        schema: &Schema,
        estimators: &[Option<Arc<dyn Estimator>>],
        others: &[&dyn Stage],
    ) {
        let mut readers: Vec<&dyn Stage> = others.to_vec();
        let mut keep_all = false;
        for (estimator, front) in estimators.iter().zip(&self.candidates) {
            let Some(estimator) = estimator else { continue };
            let Some(pipeline) = downcast::<Pipeline>(estimator.as_ref()) else {
                readers.push(estimator.as_ref());
                continue;
            };
            for (place, stage) in pipeline.stages().iter().enumerate() {
                if front.stages.iter().any(|(taken, _)| *taken == place) {
                    continue;
                }
                keep_all |= match stage {
                    PipelineStage::Transformer(stage) => !stage.is_row_wise(),
                    PipelineStage::Estimator(stage) => downcast::<Pipeline>(stage.as_ref()).is_some(),
                };
                readers.push(stage.stage());
            }
        }
        let named = |column: &str| {
            readers.iter().any(|stage| {
                let params = stage.params();
                params.table().iter().filter_map(|spec| params.value(spec.name)).any(|value| {
                    value.as_text() == Some(column)
                        || value.as_texts().is_some_and(|texts| texts.iter().any(|text| text == column))
                })
            })
        };
        for field in schema.fields() {
            let name = field.name();
            let is_image = ImageInput::accepts(field.data_type())
                && !matches!(field.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
            if is_image {
                self.digests.push((name.clone(), format!("__digest_of_{name}")));
            }
            if keep_all || named(name) || (!is_image && name != IMAGE_ERROR) {
                self.kept.push(name.clone());
            }
        }
    }

    /// Keeps a column that deals rows to folds.
    pub(super) fn keep(&mut self, column: Option<&String>) {
        let is_image = |column: &&String| self.digests.iter().any(|(image, _)| image == *column);
        if let Some(column) = column.filter(is_image).filter(|column| !self.kept.contains(column)) {
            self.kept.push(column.clone());
        }
    }

    /// What a candidate's own columns are made by: equal for equal functions.
    pub(super) fn description(&self, candidate: usize) -> String {
        let own = &self.candidates[candidate].columns;
        let is_own =
            |step: &&Step| step.outputs.iter().any(|output| own.iter().any(|(_, shared)| shared == output));
        let steps = self.steps.iter().filter(is_own);
        let words = |step: &Step| {
            let function = serde_json::to_string(&step.function.describe()).unwrap_or_default();
            format!("{function}({})", step.inputs.join(", "))
        };
        steps.map(words).collect::<Vec<_>>().join("; ")
    }

    /// All that makes the shared table's columns.
    pub(super) fn steps(&self) -> Vec<Step> {
        let digest = |(image, digest): &(String, String)| {
            Step::new(Arc::new(ImageDigest::default()), [image.as_str()], [digest.as_str()])
        };
        self.digests.iter().map(digest).chain(self.steps.iter().cloned()).collect()
    }

    /// The shared table's columns.
    pub(super) fn columns(&self) -> Vec<String> {
        let made = self.steps.iter().flat_map(|step| step.outputs.iter().chain(&step.error));
        let digests = self.digests.iter().map(|(_, digest)| digest);
        self.kept.iter().chain(digests).chain(made).cloned().collect()
    }

    /// The shared table, lazily.
    pub(super) fn table(&self, table: &DataFrame) -> Result<DataFrame> {
        let wanted: Vec<Expr> = self.columns().iter().map(ident).collect();
        Ok(evaluate::apply(table.clone(), &self.steps())?.select(wanted)?)
    }

    /// Whether a column of the shared table tells rows apart: one that came with the table, or the digest of an image, which is the
    /// same in whatever form the image is there.
    pub(super) fn is_content(&self, column: &str) -> bool {
        let is_image = self.digests.iter().any(|(image, _)| image == column);
        let is_digest = self.digests.iter().any(|(_, digest)| digest == column);
        is_digest || (!is_image && self.kept.iter().any(|kept| kept == column))
    }

    /// The shared table as a candidate's remaining stages expect it; `also` are further columns of it.
    pub(super) fn view(&self, table: &DataFrame, candidate: usize, also: &[&str]) -> Result<DataFrame> {
        let own = self.candidates[candidate].columns.iter().map(|(own, shared)| ident(shared).alias(own));
        let kept = self.kept.iter().map(ident).chain(also.iter().map(|name| ident(*name)));
        Ok(table.clone().select(kept.chain(own).collect::<Vec<_>>())?)
    }

    /// Of the shared table, the columns that came with the table, and `also`.
    pub(super) fn kept(&self, table: &DataFrame, also: &str) -> Result<DataFrame> {
        let kept = self.kept.iter().map(ident).chain([ident(also)]);
        Ok(table.clone().select(kept.collect::<Vec<_>>())?)
    }

    /// Candidates that read the same columns, which are fitted together.
    pub(super) fn groups(&self, candidates: &[usize]) -> Vec<Vec<usize>> {
        let mut groups: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for &candidate in candidates {
            groups.entry(self.candidates[candidate].key()).or_default().push(candidate);
        }
        groups.into_values().collect()
    }

    /// How many times stages that read images run over the table's images.
    pub(super) fn passes(&self) -> usize {
        let images: Vec<&String> = self.digests.iter().map(|(image, _)| image).collect();
        self.steps.iter().filter(|step| step.inputs.iter().any(|input| images.contains(&input))).count()
    }
}

impl Front {
    /// What is left of an estimator.
    pub(super) fn rest(&self, estimator: &Arc<dyn Estimator>) -> Arc<dyn Estimator> {
        match downcast::<Pipeline>(estimator.as_ref()) {
            Some(pipeline) if !self.stages.is_empty() => {
                let taken = |place: usize| self.stages.iter().any(|(taken, _)| *taken == place);
                Arc::new(pipeline.without(taken))
            }
            _ => estimator.clone(),
        }
    }

    /// The whole model, from what the rest learned.
    pub(super) fn whole(&self, rest: Arc<dyn Transformer>) -> Arc<dyn Transformer> {
        match downcast::<PipelineModel>(rest.as_ref()) {
            Some(model) if !self.stages.is_empty() => Arc::new(model.with_stages(&self.stages)),
            _ => rest,
        }
    }

    /// Candidates with the same columns and the same remaining stages can be fitted together.
    fn key(&self) -> (Vec<(String, String)>, Vec<usize>) {
        (self.columns.clone(), self.stages.iter().map(|(place, _)| *place).collect())
    }
}

/// A stage and its params: equal for stages that do the same.
fn words(stage: &dyn Transformer) -> String {
    let params = stage.params();
    let values = params.table().iter().filter_map(|spec| Some((spec.name, params.value(spec.name)?)));
    let values: Vec<String> = values.map(|(name, value)| format!("{name}={value}")).collect();
    format!("{}({})", params.uid(), values.join(", "))
}

fn inputs(steps: &[Step]) -> Vec<&[String]> {
    steps.iter().map(|step| step.inputs.as_slice()).collect()
}
