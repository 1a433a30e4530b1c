//! Runs a property on the inputs that are kept, without a fuzzer.

use std::{fs, path::Path};

/// On every seed and every regression of `target`. A panic names the file by way of the test's output.
pub fn all(target: &str, property: impl Fn(&[u8])) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find_map(|folder| {
        let fuzz = folder.join("fuzz");
        fuzz.join("Cargo.toml").is_file().then_some(fuzz)
    });
    let root = root.expect("the repository's fuzz folder");
    let mut count = 0;
    for kind in ["seeds", "regressions"] {
        // A target that never failed has no regressions.
        let Ok(entries) = fs::read_dir(root.join(kind).join(target)) else { continue };
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        for path in paths {
            println!("replaying {}", path.display());
            property(&fs::read(&path).expect("an input"));
            count += 1;
        }
    }
    assert!(count > 0, "fuzz/seeds/{target} is empty");
}
