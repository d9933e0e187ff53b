//! A device without a window, for tests, benches and reports.

/// An open device with its queue.
#[derive(Clone, Debug)]
pub struct Gpu {
    /// Makes resources.
    pub device: wgpu::Device,
    /// Takes work.
    pub queue: wgpu::Queue,
    /// The adapter's name and kind, as the driver tells them.
    pub info: wgpu::AdapterInfo,
}

/// Why no device could be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no adapter.
    #[error("there is no graphics adapter")]
    NoAdapter(#[source] wgpu::RequestAdapterError),
    /// The adapter gave no device.
    #[error("the graphics adapter gave no device")]
    NoDevice(#[source] wgpu::RequestDeviceError),
}

impl Gpu {
    /// Opens the adapter that wgpu prefers; the environment variable `WGPU_BACKEND` chooses the backend.
    ///
    /// # Errors
    /// When there is no adapter or it gives no device.
    pub fn open() -> Result<Self, OpenError> {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.backends = wgpu::Backends::from_env().unwrap_or(wgpu::Backends::PRIMARY);
        let instance = wgpu::Instance::new(descriptor);
        let adapter =
            pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default())).map_err(OpenError::NoAdapter)?;
        let (device, queue) =
            pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor::default())).map_err(OpenError::NoDevice)?;
        Ok(Self { device, queue, info: adapter.get_info() })
    }
}

/// What a person calls the adapter: its name, and what kind it is.
pub fn described(info: &wgpu::AdapterInfo) -> String {
    let kind = match info.device_type {
        wgpu::DeviceType::Cpu => "software",
        wgpu::DeviceType::DiscreteGpu => "GPU",
        wgpu::DeviceType::IntegratedGpu => "integrated GPU",
        wgpu::DeviceType::VirtualGpu => "virtual GPU",
        wgpu::DeviceType::Other => "adapter",
    };
    format!("{} ({kind}, {})", info.name, info.backend)
}
