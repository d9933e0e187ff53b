//! All shaders, compiled into the program. `#import "lib/x.wgsl"` on its own line stands for the text of that file, put in
//! once a shader, and `override NAME: u32;` for a number that is known when the shader is asked for; there is no other
//! preprocessing.

/// A shader of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shader {
    /// Masks over an image.
    Overlay,
    /// Brush strokes into a mask texture.
    Brush,
    /// A convolution of the networks.
    Convolution,
    /// The first half of the networks' group norm.
    Moments,
    /// The second half, with what follows it.
    Norm,
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
    pub const ALL: [Self; 5] = [Self::Overlay, Self::Brush, Self::Convolution, Self::Moments, Self::Norm];

    /// The stem of its file in `shaders/`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Overlay => "overlay",
            Self::Brush => "brush",
            Self::Convolution => "convolution",
            Self::Moments => "moments",
            Self::Norm => "norm",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Overlay => include_str!("../../shaders/overlay.wgsl"),
            Self::Brush => include_str!("../../shaders/brush.wgsl"),
            Self::Convolution => include_str!("../../shaders/convolution.wgsl"),
            Self::Moments => include_str!("../../shaders/moments.wgsl"),
            Self::Norm => include_str!("../../shaders/norm.wgsl"),
        }
    }

    /// The whole WGSL text, imports put in.
    ///
    /// # Errors
    /// When an import names no known fragment.
    pub fn source(self) -> Result<String, ImportError> {
        expanded(self.text())
    }

    /// The WGSL text of a shader without imports in which the lines `override NAME: u32;` say what `numbers` do.
    pub fn source_with(self, numbers: &[(&str, u32)]) -> String {
        let told = |text: String, (name, number): &(&str, u32)| {
            text.replace(&format!("override {name}: u32;"), &format!("const {name}: u32 = {number}u;"))
        };
        let text = numbers.iter().fold(self.text().to_owned(), told);
        debug_assert!(!text.contains("override "), "{}: a number is not told", self.name());
        text
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
