//! A graph made ready: kernels packed, a place in memory for every value, and steps that only compute.
//!
//! A convolution that only a depthwise one reads is computed with it, 16 channels after the other and some lines at a time, so
//! that what is between them stays in the cache.

use super::{
    depthwise::{self, Kernels},
    graph::{Axes, Graph, Kernel, Node, Operation, Port, Refused, Shape, Window},
    layout::Layout,
    memory::Buffer,
    multiply::{Panels, Places, Run, Windows, in_groups, multiply, multiply_panel},
    pointwise, pool,
    vector::{Activation, LANES},
};

/// Numbers between a convolution and the depthwise one that is computed with it: a quarter of the second cache's.
const BAND_NUMBERS: usize = 16 << 10;

/// A convolution is computed with the depthwise one after it where its input, which is read again for each panel, is at most so many
/// numbers, and so in the second cache, or a window sees at most so many: then reading what is between them is as long.
const SEEN_MAX: usize = 96 << 10;
const TERMS_FEW: usize = 32;

/// Numbers that all values of one run hold at once, at most: 1 GiB.
const NUMBERS_MAX: usize = 1 << 28;

const TOO_LARGE: &str = "its values need more memory than a run may have";

/// A value's buffer and its layout in it.
#[derive(Clone, Copy, Debug)]
struct Place {
    buffer: usize,
    layout: Layout,
}

/// What a model computes for one sample.
#[derive(Debug)]
pub(super) struct Plan {
    steps: Vec<Step>,
    inputs: Vec<(Place, Axes)>,
    outputs: Vec<(Place, Axes)>,
    /// The size of every buffer.
    buffers: Vec<usize>,
    /// The size of the buffer between two convolutions.
    band: usize,
}

/// The memory of one run.
#[derive(Debug)]
pub(super) struct Frame {
    buffers: Vec<Buffer>,
    band: Buffer,
}

#[derive(Debug)]
struct Step {
    kind: Kind,
    inputs: Vec<Place>,
    output: Place,
    activation: Activation,
}

#[derive(Debug)]
enum Kind {
    Convolve(Convolution),
    Wise(Wise),
    Both(Box<(Convolution, Activation, Wise)>),
    Scale([Buffer; 2]),
    Combine { multiply: bool },
    MaxPool(Window),
    AveragePool(Window, bool),
    Global { greatest: bool },
    Concatenate,
    Flatten(Axes),
    Softmax,
}

#[derive(Debug)]
struct Convolution {
    /// A kernel for each group of channels.
    groups: Vec<Panels>,
    runs: Vec<Vec<Run>>,
    /// Channels of the input and of the output in a group.
    of_group: [usize; 2],
    /// The first places that windows see.
    input: Places,
    output: Shape,
}

#[derive(Debug)]
struct Wise {
    kernels: Kernels,
    window: Window,
}

impl Plan {
    pub(super) fn new(graph: Graph) -> Result<Self, Refused> {
        let fused = fused_nodes(&graph);
        let layouts = layouts(&graph, &fused);
        let places = allocate(&graph, &fused, &layouts)?;
        let Graph { nodes, inputs, outputs, .. } = graph;
        let port = |port: &Port| (places.of[port.value], port.axes);
        let (inputs, outputs) = (inputs.iter().map(port).collect(), outputs.iter().map(port).collect());
        let mut steps = Vec::new();
        let (mut band, mut before) = (0, None);
        for (i, node) in nodes.into_iter().enumerate() {
            if fused.contains(&i) {
                before = Some(node);
                continue;
            }
            let step = Step::new(node, before.take(), &places.of);
            if let Kind::Both(both) = &step.kind {
                band = band.max(both.2.band_of(both.0.output, step.output.layout.shape).len(3 * LANES));
            }
            steps.push(step);
        }
        if band > NUMBERS_MAX {
            return Err(TOO_LARGE.to_owned());
        }
        Ok(Self { steps, inputs, outputs, buffers: places.buffers, band })
    }

