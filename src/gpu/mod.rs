//! Work on the graphics device: shaders, and one pass per shader. Knows masks, no window: a pass draws into whatever
//! render pass or texture it is handed. Each pass has a CPU twin in [`crate::mask`], to which tests compare it.

pub mod device;
mod parameter;
pub mod pass;
pub mod registry;
