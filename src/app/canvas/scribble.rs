//! The strokes that corrected the selected object's mask, as far as it follows them.

use std::sync::Arc;

use egui::{Color32, Painter, Pos2, Stroke};

use super::Canvas;
use super::gesture::Gesture;
use crate::annotation::{Instance, InstanceId};
use crate::app::assistant::{Aim, Assistant};
use crate::app::state::State;
use crate::app::stroke;
use crate::assist::Scribble;

/// Which strokes of an object are in force, as of a revision of the data set.
pub(super) struct Force {
    id: InstanceId,
    revision: u64,
    waits: bool,
    strokes: Arc<[bool]>,
}

impl Canvas {
    /// Draws the strokes of the selected object that are in force, and the one under way: green belongs to it, red does
    /// not.
    pub(super) fn paint_scribbles(&mut self, painter: &Painter, state: &State, assistant: &Assistant) {
        let known = state.only_selected().and_then(|instance| Some((instance, state.strokes.get(&instance.id)?)));
        if let Some((instance, strokes)) = known {
            let waits = assistant.running().is_some_and(|running| running.aim == Aim::Correction && running.instances == [instance.id]);
            let in_force = self.in_force(instance, strokes, waits, state);
            for (stroke, _) in strokes.iter().zip(in_force.iter()).filter(|(_, is_drawn)| **is_drawn) {
                self.paint_scribble(painter, &stroke.scribble);
            }
        }
        if let Some(Gesture::Scribble { scribble, .. }) = &self.gesture {
            self.paint_scribble(painter, scribble);
        }
    }

    /// Which strokes of an object its mask follows; others were taken back or painted over. While it `waits` for the answer
    /// to the last one, all of them.
    fn in_force(&mut self, instance: &Instance, strokes: &[stroke::Stroke], waits: bool, state: &State) -> Arc<[bool]> {
        let (revision, is_busy) = (state.document.revision(), self.is_busy());
        if let Some(known) = self.force.as_ref().filter(|known| known.id == instance.id && known.strokes.len() == strokes.len())
            // What comes while a hand is drawing is taken afterwards.
            && (is_busy || (known.revision == revision && known.waits == waits))
        {
            return Arc::clone(&known.strokes);
        }
        let followed = if waits {
            vec![true; strokes.len()]
        } else {
            state.shown().map_or_else(|| vec![false; strokes.len()], |image| stroke::in_force(strokes, instance, image.size))
        };
        let strokes: Arc<[bool]> = followed.into();
        self.force = Some(Force { id: instance.id, revision, waits, strokes: Arc::clone(&strokes) });
        strokes
    }

    fn paint_scribble(&self, painter: &Painter, scribble: &Scribble) {
        let color = if scribble.inside { Color32::from_rgb(60, 230, 110) } else { Color32::from_rgb(255, 70, 70) };
        let radius = ((scribble.radius_px * self.view.scale()) as f32).max(2.0);
        let points: Vec<Pos2> = scribble.points.iter().map(|&point| self.view.ui(point)).collect();
        for at in [points.first(), points.last()].into_iter().flatten() {
            painter.circle(*at, radius, color, Stroke::new(1.0, Color32::from_black_alpha(160)));
        }
        painter.line(points, Stroke::new(2.0 * radius, color.gamma_multiply(0.8)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::empty_image;
    use super::*;
    use crate::annotation::Shape;
    use crate::geometry::Point;
    use crate::mask::Mask;

    #[test]
    fn a_stroke_that_was_taken_back_is_not_in_force() {
        let (mut state, mut canvas) = empty_image();
        let size = state.shown().unwrap().size;
        let painted = |x: f64| Scribble { points: vec![Point::new(x, 10.0)], radius_px: 2.0, inside: true };
        let mut mask = Mask::new(size);
        painted(10.0).paint(&mut mask);
        state.paint(None, Shape::from_mask(&mask));
        let (id, image) = (state.selection[0], state.shown().unwrap().id);
        let onto = state.only_selected().unwrap().fingerprint();
        // The last one agrees with the mask before it.
        let strokes = [(10.0, None), (20.0, onto), (10.0, onto)].map(|(x, onto)| stroke::Stroke { scribble: painted(x), onto });
        painted(20.0).paint(&mut mask);
        assert_eq!(state.set_masks("Correct mask", image, &[(id, &mask)]), [id]);
        let mut in_force = |state: &State, waits: bool| canvas.in_force(state.only_selected().unwrap(), &strokes, waits, state).to_vec();
        assert_eq!(in_force(&state, false), [true; 3]);
        state.document.step(false).unwrap();
        assert_eq!(in_force(&state, false), [true, false, false]);
        assert_eq!(in_force(&state, true), [true; 3], "the answer to the last ones is still to come");
        state.document.step(true).unwrap();
        assert_eq!(in_force(&state, false), [true; 3]);
    }
}
