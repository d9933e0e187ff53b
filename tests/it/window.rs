//! The real window on a screen that nobody sees (Xvfb): a person opens a COCO file, drags a box with the mouse, gets a
//! mask, saves, and pycocotools reads the file.
//!
//! Needs Xvfb, xdotool and ImageMagick's `import`. Without them the test says that it is skipped, and fails where
//! `ANNOTATOR_REQUIRE_WINDOW` is set.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use image::{Rgb, RgbImage};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The object's colour: nothing in the program's theme looks like it.
const OBJECT: Rgb<u8> = Rgb([230, 20, 200]);
/// Rows from here on belong to the film strip, whose picture of the image has the same colour.
const FILM_STRIP: u32 = 650;
const GROUND: Rgb<u8> = Rgb([40, 120, 60]);

/// Ends its process when it goes out of scope.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A virtual screen of 1280 x 800 pixels.
struct Screen {
    display: String,
    folder: TempDir,
    _server: Running,
}

impl Screen {
    /// Starts the screen; `None` where a tool is missing.
    fn start() -> Option<Self> {
        let missing = ["Xvfb", "xdotool", "import"].into_iter().find(|tool| !has(tool));
        if let Some(tool) = missing {
            assert!(std::env::var_os("ANNOTATOR_REQUIRE_WINDOW").is_none(), "{tool} is not installed");
            say(&format!("{tool} is not installed"));
            return None;
        }
        let words = ["-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp"];
        let mut server = Command::new("Xvfb").args(words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut number = String::new();
        let mut byte = [0];
        let mut output = server.stdout.take().unwrap();
        while output.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
            number.push(char::from(byte[0]));
        }
        Some(Self { display: format!(":{number}"), folder: TempDir::new().unwrap(), _server: Running(server) })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("DISPLAY", &self.display).env_remove("WAYLAND_DISPLAY").env("XDG_RUNTIME_DIR", self.folder.path());
        for folder in ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"] {
            command.env(folder, self.folder.path().join(folder));
        }
        command
    }

    fn xdotool(&self, words: &str) {
        assert!(self.command("xdotool").args(words.split_whitespace()).status().unwrap().success(), "xdotool {words}");
    }

    fn picture(&self) -> RgbImage {
        let path = self.folder.path().join("screen.png");
        assert!(self.command("import").args(["-window", "root"]).arg(&path).status().unwrap().success());
        image::open(&path).unwrap().to_rgb8()
    }

    /// Where the object is on the screen: left, top, right, bottom; `None` while it is not there.
    fn object(&self) -> Option<[u32; 4]> {
        let picture = self.picture();
        let near = |pixel: &Rgb<u8>| pixel.0.iter().zip(OBJECT.0).all(|(a, b)| a.abs_diff(b) < 40);
        let places =
            picture.enumerate_pixels().filter(|(_, y, pixel)| *y < FILM_STRIP && near(pixel)).map(|(x, y, _)| (x, y)).collect::<Vec<_>>();
        let columns = places.iter().map(|place| place.0);
        let rows = places.iter().map(|place| place.1);
        Some([columns.clone().min()?, rows.clone().min()?, columns.max()?, rows.max()?])
    }

    fn drag(&self, from: (u32, u32), to: (u32, u32)) {
        self.xdotool(&format!("mousemove {} {}", from.0, from.1));
        std::thread::sleep(Duration::from_millis(200));
        self.xdotool("mousedown 1");
        for part in 1..=8 {
            let between = |a: u32, b: u32| (f64::from(a) + (f64::from(b) - f64::from(a)) * f64::from(part) / 8.0).round();
            self.xdotool(&format!("mousemove {} {}", between(from.0, to.0), between(from.1, to.1)));
            std::thread::sleep(Duration::from_millis(60));
        }
        self.xdotool("mouseup 1");
    }

    /// Keeps a picture of the screen where a person can find it, for a test that fails.
    fn keep(&self, name: &str) -> PathBuf {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        self.picture().save(&path).unwrap();
        path
    }
}

