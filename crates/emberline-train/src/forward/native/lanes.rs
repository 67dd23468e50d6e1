//! Functions of the numbers at the same place of several tensors, in one pass over memory.

use std::ops::{Add, Div, Mul, Sub};

use burn_dispatch::backends::{Flex, flex::FlexTensor};
use burn_tensor::Tensor;
use rayon::prelude::*;

use super::buffers;

const LANES: usize = 16;
/// How many numbers a thread takes at a time.
const CHUNK: usize = 1 << 14;
/// The tensors that a function may take.
const TENSORS_MAX: usize = 5;

/// Numbers of neighbouring places, which the processor computes with at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lanes([f32; LANES]);

impl Lanes {
    pub(crate) fn map(self, function: impl Fn(f32) -> f32) -> Self {
        Self(self.0.map(function))
    }

    pub(crate) fn zip(self, other: Self, function: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|i| function(self.0[i], other.0[i])))
    }
}

macro_rules! operators {
    ($($operator:ident $method:ident),*) => {
        $(
            impl $operator for Lanes {
                type Output = Self;

                fn $method(self, other: Self) -> Self {
                    self.zip(other, |a, b| a.$method(b))
                }
            }

            impl $operator<f32> for Lanes {
                type Output = Self;

                fn $method(self, other: f32) -> Self {
                    self.map(|a| a.$method(other))
                }
            }
        )*
    };
}
operators!(Add add, Sub sub, Mul mul, Div div);

/// Changes the numbers at every place of tensors of one length. The last tensor is only looked at. Whether they were the processor's,
/// and it is done.
pub(crate) fn each_place(tensors: &mut [Tensor<1>], function: impl Fn(&mut [Lanes]) + Sync) -> bool {
    let primitive = |tensor: &Tensor<1>| tensor.clone().try_into_primitive::<Flex>().ok();
    let Some(found) = tensors.iter().map(primitive).collect::<Option<Vec<_>>>() else { return false };
    let found: Vec<FlexTensor> = found.iter().map(FlexTensor::to_contiguous).collect();
    let inputs: Vec<&[f32]> = found.iter().map(FlexTensor::storage).collect();
    let len = inputs.first().map_or(0, |input| input.len());
    let changed = inputs.len().saturating_sub(1);
    let mut outputs: Vec<Vec<f32>> = (0..changed).map(|_| buffers::any(len)).collect();
    let mut parts: Vec<Vec<&mut [f32]>> = (0..len.div_ceil(CHUNK)).map(|_| Vec::new()).collect();
    for output in &mut outputs {
        parts.iter_mut().zip(output.chunks_mut(CHUNK)).for_each(|(part, chunk)| part.push(chunk));
    }
    parts.into_par_iter().enumerate().for_each(|(number, mut outputs)| {
        let mut numbers = [Lanes([0.0; LANES]); TENSORS_MAX];
        let numbers = &mut numbers[..inputs.len()];
        let end = len.min((number + 1) * CHUNK);
        for place in (number * CHUNK..end).step_by(LANES) {
            let count = LANES.min(end - place);
            for (lanes, input) in numbers.iter_mut().zip(&inputs) {
                lanes.0[..count].copy_from_slice(&input[place..][..count]);
            }
            function(numbers);
            for (lanes, output) in numbers.iter().zip(&mut outputs) {
                output[place - number * CHUNK..][..count].copy_from_slice(&lanes.0[..count]);
            }
        }
    });
    for (tensor, numbers) in tensors.iter_mut().zip(outputs) {
        *tensor = Tensor::from_primitive::<Flex>(buffers::tensor(numbers, &[len]));
    }
    true
}
