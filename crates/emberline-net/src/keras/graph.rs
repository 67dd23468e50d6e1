//! From a model's description to nodes: models inside models become nodes called `outer/inner`, layers that are called
//! several times become nodes that share their weights, and values over channels first are held channels last.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    Limits, Options,
    calls::{Argument, Call, LayerConfig, References, layer_configs, references},
    config::Config,
    layers::{self, Converted, Source, Stored},
    operations, problem,
    words::{class_today, merge_today, settings_today},
};
use crate::{
    Error, Layer, Node, Result,
    layer::{Problem, Shape},
    network::Input,
};

/// What a description becomes.
#[derive(Debug, Default)]
pub(super) struct Graph {
    pub(super) inputs: Vec<Input>,
    pub(super) nodes: Vec<Node>,
    pub(super) outputs: Vec<String>,
    /// In the order of the layers in the file.
    pub(super) layers: Vec<LayerWeights>,
}

/// The weights of one layer that has some, in Keras' order.
#[derive(Debug)]
pub(super) struct LayerWeights {
    /// For messages: `outer/inner`.
    pub(super) name: String,
    /// Where they lie in a `.keras` file: `layers/dense_1`.
    pub(super) path: String,
    /// The layer of the whole model that it is or is in, which has a group in an `.h5` file.
    pub(super) group: String,
    pub(super) variables: Vec<Variable>,
    /// Whether Keras 1 kept the kernels with their channels before the window's axes.
    pub(super) is_channels_first: bool,
}

/// One array that a file must have.
#[derive(Debug)]
pub(super) struct Variable {
    /// The weight's name in the network.
    pub(super) weight: String,
    pub(super) shape: Shape,
    pub(super) owner: String,
    pub(super) stored: Stored,
    /// Whether it is among those that Keras lists first.
    pub(super) trainable: bool,
}

/// A value as it is held: axis `i` is Keras' axis `order[i]`, counted without the batch.
#[derive(Clone, Debug)]
pub(super) struct Held {
    name: String,
    order: Vec<usize>,
}

/// Where in the nest of models a layer stands.
#[derive(Clone, Debug)]
struct Scope {
    /// Before the names of this call's nodes: empty, or `outer/`.
    names: String,
    /// The same of the first call, whose nodes own the weights.
    first_names: String,
    /// Before the paths of weights in a `.keras` file: `layers/`.
    path: String,
    /// The layer of the whole model that all this is in.
    group: Option<String>,
    trainable: bool,
    depth: usize,
}

pub(super) struct Reader<'a> {
    network: &'a str,
    options: &'a Options,
    keras: u32,
    graph: Graph,
    shapes: BTreeMap<String, Shape>,
    /// The layers whose weights are in `graph.layers`, by the name of their first call.
    owners: BTreeSet<String>,
    layers: usize,
    /// Whether any layer works on channels first.
    channels_first: bool,
}

/// Reads the description of a whole model.
pub(super) fn read(name: &str, model: &Value, keras: u32, options: &Options) -> Result<Graph> {
    let mut reader = Reader {
        network: name,
        options,
        keras,
        graph: Graph::default(),
        shapes: BTreeMap::new(),
        owners: BTreeSet::new(),
        layers: 0,
        channels_first: mentions_channels_first(model),
    };
    let scope = Scope {
        names: String::new(),
        first_names: String::new(),
        path: "layers/".to_owned(),
        group: None,
        trainable: true,
        depth: 0,
    };
    for output in reader.model(model, &scope, None)? {
        let plain: Vec<usize> = (0..output.order.len()).collect();
        let output = reader.ordered(&output, &plain);
        reader.graph.outputs.push(output.name);
    }
    Ok(reader.graph)
}

fn mentions_channels_first(value: &Value) -> bool {
    match value {
        Value::String(text) => text == "channels_first",
        Value::Array(values) => values.iter().any(mentions_channels_first),
        Value::Object(map) => {
            map.get("dim_ordering").is_some_and(|order| order == "th")
                || map.values().any(mentions_channels_first)
        }
        _ => false,
    }
}

/// Whether a class is a model, which has layers of its own.
pub(super) fn is_model(class: &str) -> bool {
    matches!(class, "Sequential" | "Functional" | "Model")
}