    pub(super) fn frame(&self) -> Frame {
        Frame {
            buffers: self.buffers.iter().map(|len| Buffer::new(*len)).collect(),
            band: Buffer::new(self.band),
        }
    }

    /// Computes one sample. Inputs and outputs are as many, and as long, as the model's.
    pub(super) fn run(&self, frame: &mut Frame, inputs: &[&[f32]], outputs: &mut [&mut [f32]]) {
        for ((place, axes), sample) in self.inputs.iter().zip(inputs) {
            place.layout.write(*axes, sample, frame.buffers[place.buffer].numbers_mut());
        }
        for step in &self.steps {
            // The output's buffer is none of the inputs'.
            let mut output = std::mem::take(&mut frame.buffers[step.output.buffer]);
            step.run(&frame.buffers, &mut frame.band, output.numbers_mut());
            frame.buffers[step.output.buffer] = output;
        }
        for ((place, axes), sample) in self.outputs.iter().zip(outputs) {
            place.layout.read(*axes, frame.buffers[place.buffer].numbers(), sample);
        }
    }
}

/// The convolutions that are computed with the depthwise ones that follow at once and alone read them.
fn fused_nodes(graph: &Graph) -> Vec<usize> {
    let pairs = graph.nodes.windows(2).enumerate();
    let fused = pairs.filter(|(_, pair)| {
        let [Node { operation: Operation::Convolution(kernel), inputs, output, .. }, next] = pair else {
            return false;
        };
        let readers =
            graph.nodes.iter().flat_map(|node| &node.inputs).filter(|input| *input == output).count();
        let given = graph.outputs.iter().any(|port| port.value == *output);
        matches!(next.operation, Operation::Depthwise(_))
            && next.inputs == [*output]
            && (readers, given, inputs.len(), kernel.groups) == (1, false, 1, 1)
            && (graph.shapes[inputs[0]].numbers() <= SEEN_MAX
                || kernel.weights.len() / kernel.bias.len() <= TERMS_FEW)
    });
    fused.map(|(i, _)| i).collect()
}

fn layouts(graph: &Graph, fused: &[usize]) -> Vec<Layout> {
    let mut layouts: Vec<Layout> = graph.shapes.iter().map(|shape| Layout::new(*shape)).collect();
    for port in &graph.inputs {
        let mut readers = graph.nodes.iter().filter(|node| node.inputs.contains(&port.value));
        let few = graph.shapes[port.value].channels < LANES;
        let by_term = |node: &Node| {
            matches!(&node.operation, Operation::Convolution(kernel) if kernel.groups == 1)
                && node.inputs.len() == 1
        };
        if few && readers.all(by_term) && graph.outputs.iter().all(|output| output.value != port.value) {
            layouts[port.value] = layouts[port.value].dense();
        }
    }
    for (i, node) in graph.nodes.iter().enumerate() {
        let window = match &node.operation {
            Operation::Convolution(kernel) => &kernel.window,
            Operation::Depthwise(kernel) if i == 0 || !fused.contains(&(i - 1)) => &kernel.window,
            _ => continue,
        };
        let output = graph.shapes[node.output];
        let input = &mut layouts[node.inputs[0]];
        *input = input.with_border_for(window, [output.height, output.width]);
    }
    layouts
}

struct Allocation {
    of: Vec<Place>,
    buffers: Vec<usize>,
}

