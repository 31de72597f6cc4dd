//! The shape of the house, checked: layers, single importers, and the size of files. No exemptions.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Longest source file, in lines.
const MAX_LINES: usize = 400;

/// Modules of the root crate and their layer; imports point down only, and siblings of one layer do not
/// import each other.
const LAYERS: &[(&str, u8)] = &[
    ("main", 5),
    ("server", 5),
    ("cli", 5),
    ("sim", 5),
    ("api", 4),
    ("controllers", 4),
    ("leader", 4),
    ("fake_cloud", 4),
    ("ledger", 3),
    ("liveness", 3),
    ("health", 3),
    ("scaling", 3),
    ("provider", 3),
    ("metrics_source", 3),
    ("notify", 3),
    ("config", 2),
    ("outbound", 2),
    ("agent", 2),
    ("client", 2),
];

/// Imports between siblings that the layers allow, as (from, to).
const SIBLINGS: &[(&str, &str)] = &[
    ("controllers", "leader"),
    ("metrics_source", "liveness"),
    ("metrics_source", "scaling"),
    ("agent", "client"),
    ("cli", "server"),
    ("cli", "sim"),
    ("main", "cli"),
];

/// Readable by every layer.
const EVERYWHERE: &[&str] = &["telemetry"];

/// A crate, and the only folders that may import it.
const IMPORTERS: &[(&str, &[&str])] = &[
    ("openraft", &["cluster/"]),
    ("sled", &["cluster/"]),
    ("cel", &["src/health/", "benches/"]),
    ("nvml_wrapper", &["src/agent/"]),
    (
        "reqwest",
        &[
            "src/provider/",
            "src/metrics_source/",
            "src/notify/",
            "src/outbound.rs",
            "tests/",
            "chaos/",
        ],
    ),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file of the workspace, with its path from the root.
fn sources() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for folder in ["src", "proto", "cluster", "chaos", "tests", "benches", "examples"] {
        collect(&root().join(folder), &mut files);
    }
    assert!(files.len() > 50, "the walk found {} files only", files.len());
    files
}

