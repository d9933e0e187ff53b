//! Every shader parses and validates without a GPU, and each parameter struct has the bytes that the shader expects.

use annotator::gpu::pass::brush::Stamp;
use annotator::gpu::registry::Shader;
use annotator::mask::overlay::Overlay;
use naga::valid::{Capabilities, ValidationFlags, Validator};

fn module(shader: Shader) -> naga::Module {
    let source = shader.source().expect("all imports are known");
    naga::front::wgsl::parse_str(&source).unwrap_or_else(|error| panic!("{}", error.emit_to_string_with_path(&source, shader.name())))
}

/// Name and offset of each member, and the size of the whole.
fn layout(shader: Shader, name: &str) -> (Vec<(String, usize)>, usize) {
    let module = module(shader);
    let (_, kind) = module.types.iter().find(|(_, kind)| kind.name.as_deref() == Some(name)).expect("the struct is there");
    let naga::TypeInner::Struct { members, span } = &kind.inner else { panic!("{name} is no struct") };
    (members.iter().map(|member| (member.name.clone().unwrap_or_default(), member.offset as usize)).collect(), *span as usize)
}

macro_rules! rust_layout {
    ($kind:ty: $($field:ident),*) => {
        (vec![$((stringify!($field).to_owned(), std::mem::offset_of!($kind, $field))),*], size_of::<$kind>())
    };
}

#[test]
fn every_shader_is_valid() {
    for shader in Shader::ALL {
        let checked = Validator::new(ValidationFlags::all(), Capabilities::default()).validate(&module(shader));
        assert!(checked.is_ok(), "{}: {checked:?}", shader.name());
    }
}

#[test]
fn the_overlay_struct_has_the_shaders_layout() {
    let rust = rust_layout!(Overlay: area, fill, outline, screen_px, origin_px, texel_origin, pixel, outline_width);
    assert_eq!(layout(Shader::Overlay, "Overlay"), rust);
}

#[test]
fn the_stamp_struct_has_the_shaders_layout() {
    let rust = rust_layout!(Stamp: start, end, texel_origin, size_px, radius, value);
    assert_eq!(layout(Shader::Brush, "Stamp"), rust);
}
