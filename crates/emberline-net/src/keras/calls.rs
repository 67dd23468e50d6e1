//! Who calls whom in a functional model: `inbound_nodes` as nested lists, Keras 1 and 2's way, and as objects with
//! `__keras_tensor__`s in them, Keras 3's.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{graph::is_model, problem};
use crate::{Result, layer::Problem};

/// A layer's entry in a model.
pub(super) struct LayerConfig<'a> {
    pub(super) value: &'a Value,
    pub(super) class: &'a str,
    pub(super) name: String,
    pub(super) settings: &'a Map<String, Value>,
    /// Whether it is a function applied to tensors and no layer.
    pub(super) is_operation: bool,
    /// Why it can't be read, whatever its settings.
    pub(super) refusal: Option<Problem>,
}

/// What a layer is called with.
#[derive(Clone, Debug)]
pub(super) struct Call<T> {
    pub(super) arguments: Vec<Argument<T>>,
    pub(super) keywords: Vec<(String, Argument<T>)>,
    /// Whether it behaves as in training even at inference.
    pub(super) training: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Argument<T> {
    Value(T),
    Number(f64),
    /// Text, true, and whatever else.
    Other,
}

impl<T> Default for Call<T> {
    fn default() -> Self {
        Self { arguments: Vec::new(), keywords: Vec::new(), training: false }
    }
}

/// The names of arguments that may be values, in the order in which layers take them.
const KEYWORDS: [&str; 6] = ["inputs", "x", "sequence", "query", "value", "key"];

impl<T: Clone> Call<T> {
    /// The values of a layer's call, those by name in the order of the layer's arguments.
    pub(super) fn values(&self) -> Result<Vec<T>, Problem> {
        let value = |argument: &Argument<T>| match argument {
            Argument::Value(value) => Ok(value.clone()),
            _ => Err("it is called with something else than values, which is not supported".to_owned()),
        };
        let mut values = self.arguments.iter().map(value).collect::<Result<Vec<T>, _>>()?;
        let mut keywords = Vec::new();
        for (keyword, argument) in &self.keywords {
            let Argument::Value(value) = argument else { continue };
            let place = KEYWORDS.iter().position(|known| known == keyword);
            let place = place.ok_or_else(|| {
                format!("it is called with a value for `{keyword}`, which is not supported; export the model to ONNX")
            })?;
            keywords.push((place, value.clone()));
        }
        keywords.sort_by_key(|(place, _)| *place);
        values.extend(keywords.into_iter().map(|(_, value)| value));
        Ok(values)
    }

    /// Refuses a layer that is told to behave as in training.
    pub(super) fn check(&self, class: &str) -> Result<(), Problem> {
        let differs = class == "BatchNormalization"
            || ["Dropout", "Noise", "Rand", "Mix"].iter().any(|part| class.contains(part));
        if self.training && differs {
            return Err("it is called with `training=True`, which is random or depends on the batch; build the model \
                        without that"
                .to_owned());
        }
        Ok(())
    }
}

/// The layers of a model's settings: those of a functional model, or of a Sequential one in any Keras.
pub(super) fn layer_configs(config: &Value, keras: u32) -> Result<Vec<LayerConfig<'_>>> {
    let layers = config.as_array().or_else(|| config.get("layers")?.as_array());
    let layers = layers.ok_or_else(|| problem("a model's description has no list of layers"))?;
    layers.iter().enumerate().map(|(place, layer)| layer_config(place, layer, keras)).collect()
}

