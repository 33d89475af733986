//! Stops early, with a sentence a person can act on, when the browser's half has not been built.

use std::path::Path;

fn main() {
    let manifest = Path::new("static/dist/manifest.json");
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("PROFILE").is_some_and(|profile| profile == "release") {
        // A release embeds the files; a debug build reads them from the folder while it runs.
        println!("cargo::rerun-if-changed=static/dist/manifest.json");
    }
    if !manifest.exists() {
        println!(
            "cargo::error=static/dist is missing: run `npm ci --ignore-scripts && node static/build.mjs` in the top folder first (`make` does it)."
        );
    }
}
