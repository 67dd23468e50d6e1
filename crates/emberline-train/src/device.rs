//! Where tensors live and are computed, chosen by name at run time.

use std::fmt;

use burn_tensor::Device as BurnDevice;

use crate::{Error, Result};

/// A device: `cpu`, or `cuda`, `metal` and `vulkan` where the cargo feature of that name is compiled in, with a number after a
/// colon for others than the first, as in `cuda:1`.
///
/// ```
/// use emberline_train::Device;
///
/// assert_eq!(Device::parse("cpu")?.to_string(), "cpu");
/// assert!(Device::parse("gpu").unwrap_err().to_string().contains("expected `cpu`"));
/// # Ok::<(), emberline_train::Error>(())
/// ```
#[derive(Clone)]
pub struct Device {
    name: String,
    plain: BurnDevice,
}

impl Device {
    /// The processor.
    #[must_use]
    pub fn cpu() -> Self {
        Self { name: "cpu".to_owned(), plain: BurnDevice::flex() }
    }

    /// A device by name.
    ///
    /// # Errors
    /// When there is no device of this name, or this program was built without it.
    pub fn parse(name: &str) -> Result<Self> {
        let (kind, index) = match name.split_once(':') {
            None => (name, Some(0)),
            Some((kind, index)) => (kind, index.parse::<usize>().ok()),
        };
        let plain = match (kind, index) {
            ("cpu", Some(0)) => Some(BurnDevice::flex()),
            #[cfg(feature = "cuda")]
            ("cuda", Some(index)) => Some(BurnDevice::cuda(index)),
            #[cfg(feature = "metal")]
            ("metal", Some(index)) => Some(BurnDevice::metal(burn_tensor::DeviceKind::DiscreteGpu(index))),
            #[cfg(feature = "vulkan")]
            ("vulkan", Some(index)) => Some(BurnDevice::vulkan(burn_tensor::DeviceKind::DiscreteGpu(index))),
            _ => None,
        };
        plain.map(|plain| Self { name: name.to_owned(), plain }).ok_or_else(|| Error::Setting {
            subject: "device".to_owned(),
            problem: format!(
                "expected {}, found `{name}`; `cuda`, `metal` and `vulkan` need the cargo feature of that name",
                available()
            ),
        })
    }

    /// Whether it is the processor, for which there are kernels of our own.
    pub(crate) fn is_cpu(&self) -> bool {
        self.name.starts_with("cpu")
    }

    /// Without automatic differentiation.
    pub(crate) fn plain(&self) -> &BurnDevice {
        &self.plain
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Device({})", self.name)
    }
}

fn available() -> String {
    let kinds = [
        ("cuda", cfg!(feature = "cuda")),
        ("metal", cfg!(feature = "metal")),
        ("vulkan", cfg!(feature = "vulkan")),
    ];
    let built = kinds.into_iter().filter_map(|(kind, built)| built.then_some(kind));
    ["cpu"].into_iter().chain(built).map(|kind| format!("`{kind}`")).collect::<Vec<_>>().join(" or ")
}
