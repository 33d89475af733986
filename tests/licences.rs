//! Every dependency's licence is one we may ship under Apache-2.0, and nothing brings a second TLS library.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

/// Licences that may stand alone, or as one side of an `OR`.
const TAKEN: [&str; 13] = [
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MPL-2.0",
    "Zlib",
    "0BSD",
    "Unicode-3.0",
    "Unlicense",
    "CDLA-Permissive-2.0",
];

/// Further licences, by what they are on.
const TAKEN_FOR: [(&str, &str); 0] = [];

/// Crates that would bring another TLS or a long C build.
const UNWANTED: [&str; 5] = [
    "aws-lc-rs",
    "aws-lc-sys",
    "openssl",
    "openssl-sys",
    "native-tls",
];

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        // Crates of other systems are in the lock, but not on this machine.
        .arg("--filter-platform")
        .arg(format!("{}-unknown-linux-gnu", std::env::consts::ARCH))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Whether an SPDX expression lets us use the crate. `AND` binds tighter than `OR`; `/` is an old `OR`.
fn is_taken(expression: &str) -> bool {
    let expression = expression.replace(['(', ')'], " ").replace('/', " OR ");
    expression.split(" OR ").any(|choice| {
        choice
            .split(" AND ")
            .all(|licence| TAKEN.contains(&licence.trim()))
    })
}

#[test]
fn expressions_are_read() {
    for good in [
        "MIT",
        "MIT OR GPL-3.0",
        "MIT/Apache-2.0",
        "Apache-2.0 AND MIT",
        "(MIT OR GPL-2.0) AND ISC",
        "ISC AND (Apache-2.0 OR ISC)",
    ] {
        assert!(is_taken(good), "{good}");
    }
    for bad in ["GPL-3.0", "AGPL-3.0-only", "MIT AND GPL-3.0", ""] {
        assert!(!is_taken(bad), "{bad}");
    }
}

#[test]
fn every_licence_may_be_shipped() {
    let metadata = metadata();
    let ours = &metadata["resolve"]["root"];
    let refused: Vec<String> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|package| &package["id"] != ours)
        .filter_map(|package| {
            let name = package["name"].as_str().unwrap();
            let licence = package["license"].as_str().unwrap_or("");
            let taken = is_taken(licence) || TAKEN_FOR.contains(&(name, licence));
            (!taken).then(|| format!("{name} {}: `{licence}`", package["version"]))
        })
        .collect();
    assert!(
        refused.is_empty(),
        "licences nobody has agreed to:\n{}",
        refused.join("\n")
    );
}

#[test]
fn there_is_one_tls_library() {
    let metadata = metadata();
    let names: BTreeSet<&str> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|node| {
            let id = node["id"].as_str()?;
            let package = metadata["packages"]
                .as_array()?
                .iter()
                .find(|package| package["id"] == id)?;
            package["name"].as_str()
        })
        .collect();
    assert!(names.contains("rustls"), "the tree was read");
    for unwanted in UNWANTED {
        assert!(
            !names.contains(unwanted),
            "{unwanted} came into the tree: cargo tree -i {unwanted}"
        );
    }
}
