//! What is drawn on the canvas, bottom to top: image, masks, boxes and names, the gesture, the pointer's marks.

use std::collections::HashSet;

use egui::{Align2, Color32, CornerRadius, FontId, Painter, Pos2, Shape as Drawn, Stroke, StrokeKind, pos2, vec2};

use super::Canvas;
use super::crop::{self, Crop};
use super::gesture::{Gesture, resized};
use super::overlay::{Layer, Masks};
use crate::annotation::{Instance, InstanceId, Shape};
use crate::app::assistant::{Assistant, Patch};
use crate::app::command::Tool;
use crate::app::edit::step_of;
use crate::app::state::State;
use crate::app::theme::Palette;
use crate::geometry::{Point, Rect};
use crate::mask::Mask;
use crate::mask::overlay::Overlay;

/// Width of a mask's outline, in points.
const OUTLINE: f32 = 1.6;

/// The tint of what the samples disagree on.
const UNCERTAIN: Color32 = Color32::from_rgb(255, 0, 200);

/// More selected objects than this go without their names.
const NAMED: usize = 40;

struct Paint {
    color: Color32,
    opacity: f32,
    /// `None` where nothing marks the outline.
    outline: Option<Color32>,
}

impl Canvas {
    /// The masks of the frame, and the outlines that go on top of them as lines.
    pub(super) fn masks(&mut self, state: &State, assistant: &Assistant, pixels_per_point: f32) -> (Masks, Vec<Drawn>) {
        let (mut layers, mut lines) = (Vec::new(), Vec::new());
        let Some(image) = state.shown() else { return (Masks { layers, format: self.format }, lines) };
        let visible = self.view.visible();
        let selection: HashSet<InstanceId> = state.selection.iter().copied().collect();
        let revision = state.document.revision();
        self.objects.begin(image.id, image.size);
        let painted = match &self.gesture {
            Some(Gesture::Stroke(stroke)) => stroke.target,
            _ => None,
        };
        let reviewed = state.review.as_ref().filter(|review| review.image == image.id);
        let (below, above): (Vec<&Instance>, Vec<&Instance>) = state
            .objects()
            .filter(|instance| instance.shape != Shape::Box && state.is_visible(instance.id) && Some(instance.id) != painted)
            .filter(|instance| {
                self.is_seen(instance, visible)
                    && reviewed.and_then(|review| review.changes.first()).is_none_or(|change| change.id != instance.id)
            })
            .partition(|instance| !selection.contains(&instance.id));
        let has_lines = self.has_lines(below.iter().chain(&above).copied());
        for instance in below.into_iter().chain(above) {
            let selected = selection.contains(&instance.id);
            let lit = selected || self.lit() == Some(instance.id);
            let color = state.object_color(instance);
            let opacity = state.settings.opacity * if lit { 1.3 } else { 1.0 };
            let outline = if selected { Color32::WHITE } else { color };
            let outline = match &instance.shape {
                Shape::Polygons(rings) if has_lines => {
                    lines.extend(self.lines(rings, Stroke::new(OUTLINE, outline)));
                    None
                }
                _ => Some(outline),
            };
            let paint = Paint { color, opacity: opacity.min(1.0), outline };
            for crop in self.objects.crops(instance, revision, selected).iter() {
                layers.push(self.layer(crop, &paint, visible, pixels_per_point));
            }
        }
        if let Some(review) = reviewed {
            if let Some(change) = review.changes.first() {
                let key = (change.id, std::sync::Arc::as_ptr(&change.after) as usize);
                self.compared.retain(|known, _| *known == key);
                let crops = self.compared.entry(key).or_insert_with(|| {
                    let [before, after] = [&change.before, &change.after]
                        .map(|shape| shape.mask(Rect::default(), image.size).unwrap_or_else(|_| Mask::new(image.size)));
                    let [kept, added, removed] =
                        [crop::of_mask(&after), crop::of_difference(&after, &before), crop::of_difference(&before, &after)];
                    [kept.into(), added.into(), removed.into()]
                });
                let parts = crops.clone();
                let [kept, added, removed] = [Color32::from_gray(210), Color32::from_rgb(60, 230, 110), Color32::from_rgb(255, 70, 70)];
                // A light edge tells what is removed from a picture that is red itself.
                let paints = [(kept, 0.16, kept), (added, 0.72, added), (removed, 0.72, Color32::from_rgb(255, 200, 200))];
                for (part, (color, opacity, outline)) in parts.iter().zip(paints) {
                    let paint = Paint { color, opacity, outline: Some(outline) };
                    layers.extend(part.iter().map(|crop| self.layer(crop, &paint, visible, pixels_per_point)));
                }
            }
        } else {
            self.compared.clear();
        }
        if let Some(Gesture::Stroke(stroke)) = &self.gesture {
            let target = stroke.target.and_then(|id| state.document.instance(id));
            let color = target.map_or_else(|| state.next_color(), |instance| state.object_color(instance));
            let paint = Paint { color, opacity: (state.settings.opacity * 1.3).min(1.0), outline: Some(Color32::WHITE) };
            let (tiles, capsules) = stroke.tiles();
            for tile in tiles {
                let layer = self.layer(tile, &paint, visible, pixels_per_point);
                layers.push(Layer { strokes: std::sync::Arc::clone(capsules), ..layer });
            }
        }
        if state.shows_uncertainty {
            let shown = state.objects().filter(|instance| state.is_visible(instance.id));
            let spreads = shown.filter_map(|instance| state.suggestions.get(&instance.id)?.spread.as_ref());
            let paint = Paint { color: UNCERTAIN, opacity: 0.85, outline: Some(UNCERTAIN) };
            layers.extend(spreads.map(|patch| self.patch(patch, &paint, pixels_per_point)));
        }
        if assistant.running().is_some_and(|running| running.image == image.id) {
            let instances = assistant.patches().map(|(id, patch)| (state.document.instance(id), patch));
            let soft: Vec<Layer> = instances
                .filter_map(|(instance, patch)| {
                    let color = state.object_color(instance?);
                    Some(self.patch(patch, &Paint { color, opacity: 0.6, outline: Some(color) }, pixels_per_point))
                })
                .collect();
            layers.extend(soft);
        }
        (Masks { layers, format: self.format }, lines)
    }