/// Gives every value a buffer, which it holds from the node that makes it to the last that reads it.
fn allocate(graph: &Graph, fused: &[usize], layouts: &[Layout]) -> Result<Allocation, Refused> {
    let mut last_use = vec![0; layouts.len()];
    for (i, node) in graph.nodes.iter().enumerate() {
        // What a fused convolution reads is read by the step that follows it.
        let at = if fused.contains(&i) { i + 1 } else { i };
        node.inputs.iter().for_each(|input| last_use[*input] = at);
        last_use[node.output] = last_use[node.output].max(at);
    }
    graph.outputs.iter().for_each(|port| last_use[port.value] = usize::MAX);
    let mut buffers: Vec<usize> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    let mut of: Vec<Place> = layouts.iter().map(|layout| Place { buffer: 0, layout: *layout }).collect();
    let mut live: Vec<usize> = Vec::new();
    let mut hold = |value: usize, free: &mut Vec<usize>, of: &mut Vec<Place>| {
        let len = layouts[value].len();
        // The smallest that is large enough, or the largest, which then grows.
        let fits = |buffer: &usize| (buffers[*buffer] < len, buffers[*buffer].abs_diff(len));
        let best = (0..free.len()).min_by_key(|i| fits(&free[*i]));
        let buffer = match best {
            Some(i) => free.swap_remove(i),
            None => {
                buffers.push(0);
                buffers.len() - 1
            }
        };
        buffers[buffer] = buffers[buffer].max(len);
        of[value].buffer = buffer;
    };
    for port in &graph.inputs {
        hold(port.value, &mut free, &mut of);
        live.push(port.value);
    }
    for (i, node) in graph.nodes.iter().enumerate() {
        if fused.contains(&i) {
            continue;
        }
        hold(node.output, &mut free, &mut of);
        live.push(node.output);
        live.retain(|value| {
            let over = last_use[*value] <= i;
            if over {
                free.push(of[*value].buffer);
            }
            !over
        });
    }
    let all = buffers.iter().try_fold(0_usize, |all, len| all.checked_add(*len));
    match all {
        Some(0..=NUMBERS_MAX) => Ok(Allocation { of, buffers }),
        _ => Err(TOO_LARGE.to_owned()),
    }
}

impl Step {
    fn new(node: Node, before: Option<Node>, places: &[Place]) -> Self {
        let Node { operation, inputs, output, activation } = node;
        let mut inputs: Vec<Place> = inputs.into_iter().map(|input| places[input]).collect();
        let output = places[output];
        let shape = output.layout.shape;
        let kind = match operation {
            Operation::Convolution(kernel) => {
                Kind::Convolve(Convolution::new(&kernel, &inputs[0].layout, shape))
            }
            Operation::Depthwise(kernel) => {
                let wise = Wise::new(&kernel);
                match before {
                    Some(Node {
                        operation: Operation::Convolution(kernel),
                        inputs: seen,
                        output: between,
                        activation,
                    }) => {
                        inputs = seen.into_iter().map(|input| places[input]).collect();
                        let between = places[between].layout.shape;
                        let convolution = Convolution::new(&kernel, &inputs[0].layout, between);
                        Kind::Both(Box::new((convolution, activation, wise)))
                    }
                    _ => Kind::Wise(wise),
                }
            }
            Operation::Scale { factors, offsets } => Kind::Scale([factors, offsets].map(|numbers| {
                let mut padded = Buffer::new(numbers.len());
                padded.numbers_mut()[..numbers.len()].copy_from_slice(&numbers);
                padded
            })),
            Operation::Activate => Kind::Scale([1.0, 0.0].map(|number| {
                let mut padded = Buffer::new(shape.channels);
                padded.numbers_mut().fill(number);
                padded
            })),
            Operation::Add => Kind::Combine { multiply: false },
            Operation::Multiply => Kind::Combine { multiply: true },
            Operation::MaxPool(window) => Kind::MaxPool(window),
            Operation::AveragePool(window, with_padding) => Kind::AveragePool(window, with_padding),
            Operation::GlobalAverage => Kind::Global { greatest: false },
            Operation::GlobalMax => Kind::Global { greatest: true },
            Operation::Concatenate => Kind::Concatenate,
            Operation::Flatten(axes) => Kind::Flatten(axes),
            Operation::Softmax => Kind::Softmax,
        };
        Self { kind, inputs, output, activation }
    }

