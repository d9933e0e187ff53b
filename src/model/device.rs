//! The device that the networks run on: the CPU (flex) or an own wgpu device on a graphics adapter.
//!
//! The device is never the window's: work on the same queue would stall the frames. Burn reads what it may use from the
//! ADAPTER, so the device is asked for with all of the adapter's features and limits.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::backend::wgpu::Wgpu;
use burn::tensor::wgpu::{WgpuSetup, wgpu};
use burn::tensor::{Device, Tensor};
use cubecl::ir::{ElemType, FloatKind};

/// What a person asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ComputeChoice {
    /// A real graphics adapter where there is one, else the CPU. Never a software adapter.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// Any graphics adapter, software ones included.
    Gpu,
    /// The same, with convolutions in half precision (f16).
    GpuHalf,
}

/// An opened device.
#[derive(Clone, Debug)]
pub enum Compute {
    /// The CPU.
    Cpu,
    /// A graphics adapter.
    Gpu(Gpu),
}

/// A graphics adapter with a device of its own.
#[derive(Clone, Debug)]
pub struct Gpu {
    /// The adapter's name.
    pub name: String,
    /// Whether the CPU plays the adapter.
    pub software: bool,
    /// Whether convolutions are computed in half precision (f16).
    pub half: bool,
    device: Device,
}

/// Why no device could be opened.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// There is no graphics adapter.
    #[error("no graphics adapter was found")]
    NoAdapter,
    /// The adapter gave no device.
    #[error("the graphics adapter {name} gives no device: {source}")]
    Request {
        /// The adapter's name.
        name: String,
        /// What wgpu said.
        source: wgpu::RequestDeviceError,
    },
    /// The adapter has no half precision.
    #[error("the graphics adapter {0} has no half precision")]
    NoHalf(String),
    /// Burn could not use the device.
    #[error("the graphics adapter {name} cannot run the networks: {reason}")]
    Runtime {
        /// The adapter's name.
        name: String,
        /// What Burn said.
        reason: String,
    },
}

impl Compute {
    /// Burn's handle, without gradients.
    pub fn device(&self) -> Device {
        match self {
            Self::Cpu => Device::flex(),
            Self::Gpu(gpu) => gpu.device.clone(),
        }
    }

    /// Whether convolutions are computed in half precision (f16).
    pub const fn is_half(&self) -> bool {
        matches!(self, Self::Gpu(Gpu { half: true, .. }))
    }

    /// Whether a number that is given to the device comes back.
    pub fn answers(&self) -> bool {
        let ask = || Tensor::<1>::from_data([1.5_f32], &self.device()).try_into_vec_as::<f32>().is_ok_and(|values| values == [1.5]);
        matches!(self, Self::Cpu) || catch_unwind(AssertUnwindSafe(ask)).unwrap_or(false)
    }
}

impl fmt::Display for Compute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => write!(f, "CPU"),
            Self::Gpu(Gpu { name, software, half, .. }) => {
                let kinds = [(*software, "software"), (*half, "half precision")];
                let kinds: Vec<&str> = kinds.into_iter().filter_map(|(is_it, kind)| is_it.then_some(kind)).collect();
                if kinds.is_empty() { f.write_str(name) } else { write!(f, "{name} ({})", kinds.join(", ")) }
            }
        }
    }
}

/// Opens a device.
///
/// # Errors
/// For [`ComputeChoice::Gpu`] and [`ComputeChoice::GpuHalf`], when there is no adapter or it cannot be used. `Auto` then takes
/// the CPU and logs why.
pub fn open(choice: ComputeChoice) -> Result<Compute, DeviceError> {
    match choice {
        ComputeChoice::Cpu => Ok(Compute::Cpu),
        ComputeChoice::Gpu => open_gpu(true).map(Compute::Gpu),
        ComputeChoice::GpuHalf => match open_gpu(true)? {
            gpu if has_half(&gpu.device) => Ok(Compute::Gpu(Gpu { half: true, ..gpu })),
            gpu => Err(DeviceError::NoHalf(gpu.name)),
        },
        ComputeChoice::Auto => Ok(match open_gpu(false) {
            Ok(gpu) => Compute::Gpu(gpu),
            Err(reason) => {
                tracing::info!(%reason, "the networks run on the CPU");
                Compute::Cpu
            }
        }),
    }
}

/// Whether `device` is a graphics adapter that computes in half precision (f16) too.
pub fn has_half(device: &Device) -> bool {
    let zero = Tensor::<1>::zeros([1], device).try_into_primitive::<Wgpu>();
    zero.is_ok_and(|zero| zero.client.properties().supports_type(ElemType::Float(FloatKind::F16)))
}

fn open_gpu(software: bool) -> Result<Gpu, DeviceError> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    // OpenGL has too few storage buffers a stage.
    descriptor.backends &= wgpu::Backends::PRIMARY;
    let instance = wgpu::Instance::new(descriptor);
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY));
    let adapter = adapters
        .into_iter()
        .filter_map(|adapter| Some((rank(&adapter.get_info(), software)?, adapter)))
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, adapter)| adapter)
        .ok_or(DeviceError::NoAdapter)?;
    let info = adapter.get_info();
    let (device, queue) = pollster::block_on(adapter.request_device(&device_descriptor(&adapter)))
        .map_err(|source| DeviceError::Request { name: info.name.clone(), source })?;
    let setup = WgpuSetup { instance, adapter, device, queue, backend: info.backend };
    let device = Device::wgpu_options()
        .setup(setup)
        .init()
        .map_err(|error| DeviceError::Runtime { name: info.name.clone(), reason: error.to_string() })?;
    Ok(Gpu { name: info.name, software: info.device_type == wgpu::DeviceType::Cpu, half: false, device })
}

/// Lower is better; `None` for an adapter that must not be taken.
fn rank(info: &wgpu::AdapterInfo, software: bool) -> Option<(u8, u8)> {
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu if software => 4,
        wgpu::DeviceType::Cpu => return None,
    };
    let backend = match info.backend {
        wgpu::Backend::Vulkan | wgpu::Backend::Metal => 0,
        wgpu::Backend::Dx12 => 1,
        _ => return None,
    };
    Some((kind, backend))
}

fn device_descriptor(adapter: &wgpu::Adapter) -> wgpu::DeviceDescriptor<'static> {
    wgpu::DeviceDescriptor {
        label: Some("annotator models"),
        required_features: adapter.features() - wgpu::Features::MAPPABLE_PRIMARY_BUFFERS,
        required_limits: adapter.limits(),
        experimental_features: experimental(),
        memory_hints: wgpu::MemoryHints::MemoryUsage,
        trace: wgpu::Trace::Off,
    }
}

/// Burn decides from the adapter's features which kernels it writes, so none of them may be missing from the device.
#[expect(unsafe_code, reason = "wgpu marks every experimental feature as unsafe to ask for")]
fn experimental() -> wgpu::ExperimentalFeatures {
    // SAFETY: the features are only used through CubeCL's kernels, which are written for them; no code here calls any
    // experimental interface, and a fault of the driver loses this device and not the window's.
    unsafe { wgpu::ExperimentalFeatures::enabled() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_always_there() {
        assert_eq!(open(ComputeChoice::Cpu).unwrap().to_string(), "CPU");
    }

    #[test]
    fn the_automatic_choice_never_takes_a_software_adapter() {
        let compute = open(ComputeChoice::Auto).unwrap();
        assert!(!matches!(compute, Compute::Gpu(Gpu { software: true, .. })));
    }
}