    fn is_seen(&self, instance: &Instance, visible: Rect) -> bool {
        let bbox = instance.bbox;
        let meets = bbox.x < visible.right() && visible.x < bbox.right() && bbox.y < visible.bottom() && visible.y < bbox.bottom();
        meets && bbox.width.max(bbox.height) * self.view.scale() >= 0.7
    }

    fn layer(&self, crop: &Crop, paint: &Paint, visible: Rect, pixels_per_point: f32) -> Layer {
        let area = crop.area.to_rect();
        let (left, top) = (area.x.max(visible.x.floor()), area.y.max(visible.y.floor()));
        let (right, bottom) = (area.right().min(visible.right().ceil()), area.bottom().min(visible.bottom().ceil()));
        // Positions count from the crop's first value, so that 32 bits are exact far from the image's origin.
        let origin = Point::new(area.x - 1.0, area.y - 1.0);
        let place = [left - origin.x, top - origin.y, right - origin.x, bottom - origin.y];
        Layer {
            key: crop.key,
            size: crop.size(),
            values: std::sync::Arc::clone(&crop.values),
            strokes: std::sync::Arc::default(),
            texel_origin: [origin.x, origin.y],
            draw: self.overlay(origin, 1.0, place.map(|side| side as f32), paint, pixels_per_point),
        }
    }

    fn patch(&self, patch: &Patch, paint: &Paint, pixels_per_point: f32) -> Layer {
        // One unit of the layer is one value of the patch.
        let unit = patch.area.width / f64::from(patch.size.0.max(1));
        let place = [0.0, 0.0, patch.size.0 as f32, patch.size.1 as f32];
        Layer {
            key: patch.key,
            size: patch.size,
            values: std::sync::Arc::clone(&patch.values),
            strokes: std::sync::Arc::default(),
            texel_origin: [0.0, 0.0],
            draw: self.overlay(Point::new(patch.area.x, patch.area.y), unit, place, paint, pixels_per_point),
        }
    }

    /// The drawing of `area`, in units of `unit` image pixels that count from `origin` (image coordinates).
    fn overlay(&self, origin: Point, unit: f64, area: [f32; 4], paint: &Paint, pixels_per_point: f32) -> Overlay {
        let scale = self.view.scale() * f64::from(pixels_per_point) * unit;
        let corner = self.view.ui(origin);
        let fill = premultiplied(paint.color, paint.opacity);
        Overlay {
            area,
            fill,
            outline: paint.outline.map_or(fill, |outline| premultiplied(outline, 0.95)),
            screen_px: [0.0, 0.0],
            origin_px: [corner.x * pixels_per_point, corner.y * pixels_per_point],
            texel_origin: [0.0, 0.0],
            pixel: (1.0 / scale) as f32,
            outline_width: (f64::from(OUTLINE * pixels_per_point) / scale) as f32,
        }
    }