impl Reader<'_> {
    fn limits(&self) -> &Limits {
        &self.options.limits
    }

    fn error(&self, layer: &str, problem: impl Into<Problem>) -> Error {
        Error::Layer { network: self.network.to_owned(), layer: layer.to_owned(), problem: problem.into() }
    }

    /// The layers of one call of a model, which are counted.
    fn layer_configs<'v>(&mut self, config: &'v Value) -> Result<Vec<LayerConfig<'v>>> {
        let layers = layer_configs(config, self.keras)?;
        self.layers += layers.len();
        super::check_limit("layers", self.limits().layers as u64, self.layers as u64)?;
        Ok(layers)
    }

    /// The outputs of a model, given its inputs; the whole model has none and declares its own.
    fn model(&mut self, model: &Value, scope: &Scope, inputs: Option<Vec<Held>>) -> Result<Vec<Held>> {
        super::check_limit("depth", self.limits().depth as u64, scope.depth as u64)?;
        let class = model.get("class_name").and_then(Value::as_str).unwrap_or_default();
        let config = model.get("config").ok_or_else(|| problem("the model's description has no `config`"))?;
        match class {
            "Sequential" => Ok(vec![self.sequential(model, config, scope, inputs)?]),
            "Functional" | "Model" => self.functional(config, scope, inputs),
            _ => Err(problem(format!(
                "the model is of class `{}`, whose call is Python code that no file holds; build it as a Sequential or \
                 functional model, or export it to ONNX",
                class.chars().take(80).collect::<String>()
            ))),
        }
    }

    fn sequential(
        &mut self,
        model: &Value,
        config: &Value,
        scope: &Scope,
        inputs: Option<Vec<Held>>,
    ) -> Result<Held> {
        let layers = self.layer_configs(config)?;
        let mut paths = Paths::default();
        let mut value = match inputs.map(<[Held; 1]>::try_from) {
            Some(Ok([input])) => input,
            Some(Err(_)) => return Err(problem("a Sequential model inside another takes one input")),
            None => self.sequential_input(model, config, &layers)?,
        };
        for layer in &layers {
            let path = paths.next(scope, layer.class);
            if layer.class != "InputLayer" {
                let call = Call { arguments: vec![Argument::Value(value)], ..Call::default() };
                value = self.single(layer, &call, 0, scope, &path)?;
            }
        }
        Ok(value)
    }

    /// The input of a whole Sequential model, which its first layer or the model says.
    fn sequential_input(
        &mut self,
        model: &Value,
        config: &Value,
        layers: &[LayerConfig<'_>],
    ) -> Result<Held> {
        let first = layers.first().ok_or_else(|| problem("the Sequential model has no layers"))?;
        let is_input = first.class == "InputLayer";
        let name = if is_input { first.name.clone() } else { format!("{}_input", first.name) };
        let of_model = [model.pointer("/build_config/input_shape"), config.get("build_input_shape")];
        let shape = input_shape(first.settings)
            .or_else(|| of_model.into_iter().flatten().find_map(Value::as_array).cloned());
        self.declare(&name, shape.as_deref())
    }

    fn functional(&mut self, config: &Value, scope: &Scope, inputs: Option<Vec<Held>>) -> Result<Vec<Held>> {
        let layers = self.layer_configs(config)?;
        let input_layers = references(config.get("input_layers"), &layers)?;
        let input_layers: Vec<usize> = input_layers.iter().map(|input| input.layer).collect();
        let mut values: BTreeMap<(usize, usize), Vec<Held>> = BTreeMap::new();
        match inputs {
            Some(inputs) if inputs.len() != input_layers.len() => {
                let expected = input_layers.len();
                return Err(problem(format!(
                    "a model inside another takes {expected} inputs, found {}",
                    inputs.len()
                )));
            }
            Some(inputs) => {
                values
                    .extend(input_layers.iter().zip(inputs).map(|(layer, input)| ((*layer, 0), vec![input])));
            }
            None => {
                for layer in &input_layers {
                    let layer_config = &layers[*layer];
                    let shape = input_shape(layer_config.settings);
                    let input = self.declare(&layer_config.name, shape.as_deref())?;
                    values.insert((*layer, 0), vec![input]);
                }
            }
        }
        let mut paths = Paths::default();
        let paths: Vec<String> = layers
            .iter()
            .map(|layer| if layer.is_operation { String::new() } else { paths.next(scope, layer.class) })
            .collect();
        let calls = References::new(config, &layers)?;
        for (layer, number) in calls.in_order(&input_layers)? {
            let call = calls.resolve(&layers, (layer, number), &values)?;
            let outputs = self.call(&layers[layer], &call, number, scope, &paths[layer])?;
            values.insert((layer, number), outputs);
        }
        calls.outputs(config, &layers)?.into_iter().map(|output| output.find(&layers, &values)).collect()
    }

    /// Declares an input of the whole model.
    fn declare(&mut self, name: &str, shape: Option<&[Value]>) -> Result<Held> {
        let given = self.options.input_shapes.get(name).cloned();
        let of_file = || -> Result<Shape> {
            let shape = shape.and_then(|shape| {
                Some(
                    shape
                        .get(1..)?
                        .iter()
                        .map(|size| size.as_u64().and_then(|size| usize::try_from(size).ok()))
                        .collect::<Vec<_>>(),
                )
            });
            let known = shape.as_ref().and_then(|shape| shape.iter().copied().collect::<Option<Shape>>());
            known.ok_or_else(|| {
                let sizes = shape.map_or("unknown".to_owned(), |shape| {
                    let sizes = shape.iter().map(|size| size.map_or("?".to_owned(), |size| size.to_string()));
                    format!("[{}]", sizes.collect::<Vec<_>>().join(", "))
                });
                self.error(name, format!(
                    "the input's shape is {sizes} in the file; say its sizes in `Options::input_shapes` under `{name}`"
                ))
            })
        };
        let shape = given.map_or_else(of_file, Ok)?;
        let mut order: Vec<usize> = (0..shape.len()).collect();
        let mut held = shape;
        if self.options.channels_last_inputs && self.channels_first && held.len() == 3 {
            held.rotate_left(1);
            order.rotate_left(1);
        }
        self.graph.inputs.push(Input { name: name.to_owned(), shape: held.clone() });
        self.shapes.insert(name.to_owned(), held);
        Ok(Held { name: name.to_owned(), order })
    }

    /// The one output of a layer's call.
    fn single(
        &mut self,
        layer: &LayerConfig<'_>,
        call: &Call<Held>,
        number: usize,
        scope: &Scope,
        path: &str,
    ) -> Result<Held> {
        let mut outputs = self.call(layer, call, number, scope, path)?;
        match (outputs.pop(), outputs.is_empty()) {
            (Some(output), true) => Ok(output),
            _ => Err(self.error(&layer.name, "a layer of a Sequential model must have one output")),
        }
    }

    /// The outputs of one call of a layer or model.
    fn call(
        &mut self,
        layer: &LayerConfig<'_>,
        call: &Call<Held>,
        number: usize,
        scope: &Scope,
        path: &str,
    ) -> Result<Vec<Held>> {
        let first_name = format!("{}{}", scope.first_names, layer.name);
        if let Some(problem) = &layer.refusal {
            return Err(self.error(&first_name, problem.clone()));
        }
        let mut name = format!("{}{}", scope.names, layer.name);
        if number > 0 {
            name = format!("{name}_call_{number}");
        }
        let group = scope.group.clone().unwrap_or_else(|| layer.name.clone());
        let trainable =
            scope.trainable && layer.settings.get("trainable").and_then(Value::as_bool) != Some(false);
        if is_model(layer.class) {
            let inner = Scope {
                names: format!("{name}/"),
                first_names: format!("{first_name}/"),
                path: format!("{path}/layers/"),
                group: Some(group),
                trainable,
                depth: scope.depth + 1,
            };
            let inputs = call.values().map_err(|problem| self.error(&first_name, problem))?;
            return self.model(layer.value, &inner, Some(inputs));
        }
        let applied = Applied { name, first_name, path, group, trainable };
        let named = |reader: &Self, problem| reader.error(&applied.first_name, problem);
        let output = self.layer(layer, call, &applied).map_err(|problem| named(self, problem))?;
        Ok(vec![output])
    }

    /// The output of one call of a layer.
    fn layer(
        &mut self,
        layer: &LayerConfig<'_>,
        call: &Call<Held>,
        applied: &Applied<'_>,
    ) -> Result<Held, Problem> {
        if layer.is_operation {
            let rank = |held: &Held| held.order.len();
            let (operation, inputs) = operations::read(layer, call)?;
            let order: Vec<usize> = match inputs.iter().all(|input| rank(input) == rank(&inputs[0])) {
                true => inputs[0].order.clone(),
                false => {
                    return Err(
                        "its inputs have different numbers of axes, which is not supported".to_owned()
                    );
                }
            };
            let inputs: Vec<Held> = inputs.iter().map(|input| self.ordered(input, &order)).collect();
            return self.add(operation, &inputs, order, applied, false);
        }
        let mut class = layer.class;
        let mut settings = layer.settings.clone();
        if self.keras < 2 {
            class = class_today(class);
            settings_today(class, &mut settings);
            if class == "Merge" {
                class = merge_today(&mut settings).ok_or("its way of merging is not supported")?;
            }
        }
        call.check(class)?;
        // What changes the values is for the layer to see.
        for (keyword, argument) in &call.keywords {
            let is_switch = matches!(keyword.as_str(), "use_causal_mask" | "return_attention_scores");
            if is_switch && matches!(argument, Argument::Other) {
                settings.insert(keyword.clone(), Value::from(true));
            }
        }
        let inputs = call.values()?;
        let rank = inputs.first().map(|input| input.order.len()).ok_or("it has no input")?;
        let (order, keeps_order, is_channels_first) = layout(class, &mut settings, &inputs, self.keras)?;
        let held: Vec<Held> = match &order {
            Some(order) => inputs.iter().map(|input| self.ordered(input, order)).collect(),
            None => {
                let plain = |held: &Held| (0..held.order.len()).collect::<Vec<_>>();
                inputs.iter().map(|input| self.ordered(input, &plain(input))).collect()
            }
        };
        let arguments: Vec<layers::Argument<'_>> = held
            .iter()
            .map(|held| layers::Argument {
                name: &held.name,
                shape: self.shapes.get(&held.name).map_or(&[][..], Vec::as_slice),
            })
            .collect();
        let converted = layers::read(class, Config::new(&settings, self.keras), &arguments)?;
        let order = order.filter(|_| keeps_order).unwrap_or_else(|| (0..rank).collect());
        self.add(converted, &held, order, applied, is_channels_first)
    }

    /// Adds a layer's parts, and notes its weights at its first call.
    fn add(
        &mut self,
        converted: Converted,
        inputs: &[Held],
        order: Vec<usize>,
        applied: &Applied<'_>,
        is_channels_first: bool,
    ) -> Result<Held, Problem> {
        let Applied { name, first_name, path, group, trainable } = applied;
        let last = converted.parts.len().saturating_sub(1);
        let part_name = |of: &str, place: usize, suffix: &str| {
            if place == last { of.to_owned() } else { format!("{of}/{suffix}") }
        };
        let mut weight_shapes = Vec::new();
        let mut names: Vec<String> = Vec::new();
        for (place, part) in converted.parts.into_iter().enumerate() {
            let (node_name, owner) =
                (part_name(name, place, part.suffix), part_name(first_name, place, part.suffix));
            let source = |source: &Source| match *source {
                Source::Input(place) => inputs.get(place).map(|input| input.name.clone()),
                Source::Part(place) => names.get(place).cloned(),
            };
            let sources: Option<Vec<String>> = part.inputs.iter().map(source).collect();
            let sources = sources
                .ok_or_else(|| format!("it takes more inputs than the {} that it gets", inputs.len()))?;
            let shapes: Vec<&[usize]> =
                sources.iter().filter_map(|name| self.shapes.get(name)).map(Vec::as_slice).collect();
            let shape = part.layer.output_shape(&shapes)?;
            if shape.contains(&0) || crate::tensor::len_of(&shape).is_err() {
                return Err(format!("the output's shape {shape:?} is empty or too large"));
            }
            let own = part.layer.weight_shapes(&shapes);
            weight_shapes.push((owner.clone(), own));
            if self.shapes.insert(node_name.clone(), shape).is_some() {
                return Err(format!("the name `{node_name}` is given twice"));
            }
            let weights = (node_name != owner).then_some(owner);
            self.graph.nodes.push(Node {
                weights,
                trainable: *trainable,
                ..Node::new(node_name.clone(), part.layer, sources)
            });
            names.push(node_name);
        }
        if !converted.variables.is_empty() && self.owners.insert(first_name.clone()) {
            let variable = |variable: &layers::Variable| {
                if variable.stored == Stored::Unused {
                    let (weight, shape, owner) = (String::new(), Vec::new(), variable.owner.clone());
                    let trainable = variable.trainable && *trainable;
                    return Some(Variable { weight, shape, owner, stored: Stored::Unused, trainable });
                }
                let (owner, shapes) = weight_shapes.get(variable.part)?;
                let (_, shape) = shapes.iter().find(|(weight, _)| *weight == variable.weight)?;
                Some(Variable {
                    weight: crate::network::weight_name(owner, variable.weight),
                    shape: shape.clone(),
                    owner: variable.owner.clone(),
                    stored: variable.stored,
                    trainable: variable.trainable && *trainable,
                })
            };
            let variables: Option<Vec<Variable>> = converted.variables.iter().map(variable).collect();
            self.graph.layers.push(LayerWeights {
                name: first_name.clone(),
                path: (*path).to_owned(),
                group: group.clone(),
                variables: variables.ok_or("its weights are not those of its layer")?,
                is_channels_first,
            });
        }
        let name = names.pop().ok_or("it becomes no layer")?;
        let rank = self.shapes.get(&name).map_or(0, Vec::len);
        let order = if order.len() == rank { order } else { (0..rank).collect() };
        Ok(Held { name, order })
    }

    /// The value with its axes in an order, through a node that puts them so if need be.
    fn ordered(&mut self, value: &Held, order: &[usize]) -> Held {
        if value.order == order || value.order.len() != order.len() {
            return value.clone();
        }
        let place = |axis: &usize| value.order.iter().position(|held| held == axis).unwrap_or(0);
        let axes: Vec<usize> = order.iter().map(place).collect();
        let suffix: Vec<String> = order.iter().map(ToString::to_string).collect();
        let held = Held { name: format!("{}/axes_{}", value.name, suffix.join("_")), order: order.to_vec() };
        if !self.shapes.contains_key(&held.name) {
            let shape = self.shapes.get(&value.name).cloned().unwrap_or_default();
            let shape = axes.iter().filter_map(|axis| shape.get(*axis).copied()).collect();
            self.shapes.insert(held.name.clone(), shape);
            let node = Node::new(held.name.clone(), Layer::Permute { axes }, vec![value.name.clone()]);
            self.graph.nodes.push(node);
        }
        held
    }
}

