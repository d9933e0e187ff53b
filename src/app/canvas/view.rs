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
    /// What the next layout brings into sight, and the least share of the canvas that it is to take.
    wanted: Option<(Rect, f64)>,
    /// Whether something was brought into sight and the hand has not zoomed since.
    brought: bool,
    /// Whether that took another zoom.
    zoomed: bool,
    /// What was seen before a review began, while it lasts.
    before: Option<Seen>,
}

/// A view to come back to.
#[derive(Clone, Copy, Debug)]
struct Seen {
    ui_from_image: Transform,
    fitted: bool,
    zoomed: bool,
}

impl Default for View {
    fn default() -> Self {
        let ui_from_image = Transform { scale: 1.0, offset: Point::new(0.0, 0.0) };
        let (area, size) = (Rect::default(), Size::default());
        Self { ui_from_image, fitted: true, area, size, wanted: None, brought: false, zoomed: false, before: None }
    }
}

/// Free room around a fitted image, in points.
const MARGIN: f64 = 20.0;
/// Points an image pixel; closer than this an object is not brought.
const CLOSEST: f64 = 8.0;

impl View {
    /// Takes the canvas's place and the image's size; a fitted view stays fitted.
    pub(crate) fn layout(&mut self, area: egui::Rect, size: Size) {
        let area = Rect::new(f64::from(area.left()), f64::from(area.top()), f64::from(area.width()), f64::from(area.height()));
        let moved = area != self.area || size != self.size;
        (self.area, self.size) = (area, size);
        if moved && self.fitted {
            self.ui_from_image = self.fitting();
        } else if moved {
            // Another image may be smaller.
            self.pan(egui::Vec2::ZERO);
        }
        if let Some((rect, least)) = self.wanted.take() {
            self.bring(rect, least);
        }
    }

    /// Fits the whole image.
    pub(crate) fn fit(&mut self) {
        self.ui_from_image = self.fitting();
        (self.fitted, self.brought, self.zoomed) = (true, false, false);
    }

    /// Remembers what is seen when a review begins, which brings masks near, and shows it again when the review has ended;
    /// unless the hand has zoomed since the last mask was brought.
    pub(crate) fn follow_review(&mut self, is_review: bool) {
        if !is_review {
            self.go_back();
        } else if self.before.is_none() {
            self.before = Some(Seen { ui_from_image: self.ui_from_image, fitted: self.fitted, zoomed: self.zoomed });
            self.brought = false;
        }
    }

    /// Another image comes: a zoom of the hand goes with it; where something was brought near, the next image is fitted.
    pub(crate) fn leave(&mut self) {
        self.go_back();
        if self.zoomed {
            self.fit();
        }
    }

    /// Shows what was seen before the review.
    fn go_back(&mut self) {
        let Some(before) = self.before.take().filter(|_| self.brought) else { return };
        if before.fitted {
            self.fit();
        } else {
            self.ui_from_image = before.ui_from_image;
            self.pan(egui::Vec2::ZERO);
        }
        (self.brought, self.zoomed) = (false, before.zoomed);
    }

    fn fitting(&self) -> Transform {
        Transform::fit(self.size, self.area.expanded(-MARGIN.min(self.area.width / 4.0)))
    }