    /// Boxes, handles, names, and the gesture.
    pub(super) fn paint_marks(&mut self, painter: &Painter, state: &State, assistant: &Assistant, colors: &Palette) {
        let visible = self.view.visible();
        let selection: HashSet<InstanceId> = state.selection.iter().copied().collect();
        let waiting = |instance: &Instance| assistant.running().is_some_and(|running| running.instances.contains(&instance.id));
        let held = self.held(state);
        let moved = self.moved(state);
        for instance in state.objects().filter(|instance| state.is_visible(instance.id) && self.is_seen(instance, visible)) {
            let selected = selection.contains(&instance.id);
            let hovered = self.lit() == Some(instance.id);
            let is_box = instance.shape == Shape::Box;
            if !is_box && !selected && !hovered {
                continue;
            }
            let color = state.object_color(instance);
            let own = held.filter(|(id, _)| *id == instance.id).map(|(_, rect)| rect);
            let rect = self.view.ui_rect(self.shown_box(instance, own.unwrap_or(instance.bbox), moved.as_ref()));
            if is_box {
                let width = if selected || hovered { 2.2 } else { 1.5 };
                if waiting(instance) {
                    dashed(painter, rect, Stroke::new(width, color));
                } else {
                    painter.rect_stroke(rect, CornerRadius::same(1), Stroke::new(width, color), StrokeKind::Middle);
                }
            } else if selected {
                painter.rect_stroke(rect, CornerRadius::ZERO, Stroke::new(1.0, color.gamma_multiply(0.7)), StrokeKind::Outside);
            }
            if hovered || selection.len() <= NAMED {
                name_tag(painter, rect, state.class_name(instance.category_id), color);
            }
            if own.is_some() {
                handles(painter, rect, color);
            }
        }
        match &self.gesture {
            Some(Gesture::Draw { start, now }) => {
                let color = state.next_color();
                let rect = Rect::from_corners(*start, *now);
                let place = self.view.ui_rect(rect);
                painter.rect_filled(place, CornerRadius::ZERO, color.gamma_multiply(0.12));
                painter.rect_stroke(place, CornerRadius::ZERO, Stroke::new(1.8, color), StrokeKind::Middle);
                let text = format!("{:.0} × {:.0}", rect.width, rect.height);
                painter.text(place.right_bottom() + vec2(6.0, 4.0), Align2::LEFT_TOP, text, FontId::proportional(12.0), Color32::WHITE);
            }
            Some(Gesture::Band { start, now }) => {
                let place = self.view.ui_rect(Rect::from_corners(*start, *now));
                painter.rect_filled(place, CornerRadius::ZERO, colors.accent.gamma_multiply(0.1));
                dashed(painter, place, Stroke::new(1.0, colors.accent));
            }
            _ => {}
        }
        if state.tool == Tool::Prompt {
            self.paint_scribbles(painter, state, assistant);
        }
        self.paint_outline(painter, state);
    }

    /// The objects that the gesture moves, and how far.
    fn moved(&self, state: &State) -> Option<(HashSet<InstanceId>, Point)> {
        let Some(Gesture::Move { id, start, now, .. }) = &self.gesture else { return None };
        let by = state.way(*id, Point::new(now.x - start.x, now.y - start.y))?;
        Some((state.moved_with(*id).map(|object| object.id).collect(), by))
    }

    /// The box `rect` of an object as the gesture makes it, which moves these objects so far.
    fn shown_box(&self, object: &Instance, rect: Rect, moved: Option<&(HashSet<InstanceId>, Point)>) -> Rect {
        if let Some((_, by)) = moved.filter(|(ids, _)| ids.contains(&object.id)) {
            let by = step_of(&object.shape, *by);
            return Rect { x: rect.x + by.x, y: rect.y + by.y, ..rect };
        }
        match &self.gesture {
            Some(Gesture::Resize { id, from, handle, now, .. }) if *id == object.id => resized(*from, *handle, *now),
            _ => rect,
        }
    }