    fn run(&self, buffers: &[Buffer], band: &mut Buffer, output: &mut [f32]) {
        let to = self.output.layout;
        to.clear_border(output);
        let input = |i: usize| {
            let Place { buffer, layout } = self.inputs[i];
            (buffers[buffer].numbers(), layout)
        };
        match &self.kind {
            Kind::Convolve(convolution) => {
                let residual =
                    self.inputs.get(1).map(|_| input(1)).map(|(numbers, from)| (numbers, from.places()));
                convolution.run(self.activation, input(0).0, residual, (output, to));
            }
            Kind::Wise(wise) => wise.run(self.activation, input(0), (output, to)),
            Kind::Both(both) => {
                let (convolution, activation, wise) = &**both;
                let activations = [*activation, self.activation];
                run_both(convolution, wise, activations, input(0).0, band.numbers_mut(), (output, to));
            }
            Kind::Scale([factors, offsets]) => {
                let by_channel = [factors.numbers(), offsets.numbers()];
                pointwise::scale(input(0), by_channel, self.activation, (output, to));
            }
            Kind::Combine { multiply } => {
                pointwise::combine(*multiply, input(0), input(1), self.activation, (output, to));
            }
            Kind::MaxPool(window) => pool::greatest(window, input(0), (output, to)),
            Kind::AveragePool(window, with_padding) => {
                pool::mean(window, *with_padding, input(0), (output, to))
            }
            Kind::Global { greatest } => {
                pointwise::global(*greatest, input(0), &mut output[to.places().start..])
            }
            Kind::Concatenate => {
                let mut channel = 0;
                for i in 0..self.inputs.len() {
                    let (numbers, from) = input(i);
                    for place in 0..to.shape.places() {
                        let at = to.places().at(place) + channel;
                        let given = &numbers[from.places().at(place)..][..from.shape.channels];
                        output[at..][..given.len()].copy_from_slice(given);
                    }
                    channel += from.shape.channels;
                }
            }
            Kind::Flatten(axes) => {
                let (numbers, from) = input(0);
                from.read(*axes, numbers, &mut output[to.places().start..][..to.shape.channels]);
            }
            Kind::Softmax => {
                let (numbers, from) = input(0);
                let channels = to.shape.channels;
                let given = &numbers[from.places().start..][..channels];
                pointwise::softmax(given, &mut output[to.places().start..][..channels]);
            }
        }
    }
}

impl Convolution {
    fn new(kernel: &Kernel, input: &Layout, output: Shape) -> Self {
        let Kernel { weights, bias, window, groups } = kernel;
        let [height, width] = window.size;
        let of_group = [input.shape.channels / groups, output.channels / groups];
        let (line, step) = (input.line() * window.dilations[0], input.step * window.dilations[1]);
        // Places side by side without room between them are one run.
        let together = of_group[0] == step;
        let mut runs = Vec::new();
        for y in 0..height {
            if together {
                runs.push(Run { offset: y * line, len: width * of_group[0] });
            } else {
                runs.extend((0..width).map(|x| Run { offset: y * line + x * step, len: of_group[0] }));
            }
        }
        // Kernels are given channel by channel, and packed place by place.
        let (places, apart) = (height * width, height * width * of_group[0]);
        let terms: Vec<usize> =
            (0..places).flat_map(|place| (0..of_group[0]).map(move |from| from * places + place)).collect();
        let packed = |group: usize| {
            let channels = group * of_group[1]..(group + 1) * of_group[1];
            let kernel = &weights[channels.start * apart..channels.end * apart];
            Panels::new(kernel, apart, &bias[channels], &terms)
        };
        Self {
            groups: (0..*groups).map(packed).collect(),
            runs: in_groups(&runs),
            of_group,
            input: input.windows(window, output.width),
            output,
        }
    }

    fn run(
        &self,
        activation: Activation,
        input: &[f32],
        residual: Option<(&[f32], Places)>,
        (output, to): (&mut [f32], Layout),
    ) {
        for (group, kernel) in self.groups.iter().enumerate() {
            let (from, channel) = (group * self.of_group[0], group * self.of_group[1]);
            let windows = Windows {
                groups: &self.runs,
                count: self.output.places(),
                input: self.input.channel_on(from),
                output: to.places().channel_on(channel),
                residual: residual.map(|(numbers, places)| (numbers, places.channel_on(channel))),
                activation,
            };
            multiply(kernel, &windows, input, output);
        }
    }
}