fn collect(folder: &Path, files: &mut Vec<(String, String)>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            files.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

/// Without it files would grow until nobody finds the room for a change.
#[test]
fn files_stay_short() {
    let long: Vec<String> = sources()
        .iter()
        .map(|(name, text)| (name, text.lines().count()))
        .filter(|&(_, lines)| lines > MAX_LINES)
        .map(|(name, lines)| format!("{name}: {lines} lines"))
        .collect();
    assert!(long.is_empty(), "over {MAX_LINES} lines:\n{}", long.join("\n"));
}

/// Without it a controller could be called from the API, or the state machine could reach for a socket.
#[test]
fn imports_point_down() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        let Some(from) = module_of(&name) else { continue };
        for to in imported_modules(&text) {
            if to == from
                || EVERYWHERE.contains(&to.as_str())
                || EVERYWHERE.contains(&from.as_str())
            {
                continue;
            }
            let (Some(above), Some(below)) = (layer(&from), layer(&to)) else {
                wrong.push(format!("{name}: `{to}` or `{from}` has no layer"));
                continue;
            };
            let sibling = SIBLINGS.contains(&(from.as_str(), to.as_str()));
            if below >= above && !sibling {
                wrong.push(format!("{name}: {from} (layer {above}) imports {to} (layer {below})"));
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the layers:\n{}", wrong.join("\n"));
}

/// Without it a second importer would tie the whole house to one library's types.
#[test]
fn libraries_have_one_importer() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        for (library, homes) in IMPORTERS {
            let used =
                text.lines().map(str::trim_start).filter(|line| !line.starts_with("//")).any(
                    |line| {
                        line.contains(&format!("use {library}::"))
                            || line.contains(&format!(" {library}::"))
                            || line.contains(&format!("({library}::"))
                            || line.contains(&format!("<{library}::"))
                    },
                );
            if used && !homes.iter().any(|home| name.starts_with(home)) {
                wrong.push(format!("{name} uses {library}, which belongs to {homes:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Without it the replicated state could depend on the runtime, the clock or the network.
#[test]
fn the_state_machine_is_pure() {
    let manifest = fs::read_to_string(root().join("src/fleet/Cargo.toml")).unwrap();
    let dependencies = manifest.split("[dev-dependencies]").next().unwrap();
    for impure in ["tokio", "tonic", "openraft", "rand", "navarch-host", "navarch-cluster", "sled"]
    {
        for end in ['.', ' ', '='] {
            let line = format!("\n{impure}{end}");
            assert!(!dependencies.contains(&line), "navarch-fleet must not depend on {impure}");
        }
    }
    let cluster = fs::read_to_string(root().join("cluster/Cargo.toml")).unwrap();
    assert!(!cluster.contains("navarch-fleet"), "cluster must not know the fleet");
}

/// Without it a build that somebody runs could have bugs that were planted to try the suite.
#[test]
fn planted_bugs_are_in_no_default_build() {
    for manifest in ["Cargo.toml", "src/host/Cargo.toml", "cluster/Cargo.toml", "chaos/Cargo.toml"]
    {
        let text = fs::read_to_string(root().join(manifest)).unwrap();
        let named = text.lines().filter(|line| line.contains("planted-bugs"));
        let allowed = ["[]", "[\"navarch-host/planted-bugs\"]", "[\"navarch/planted-bugs\"]"];
        let allowed = allowed.map(|passed_on| format!("planted-bugs = {passed_on}"));
        let wrong: Vec<_> = named.filter(|line| !allowed.iter().any(|it| it == line)).collect();
        assert!(wrong.is_empty(), "{manifest} asks for planted bugs: {wrong:?}");
        assert!(!text.contains("\ndefault = "), "{manifest} has default features");
    }
    let planted = fs::read_to_string(root().join("src/host/planted.rs")).unwrap();
    let plain = "#[cfg(not(feature = \"planted-bugs\"))]\n#[inline(always)]\npub const fn is(_: Bug) -> bool {\n    false\n}";
    assert!(planted.contains(plain), "a build without the feature must know that there are none");
    for (name, text) in sources() {
        let reads = text.contains("NAVARCH_PLANTED_BUG");
        let home = ["src/host/planted.rs", "tests/architecture.rs"].contains(&name.as_str());
        assert!(!reads || home, "{name} names the variable that `navarch_host::planted` reads");
    }
}

/// The root crate's module that a file belongs to.
fn module_of(name: &str) -> Option<String> {
    let path = name.strip_prefix("src/")?;
    if path.starts_with("fleet/") || path.starts_with("host/") || path == "lib.rs" {
        return None;
    }
    let first = path.split('/').next()?;
    Some(first.trim_end_matches(".rs").to_owned())
}

/// The root crate's modules that a file names in `crate::` paths.
fn imported_modules(text: &str) -> Vec<String> {
    let mut modules = Vec::new();
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code: String = code.collect::<Vec<_>>().join("\n");
    for marker in ["crate::", "navarch::"] {
        for (at, _) in code.match_indices(marker) {
            // `pub(in crate::x)` and `navarch_fleet::` are no imports of ours.
            let before = code[..at].chars().next_back().unwrap_or(' ');
            if before.is_alphanumeric() || before == '_' {
                continue;
            }
            let rest = &code[at + marker.len()..];
            if let Some(group) = rest.strip_prefix('{') {
                modules.extend(top_level_names(group));
            } else {
                modules.extend(first_name(rest));
            }
        }
    }
    modules
}

/// The first path segment of each item of a `{...}` import group.
fn top_level_names(group: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 1;
    let mut item = String::new();
    for character in group.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && character == ',') {
            names.extend(first_name(item.trim()));
            item.clear();
        } else {
            item.push(character);
        }
        if depth == 0 {
            break;
        }
    }
    names
}

fn first_name(path: &str) -> Option<String> {
    let name: String = path
        .chars()
        .take_while(|c| c.is_ascii_lowercase() || *c == '_' || c.is_ascii_digit())
        .collect();
    (!name.is_empty()).then_some(name)
}

fn layer(module: &str) -> Option<u8> {
    LAYERS.iter().find(|(name, _)| *name == module).map(|&(_, layer)| layer)
}
