//! Small icons painted from strokes, so that they need no font and stay sharp at every size.

use egui::{Color32, Painter, Pos2, Rect, Shape, Stroke, pos2};

/// What an icon shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Icon {
    /// An arrow.
    Select,
    /// A dashed box.
    Box,
    /// A polygon with corners.
    Polygon,
    /// A wand with sparks: like colour.
    Wand,
    /// A sun: brightness and contrast.
    Light,
    /// A brush.
    Brush,
    /// An eraser.
    Eraser,
    /// A plus and a minus.
    Prompt,
    /// Stars: the model proposes.
    Propose,
    /// A wand: the model refines.
    Refine,
    /// An arrow to the left around.
    Undo,
    /// An arrow to the right around.
    Redo,
    /// Four corners.
    Fit,
    /// An open eye.
    Shown,
    /// A struck-out eye.
    Hidden,
    /// A tick.
    Tick,
}

const SELECT: &[&[(f32, f32)]] =
    &[&[(0.28, 0.14), (0.28, 0.8), (0.45, 0.64), (0.57, 0.88), (0.67, 0.83), (0.56, 0.6), (0.78, 0.58), (0.28, 0.14)]];
const BOX: &[&[(f32, f32)]] = &[&[(0.2, 0.24), (0.8, 0.24), (0.8, 0.76), (0.2, 0.76), (0.2, 0.24)]];
const POLYGON: &[&[(f32, f32)]] = &[
    &[(0.2, 0.36), (0.56, 0.16), (0.84, 0.48), (0.62, 0.84), (0.26, 0.76), (0.2, 0.36)],
    &[(0.15, 0.31), (0.25, 0.31), (0.25, 0.41), (0.15, 0.41), (0.15, 0.31)],
    &[(0.79, 0.43), (0.89, 0.43), (0.89, 0.53), (0.79, 0.53), (0.79, 0.43)],
    &[(0.57, 0.79), (0.67, 0.79), (0.67, 0.89), (0.57, 0.89), (0.57, 0.79)],
];
const WAND: &[&[(f32, f32)]] = &[
    &[(0.14, 0.86), (0.52, 0.48)],
    &[(0.62, 0.14), (0.62, 0.3)],
    &[(0.7, 0.38), (0.86, 0.38)],
    &[(0.69, 0.31), (0.82, 0.18)],
    &[(0.55, 0.31), (0.44, 0.2)],
    &[(0.69, 0.45), (0.8, 0.56)],
];
const LIGHT: &[&[(f32, f32)]] = &[
    &[(0.5, 0.3), (0.64, 0.36), (0.7, 0.5), (0.64, 0.64), (0.5, 0.7), (0.36, 0.64), (0.3, 0.5), (0.36, 0.36), (0.5, 0.3), (0.5, 0.7)],
    &[(0.5, 0.08), (0.5, 0.18)],
    &[(0.5, 0.82), (0.5, 0.92)],
    &[(0.08, 0.5), (0.18, 0.5)],
    &[(0.82, 0.5), (0.92, 0.5)],
    &[(0.2, 0.2), (0.27, 0.27)],
    &[(0.73, 0.73), (0.8, 0.8)],
    &[(0.8, 0.2), (0.73, 0.27)],
    &[(0.27, 0.73), (0.2, 0.8)],
];
const BRUSH: &[&[(f32, f32)]] = &[
    &[(0.84, 0.14), (0.9, 0.2), (0.56, 0.6), (0.45, 0.5), (0.84, 0.14)],
    &[(0.45, 0.5), (0.33, 0.55), (0.28, 0.74), (0.14, 0.84), (0.34, 0.86), (0.5, 0.76), (0.56, 0.6)],
];
const ERASER: &[&[(f32, f32)]] = &[
    &[(0.55, 0.18), (0.84, 0.46), (0.48, 0.82), (0.32, 0.82), (0.16, 0.64), (0.55, 0.18)],
    &[(0.36, 0.4), (0.65, 0.66)],
    &[(0.46, 0.84), (0.86, 0.84)],
];
const PROMPT: &[&[(f32, f32)]] =
    &[&[(0.16, 0.34), (0.52, 0.34)], &[(0.34, 0.16), (0.34, 0.52)], &[(0.54, 0.72), (0.88, 0.72)], &[(0.2, 0.86), (0.82, 0.16)]];
