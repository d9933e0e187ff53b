//! How far a list is scrolled, for what it keeps in sight.

use std::ops::Range;

use egui::{ScrollArea, Ui, vec2};

/// How a list was scrolled in the last frame, in points.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scroll {
    /// How far it was.
    pub(super) offset: f32,
    /// How far it could be.
    most: f32,
    /// The height of the part that was seen.
    height: f32,
}

/// How far a list of `count` rows of `row` points can be scrolled in `height` points.
pub(super) fn most((row, count): (f32, usize), height: f32) -> f32 {
    (count as f32 * (row + 1.0) - height).max(0.0)
}

/// How far such a list is scrolled for the row at `top` to be well in sight.
pub(super) fn offset_of(top: f32, rows: (f32, usize), height: f32) -> f32 {
    (top - height * 0.4).clamp(0.0, most(rows, height))
}

/// What rounding may take of a row, in points.
const ROUNDING: f32 = 1.0;

impl Scroll {
    /// Shows `count` rows in `area`, scrolled to `offset` where there is one; how the list is scrolled now.
    ///
    /// What lies beyond the end of the last frame is asked for when the list has its new end: it would spring back.
    pub(super) fn show_rows(
        &self,
        ui: &mut Ui,
        area: ScrollArea,
        (row, count): (f32, usize),
        offset: Option<f32>,
        rows: impl FnOnce(&mut Ui, Range<usize>),
    ) -> Self {
        let mut area = area.animated(false);
        let mut beyond = 0.0;
        if let Some(offset) = offset {
            beyond = (offset - self.most).max(0.0);
            area = area.vertical_scroll_offset(offset - beyond);
        }
        let output = area.show_rows(ui, row, count, |ui, shown| {
            rows(ui, shown);
            if beyond > 0.0 {
                ui.scroll_with_delta(vec2(0.0, -beyond));
            }
        });
        let height = output.inner_rect.height();
        Self { offset: output.state.unclamped_offset().y, most: (output.content_size.y - height).max(0.0), height }
    }

    /// Whether a row of `row` points at `top` is in sight in a list of `height` points.
    pub(super) fn shows(&self, top: f32, row: f32, height: f32) -> bool {
        top + ROUNDING >= self.offset && top + row <= self.offset + height + ROUNDING
    }

    /// Whether such a row was in sight and is not in a list that has become `height` points high.
    pub(super) fn loses(&self, top: f32, row: f32, height: f32) -> bool {
        self.shows(top, row, self.height) && !self.shows(top, row, height)
    }
}
