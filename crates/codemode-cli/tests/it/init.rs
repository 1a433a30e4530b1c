//! `codemode init` and `codemode config schema`: what is written, and what is left alone.

use std::{fs, os::unix::fs::symlink, path::Path};

use crate::support::{Ran, command};

fn within(folder: &Path, arguments: &[&str]) -> Ran {
    command(arguments).current_dir(folder).output().unwrap().into()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn both_are_written_and_the_next_step_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let ran = within(folder.path(), &["init"]);
    assert_eq!((ran.exit, ran.stderr.as_str()), (0, ""));
    insta::assert_snapshot!(ran.stdout, @"
    wrote codemode-client.yaml
    wrote codemode-sidecar.yaml

    Next:
      codemode validate codemode-client.yaml codemode-sidecar.yaml
      codemode serve --config codemode-sidecar.yaml
      codemode run job.py --config codemode-client.yaml
    ");
    assert_eq!(names(folder.path()), ["codemode-client.yaml", "codemode-sidecar.yaml"]);
    let ran = within(folder.path(), &["validate"]);
    assert_eq!((ran.exit, ran.stderr.as_str()), (0, ""));
    insta::assert_snapshot!(ran.stdout, @"
    codemode-client.yaml: valid: client with an executor of its own; no commands; network none; 30 s and 512 MiB for the code
    codemode-sidecar.yaml: valid: executor on 127.0.0.1:8001, without TLS, without an API key; no commands; network none; 30 s and 512 MiB for the code
    ");
}

#[test]
fn one_of_them_goes_where_it_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let ran = within(folder.path(), &["init", "sidecar", "-o", "new/my files"]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert!(ran.stdout.ends_with("  codemode serve --config 'new/my files/codemode-sidecar.yaml'\n"), "{}", ran.stdout);
    assert_eq!(names(&folder.path().join("new/my files")), ["codemode-sidecar.yaml"]);
    let ran = within(folder.path(), &["init", "client", "--output", "codemode.yml"]);
    assert_eq!((ran.exit, names(folder.path())), (0, vec!["codemode.yml".to_owned(), "new".to_owned()]));
    let ran = within(folder.path(), &["init", "--output", "both.yaml"]);
    assert_eq!((ran.exit, ran.stdout.as_str()), (64, ""));
    insta::assert_snapshot!(ran.stderr, @"codemode: --output both.yaml is one file, and two are to be written: say `codemode init client` or `codemode init sidecar`, or name a folder");
}

#[test]
fn what_is_there_already_stays_without_force() {
    let folder = tempfile::tempdir().unwrap();
    let (mine, target) = (folder.path().join("codemode-sidecar.yaml"), folder.path().join("elsewhere"));
    fs::write(&target, "mine").unwrap();
    symlink(&target, &mine).unwrap();
    let ran = within(folder.path(), &["init"]);
    assert_eq!((ran.exit, ran.stdout.as_str()), (64, ""));
    insta::assert_snapshot!(ran.stderr, @"codemode: codemode-sidecar.yaml is there already; --force replaces it");
    assert_eq!(names(folder.path()), ["codemode-sidecar.yaml", "elsewhere"], "and nothing else was written");
    // The link is replaced, what it led to stays.
    assert_eq!(within(folder.path(), &["init", "--force"]).exit, 0);
    assert_eq!(fs::read_to_string(target).unwrap(), "mine");
    assert!(mine.symlink_metadata().unwrap().is_file());
    assert!(fs::read_to_string(mine).unwrap().contains("\nport: 8001\n"));
}

#[test]
fn no_file_holds_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(&["init"]);
    command.env("CODEMODE_API_KEY", "hunter-2-secret").env("CODEMODE_EXECUTOR_API_KEY", "hunter-2-secret");
    assert!(command.current_dir(folder.path()).status().unwrap().success());
    for name in names(folder.path()) {
        assert!(!fs::read_to_string(folder.path().join(name)).unwrap().contains("hunter"));
    }
}

#[test]
fn the_schema_is_printed_or_written() {
    let folder = tempfile::tempdir().unwrap();
    let ran = within(folder.path(), &["config", "schema"]);
    let schema: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.exit, &schema["title"]), (0, &"Codemode: client and executor".into()));
    let of_side = |side: &str| -> serde_json::Value {
        serde_json::from_str(&within(folder.path(), &["config", "schema", side]).stdout).unwrap()
    };
    let has = |schema: &serde_json::Value, key: &str| schema["properties"].get(key).is_some();
    assert!(has(&schema, "port") && has(&schema, "retry"));
    assert!(!has(&of_side("client"), "port") && has(&of_side("client"), "retry"));
    assert!(has(&of_side("sidecar"), "port") && !has(&of_side("sidecar"), "retry"));
    // Over one from before.
    for _ in 0..2 {
        let ran = within(folder.path(), &["config", "schema", "-o", "codemode.schema.json"]);
        assert_eq!((ran.exit, ran.stderr.as_str()), (0, ""));
        insta::allow_duplicates! { insta::assert_snapshot!(ran.stdout, @"
        wrote codemode.schema.json

        The first line of a configuration beside it, for editors:
          # yaml-language-server: $schema=codemode.schema.json
        ") };
    }
    let written = fs::read_to_string(folder.path().join("codemode.schema.json")).unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&written).unwrap(), schema);
    // Through a link, as /dev/stdout is one. Beside it a configuration needs its name alone.
    fs::create_dir(folder.path().join("sub")).unwrap();
    symlink("../codemode.schema.json", folder.path().join("sub/link.json")).unwrap();
    let ran = within(folder.path(), &["config", "schema", "client", "-o", "sub/link.json"]);
    assert!(ran.exit == 0 && ran.stdout.ends_with("$schema=link.json\n"), "{}", ran.stdout);
    let written = fs::read_to_string(folder.path().join("codemode.schema.json")).unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&written).unwrap(), of_side("client"));
}
