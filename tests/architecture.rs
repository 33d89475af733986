//! The arrows of the house (DESIGN.md 2), read from the source: who imports whom, where SQL stands, how long a file is.
//!
//! ```text
//! main -> server, service        server -> doors, service, store::{open, cluster}
//! door -> service, format, net   service -> store, format     store -> the words     format -> the words
//! ```
//!
//! The words everybody may use are `model` and `error`; settings and languages are for everybody above the store.

use std::fs;
use std::path::{Path, PathBuf};

/// What a part of the house may import.
const ALLOWED: [(&str, &[&str]); 13] = [
    (
        "main",
        &["server", "service", "config", "model", "error", "i18n"],
    ),
    (
        "cli",
        &["server", "service", "config", "model", "error", "i18n"],
    ),
    (
        "server",
        &[
            "smtp", "imap", "pop3", "dav", "eas", "web", "service", "store", "net", "config",
            "model", "error",
        ],
    ),
    ("smtp", DOOR),
    ("imap", DOOR),
    ("pop3", DOOR),
    ("dav", DOOR),
    ("eas", DOOR),
    ("web", DOOR),
    (
        "service",
        &["store", "format", "model", "error", "config", "i18n"],
    ),
    ("store", &["model", "error"]),
    ("format", &["model"]),
    ("net", &["config", "model", "error"]),
];

const DOOR: &[&str] = &[
    "service", "format", "model", "error", "net", "config", "i18n",
];