fn layer_config(place: usize, value: &Value, keras: u32) -> Result<LayerConfig<'_>> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let missing = |what: &str| problem(format!("layer {place} of a model has no {what}"));
    let class = text("class_name").ok_or_else(|| missing("`class_name`"))?;
    let config = value.get("config").ok_or_else(|| missing("`config`"))?;
    let name = text("name").or_else(|| config.get("name")?.as_str()).filter(|name| !name.is_empty());
    let name = match name {
        Some(name) => name.to_owned(),
        // Models of Keras 1 and 2 inside others may be bare lists of layers.
        None if is_model(class) => format!("{}_{place}", super::graph::snake_case(class)),
        None => return Err(missing("name")),
    };
    // Slashes at the ends would make names that look like others.
    let name = name.trim_matches('/').to_owned();
    static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    let settings = config.as_object().unwrap_or(&EMPTY);
    // Of a class of its own, Keras 3 writes no module, but a registered name.
    let registered = text("registered_name");
    let has_module = value.get("module").is_none_or(|module| !module.is_null());
    let module = text("module").unwrap_or(if has_module || registered.is_none() { "keras" } else { "" });
    let is_operation =
        module.starts_with("keras.src.ops") || module.starts_with("keras.ops") || class == "TFOpLambda";
    let is_keras = ["keras", "tensorflow", "tf_keras"].iter().any(|package| {
        module.strip_prefix(package).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    });
    let is_custom = !is_keras || registered.is_some_and(|name| name.contains('>'));
    let refusal = is_custom.then(|| {
        let class: String = class.chars().take(80).collect();
        format!(
            "`{class}` is a class of its own, whose code is not in the file and would not be run; rebuild the model with \
             layers that are known, or export it to ONNX (`model.export(\"model.onnx\", format=\"onnx\")`)"
        )
    });
    let is_old_merge = keras < 2 && class == "Merge" && value.get("inbound_nodes").is_none();
    let refusal = refusal.or_else(|| {
        is_old_merge.then(|| {
            "a Merge at the start of a Sequential model is not supported; build a functional one".to_owned()
        })
    });
    Ok(LayerConfig { value, class, name, settings, is_operation, refusal })
}

/// An output of a layer's call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reference {
    pub(super) layer: usize,
    call: usize,
    output: usize,
}

