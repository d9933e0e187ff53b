//! `annotator`: a person draws boxes, a diffusion model proposes instance masks, a diffusion refiner cleans coarse
//! masks, and the result is exact COCO JSON that the same program trains on.
//!
//! A module names only the layers below it; `tests/it/layers.rs` enforces that.
//!
//! | layer | module | what it holds |
//! |---|---|---|
//! | 0 | [`disk`] | files that are not complete yet, what tells files apart, paths that are no text |
//! | 0 | [`geometry`] | points, boxes, transforms between image and window |
//! | 0 | [`job`] | cancelling, progress, the newest-wins slot, named threads |
//! | 1 | [`mask`] | masks on a pixel grid: RLE, polygons, brush, morphology, metrics |
//! | 2 | [`annotation`] | data set, image, category, instance; invertible edits and history |
//! | 3 | [`formats`] | COCO, LVIS, YOLO, VOC, CVAT, labelme, PNG masks and pictures, in and out |
//! | 3 | [`store`] | the project on disk: every edit, the history and the marks |
//! | 3 | [`gpu`] | shaders and the passes that run them |
//! | 4 | [`model`] | the segmenter, the refiner, their diffusion, weight files and the device they run on |
//! | 4 | [`evaluation`] | predicted masks against true ones: `IoU`, boundary `IoU`, mBA, average precision |
//! | 5 | [`assist`] | boxes to masks and coarse masks to fine ones, on the one compute thread |
//! | 6 | [`train`] | fine-tuning on a person's own data set |
//! | 7 | `app` | the window; behind the feature `gui` |
//! | 7 | [`headless`] | the commands that work without a window |

pub mod annotation;
#[cfg(feature = "gui")]
pub mod app;
pub mod assist;
pub mod disk;
pub mod evaluation;
pub mod formats;
pub mod geometry;
pub mod gpu;
pub mod headless;
pub mod job;
pub mod mask;
pub mod model;
pub mod store;
pub mod train;
