//! All shaders, compiled into the program. `#import "lib/x.wgsl"` on its own line stands for the text of that file,
//! put in once a shader; there is no other preprocessing.

/// A shader of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shader {
    /// Masks over an image.
    Overlay,
    /// Brush strokes into a mask texture.
    Brush,
}

/// Why a shader's text could not be put together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// A line that begins with `#import` names no known file.
    #[error("there is no shader fragment for the line {0:?}")]
    Unknown(String),
}

const FRAGMENTS: &[(&str, &str)] = &[
    ("#import \"lib/quad.wgsl\"", include_str!("../../shaders/lib/quad.wgsl")),
    ("#import \"lib/segment.wgsl\"", include_str!("../../shaders/lib/segment.wgsl")),
];

impl Shader {
    /// Every shader.
    pub const ALL: [Self; 2] = [Self::Overlay, Self::Brush];

    /// The stem of its file in `shaders/`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Overlay => "overlay",
            Self::Brush => "brush",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Overlay => include_str!("../../shaders/overlay.wgsl"),
            Self::Brush => include_str!("../../shaders/brush.wgsl"),
        }
    }

    /// The whole WGSL text, imports put in.
    ///
    /// # Errors
    /// When an import names no known fragment.
    pub fn source(self) -> Result<String, ImportError> {
        expanded(self.text())
    }
}

fn expanded(text: &str) -> Result<String, ImportError> {
    let mut seen = Vec::new();
    let mut source = String::with_capacity(text.len() * 2);
    for line in text.lines() {
        if line.starts_with("#import") {
            let (name, fragment) =
                FRAGMENTS.iter().find(|(name, _)| *name == line.trim_end()).ok_or_else(|| ImportError::Unknown(line.to_owned()))?;
            if !seen.contains(name) {
                seen.push(*name);
                source.push_str(fragment);
            }
        } else {
            source.push_str(line);
        }
        source.push('\n');
    }
    Ok(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_is_put_in_once() {
        let text = expanded("#import \"lib/quad.wgsl\"\n#import \"lib/quad.wgsl\"\nfn f() {}").unwrap();
        assert_eq!(text.matches("fn quad_corner").count(), 1);
        assert!(text.ends_with("fn f() {}\n"));
    }

    #[test]
    fn an_unknown_import_is_an_error() {
        assert_eq!(expanded("#import \"lib/none.wgsl\""), Err(ImportError::Unknown("#import \"lib/none.wgsl\"".into())));
    }
}
