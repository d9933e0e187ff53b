//! The image on the screen: one texture for the whole of it, and tiles of full size where a large image is looked at
//! from near. Only what is seen is uploaded, a few tiles a frame.

use std::collections::HashMap;
use std::sync::Arc;

use egui::{Color32, ColorImage, Context, Painter, TextureHandle, TextureOptions, pos2};
use image::GenericImageView as _;

use super::view::View;
use crate::app::picture::{Picture, screen_image};
use crate::app::settings::Light;
use crate::geometry::{Rect, Size};

const TILE_PX: u32 = 1024;
const TILES_A_FRAME: usize = 3;
const KEPT_TILES: usize = 64;
/// From so many points an image pixel on, pixels are shown as squares.
const SHARP_SCALE: f64 = 3.0;

/// The textures of the shown image.
#[derive(Default)]
pub(super) struct ImageTextures {
    picture: Option<Arc<Picture>>,
    light: Light,
    whole: HashMap<bool, TextureHandle>,
    tiles: HashMap<(u32, u32, bool), TextureHandle>,
}

impl ImageTextures {
    /// Paints `picture` where `view` has it.
    pub(super) fn paint(&mut self, painter: &Painter, view: &View, picture: &Arc<Picture>, light: Light) {
        if self.light != light || !self.picture.as_ref().is_some_and(|shown| Arc::ptr_eq(shown, picture)) {
            *self = Self { picture: Some(Arc::clone(picture)), light, ..Self::default() };
        }
        let ctx = painter.ctx().clone();
        let sharp = view.scale() >= SHARP_SCALE;
        let size = Size::new(picture.pixels.width(), picture.pixels.height());
        let whole = self.whole.entry(sharp).or_insert_with(|| load(&ctx, lit(Arc::clone(&picture.overview), light), sharp));
        let place = view.ui_rect(Rect::new(0.0, 0.0, f64::from(size.width), f64::from(size.height)));
        painter.image(whole.id(), place, egui::Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0)), Color32::WHITE);
        let overview_scale = picture.overview.size[0] as f64 / f64::from(size.width.max(1));
        if overview_scale < 1.0 && view.scale() * f64::from(painter.pixels_per_point()) > overview_scale {
            self.paint_tiles(painter, view, picture, sharp);
        }
    }

    fn paint_tiles(&mut self, painter: &Painter, view: &View, picture: &Arc<Picture>, sharp: bool) {
        let (width, height) = picture.pixels.dimensions();
        // The file may be smaller than its record says.
        let visible = view.visible().clipped(Size::new(width, height));
        let range = |low: f64, high: f64| (low as u32 / TILE_PX)..(high.ceil() as u32).div_ceil(TILE_PX);
        let (rows, columns) = (range(visible.y, visible.bottom()), range(visible.x, visible.right()));
        if rows.len() * columns.len() > KEPT_TILES {
            // From so far the overview shows nearly as much.
            return;
        }
        if self.tiles.len() > KEPT_TILES {
            self.tiles.retain(|(column, row, is_sharp), _| *is_sharp == sharp && rows.contains(row) && columns.contains(column));
        }
        let mut loads = 0;
        for row in rows {
            for column in columns.clone() {
                let (x, y) = (column * TILE_PX, row * TILE_PX);
                let (w, h) = (TILE_PX.min(width - x), TILE_PX.min(height - y));
                let key = (column, row, sharp);
                if let std::collections::hash_map::Entry::Vacant(e) = self.tiles.entry(key) {
                    loads += 1;
                    if loads > TILES_A_FRAME {
                        painter.ctx().request_repaint();
                        continue;
                    }
                    let pixels = picture.pixels.view(x, y, w, h).to_image();
                    e.insert(load(painter.ctx(), lit(Arc::new(screen_image(&pixels)), self.light), sharp));
                }
                if let Some(tile) = self.tiles.get(&key) {
                    let place = view.ui_rect(Rect::new(f64::from(x), f64::from(y), f64::from(w), f64::from(h)));
                    painter.image(tile.id(), place, egui::Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0)), Color32::WHITE);
                }
            }
        }
    }
}

/// `image` with this brightness and contrast.
fn lit(mut image: Arc<ColorImage>, light: Light) -> Arc<ColorImage> {
    if let Some(table) = light.table() {
        for pixel in &mut Arc::make_mut(&mut image).pixels {
            let [red, green, blue, _] = pixel.to_array().map(|value| table[usize::from(value)]);
            *pixel = Color32::from_rgb(red, green, blue);
        }
    }
    image
}

fn load(ctx: &Context, image: Arc<ColorImage>, sharp: bool) -> TextureHandle {
    let options = if sharp { TextureOptions::NEAREST } else { TextureOptions::LINEAR };
    ctx.load_texture("image", image, options)
}
