//! `doctor`: what this computer can do, for a person who asks "why is my graphics card not used?".

use std::fmt::Write as _;
use std::time::Instant;

use image::RgbImage;

use super::terminal::Terminal;
use super::{DeviceChoice, Outcome, digest};
use crate::assist::{Assistant, Engine as _, ModelPaths, ProposeOptions};
use crate::geometry::Rect;
use crate::job::{Cancel, Meter};
use crate::model::device::{self, Compute, ComputeChoice};
use crate::model::speed;

/// The options of `doctor`.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Measure only this device; without it the processor, and the graphics adapter where that is a real one
    #[arg(long, value_enum)]
    device: Option<DeviceChoice>,
    /// Measure nothing: the first measurement on a graphics adapter may take minutes
    #[arg(long)]
    quick: bool,
    /// Another weight file of a segmenter to measure
    #[arg(long, value_name = "FILE")]
    segmenter: Option<std::path::PathBuf>,
}

pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal, cancel: &Cancel) -> anyhow::Result<Outcome> {
    terminal.message(&format!(
        "annotator {} on {} {}, {} processor threads",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH,
        std::thread::available_parallelism().map_or(1, usize::from)
    ));
    terminal.message(&adapters());
    let paths = ModelPaths { segmenter: arguments.segmenter.clone(), ..ModelPaths::default() };
    terminal.message(&models(&paths)?);
    let usual = device::open(ComputeChoice::Auto)?;
    terminal.message(&match &usual {
        Compute::Gpu(gpu) => format!("the models run on {}", gpu.name),
        Compute::Cpu => "the models run on the processor: there is no real graphics adapter that can run them".to_owned(),
    });
    if arguments.quick {
        return Ok(Outcome::Done);
    }
    let choices = match arguments.device {
        Some(choice) => vec![choice.into()],
        None if matches!(usual, Compute::Cpu) => vec![ComputeChoice::Cpu],
        None => vec![ComputeChoice::Cpu, ComputeChoice::Gpu, ComputeChoice::GpuHalf],
    };
    for choice in choices {
        if cancel.is_cancelled() {
            return Ok(Outcome::Cancelled);
        }
        match measured(choice, &paths, terminal, cancel) {
            Ok(text) => terminal.message(&text),
            Err(error) => terminal.warning(&format!("{choice:?} cannot be measured: {error:#}")),
        }
    }
    Ok(if cancel.is_cancelled() { Outcome::Cancelled } else { Outcome::Done })
}

/// Every graphics adapter with its driver and the limits that matter here.
fn adapters() -> String {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    let mut text = "graphics adapters:".to_owned();
    for adapter in &adapters {
        let (info, limits) = (adapter.get_info(), adapter.limits());
        let kind = match info.device_type {
            wgpu::DeviceType::DiscreteGpu => "discrete",
            wgpu::DeviceType::IntegratedGpu => "integrated",
            wgpu::DeviceType::VirtualGpu => "virtual",
            wgpu::DeviceType::Cpu => "software",
            wgpu::DeviceType::Other => "other",
        };
        write!(
            text,
            "\n  {} ({kind}, {}, driver {} {})\n    largest texture {} px, buffer {} MiB, storage binding {} MiB, workgroup {}",
            info.name,
            info.backend,
            info.driver,
            info.driver_info,
            limits.max_texture_dimension_2d,
            limits.max_buffer_size >> 20,
            limits.max_storage_buffer_binding_size >> 20,
            limits.max_compute_invocations_per_workgroup
        )
        .ok();
    }
    if adapters.is_empty() {
        text += " none; the processor does all the work (on Debian, `mesa-vulkan-drivers` brings drivers)";
    }
    text
}

/// The weight files with their sizes and hashes.
fn models(paths: &ModelPaths) -> anyhow::Result<String> {
    let mut text = "models:".to_owned();
    for (name, file) in [("segmenter", paths.segmenter_file()?), ("refiner", paths.refiner_file()?)] {
        let bytes = file.bytes();
        write!(text, "\n  {name}: {}, {} bytes, sha256 {}", file.path().display(), bytes.len(), digest::sha256(bytes)).ok();
    }
    Ok(text)
}

/// How fast a device multiplies matrices and turns a box into a mask.
fn measured(choice: ComputeChoice, paths: &ModelPaths, terminal: &mut Terminal, cancel: &Cancel) -> anyhow::Result<String> {
    let compute = device::open(choice)?;
    let meter = Meter::start(format!("measuring {compute}"), 3);
    terminal.progress(&meter.at(0));
    let flops = speed::matmul_flops(&compute);
    terminal.progress(&meter.at(1));
    let assistant = Assistant::load_on(compute.clone(), paths)?;
    let picture = RgbImage::from_fn(512, 512, |x, y| image::Rgb([x as u8, y as u8, ((x * y) >> 8) as u8]));
    let boxes = [Rect::new(100.0, 100.0, 256.0, 256.0).into()];
    let mut times = Vec::new();
    for done in 2..=3 {
        let started = Instant::now();
        let steps = &ProposeOptions::default();
        assistant.propose(&picture, &boxes, steps, cancel, &mut |_| ())?;
        times.push(started.elapsed());
        terminal.progress(&meter.at(done));
    }
    terminal.finish();
    let [first, second] = times[..] else { anyhow::bail!("stopped") };
    let steps = ProposeOptions::default().steps;
    Ok(format!(
        "speed of {compute}:\n  matrix product {:.1} GFLOP/s\n  box to mask in {steps} steps: {:.2} s (the first time {:.2} s)",
        flops / 1e9,
        second.as_secs_f64(),
        first.as_secs_f64()
    ))
}