const PROPOSE: &[&[(f32, f32)]] = &[
    &[(0.42, 0.14), (0.5, 0.42), (0.76, 0.5), (0.5, 0.58), (0.42, 0.86), (0.34, 0.58), (0.08, 0.5), (0.34, 0.42), (0.42, 0.14)],
    &[(0.78, 0.1), (0.82, 0.2), (0.92, 0.24), (0.82, 0.28), (0.78, 0.38), (0.74, 0.28), (0.64, 0.24), (0.74, 0.2), (0.78, 0.1)],
];
const REFINE: &[&[(f32, f32)]] = &[
    &[(0.14, 0.86), (0.6, 0.4)],
    &[(0.7, 0.1), (0.7, 0.26)],
    &[(0.7, 0.4), (0.7, 0.52)],
    &[(0.5, 0.3), (0.58, 0.3)],
    &[(0.78, 0.3), (0.92, 0.3)],
];
const UNDO: &[&[(f32, f32)]] = &[
    &[(0.36, 0.2), (0.16, 0.4), (0.36, 0.6)],
    &[(0.16, 0.4), (0.62, 0.4), (0.78, 0.46), (0.84, 0.6), (0.78, 0.74), (0.62, 0.8), (0.4, 0.8)],
];
const FIT: &[&[(f32, f32)]] = &[
    &[(0.16, 0.38), (0.16, 0.18), (0.36, 0.18)],
    &[(0.64, 0.18), (0.84, 0.18), (0.84, 0.38)],
    &[(0.84, 0.62), (0.84, 0.82), (0.64, 0.82)],
    &[(0.36, 0.82), (0.16, 0.82), (0.16, 0.62)],
];
const EYE: &[&[(f32, f32)]] =
    &[&[(0.08, 0.5), (0.26, 0.3), (0.5, 0.22), (0.74, 0.3), (0.92, 0.5), (0.74, 0.7), (0.5, 0.78), (0.26, 0.7), (0.08, 0.5)]];
const TICK: &[&[(f32, f32)]] = &[&[(0.16, 0.52), (0.4, 0.76), (0.86, 0.24)]];

/// Paints `icon` into the middle of `rect`, as large as fits.
pub(super) fn paint(painter: &Painter, rect: Rect, icon: Icon, color: Color32) {
    let side = rect.width().min(rect.height());
    let square = Rect::from_center_size(rect.center(), egui::vec2(side, side));
    let stroke = Stroke::new((side / 13.0).max(1.1), color);
    let mirrored = icon == Icon::Redo;
    let place = |&(x, y): &(f32, f32)| -> Pos2 {
        let x = if mirrored { 1.0 - x } else { x };
        pos2(square.left() + x * side, square.top() + y * side)
    };
    let lines = match icon {
        Icon::Select => SELECT,
        Icon::Box => BOX,
        Icon::Polygon => POLYGON,
        Icon::Wand => WAND,
        Icon::Light => LIGHT,
        Icon::Brush => BRUSH,
        Icon::Eraser => ERASER,
        Icon::Prompt => PROMPT,
        Icon::Propose => PROPOSE,
        Icon::Refine => REFINE,
        Icon::Undo | Icon::Redo => UNDO,
        Icon::Fit => FIT,
        Icon::Shown | Icon::Hidden => EYE,
        Icon::Tick => TICK,
    };
    for line in lines {
        let points: Vec<Pos2> = line.iter().map(place).collect();
        if icon == Icon::Box {
            painter.extend(Shape::dashed_line(&points, stroke, side * 0.14, side * 0.08));
        } else {
            painter.line(points, stroke);
        }
    }
    match icon {
        Icon::Shown => {
            painter.circle_filled(square.center(), side * 0.13, color);
        }
        Icon::Hidden => {
            painter.line_segment([place(&(0.14, 0.86)), place(&(0.86, 0.14))], stroke);
        }
        _ => {}
    }
}