impl Reference {
    /// The value it stands for.
    pub(super) fn find<T: Clone>(
        &self,
        layers: &[LayerConfig<'_>],
        values: &BTreeMap<(usize, usize), Vec<T>>,
    ) -> Result<T> {
        let outputs = values.get(&(self.layer, self.call)).map_or(&[][..], Vec::as_slice);
        outputs.get(self.output).cloned().ok_or_else(|| {
            let name = layers.get(self.layer).map_or("", |layer| layer.name.as_str());
            problem(format!(
                "output {} of call {} of layer `{name}` is used, which is not there or not supported, as with states of \
                 recurrent layers",
                self.output, self.call
            ))
        })
    }
}

type Places<'a> = BTreeMap<&'a str, usize>;

fn places<'a>(layers: &'a [LayerConfig<'_>]) -> Result<Places<'a>> {
    let mut places = BTreeMap::new();
    for (place, layer) in layers.iter().enumerate() {
        if places.insert(layer.name.as_str(), place).is_some() {
            return Err(problem(format!("two layers of one model are called `{}`", layer.name)));
        }
    }
    Ok(places)
}

/// `["conv", 0, 0]`, with more behind it or not.
fn reference(value: &Value, places: &Places<'_>) -> Option<Result<Reference>> {
    let [name, call, output, ..] = value.as_array()?.as_slice() else { return None };
    let (name, call, output) = (name.as_str()?, call.as_u64()?, output.as_u64()?);
    let index = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let layer = places.get(name.trim_matches('/')).copied();
    let layer = layer.ok_or_else(|| {
        let name: String = name.chars().take(80).collect();
        problem(format!("a layer takes the output of `{name}`, which is not there"))
    });
    Some(layer.map(|layer| Reference { layer, call: index(call), output: index(output) }))
}

/// All references in lists of lists.
fn collect(value: &Value, places: &Places<'_>, into: &mut Vec<Reference>) -> Result<()> {
    if let Some(found) = reference(value, places) {
        into.push(found?);
        return Ok(());
    }
    match value {
        Value::Array(values) => values.iter().try_for_each(|value| collect(value, places, into)),
        Value::Object(values) => values.values().try_for_each(|value| collect(value, places, into)),
        _ => Ok(()),
    }
}

/// The references in `input_layers` or `output_layers`.
pub(super) fn references(value: Option<&Value>, layers: &[LayerConfig<'_>]) -> Result<Vec<Reference>> {
    let value =
        value.ok_or_else(|| problem("a functional model has no `input_layers` or `output_layers`"))?;
    let mut references = Vec::new();
    collect(value, &places(layers)?, &mut references)?;
    if references.is_empty() {
        return Err(problem("a functional model has no inputs or no outputs"));
    }
    Ok(references)
}

/// All calls of a functional model's layers.
pub(super) struct References {
    calls: Vec<Vec<Call<Reference>>>,
    /// Whether references are objects, as in Keras 3.
    has_objects: bool,
    /// Of every layer, what its calls are counted from.
    offsets: Vec<usize>,
}

impl References {
    pub(super) fn new(config: &Value, layers: &[LayerConfig<'_>]) -> Result<Self> {
        let places = places(layers)?;
        let mut has_objects = false;
        let mut calls = Vec::new();
        for layer in layers {
            let nodes =
                layer.value.get("inbound_nodes").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            has_objects |= nodes.iter().any(Value::is_object);
            let parse = |node| parse_call(node, &places);
            calls.push(nodes.iter().map(parse).collect::<Result<Vec<_>>>()?);
        }
        let mut references = Self { calls, has_objects, offsets: vec![0; layers.len()] };
        if !has_objects {
            references.count_from(config, layers)?;
        }
        Ok(references)
    }

    /// Before Keras 3, the calls of some models inside the model are counted from 1, the call that made them being 0.
    fn count_from(&mut self, config: &Value, layers: &[LayerConfig<'_>]) -> Result<()> {
        let outputs = self::references(config.get("output_layers"), layers)?;
        let used = self.calls.iter().flatten().flat_map(Call::references).chain(outputs);
        for reference in used.collect::<Vec<_>>() {
            if is_model(layers[reference.layer].class) && reference.call >= self.calls[reference.layer].len()
            {
                self.offsets[reference.layer] = 1;
            }
        }
        Ok(())
    }

    /// The model's outputs.
    pub(super) fn outputs(&self, config: &Value, layers: &[LayerConfig<'_>]) -> Result<Vec<Reference>> {
        let mut outputs = references(config.get("output_layers"), layers)?;
        for output in &mut outputs {
            // Keras 3 counts a functional model's calls from 1 here, and from 0 elsewhere.
            let is_functional = matches!(layers[output.layer].class, "Functional" | "Model");
            let offset =
                if self.has_objects { usize::from(is_functional) } else { self.offsets[output.layer] };
            output.call = output.call.saturating_sub(offset);
        }
        Ok(outputs)
    }

    /// All calls, each after those whose outputs it takes, else in the file's order.
    pub(super) fn in_order(&self, inputs: &[usize]) -> Result<Vec<(usize, usize)>> {
        let all = || {
            let of_layer = |(layer, calls): (usize, &Vec<Call<Reference>>)| {
                (0..calls.len()).map(move |call| (layer, call))
            };
            self.calls.iter().enumerate().flat_map(of_layer)
        };
        let inputs: BTreeSet<usize> = inputs.iter().copied().collect();
        let mut waits: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        let mut users: BTreeMap<(usize, usize), Vec<(usize, usize)>> = BTreeMap::new();
        let mut ready = BTreeSet::new();
        for (layer, number) in all().filter(|(layer, _)| !inputs.contains(layer)) {
            let needs = self.calls[layer][number].references().map(|reference| self.key(&reference));
            let needs: BTreeSet<(usize, usize)> =
                needs.filter(|(layer, _)| !inputs.contains(layer)).collect();
            for need in &needs {
                users.entry(*need).or_default().push((layer, number));
            }
            match needs.len() {
                0 => drop(ready.insert((layer, number))),
                count => drop(waits.insert((layer, number), count)),
            }
        }
        let mut order = Vec::new();
        while let Some(next) = ready.pop_first() {
            order.push(next);
            for user in users.remove(&next).unwrap_or_default() {
                let Some(count) = waits.get_mut(&user) else { continue };
                *count -= 1;
                if *count == 0 {
                    waits.remove(&user);
                    ready.insert(user);
                }
            }
        }
        match waits.is_empty() {
            true => Ok(order),
            false => Err(problem(
                "layers of a model take each other's outputs in a circle, or outputs that are not there",
            )),
        }
    }

    fn key(&self, reference: &Reference) -> (usize, usize) {
        (reference.layer, reference.call.saturating_sub(self.offsets[reference.layer]))
    }

    /// A call with the values of its references.
    pub(super) fn resolve<T: Clone>(
        &self,
        layers: &[LayerConfig<'_>],
        (layer, number): (usize, usize),
        values: &BTreeMap<(usize, usize), Vec<T>>,
    ) -> Result<Call<T>> {
        let call = &self.calls[layer][number];
        let find = |argument: &Argument<Reference>| -> Result<Argument<T>> {
            Ok(match argument {
                Argument::Value(reference) => {
                    let (layer, call) = self.key(reference);
                    let reference = Reference { layer, call, output: reference.output };
                    Argument::Value(reference.find(layers, values)?)
                }
                Argument::Number(number) => Argument::Number(*number),
                Argument::Other => Argument::Other,
            })
        };
        let keyword = |(name, argument): &(String, Argument<Reference>)| Ok((name.clone(), find(argument)?));
        Ok(Call {
            arguments: call.arguments.iter().map(find).collect::<Result<_>>()?,
            keywords: call.keywords.iter().map(keyword).collect::<Result<_>>()?,
            training: call.training,
        })
    }
}

impl Call<Reference> {
    fn references(&self) -> impl Iterator<Item = Reference> {
        let all = self.arguments.iter().chain(self.keywords.iter().map(|(_, argument)| argument));
        all.filter_map(
            |argument| if let Argument::Value(reference) = argument { Some(*reference) } else { None },
        )
    }

    fn keyword(&mut self, name: &str, arguments: Vec<Argument<Reference>>) {
        self.keywords.extend(arguments.into_iter().map(|argument| (name.to_owned(), argument)));
    }
}

fn parse_call(node: &Value, places: &Places<'_>) -> Result<Call<Reference>> {
    let mut call = Call::default();
    match node {
        Value::Object(node) => {
            if let Some(arguments) = node.get("args") {
                call.arguments = parse_arguments(arguments, places)?;
            }
            parse_keywords(node.get("kwargs"), places, &mut call)?;
        }
        node => parse_list(node, places, &mut call)?,
    }
    Ok(call)
}

/// `[["conv", 0, 0, {"training": false}], ...]`, or one such reference alone.
fn parse_list(node: &Value, places: &Places<'_>, call: &mut Call<Reference>) -> Result<()> {
    if let Some(found) = reference(node, places) {
        call.arguments.push(Argument::Value(found?));
        return parse_keywords(node.get(3), places, call);
    }
    match node {
        Value::Array(values) if values.first().is_some_and(|first| first == "_CONSTANT_VALUE") => {
            let number = values.get(2).and_then(Value::as_f64);
            call.arguments.push(number.map_or(Argument::Other, Argument::Number));
            parse_keywords(values.get(3), places, call)
        }
        Value::Array(values) => values.iter().try_for_each(|value| parse_list(value, places, call)),
        Value::Object(values) => values.values().try_for_each(|value| parse_list(value, places, call)),
        _ => Ok(()),
    }
}

fn parse_keywords(keywords: Option<&Value>, places: &Places<'_>, call: &mut Call<Reference>) -> Result<()> {
    for (name, value) in keywords.and_then(Value::as_object).into_iter().flatten() {
        if name == "training" {
            call.training = value != &Value::Bool(false) && !value.is_null();
            continue;
        }
        let mut references = Vec::new();
        collect(value, places, &mut references)?;
        let arguments = match references.is_empty() {
            true => parse_arguments(value, places)?,
            false => references.into_iter().map(Argument::Value).collect(),
        };
        call.keyword(name, arguments);
    }
    Ok(())
}

/// The arguments in what Keras 3 writes: lists are taken apart, what is null or false is left out.
fn parse_arguments(value: &Value, places: &Places<'_>) -> Result<Vec<Argument<Reference>>> {
    Ok(match value {
        Value::Null | Value::Bool(false) => Vec::new(),
        Value::Array(values) => {
            let arguments = values.iter().map(|value| parse_arguments(value, places));
            arguments.collect::<Result<Vec<_>>>()?.concat()
        }
        Value::Number(number) => vec![number.as_f64().map_or(Argument::Other, Argument::Number)],
        Value::Object(object)
            if object.get("class_name").is_some_and(|class| class == "__keras_tensor__") =>
        {
            let history = value.pointer("/config/keras_history").unwrap_or(&Value::Null);
            let found = reference(history, places);
            vec![Argument::Value(found.ok_or_else(|| problem("a call takes a tensor of no layer"))??)]
        }
        // A dictionary of inputs.
        Value::Object(object) if !object.contains_key("class_name") => {
            let arguments = object.values().map(|value| parse_arguments(value, places));
            arguments.collect::<Result<Vec<_>>>()?.concat()
        }
        _ => vec![Argument::Other],
    })
}
