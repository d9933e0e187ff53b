//! The program's compute thread as the window's engine.

use std::sync::Arc;

use super::assistant::{Engine, Patch, Reply, Request};
use super::settings::DeviceChoice;
use crate::assist::service::{self, RequestId, Service};
use crate::assist::{self, ModelPaths, ProposeOptions, RefineOptions};
use crate::model::device::ComputeChoice;

/// Soft masks are shown on a grid of so many values a side, so that their cells are not seen.
const SHOWN_SIDE: usize = 256;

struct ComputeThread {
    service: Service,
    /// The newest request for other weights.
    loading: Option<RequestId>,
}

/// Starts the thread on `device`; `None` where the operating system refuses it.
pub(super) fn start(device: DeviceChoice, models: ModelPaths, ctx: &egui::Context) -> Option<Box<dyn Engine>> {
    let choice = match device {
        DeviceChoice::Auto => ComputeChoice::Auto,
        DeviceChoice::Cpu => ComputeChoice::Cpu,
        DeviceChoice::Gpu => ComputeChoice::Gpu,
    };
    let wake = ctx.clone();
    match Service::start(choice, models.readable(), move || wake.request_repaint()) {
        Ok(service) => Some(Box::new(ComputeThread { service, loading: None })),
        Err(error) => {
            tracing::error!(%error, "no thread for the models");
            None
        }
    }
}

impl Engine for ComputeThread {
    fn request(&mut self, request: Request) -> u64 {
        let request = match request {
            Request::Propose { image, boxes, steps } => {
                service::Request::Propose { image, boxes, options: ProposeOptions { steps, ..ProposeOptions::default() } }
            }
            Request::Refine { image, masks } => service::Request::Refine { image, masks, options: RefineOptions::default() },
        };
        self.service.request(request).0
    }

    fn load(&mut self, paths: ModelPaths) {
        self.loading = Some(self.service.request(service::Request::Load(paths)));
    }

    fn cancel(&mut self) {
        self.service.cancel();
    }

    fn poll(&mut self) -> Option<(u64, Reply)> {
        let step = |RequestId(number): RequestId, step, of, patches| Some((number, Reply::Step { step, of, patches }));
        match self.service.poll()? {
            service::Reply::Ready { device } => Some((0, Reply::Ready(device))),
            service::Reply::Progress(progress) => Some((0, Reply::Preparing(progress.label.clone(), progress.fraction()))),
            service::Reply::Proposing { id, step: done } => {
                let patches = done.masks.iter().enumerate().map(|(index, patch)| (done.first + index, shown(patch))).collect();
                step(id, done.step, done.of, patches)
            }
            service::Reply::Refining { id, step: done } => {
                let patches = done.indices.iter().zip(&done.masks).map(|(&index, patch)| (index, shown(patch))).collect();
                step(id, done.step, done.of, patches)
            }
            service::Reply::Proposed { id, proposals } => {
                let masks = proposals.into_iter().map(|proposal| (proposal.mask, proposal.expected_iou)).collect();
                Some((id.0, Reply::Proposed(masks)))
            }
            service::Reply::Refined { id, refinements } => {
                let masks = refinements.into_iter().map(|refinement| (refinement.mask, refinement.kept_original)).collect();
                Some((id.0, Reply::Refined(masks)))
            }
            service::Reply::Failed { id, message } if self.loading == Some(id) => Some((0, Reply::Failed(message))),
            service::Reply::Failed { id, message } => Some((id.0, Reply::Failed(message))),
        }
    }
}

/// A soft map on square cells, sampled bilinearly.
fn shown(patch: &assist::Patch) -> Patch {
    let columns = SHOWN_SIDE.max(patch.side);
    let rows = ((columns as f64 * patch.rect.height / patch.rect.width).round() as usize).clamp(1, columns * 16);
    let side = patch.side.max(1);
    let tap = |index: usize, count: usize| {
        let at = ((index as f32 + 0.5) * side as f32 / count as f32 - 0.5).clamp(0.0, (side - 1) as f32);
        let low = at as usize;
        (low, (low + 1).min(side - 1), at - low as f32)
    };
    let mut values = Vec::with_capacity(columns * rows);
    for row in 0..rows {
        let (top, bottom, down) = tap(row, rows);
        for column in 0..columns {
            let (left, right, along) = tap(column, columns);
            let value = |x: usize, y: usize| patch.soft.get(y * side + x).copied().unwrap_or(0.0);
            let mix = |y: usize| value(left, y) * (1.0 - along) + value(right, y) * along;
            let soft = mix(top) * (1.0 - down) + mix(bottom) * down;
            values.push((soft * 255.0) as u8);
        }
    }
    Patch::new(patch.rect, (columns as u32, rows as u32), Arc::from(values))
}