/// Lines between a convolution and the depthwise one after it.
#[derive(Clone, Copy, Debug)]
struct Band {
    /// Lines that the depthwise one writes at once.
    written: usize,
    /// Lines that it reads for them.
    read: usize,
    /// Places of a line, with padding.
    width: usize,
}

impl Band {
    fn len(&self, channels: usize) -> usize {
        self.read * self.width * channels
    }
}

impl Wise {
    fn new(kernel: &Kernel) -> Self {
        let Kernel { weights, bias, window, .. } = kernel;
        let kernels = Kernels::new(weights, bias, window.size, window.strides, window.dilations);
        Self { kernels, window: *window }
    }

    fn run(
        &self,
        activation: Activation,
        (input, from): (&[f32], Layout),
        (output, to): (&mut [f32], Layout),
    ) {
        let Shape { height, width, .. } = to.shape;
        // Strides are the kernel's affair.
        let places = Places { step: from.step, line: from.line(), ..from.windows(&self.window, width) };
        let all = [0, to.eights() / LANES];
        depthwise::convolve(
            &self.kernels,
            all,
            [height, width],
            activation,
            (input, places),
            (output, to.places()),
        );
    }

    fn band_of(&self, between: Shape, output: Shape) -> Band {
        let [down, across] = self.kernels.strides();
        let seen = (output.width - 1) * across + self.kernels.width();
        let width = seen.max(self.window.before[1] + between.width);
        let lines = |written: usize| (written - 1) * down + self.kernels.height();
        let fits = |written: &usize| lines(*written) * width * 2 * LANES <= BAND_NUMBERS;
        let written = (1..=output.height).take_while(fits).last().unwrap_or(1);
        Band { written, read: lines(written), width }
    }
}

fn run_both(
    convolution: &Convolution,
    wise: &Wise,
    activations: [Activation; 2],
    input: &[f32],
    band: &mut [f32],
    (output, to): (&mut [f32], Layout),
) {
    let Some(kernel) = convolution.groups.first() else { return };
    let (between, [top, left]) = (convolution.output, wise.window.before);
    let Band { written, width, .. } = wise.band_of(between, to.shape);
    let [down, _] = wise.kernels.strides();
    let mut cleared = 0;
    for panel in kernel.panels() {
        let (step, line) = (panel.width(), width * panel.width());
        if cleared != step {
            // The padding to the left and right; nothing else writes there.
            band.fill(0.0);
            cleared = step;
        }
        // Lines are counted from the padding's first on; those of the band are `first..known`.
        let (mut first, mut known) = (0, 0);
        for y in (0..to.shape.height).step_by(written) {
            let lines = written.min(to.shape.height - y);
            let start = y * down;
            let end = start + (lines - 1) * down + wise.kernels.height();
            if known > start {
                band.copy_within((start - first) * line..(known - first) * line, 0);
            } else {
                known = start;
            }
            first = start;
            let computed = known.clamp(top, top + between.height)..end.clamp(top, top + between.height);
            for padding in [known..end.min(top), known.max(top + between.height)..end] {
                if !padding.is_empty() {
                    band[(padding.start - first) * line..(padding.end - first) * line].fill(0.0);
                }
            }
            if !computed.is_empty() {
                let windows = Windows {
                    groups: &convolution.runs,
                    count: computed.len() * between.width,
                    input: convolution.input.line_on(computed.start - top),
                    output: Places {
                        start: (computed.start - first) * line + left * step,
                        width: between.width,
                        step,
                        line,
                    },
                    residual: None,
                    activation: activations[0],
                };
                multiply_panel(kernel, *panel, &windows, 0..windows.count, input, band);
            }
            known = end;
            let from = Places { start: 0, width: to.shape.width, step, line };
            let places = to.places().line_on(y).channel_on(panel.channel);
            let channels = [panel.channel, panel.vectors];
            depthwise::convolve(
                &wise.kernels,
                channels,
                [lines, to.shape.width],
                activations[1],
                (band, from),
                (output, places),
            );
        }
    }
}