/// A layer where it is called.
struct Applied<'a> {
    /// The node's name.
    name: String,
    /// That of the first call, which owns the weights.
    first_name: String,
    path: &'a str,
    group: String,
    trainable: bool,
}

/// The numbered places of a model's layers in a `.keras` file.
#[derive(Default)]
struct Paths(BTreeMap<String, usize>);

impl Paths {
    fn next(&mut self, scope: &Scope, class: &str) -> String {
        let name = snake_case(class_in_python(class));
        let count = self.0.entry(name.clone()).or_default();
        *count += 1;
        match *count {
            1 => format!("{}{name}", scope.path),
            count => format!("{}{name}_{}", scope.path, count - 1),
        }
    }
}

/// The name of a class itself, where `keras.layers` has it under another.
pub(super) fn class_in_python(class: &str) -> &str {
    if class == "GroupQueryAttention" { "GroupedQueryAttention" } else { class }
}

/// `GlobalAveragePooling2D` as `global_average_pooling2d` and `PReLU` as `p_re_lu`, by Keras' rule.
pub(super) fn snake_case(class: &str) -> String {
    let letters: Vec<char> =
        class.chars().filter(|letter| letter.is_alphanumeric() || *letter == '_').collect();
    let mut name = String::new();
    for (place, letter) in letters.iter().enumerate() {
        let before = place.checked_sub(1).map(|before| letters[before]);
        let starts_word = letters.get(place + 1).is_some_and(char::is_ascii_lowercase)
            || before.is_some_and(|before| before.is_ascii_lowercase());
        if letter.is_ascii_uppercase() && before.is_some() && starts_word {
            name.push('_');
        }
        name.extend(letter.to_lowercase());
    }
    name
}