/// Says past the test harness, which would swallow it, that a check is skipped.
fn say(why: &str) {
    writeln!(std::io::stderr(), "skipped: {why}").ok();
}

fn has(tool: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(tool).exists()))
}

/// Asks `question` twice a second until it has an answer.
fn wait<T>(limit: Duration, mut question: impl FnMut() -> Option<T>) -> Option<T> {
    let started = Instant::now();
    while started.elapsed() < limit {
        if let Some(answer) = question() {
            return Some(answer);
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    None
}

fn annotations(path: &Path) -> Option<Vec<Value>> {
    let text = std::fs::read_to_string(path).ok()?;
    serde_json::from_str::<Value>(&text).ok()?["annotations"].as_array().cloned()
}

fn project(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let inside = |x: u32, y: u32| (f64::from(x) - 200.0).hypot(1.4 * (f64::from(y) - 150.0)) < 90.0;
    let picture = RgbImage::from_fn(400, 300, |x, y| if inside(x, y) { OBJECT } else { GROUND });
    picture.save(folder.join("object.png")).unwrap();
    let document = json!({
        "images": [{"id": 3, "width": 400, "height": 300, "file_name": "object.png"}],
        "annotations": [],
        "categories": [{"id": 5, "name": "thing", "supercategory": ""}]
    });
    std::fs::write(folder.join("instances.json"), document.to_string()).unwrap();
}

#[test]
fn a_dragged_box_becomes_a_saved_mask() {
    let Some(screen) = Screen::start() else { return };
    let folder = screen.folder.path().join("project");
    project(&folder);
    let mut program = screen.command(env!("CARGO_BIN_EXE_annotator"));
    let file = folder.join("instances.json");
    let _program = Running(program.arg(&file).stdin(Stdio::null()).spawn().unwrap());

    let place = wait(Duration::from_mins(1), || screen.object());
    let [left, top, right, bottom] = place.unwrap_or_else(|| panic!("the image does not show: {:?}", screen.keep("annotator-open.png")));
    std::thread::sleep(Duration::from_secs(1));
    // There is no window manager that would give the window the keyboard.
    screen.xdotool("search --sync --onlyvisible --name annotator windowfocus --sync");
    screen.xdotool("key r");
    screen.drag((left - 6, top - 6), (right + 6, bottom + 6));
    // A slow machine may still be at work on the box; Enter takes its mask as soon as there is one.
    let masked = wait(Duration::from_mins(2), || {
        std::thread::sleep(Duration::from_secs(2));
        screen.xdotool("key Return");
        screen.xdotool("key ctrl+s");
        annotations(&file)?.into_iter().find(|record| record["segmentation"].is_object())
    });
    let record = masked.unwrap_or_else(|| panic!("no mask was saved: {:?}", screen.keep("annotator-saved.png")));
    let area = std::f64::consts::PI * 90.0 * 90.0 / 1.4;
    let found = record["area"].as_f64().unwrap();
    assert!((0.7..1.4).contains(&(found / area)), "the mask has {found} pixels, the object {area}");
    read_by_pycocotools(&file, found);
}

fn read_by_pycocotools(file: &Path, area: f64) {
    let Some(python) = std::env::var_os("ANNOTATOR_PYTHON") else {
        say("ANNOTATOR_PYTHON names no Python with pycocotools");
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/check_coco.py");
    let output = Command::new(python).arg(script).arg(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rows = serde_json::from_slice::<Vec<Value>>(&output.stdout).unwrap();
    let row = rows.iter().find(|row| row.get("mask_area").is_some()).unwrap();
    assert_eq!(row["mask_area"].as_f64(), Some(area));
    let numbers = |value: &Value| value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect::<Vec<_>>();
    assert_eq!(numbers(&row["mask_bbox"]), numbers(&row["bbox"]));
}
