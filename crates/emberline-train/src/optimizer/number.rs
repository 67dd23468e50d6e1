//! What rules compute with: tensors on any device, or on the processor the numbers of some places, so that a step is one pass over
//! memory.

use std::ops::{Add, Div, Mul, Sub};

use burn_tensor::Tensor;

use crate::forward::native::Lanes;

pub(super) trait Number:
    Clone
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Add<f32, Output = Self>
    + Mul<f32, Output = Self>
    + Div<f32, Output = Self>
{
    fn square(self) -> Self;
    fn sqrt(self) -> Self;
    fn abs(self) -> Self;
    /// -1, 0 or 1.
    fn sign(self) -> Self;
    fn max_pair(self, other: Self) -> Self;
    fn powf(self, exponent: f32) -> Self;
    fn clamp(self, min: f32, max: f32) -> Self;
}

impl Number for Tensor<1> {
    fn square(self) -> Self {
        Self::square(self)
    }

    fn sqrt(self) -> Self {
        Self::sqrt(self)
    }

    fn abs(self) -> Self {
        Self::abs(self)
    }

    fn sign(self) -> Self {
        Self::sign(self)
    }

    fn max_pair(self, other: Self) -> Self {
        Self::max_pair(self, other)
    }

    fn powf(self, exponent: f32) -> Self {
        self.powf_scalar(exponent)
    }

    fn clamp(self, min: f32, max: f32) -> Self {
        Self::clamp(self, min, max)
    }
}

impl Number for Lanes {
    fn square(self) -> Self {
        self * self
    }

    fn sqrt(self) -> Self {
        self.map(f32::sqrt)
    }

    fn abs(self) -> Self {
        self.map(f32::abs)
    }

    fn sign(self) -> Self {
        self.map(|x| if x == 0.0 { 0.0 } else { x.signum() })
    }

    fn max_pair(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }

    fn powf(self, exponent: f32) -> Self {
        self.map(|x| x.powf(exponent))
    }

    fn clamp(self, min: f32, max: f32) -> Self {
        self.map(|x| x.clamp(min, max))
    }
}