    /// The brush or the crosshair where the pointer is.
    pub(super) fn paint_pointer(&self, painter: &Painter, state: &State) {
        let Some(at) = self.pointer.filter(|_| !matches!(self.gesture, Some(Gesture::Pan))) else { return };
        match state.tool {
            Tool::Select | Tool::Prompt | Tool::Polygon | Tool::Wand => {}
            Tool::Box => {
                let area = painter.clip_rect();
                for (width, color) in [(3.0, Color32::from_black_alpha(70)), (1.0, Color32::from_white_alpha(170))] {
                    painter.hline(area.x_range(), at.y, Stroke::new(width, color));
                    painter.vline(at.x, area.y_range(), Stroke::new(width, color));
                }
            }
            Tool::Brush | Tool::Eraser => {
                let erases = match &self.gesture {
                    Some(Gesture::Stroke(stroke)) => !stroke.inside,
                    _ => (state.tool == Tool::Eraser) != painter.ctx().input(|input| input.modifiers.command),
                };
                let radius = (state.brush_radius_px * self.view.scale()) as f32;
                let color = if erases { Color32::from_rgb(255, 120, 120) } else { Color32::WHITE };
                painter.circle_stroke(at, radius, Stroke::new(3.0, Color32::from_black_alpha(90)));
                painter.circle_stroke(at, radius, Stroke::new(1.3, color));
                painter.circle_filled(at, 1.5, color);
            }
        }
    }
}

fn premultiplied(color: Color32, opacity: f32) -> [f32; 4] {
    let [red, green, blue, _] = color.to_normalized_gamma_f32();
    [red * opacity, green * opacity, blue * opacity, opacity]
}

fn dashed(painter: &Painter, rect: egui::Rect, stroke: Stroke) {
    let corners = [rect.left_top(), rect.right_top(), rect.right_bottom(), rect.left_bottom(), rect.left_top()];
    painter.extend(Drawn::dashed_line(&corners, stroke, 7.0, 5.0));
}

fn handles(painter: &Painter, rect: egui::Rect, color: Color32) {
    let center = rect.center();
    for x in [rect.left(), center.x, rect.right()] {
        for y in [rect.top(), center.y, rect.bottom()] {
            if pos2(x, y) != center {
                let square = egui::Rect::from_center_size(pos2(x, y), vec2(8.0, 8.0));
                painter.rect(square, CornerRadius::same(2), Color32::WHITE, Stroke::new(1.5, color), StrokeKind::Middle);
            }
        }
    }
}

fn name_tag(painter: &Painter, rect: egui::Rect, name: &str, color: Color32) {
    let dark = Color32::from_rgb(16, 18, 22);
    let galley = painter.layout_no_wrap(name.to_owned(), FontId::proportional(12.0), dark);
    let size = galley.size() + vec2(10.0, 3.0);
    let above = rect.top() - size.y - 1.0;
    let top = if above < painter.clip_rect().top() { rect.top() + 1.0 } else { above };
    let corner: Pos2 = pos2(rect.left().max(painter.clip_rect().left()), top);
    painter.rect_filled(egui::Rect::from_min_size(corner, size), CornerRadius::same(3), color);
    painter.galley(corner + vec2(5.0, 1.5), galley, dark);
}

#[cfg(test)]
mod tests {
    use super::super::tests::empty_image;
    use super::*;

    #[test]
    fn objects_are_shown_where_they_will_be_when_they_are_let_go() {
        // The image has 40 x 30 pixels.
        let (mut state, mut canvas) = empty_image();
        let boxes = [Rect::new(2.0, 2.0, 10.0, 10.0), Rect::new(20.0, 15.0, 10.0, 10.0)];
        state.selection = boxes.into_iter().filter_map(|rect| state.add_box(rect)).collect();
        let (id, start, now) = (state.selection[0], Point::new(5.0, 5.0), Point::new(39.0, 29.0));
        canvas.gesture = Some(Gesture::Move { id, clicked: id, start, now });
        let moved = canvas.moved(&state);
        let shown: Vec<Rect> = state.objects().map(|object| canvas.shown_box(object, object.bbox, moved.as_ref())).collect();
        assert_eq!(shown, [Rect::new(12.0, 7.0, 10.0, 10.0), Rect::new(30.0, 20.0, 10.0, 10.0)]);
        state.move_object(id, Point::new(now.x - start.x, now.y - start.y));
        assert_eq!(state.objects().map(|object| object.bbox).collect::<Vec<_>>(), shown);
    }
}
