//! The direction of the house: a module names only the layers below it, the window's crates stay in `app`, and the
//! tensor crates stay in the layers that compute.

use std::path::{Path, PathBuf};

/// Each module with its layer. A module may name modules of smaller layers and itself, nothing else.
const LAYERS: &[(&str, u8)] = &[
    ("disk", 0),
    ("geometry", 0),
    ("job", 0),
    ("mask", 1),
    ("annotation", 2),
    ("formats", 3),
    ("store", 3),
    ("gpu", 3),
    ("model", 4),
    ("evaluation", 4),
    ("assist", 5),
    ("train", 6),
    ("headless", 7),
    ("app", 7),
];

/// Crates that only some modules may name.
const CRATES: &[(&[&str], &[&str])] =
    &[(&["egui", "eframe", "rfd"], &["app"]), (&["burn", "burn_wgpu", "cubecl"], &["model", "assist", "train", "gpu"])];

/// One source file, without comments and string contents.
struct Source {
    path: PathBuf,
    module: String,
    code: String,
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let inside = path.strip_prefix(&root).unwrap();
            let first = inside.components().next().unwrap().as_os_str().to_string_lossy();
            let module = first.trim_end_matches(".rs").to_owned();
            let code = code_only(&std::fs::read_to_string(&path).unwrap());
            Source { path, module, code }
        })
        .collect()
}

/// The code without line comments, block comments and the text between double quotes.
fn code_only(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
        } else if rest.starts_with("/*") {
            rest = rest.find("*/").map_or("", |end| &rest[end + 2..]);
        } else if rest.starts_with("r#\"") {
            rest = rest.find("\"#").map_or("", |end| &rest[end + 2..]);
            code.push_str("\"\"");
        } else if rest.starts_with("'\"'") {
            rest = &rest[3..];
        } else if first == '"' {
            let mut end = 1;
            while end < rest.len() && !rest[end..].starts_with('"') {
                let step = usize::from(rest[end..].starts_with('\\'));
                end += rest[end..].chars().take(1 + step).map(char::len_utf8).sum::<usize>();
            }
            rest = rest.get(end + 1..).unwrap_or("");
            code.push_str("\"\"");
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    code
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The first names after `root` (such as `crate::`): `a` of `crate::a::b`, `a` and `b` of `crate::{a::{x, y}, b}`.
fn names_after(code: &str, root: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices(root) {
        if code[..at].chars().next_back().is_some_and(|c| is_name(c) || c == ':') {
            continue;
        }
        let tail = code[at + root.len()..].trim_start();
        if let Some(group) = tail.strip_prefix('{') {
            let mut depth = 0;
            let mut member = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => names.push(std::mem::take(&mut member)),
                    _ if depth == 0 => member.push(c),
                    _ => {}
                }
            }
            names.push(member);
        } else {
            names.push(tail.to_owned());
        }
    }
    names
        .iter()
        .map(|text| text.trim_start().chars().take_while(|&c| is_name(c)).collect::<String>())
        .filter(|name| !name.is_empty())
        .collect()
}

fn layer(module: &str) -> Option<u8> {
    LAYERS.iter().find(|(name, _)| *name == module).map(|&(_, layer)| layer)
}

#[test]
fn a_module_names_only_lower_layers() {
    let mut faults = Vec::new();
    for source in sources() {
        if source.module == "lib" {
            continue;
        }
        if source.module == "main" {
            for name in names_after(&source.code, "annotator::") {
                if !["app", "headless", "job"].contains(&name.as_str()) {
                    faults.push(format!("{} names annotator::{name}", source.path.display()));
                }
            }
            continue;
        }
        let own = layer(&source.module).unwrap_or_else(|| panic!("module {} has no layer: add it to LAYERS", source.module));
        for name in names_after(&source.code, "crate::") {
            let lower = layer(&name).is_some_and(|other| other < own);
            if name != source.module && !lower {
                faults.push(format!("{} (layer {own}) names crate::{name}", source.path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn window_and_tensor_crates_stay_in_their_layers() {
    let mut faults = Vec::new();
    for source in sources() {
        for (crates, homes) in CRATES {
            for name in *crates {
                let named = !names_after(&source.code, &format!("{name}::")).is_empty() || source.code.contains(&format!("use {name};"));
                if named && !homes.contains(&source.module.as_str()) {
                    faults.push(format!("{} names {name}", source.path.display()));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn only_main_ends_the_process() {
    for source in sources() {
        let ends = source.code.contains("process::exit") || source.code.contains("process::abort");
        assert!(!ends || source.module == "main", "{} ends the process", source.path.display());
    }
}

#[test]
fn names_are_found_in_grouped_imports() {
    let code = code_only("use crate::{a::{x, y}, b, c::*}; let s = \"crate::no \\\" \"; // crate::no\nfn f() { crate::d::g(); }");
    assert_eq!(names_after(&code, "crate::"), ["a", "b", "c", "d"]);
    assert!(names_after("not_crate::x", "crate::").is_empty());
}