    /// Zooms so that `anchor`, in points, keeps what is under it.
    pub(crate) fn zoom(&mut self, factor: f64, anchor: Pos2) {
        let scale = (self.ui_from_image.scale * factor).clamp(0.005, 200.0);
        self.ui_from_image =
            self.ui_from_image.zoomed(scale / self.ui_from_image.scale, Point::new(f64::from(anchor.x), f64::from(anchor.y)));
        (self.fitted, self.brought, self.zoomed) = (false, false, false);
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

    /// Brings `rect` of the image into sight; the view stays as it is where that is well visible.
    pub(crate) const fn show(&mut self, rect: Rect) {
        self.wanted = Some((rect, 0.05));
    }

    /// The same, so large that single pixels can be judged.
    pub(crate) const fn show_closely(&mut self, rect: Rect) {
        self.wanted = Some((rect, 0.3));
    }

    /// Zooms so that `rect` takes most of the canvas.
    pub(crate) fn fit_to(&mut self, rect: Rect) {
        let scale = (0.8 * self.filling(rect)).min(CLOSEST);
        if scale <= self.fitting().scale {
            return self.fit();
        }
        self.zoom_to(scale);
        self.pan(self.center() - self.ui(rect.center()));
    }

    /// The scale at which `rect` is as large as the canvas.
    fn filling(&self, rect: Rect) -> f64 {
        (self.area.width / rect.width.max(1.0)).min(self.area.height / rect.height.max(1.0))
    }

    /// Brings `rect` into sight; where it takes less than the share `least` of the canvas, or more than all, it takes about
    /// half then.
    fn bring(&mut self, rect: Rect, least: f64) {
        let half = 0.5 * self.filling(rect);
        let fit = self.fitting().scale;
        let scale = half.min(CLOSEST).max(fit);
        let share = 0.5 * self.scale() / half;
        let is_small = share < least && self.scale() * 1.01 < scale;
        let room = self.area.expanded(1.0);
        let is_seen = [Point::new(rect.x, rect.y), Point::new(rect.right(), rect.bottom())]
            .into_iter()
            .all(|corner| room.contains(self.ui_from_image.apply(corner)));
        if is_seen && !is_small {
            return;
        }
        let (zooms, was_zoomed) = (is_small || share > 1.0, self.zoomed);
        if zooms && scale <= fit {
            self.fit();
        } else {
            if zooms {
                self.zoom_to(scale);
            }
            self.pan(self.center() - self.ui(rect.center()));
        }
        (self.brought, self.zoomed) = (true, was_zoomed || zooms);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A canvas of 900 x 600 points, laid out over an image of `size`.
    fn lay(view: &mut View, width: u32, height: u32) {
        view.layout(egui::Rect::from_min_size(pos2(50.0, 30.0), egui::vec2(900.0, 600.0)), Size::new(width, height));
    }

    fn shown(view: &mut View, rect: Rect) {
        view.show(rect);
        lay(view, 3000, 2000);
    }

    #[test]
    fn an_object_that_is_well_visible_stays_where_it_is() {
        let mut view = View::default();
        lay(&mut view, 3000, 2000);
        let before = view.ui_from_image;
        shown(&mut view, Rect::new(2400.0, 1600.0, 600.0, 400.0));
        assert_eq!(view.ui_from_image, before);
        view.show_closely(Rect::new(2400.0, 1600.0, 600.0, 400.0));
        lay(&mut view, 3000, 2000);
        assert!((view.scale() - 0.75).abs() < 1e-9, "it takes half of the canvas: {}", view.scale());
        assert!(view.ui(Point::new(2700.0, 1800.0)).distance(view.center()) < 0.1);
    }

    #[test]
    fn a_tiny_object_is_brought_near_and_the_next_one_at_the_same_zoom() {
        let mut view = View::default();
        lay(&mut view, 3000, 2000);
        for left in [1000.0, 1500.0, 1505.0] {
            shown(&mut view, Rect::new(left, 900.0, 12.0, 9.0));
            assert!((view.scale() - CLOSEST).abs() < 1e-9, "{}", view.scale());
            let middle = Point::new(f64::min(left, 1500.0) + 6.0, 904.5);
            assert!(view.ui(middle).distance(view.center()) < 0.1, "what is seen already makes no jump: {left}");
        }
        shown(&mut view, Rect::new(0.0, 0.0, 3000.0, 1900.0));
        assert!(view.fitted, "a large one is seen as a whole");
    }

    #[test]
    fn an_object_of_an_image_that_is_not_laid_out_yet_is_found() {
        let mut view = View::default();
        lay(&mut view, 640, 480);
        view.zoom_to(2.0);
        let rect = Rect::new(5000.0, 3500.0, 300.0, 200.0);
        view.show(rect);
        lay(&mut view, 6000, 4000);
        assert!(view.ui(rect.center()).distance(view.center()) < 0.1);
    }

    #[test]
    fn a_review_shows_again_what_was_seen_before_it() {
        let mut view = View::default();
        lay(&mut view, 3000, 2000);
        view.zoom_to(0.5);
        let before = view.ui_from_image;
        let look = |view: &mut View, left: f64| {
            view.show_closely(Rect::new(left, 900.0, 12.0, 9.0));
            view.follow_review(true);
            lay(view, 3000, 2000);
            assert!((view.scale() - CLOSEST).abs() < 1e-9, "{}", view.scale());
        };
        look(&mut view, 1000.0);
        look(&mut view, 2000.0);
        view.leave();
        assert_eq!(view.ui_from_image, before, "it goes on with another image");
        look(&mut view, 1000.0);
        view.follow_review(false);
        assert_eq!(view.ui_from_image, before);
        look(&mut view, 1000.0);
        view.zoom_to(2.0);
        view.follow_review(false);
        assert!((view.scale() - 2.0).abs() < 1e-9, "the hand zoomed last");
    }

    #[test]
    fn the_next_image_is_fitted_where_the_hand_has_not_zoomed() {
        let mut view = View::default();
        lay(&mut view, 3000, 2000);
        view.zoom_to(2.0);
        shown(&mut view, Rect::new(100.0, 100.0, 200.0, 100.0));
        view.leave();
        lay(&mut view, 6000, 4000);
        assert!((view.scale() - 2.0).abs() < 1e-9, "it was only moved");
        view.show(Rect::new(1000.0, 900.0, 12.0, 9.0));
        lay(&mut view, 6000, 4000);
        assert!((view.scale() - CLOSEST).abs() < 1e-9, "{}", view.scale());
        view.leave();
        lay(&mut view, 640, 480);
        assert!(view.fitted && view.ui(Point::new(320.0, 240.0)).distance(view.center()) < 0.1);
    }
}