/// The shape of an input, with the batch, that a layer's settings name in one of Keras' ways.
fn input_shape(settings: &Map<String, Value>) -> Option<Vec<Value>> {
    let list = |name: &str| settings.get(name).and_then(Value::as_array).cloned();
    let with_batch = |shape: Vec<Value>| [Value::Null].into_iter().chain(shape).collect();
    let of_layer = || list("batch_shape").or_else(|| list("batch_input_shape"));
    // A model inside the model begins with a layer that says it.
    let inner = || {
        let first = settings.get("layers").and_then(Value::as_array)?.first()?;
        input_shape(first.get("config")?.as_object()?)
    };
    let size = |name: &str| settings.get(name).filter(|size| size.is_u64()).cloned();
    let sizes = || {
        let length = settings.get("input_length").cloned();
        let sizes = length.into_iter().chain([size("input_dim")?]).collect();
        Some(with_batch(sizes))
    };
    of_layer()
        .or_else(|| list("shape").or_else(|| list("input_shape")).map(with_batch))
        .or_else(inner)
        .or_else(sizes)
}

/// In what order a layer needs the axes of its inputs, `None` for Keras' own; whether its output has that order, too; and
/// whether it works on channels first. Its settings are changed to say the same of the axes as they will be.
fn layout(
    class: &str,
    settings: &mut Map<String, Value>,
    inputs: &[Held],
    keras: u32,
) -> Result<(Option<Vec<usize>>, bool, bool), Problem> {
    let first = &inputs[0].order;
    let rank = first.len();
    let channels_last: Vec<usize> = (1..rank).chain([0]).collect();
    let is_channels_first = settings.get("data_format").is_some_and(|format| format == "channels_first");
    if is_channels_first {
        settings.insert("data_format".to_owned(), Value::from("channels_last"));
        return Ok((Some(channels_last), true, true));
    }
    if settings.values().any(mentions_channels_first) {
        return Err("it applies a layer over channels first to parts of its input, which is not supported; save the model with \
                    channels last, or export it to ONNX"
            .to_owned());
    }
    let same_rank = inputs.iter().all(|input| input.order.len() == rank);
    match class {
        "ReLU"
        | "LeakyReLU"
        | "ELU"
        | "ThresholdedReLU"
        | "Dropout"
        | "SpatialDropout1D"
        | "SpatialDropout2D"
        | "SpatialDropout3D"
        | "AlphaDropout"
        | "GaussianDropout"
        | "GaussianNoise"
        | "ActivityRegularization" => Ok((Some(first.clone()), true, false)),
        "Activation"
            if settings
                .get("activation")
                .and_then(Value::as_str)
                .is_some_and(|name| !name.contains("softmax")) =>
        {
            Ok((Some(first.clone()), true, false))
        }
        "Add" | "Subtract" | "Multiply" | "Average" | "Maximum" | "Minimum" if same_rank => {
            Ok((Some(first.clone()), true, false))
        }
        "BatchNormalization" | "LayerNormalization" | "Concatenate" | "Softmax" if same_rank => {
            let axis = Config::new(settings, keras);
            // Several axes at once are for the layer to see.
            let Ok(axis) = axis.axis_or("axis", -1, rank) else { return Ok((None, false, false)) };
            settings.insert("axis".to_owned(), Value::from(-1));
            let order = match first.last() {
                Some(last) if *last == axis => first.clone(),
                _ => (0..rank).filter(|other| *other != axis).chain([axis]).collect(),
            };
            Ok((Some(order), true, false))
        }
        _ => Ok((None, false, false)),
    }
}