/// Crates that only some parts may name: SQL is the store's, HTTP the web's and the server's.
const FOREIGN: [(&str, &[&str]); 4] = [
    ("sqlx", &["store", "model", "error", "server"]),
    ("axum", &["web", "dav", "eas", "server"]),
    ("hyper", &["web", "dav", "eas", "server", "net"]),
    ("tokio_rustls", &["net", "server", "smtp", "imap", "pop3"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder with one of these endings.
fn files(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|e| endings.iter().any(|ending| e == *ending))
            {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "nothing found in {folder}");
    found
}

fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

/// The part of the house a source file belongs to.
fn part(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    let first = inside
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_str()
        .unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The code of a file: without its tests at the end, comments and strings left as they are but for line comments.
fn code(text: &str) -> String {
    let tests = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text[..tests]
        .lines()
        .map(|line| {
            if line.trim_start().starts_with("//") {
                ""
            } else {
                line
            }
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// First path pieces after `crate::` (or `postamt::` in the program), also inside braces of one `use`.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for start in ["crate::", "postamt::"] {
        let mut rest = code;
        while let Some(at) = rest.find(start) {
            let before = rest[..at].chars().next_back();
            rest = &rest[at + start.len()..];
            // `pub(in crate::config)` and `subcrate::` are no imports of ours.
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            if let Some(inside) = rest.strip_prefix('{') {
                let end = inside.find("};").unwrap_or(inside.len());
                let mut depth = 0;
                let mut piece = String::new();
                for c in inside[..end].chars().chain([',']) {
                    match c {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' if depth == 0 => {
                            found.push(first(&piece));
                            piece.clear();
                            continue;
                        }
                        _ => {}
                    }
                    piece.push(c);
                }
            } else {
                found.push(first(rest));
            }
        }
    }
    found.retain(|part| !part.is_empty());
    found
}

fn first(path: &str) -> String {
    path.trim()
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

#[test]
fn imports_are_read_in_every_form() {
    assert_eq!(
        imports(
            "use crate::{a::B, c::{d, e}, f};\nfn x() { crate::g::h(); }\npub(in crate::i) fn y() {}"
        ),
        ["a", "c", "f", "g", "i"]
    );
}

#[test]
fn arrows_point_the_right_way() {
    let mut wrong = Vec::new();
    for path in files("src", &["rs"]) {
        let part = part(&path);
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == part) else {
            continue;
        };
        let code = code(&fs::read_to_string(&path).unwrap());
        for import in imports(&code) {
            let is_part = ALLOWED.iter().any(|(name, _)| *name == import)
                || ["config", "i18n"].contains(&import.as_str());
            if is_part && import != part && !allowed.contains(&import.as_str()) {
                wrong.push(format!("{} ({part}) imports {import}", name(&path)));
            }
        }
        for (foreign, homes) in FOREIGN {
            let names = [
                format!("use {foreign}::"),
                format!(" {foreign}::"),
                format!("({foreign}::"),
                format!("<{foreign}::"),
            ];
            if !homes.contains(&part.as_str()) && names.iter().any(|n| code.contains(n.as_str())) {
                wrong.push(format!("{} ({part}) names {foreign}", name(&path)));
            }
        }
    }
    wrong.dedup();
    assert!(
        wrong.is_empty(),
        "arrows that point the wrong way:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn the_server_opens_the_store_and_nothing_more() {
    for path in files("src/server", &["rs"])
        .into_iter()
        .chain([root().join("src/server.rs")])
    {
        let code = code(&fs::read_to_string(&path).unwrap());
        assert!(!code.contains("sqlx::query"), "{} speaks SQL", name(&path));
    }
}

#[test]
fn format_and_store_decide_nothing_about_time_or_network() {
    for path in files("src/format", &["rs"]) {
        let code = code(&fs::read_to_string(&path).unwrap());
        for word in ["async fn", "tokio::", "std::net::Tcp", "std::fs::"] {
            assert!(
                !code.contains(word),
                "{} holds `{word}`: format is pure",
                name(&path)
            );
        }
    }
}

#[test]
fn no_file_is_longer_than_800_lines() {
    let long: Vec<String> = ["src", "tests", "static/ts", "static/css"]
        .iter()
        .flat_map(|folder| files(folder, &["rs", "ts", "css"]))
        // Generated tables.
        .filter(|path| !path.ends_with("pages.rs"))
        .filter_map(|path| {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            (lines > 800).then(|| format!("{} has {lines} lines", name(&path)))
        })
        .collect();
    assert!(
        long.is_empty(),
        "find the second thing in them:\n{}",
        long.join("\n")
    );
}

#[test]
fn templates_escape_everything_and_keep_script_and_style_outside() {
    // `|safe` has one home: the page of a cleaned mail body (security.md 6).
    let safe = regex::Regex::new(r"\|\s*safe\b").unwrap();
    let inline = regex::Regex::new(
        r#"(?i)\sstyle\s*=\s*["']|\son[a-z]+\s*=\s*["']|<script>|<style|javascript:"#,
    )
    .unwrap();
    let htmx =
        regex::Regex::new(r"(?i)\shx-(on|vars|ext|disinherit)\b|\shx-(vals|headers)\s*=\s*.js:")
            .unwrap();
    for path in files("templates", &["html"]) {
        let text = fs::read_to_string(&path).unwrap();
        let name = name(&path);
        assert!(
            !safe.is_match(&text) || name.ends_with("body.html"),
            "{name} prints something unescaped"
        );
        if let Some(found) = inline.find(&text) {
            assert!(
                name.ends_with("body.html"),
                "{name} holds `{}`: the policy blocks it",
                found.as_str().trim()
            );
        }
        if let Some(found) = htmx.find(&text) {
            panic!("{name} holds `{}`: it needs eval", found.as_str().trim());
        }
    }
}

#[test]
fn nothing_in_the_tree_is_unfinished_or_of_one_machine() {
    let words = ["FIXME", "XXX:", "todo!(", "unimplemented!("];
    for folder in ["src", "static/ts", "templates"] {
        for path in files(folder, &["rs", "ts", "html", "ftl"]) {
            let text = fs::read_to_string(&path).unwrap();
            for word in words {
                assert!(!text.contains(word), "{} holds `{word}`", name(&path));
            }
        }
    }
}
