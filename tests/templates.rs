//! What must hold for every template, both language tables and the words of the scripts
//! (ui.md 3.1, 3.3, 3.5; style.md 9).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use postamt::i18n::Lang;
use postamt::web::{assets, page};
use regex::Regex;

fn files_under(folder: &str, extension: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "no {extension} files under {folder}");
    found.sort();
    found
}

/// The templates, without their comments.
fn templates() -> Vec<(PathBuf, String)> {
    let comment = Regex::new(r"(?s)\{#.*?#\}").unwrap();
    files_under("templates", "html")
        .into_iter()
        .map(|(path, text)| (path, comment.replace_all(&text, "").into_owned()))
        .collect()
}

/// Key -> file name, and the placeables the message uses.
fn table(lang: Lang) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let placeable = Regex::new(r"\{\s*\$([a-z_]+)").unwrap();
    let head = Regex::new(r"^([a-z][a-z0-9-]*) =").unwrap();
    let mut keys: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
    for (path, text) in files_under(&format!("templates/lang/{lang}"), "ftl") {
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut current = String::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some(found) = head.captures(line) {
                found[1].clone_into(&mut current);
                let before = keys.insert(current.clone(), (file.clone(), BTreeSet::new()));
                assert!(before.is_none(), "{lang}: {current} stands there twice");
            } else {
                assert!(
                    line.is_empty() || line.starts_with(' '),
                    "{}: this line belongs to no message: {line}",
                    path.display()
                );
            }
            if let Some((_, used)) = keys.get_mut(&current) {
                used.extend(placeable.captures_iter(line).map(|c| c[1].to_owned()));
            }
        }
    }
    keys
}

#[test]
fn both_languages_have_the_same_words() {
    let (de, en) = (table(Lang::De), table(Lang::En));
    let only = |a: &BTreeMap<String, _>, b: &BTreeMap<String, _>| -> Vec<String> {
        a.keys().filter(|k| !b.contains_key(*k)).cloned().collect()
    };
    assert_eq!(only(&de, &en), Vec::<String>::new(), "German only");
    assert_eq!(only(&en, &de), Vec::<String>::new(), "English only");
    for (key, value) in &de {
        assert_eq!(value, &en[key], "{key}: same file, same placeables");
        for lang in Lang::ALL {
            // A message that uses a placeable does not resolve without it, but it must be known.
            assert!(
                lang.has(key) || !value.1.is_empty(),
                "{key} does not load in {lang}"
            );
        }
    }
}

#[test]
fn every_word_asked_for_is_in_the_table() {
    let asked = Regex::new(r#"\.t(?:_args|_n)?\(\s*"([^"]+)""#).unwrap();
    let words = table(Lang::De);
    let mut missing = Vec::new();
    for (path, text) in templates().into_iter().chain(files_under("src", "rs")) {
        for hit in asked.captures_iter(&text) {
            if !words.contains_key(&hit[1]) {
                missing.push(format!("{}: {}", path.display(), &hit[1]));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn the_words_of_the_scripts_are_those_they_use() {
    let asked = Regex::new(r#"\bt\("([a-z0-9-]+)"|\btn\("([a-z0-9-]+)""#).unwrap();
    let mut used = BTreeSet::new();
    for (_, text) in files_under("static/ts", "ts") {
        for hit in asked.captures_iter(&text) {
            used.insert(format!(
                "js-{}",
                hit.get(1).or(hit.get(2)).unwrap().as_str()
            ));
        }
    }
    let sent: BTreeSet<String> = page::SCRIPT_WORDS.iter().map(|k| (*k).to_owned()).collect();
    assert_eq!(
        used, sent,
        "left: used in static/ts, right: sent by page.rs"
    );
    let in_table: BTreeSet<String> = table(Lang::De)
        .into_iter()
        .filter(|(_, (file, _))| file == "scripts.ftl")
        .map(|(key, _)| key)
        .collect();
    assert_eq!(in_table, sent, "scripts.ftl holds exactly these");
}

#[test]
fn every_asset_and_icon_named_exists() {
    let asset = Regex::new(r#"\basset\("([^"]+)"\)"#).unwrap();
    let icon = Regex::new(
        r#"\b(?:icon|icon_c|empty)\(\s*"([^"]+)"|\bnote\("[^"]*",\s*"([^"]+)"|icon: "([^"]+)""#,
    )
    .unwrap();
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("static/icons.txt");
    let icons: BTreeSet<String> = fs::read_to_string(list)
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.split_once(' ')?.0.to_owned()))
        .collect();
    let mut missing = Vec::new();
    for (path, text) in templates().into_iter().chain(files_under("src/web", "rs")) {
        for hit in asset.captures_iter(&text) {
            if !assets::exists(&hit[1]) {
                missing.push(format!("{}: asset {}", path.display(), &hit[1]));
            }
        }
        for hit in icon.captures_iter(&text) {
            let name = hit.iter().skip(1).flatten().next().unwrap().as_str();
            if !icons.contains(name) {
                missing.push(format!("{}: icon {name}", path.display()));
            }
        }
    }
    for area in page::Area::ALL {
        assert!(icons.contains(area.icon()), "icon of {area}");
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn no_template_breaks_the_rules_of_the_page() {
    // What the Content-Security-Policy would block, what htmx would have to evaluate, and unescaped output.
    let rules = [
        (
            r"\sstyle\s*=",
            "style attribute: use a class, <progress> or SVG geometry",
        ),
        (r"<style\b", "inline style sheet"),
        (r"\son[a-z]+\s*=", "inline event handler"),
        (r"\bhx-on\b", "hx-on needs eval"),
        (r"\b(?:js|javascript):", "js: needs eval"),
        (r#"hx-trigger="[^"]*\["#, "trigger filters need eval"),
        (r"hx-boost", "hx-boost swaps the whole frame"),
        (r"\|\s*safe\b", "|safe: all output is escaped"),
        (
            r"\{%\s*autoescape|escape\s*=",
            "escaping is not switched off",
        ),
        (
            r#"(?:src|srcset)="https?:"#,
            "nothing is loaded from elsewhere",
        ),
    ];
    let script = Regex::new(r"<script\b[^>]*>").unwrap();
    let mut broken = Vec::new();
    for (path, text) in templates() {
        for (rule, why) in rules {
            if let Some(hit) = Regex::new(rule).unwrap().find(&text) {
                broken.push(format!("{}: {} ({why})", path.display(), hit.as_str()));
            }
        }
        for tag in script.find_iter(&text) {
            if !tag.as_str().contains("src=") {
                broken.push(format!("{}: inline script", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn only_the_layouts_have_a_head() {
    for (path, text) in templates() {
        let file = path.file_name().unwrap().to_str().unwrap();
        let is_layout = path.parent().is_some_and(|p| p.ends_with("layout"));
        let may = is_layout && !file.starts_with('_');
        assert_eq!(text.contains("<head>"), may, "{}", path.display());
    }
}

#[test]
fn every_form_that_writes_carries_the_token() {
    let form = Regex::new(r#"(?s)<form\b[^>]*(?:method="post"|hx-post).*?</form>"#).unwrap();
    let mut without = Vec::new();
    for (path, text) in templates() {
        for found in form.find_iter(&text) {
            let found = found.as_str();
            if !found.contains(r#"name="_t""#) && !found.contains("ui::token(") {
                let start: String = found.chars().take(80).collect();
                without.push(format!("{}: {start}", path.display()));
            }
        }
    }
    assert!(without.is_empty(), "{without:#?}");
}
