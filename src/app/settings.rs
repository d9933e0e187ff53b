//! What a person sets once: kept as JSON in the user's configuration folder.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::keymap::Keymap;
use crate::assist::{ModelPaths, RefineOptions};

/// Where the models run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceChoice {
    /// A real GPU where there is one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU.
    Gpu,
    /// The GPU with convolutions in half precision.
    GpuHalf,
}

/// The colours of the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Look {
    /// Light text on dark.
    #[default]
    Dark,
    /// Dark text on light.
    Light,
}

/// What objects have their colours from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColorBy {
    /// Their class.
    #[default]
    Class,
    /// Each has its own.
    Object,
}

/// How images are shown; none of it changes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Light {
    /// From -1, black, to 1, white.
    pub brightness: f32,
    /// From -1, all grey, to 1, black and white.
    pub contrast: f32,
}

impl Light {
    /// The value that is shown for each value of a channel; `None` where that is the value itself.
    pub fn table(self) -> Option<[u8; 256]> {
        if self == Self::default() {
            return None;
        }
        // The slope of the line through the middle: 0 at -1, and ever steeper towards 1.
        let slope = (std::f32::consts::FRAC_PI_4 * (self.contrast.clamp(-1.0, 0.99) + 1.0)).tan();
        let shown = |value: usize| ((value as f32 / 255.0 - 0.5) * slope + 0.5 + self.brightness) * 255.0;
        Some(std::array::from_fn(|value| shown(value).round().clamp(0.0, 255.0) as u8))
    }
}

/// The settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Steps of the diffusion segmenter.
    pub steps: usize,
    /// Whether proposed outlines are drawn to the picture's edges, which takes several times as long.
    pub edges: bool,
    /// Masks that are looked for when alternatives are asked for.
    pub samples: usize,
    /// How strongly exemplars and classes guide the segmenter; 1 is not beyond what it says itself.
    pub guidance: f32,
    /// Where the models run.
    pub device: DeviceChoice,
    /// Weights to use instead of the built-in ones.
    pub models: ModelPaths,
    /// The colours of the window.
    pub look: Look,
    /// Whether masks are proposed by themselves a moment after the last box.
    pub propose_after_box: bool,
    /// How easily the refiner changes a pixel, 0..=1.
    pub strength: f32,
    /// How far from the outline the refiner may change a mask; anywhere without it.
    pub band_px: Option<u32>,
    /// Which key does what.
    pub keymap: Keymap,
    /// How images are shown.
    pub light: Light,
    /// How strong masks cover the image, 0..=1.
    pub opacity: f32,
    /// What objects have their colours from.
    pub color_by: ColorBy,
    /// Size of text and controls, 1 being normal.
    pub zoom: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            steps: 1,
            edges: true,
            samples: 4,
            guidance: 1.0,
            device: DeviceChoice::Auto,
            models: ModelPaths::default(),
            look: Look::Dark,
            propose_after_box: true,
            strength: RefineOptions::STRENGTH,
            band_px: None,
            keymap: Keymap::default(),
            light: Light::default(),
            opacity: 0.3,
            color_by: ColorBy::Class,
            zoom: 1.0,
        }
    }
}

/// Where the program keeps its own files.
#[derive(Clone, Debug)]
pub struct Folders {
    config: PathBuf,
    state: PathBuf,
}

impl Folders {
    /// The user's folders, as the operating system has them.
    pub fn of_user() -> Self {
        match directories::ProjectDirs::from("", "", "annotator") {
            Some(folders) => Self {
                config: folders.config_dir().to_path_buf(),
                state: folders.state_dir().unwrap_or_else(|| folders.data_local_dir()).to_path_buf(),
            },
            None => Self::at(Path::new(".annotator")),
        }
    }

    /// Both folders inside `folder`.
    pub fn at(folder: &Path) -> Self {
        Self { config: folder.join("config"), state: folder.join("state") }
    }

    /// Where projects go that cannot stand beside the data.
    pub fn state(&self) -> &Path {
        &self.state
    }

    fn settings_file(&self) -> PathBuf {
        self.config.join("settings.json")
    }

    /// The settings as stored; the normal ones where there are none or they cannot be read.
    pub fn settings(&self) -> Settings {
        let Ok(text) = std::fs::read_to_string(self.settings_file()) else { return Settings::default() };
        serde_json::from_str(&text).unwrap_or_else(|error| {
            tracing::warn!(%error, "the settings cannot be read");
            Settings::default()
        })
    }

    /// Stores the settings.
    ///
    /// # Errors
    /// When the folder or the file cannot be written.
    pub fn store(&self, settings: &Settings) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.config)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.config)?;
        serde_json::to_writer_pretty(&mut file, settings)?;
        file.persist(self.settings_file())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk;

    #[test]
    fn light_goes_through_the_middle() {
        assert_eq!(Light::default().table(), None);
        let table = |brightness, contrast| Light { brightness, contrast }.table().unwrap();
        assert_eq!((table(0.2, 0.0)[0], table(0.2, 0.0)[255]), (51, 255));
        let steep = table(0.0, 0.5);
        assert!(steep[100] < 80 && steep[155] > 175 && steep[0] == 0 && steep[255] == 255, "{steep:?}");
        assert!(table(0.0, -1.0).iter().all(|&value| value == 128), "all grey");
    }

    #[test]
    fn settings_come_back_as_stored() {
        let folder = tempfile::tempdir().unwrap();
        let folders = Folders::at(folder.path());
        assert_eq!(folders.settings(), Settings::default());
        let settings = Settings { steps: 9, look: Look::Light, ..Settings::default() };
        folders.store(&settings).unwrap();
        assert_eq!(folders.settings(), settings);
    }

    #[test]
    fn weights_whose_name_is_no_text_are_kept_with_the_settings() {
        let folder = tempfile::tempdir().unwrap();
        let folders = Folders::at(folder.path());
        let odd = if cfg!(unix) { disk::path_of(b"far/w\xffights") } else { disk::path_of(&[b'w', 0, 0x00, 0xd8]) };
        let models = ModelPaths { segmenter: Some(odd), refiner: Some("plain".into()) };
        let settings = Settings { models, ..Settings::default() };
        folders.store(&settings).unwrap();
        assert_eq!(folders.settings(), settings);
        assert!(std::fs::read_to_string(folders.settings_file()).unwrap().contains("\"refiner\": \"plain\""));
    }
}
