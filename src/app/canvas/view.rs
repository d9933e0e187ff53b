//! Where the image lies in the canvas.

use egui::{Pos2, pos2};

use crate::geometry::{Point, Rect, Size, Transform};

/// The transform from the image to the window, kept across images.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    ui_from_image: Transform,
    fitted: bool,
    area: Rect,
    size: Size,
}

impl Default for View {
    fn default() -> Self {
        let ui_from_image = Transform { scale: 1.0, offset: Point::new(0.0, 0.0) };
        Self { ui_from_image, fitted: true, area: Rect::default(), size: Size::default() }
    }
}

/// Free room around a fitted image, in points.
const MARGIN: f64 = 20.0;

impl View {
    /// Takes the canvas's place and the image's size; a fitted view stays fitted.
    pub(crate) fn layout(&mut self, area: egui::Rect, size: Size) {
        let area = Rect::new(f64::from(area.left()), f64::from(area.top()), f64::from(area.width()), f64::from(area.height()));
        let moved = area != self.area || size != self.size;
        (self.area, self.size) = (area, size);
        if moved && self.fitted {
            self.fit();
        } else if moved {
            // Another image may be smaller.
            self.pan(egui::Vec2::ZERO);
        }
    }

    /// Fits the whole image.
    pub(crate) fn fit(&mut self) {
        self.ui_from_image = Transform::fit(self.size, self.area.expanded(-MARGIN.min(self.area.width / 4.0)));
        self.fitted = true;
    }

    /// Zooms so that `anchor`, in points, keeps what is under it.
    pub(crate) fn zoom(&mut self, factor: f64, anchor: Pos2) {
        let scale = (self.ui_from_image.scale * factor).clamp(0.005, 200.0);
        self.ui_from_image =
            self.ui_from_image.zoomed(scale / self.ui_from_image.scale, Point::new(f64::from(anchor.x), f64::from(anchor.y)));
        self.fitted = false;
    }

    /// Zooms to `scale` points an image pixel, around the middle.
    pub(crate) fn zoom_to(&mut self, scale: f64) {
        let center = self.area.center();
        self.zoom(scale / self.ui_from_image.scale, pos2(center.x as f32, center.y as f32));
    }

    /// The middle of the canvas, in points.
    pub(crate) fn center(&self) -> Pos2 {
        let center = self.area.center();
        pos2(center.x as f32, center.y as f32)
    }

    /// Moves the image by a distance in points; a part of it always stays in sight.
    pub(crate) fn pan(&mut self, by: egui::Vec2) {
        let offset = self.ui_from_image.offset;
        let held = |offset: f64, low: f64, high: f64, extent: f64| offset.clamp((low + 40.0 - extent).min(high - 40.0), high - 40.0);
        let (width, height) = (f64::from(self.size.width) * self.scale(), f64::from(self.size.height) * self.scale());
        self.ui_from_image.offset = Point::new(
            held(offset.x + f64::from(by.x), self.area.x, self.area.right(), width),
            held(offset.y + f64::from(by.y), self.area.y, self.area.bottom(), height),
        );
        self.fitted = false;
    }

    /// Brings `rect` of the image into sight; zooms only where it is far too large or small.
    pub(crate) fn show(&mut self, rect: Rect) {
        let middle = self.ui(rect.center());
        let share = (rect.width * self.scale() / self.area.width).max(rect.height * self.scale() / self.area.height);
        let inside = self.area.expanded(-MARGIN).contains(Point::new(f64::from(middle.x), f64::from(middle.y)));
        if !(0.01..=1.2).contains(&share) {
            self.zoom(0.4 / share.max(1e-6), middle);
        }
        if !inside || !(0.01..=1.2).contains(&share) {
            self.pan(self.center() - self.ui(rect.center()));
        }
    }

    /// Points an image pixel.
    pub(crate) const fn scale(&self) -> f64 {
        self.ui_from_image.scale
    }

    /// Where an image position lies in the window.
    pub(crate) fn ui(&self, point: Point) -> Pos2 {
        let point = self.ui_from_image.apply(point);
        pos2(point.x as f32, point.y as f32)
    }

    /// Where a box of the image lies in the window.
    pub(crate) fn ui_rect(&self, rect: Rect) -> egui::Rect {
        egui::Rect::from_min_max(self.ui(Point::new(rect.x, rect.y)), self.ui(Point::new(rect.right(), rect.bottom())))
    }

    /// The image position under a point of the window.
    pub(crate) fn image(&self, point: Pos2) -> Point {
        self.ui_from_image.inverse().apply(Point::new(f64::from(point.x), f64::from(point.y)))
    }

    /// The same, held inside the image.
    pub(crate) fn image_inside(&self, point: Pos2) -> Point {
        let point = self.image(point);
        Point::new(point.x.clamp(0.0, f64::from(self.size.width)), point.y.clamp(0.0, f64::from(self.size.height)))
    }

    /// The part of the image that can be seen.
    pub(crate) fn visible(&self) -> Rect {
        let corner = |x: f64, y: f64| self.image(pos2(x as f32, y as f32));
        Rect::from_corners(corner(self.area.x, self.area.y), corner(self.area.right(), self.area.bottom())).clipped(self.size)
    }
}
