//! What a node of ONNX says: its attributes, and the tensors that are stored in the model.

use super::graph::{Refused, Window};
use crate::onnx::proto::{AttributeProto, DataType, NodeProto, TensorProto};

/// The largest size, stride or padding of a window.
const WINDOW_MAX: usize = 1 << 8;

/// A node's attributes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attributes<'a>(pub(super) &'a NodeProto);

impl<'a> Attributes<'a> {
    fn get(self, name: &str) -> Option<&'a AttributeProto> {
        self.0.attribute.iter().find(|attribute| attribute.name == name)
    }

    pub(super) fn int(self, name: &str, missing: i64) -> i64 {
        self.get(name).map_or(missing, |attribute| attribute.i)
    }

    pub(super) fn float(self, name: &str, missing: f32) -> f32 {
        self.get(name).map_or(missing, |attribute| attribute.f)
    }

    pub(super) fn ints(self, name: &str) -> &'a [i64] {
        self.get(name).map_or(&[], |attribute| &attribute.ints)
    }

    pub(super) fn tensor(self, name: &str) -> Option<&'a TensorProto> {
        self.get(name)?.t.as_ref()
    }

    pub(super) fn positive(self, name: &str, missing: usize) -> Result<usize, Refused> {
        match self.get(name).map(|attribute| usize::try_from(attribute.i)) {
            None => Ok(missing),
            Some(Ok(number @ 1..)) => Ok(number),
            _ => Err(format!("`{name}` is not positive")),
        }
    }

    /// Two sizes, height first.
    pub(super) fn pair(self, name: &str, missing: Option<[usize; 2]>) -> Result<Option<[usize; 2]>, Refused> {
        match self.ints(name) {
            [] => Ok(missing),
            &[height, width] => Ok(Some([size(name, height)?, size(name, width)?])),
            sizes => Err(format!("`{name}` of {} axes", sizes.len())),
        }
    }
}

fn size(name: &str, size: i64) -> Result<usize, Refused> {
    match usize::try_from(size) {
        Ok(size @ 0..=WINDOW_MAX) => Ok(size),
        _ => Err(format!("`{name}` of {size}")),
    }
}

/// The window of a node over images.
pub(super) fn window_of(size_of_kernel: [usize; 2], attributes: &Attributes<'_>) -> Result<Window, Refused> {
    let automatic = attributes.get("auto_pad").map(|attribute| attribute.s.as_slice());
    if !matches!(automatic, None | Some(b"NOTSET" | b"")) {
        return Err("`auto_pad`".to_owned());
    }
    let strides = attributes.pair("strides", Some([1; 2]))?.unwrap_or([1; 2]);
    let dilations = attributes.pair("dilations", Some([1; 2]))?.unwrap_or([1; 2]);
    let (before, after) = match attributes.ints("pads") {
        [] => ([0; 2], [0; 2]),
        &[top, left, bottom, right] => {
            let size = |side| size("pads", side);
            ([size(top)?, size(left)?], [size(bottom)?, size(right)?])
        }
        pads => return Err(format!("`pads` {pads:?}")),
    };
    let sizes = [size_of_kernel, strides, dilations];
    if attributes.pair("kernel_shape", Some(size_of_kernel))? != Some(size_of_kernel)
        || sizes.iter().flatten().any(|size| !(1..=WINDOW_MAX).contains(size))
    {
        return Err("a window without a size".to_owned());
    }
    Ok(Window { size: size_of_kernel, strides, dilations, before, after })
}

/// A stored tensor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Constant<'a>(&'a TensorProto);

impl<'a> Constant<'a> {
    pub(super) fn new(tensor: &'a TensorProto) -> Self {
        Self(tensor)
    }

    /// Its sizes and its numbers.
    pub(super) fn floats(&self) -> Result<(Vec<usize>, Vec<f32>), Refused> {
        let sizes = self.sizes(DataType::Float)?;
        let numbers = if self.0.raw_data.is_empty() {
            self.0.float_data.clone()
        } else {
            self.0.raw_data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
        };
        self.check(&sizes, numbers.len()).map(|()| (sizes, numbers))
    }

    /// Its whole numbers.
    pub(super) fn ints(&self) -> Result<Vec<i64>, Refused> {
        let sizes = self.sizes(DataType::Int64)?;
        let numbers = if self.0.raw_data.is_empty() {
            self.0.int64_data.clone()
        } else {
            self.0.raw_data.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect()
        };
        self.check(&sizes, numbers.len()).map(|()| numbers)
    }

    fn sizes(&self, expected: DataType) -> Result<Vec<usize>, Refused> {
        if self.0.data_type != expected as i32 || self.0.data_location != 0 {
            return Err(format!("tensor `{}` is no {expected:?} within the model", self.0.name));
        }
        let size = |size: &i64| {
            usize::try_from(*size).map_err(|_| format!("tensor `{}` has a negative size", self.0.name))
        };
        self.0.dims.iter().map(size).collect()
    }

    fn check(&self, sizes: &[usize], found: usize) -> Result<(), Refused> {
        let expected = sizes.iter().try_fold(1_usize, |all, size| all.checked_mul(*size));
        if expected == Some(found) {
            return Ok(());
        }
        Err(format!("tensor `{}` of sizes {sizes:?} has {found} numbers", self.0.name))
    }
}
