//! The schema and the readers say the same of one key, whatever its value.

use std::{fs, path::Path};

use codemode_config::{Side, schema};
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::support::{SEEDS, file};

fn validator(side: Option<Side>) -> Validator {
    let schema = schema(side);
    assert!(jsonschema::meta::is_valid(&schema), "{schema:#}");
    jsonschema::draft202012::new(&schema).unwrap()
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

fn at(path: &str, value: &Value) -> Value {
    path.rsplit('.').fold(value.clone(), |inner, name| json!({ name: inner }))
}

/// What a file holds in each place, in turn.
fn samples() -> Vec<Value> {
    let words = [
        "word",
        "",
        "5",
        "512m",
        "1.5g",
        "none",
        "all",
        "INFO",
        "warning",
        "Trace",
        "system",
        "stderr",
        "stdout",
        "-",
        "https://x",
        "unix:/s",
        "unix://",
        "unix:/",
        "x:80",
        ":80",
        "[::1]:0",
        "http://",
        "ftp://x",
        "two words",
        "/bin/ls",
        "-rf",
        "${SET}",
        "${SET:-5}",
        "x${SET}",
        "$${SET}",
        "/sandbox",
        "true",
        "a-prefix-that-is-long",
    ];
    let others = json!([
        null, true, false, 0, 1, 5, 30, 70000, -1, 0.5, 8589934592_u64, [], {}, ["word"], [5], [null], [true],
        ["word", "x"], ["a", "b", "c"], [443], {"word": 1}, [["word"]], ["-rf"],
    ]);
    words.map(Value::from).into_iter().chain(others.as_array().unwrap().clone()).collect()
}

/// Of one key alone: its name, or what its value is. Everything else takes a second key, a list of names, or a file.
fn is_of_one_key(problem: &str) -> bool {
    const OF_ONE: [&str; 8] = [
        "unknown key",
        "must ",
        "expected ",
        "unknown word",
        "is not a size",
        "a size is",
        "is empty; set",
        "command name",
    ];
    const OF_MORE: [&str; 5] = [
        "must name the port",
        "must not be below",
        "only /sandbox",
        "must hold 1 or 2 keys",
        "must not hold credentials",
    ];
    // What a size comes to is not seen in its text.
    let is_size = problem.contains("must be at least");
    OF_ONE.iter().any(|part| problem.contains(part)) && !OF_MORE.iter().any(|part| problem.contains(part)) && !is_size
}

/// Both sides, each spelling, each sample.
#[test]
fn a_value_that_a_reader_takes_is_valid_and_one_that_it_refuses_is_not() {
    let samples = samples();
    let mut wrong = Vec::new();
    for side in Side::BOTH {
        let schema = validator(Some(side));
        for key in side.keys() {
            for (number, spelling) in [&key.key].into_iter().chain(&key.aliases).enumerate() {
                // Another spelling is about the place: a few values will do.
                for sample in samples.iter().step_by(1 + 6 * number) {
                    let written = at(spelling, sample);
                    let case = file(&written.to_string()).env("SET", "word");
                    let said = match side {
                        Side::Client => case.try_client().err(),
                        Side::Sidecar => case.try_load().err(),
                    };
                    let valid = schema.is_valid(&written);
                    let expected = match &said {
                        None => valid,
                        // A variable that gives a value of another type is the environment's mistake.
                        Some(_) if sample.to_string().contains("${") => true,
                        Some(said) => !valid || !said.lines().any(is_of_one_key),
                    };
                    if !expected {
                        wrong.push(format!("{side:?} {written}: valid: {valid}, reader: {said:?}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_size_that_is_a_number_has_its_bounds() {
    let both = validator(None);
    for (value, valid) in [(4095, false), (4096, true), (1 << 30, true), ((1_u64 << 30) + 1, false)] {
        assert_eq!(both.is_valid(&at("limits.result_bytes", &value.into())), valid, "{value}");
    }
}

/// What one side takes, the schema for both takes as well.
#[test]
fn the_schema_for_both_is_the_two() {
    let [both, client, sidecar] = [None, Some(Side::Client), Some(Side::Sidecar)].map(validator);
    for key in Side::BOTH.into_iter().flat_map(Side::keys) {
        for spelling in [&key.key].into_iter().chain(&key.aliases) {
            for sample in &samples() {
                let written = at(spelling, sample);
                let either = client.is_valid(&written) || sidecar.is_valid(&written);
                assert_eq!(both.is_valid(&written), either, "{written}");
            }
        }
    }
}

#[test]
fn names_that_no_reader_knows_are_refused_in_every_place() {
    let both = validator(None);
    for written in [
        "prt: 1",
        "tls.enabled: true",
        "executor: {prt: 1}",
        "executor: {timeot: 1}",
        "executor: {retry: {}}",
        "limits: {memory: 1g}",
        "executor: {limits: {memory: 1g}}",
        "security: {limits: {}}",
        "tls: {cert: a.pem}",
        "executor: {tls: {cert: a.pem}}",
        "filesystem: {workspace: {mout: .}}",
        "pool: {size: 1}",
        "retry: {max: 1}",
        "network: none",
        "executor: [a]",
        "[a]",
        "text",
        "5",
    ] {
        let read = (file(written).try_load().is_err(), file(written).try_client().is_err());
        assert_ne!(read, (false, false), "{written}");
        assert!(!both.is_valid(&yaml(written)), "{written}");
    }
    for written in ["", "executor:", "tls:", "project: {name: x}", "framework: [1]", "executor: {tls: , audit: off}"] {
        assert!(file(written).try_load().is_ok() && file(written).try_client().is_ok(), "{written}");
        assert!(both.is_valid(&yaml(written)), "{written}");
    }
}

/// Of the image, and in the pages.
#[test]
fn the_configurations_of_the_repository_are_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let mut texts = vec![fs::read_to_string(root.join("deploy/docker/codemode.yaml")).unwrap(), SEEDS.to_owned()];
    let pages = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = pages.filter(|path| path.extension().is_some_and(|it| it == "md")).chain([root.join("README.md")]);
    texts.extend(pages.flat_map(|page| blocks(&fs::read_to_string(page).unwrap())));
    let both = validator(None);
    let mut count = 0;
    for text in texts {
        let read = [file(&text).env("CODEMODE_API_KEY", "k").try_load().err(), file(&text).try_client().err()];
        // Files of other programs, such as compose files, are no configuration of ours.
        if read.iter().any(Option::is_none) {
            let errors: Vec<_> = both.iter_errors(&yaml(&text)).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{text}\n{errors:?}");
            count += 1;
        }
    }
    assert!(count >= 6, "{count} configurations");
}

/// The YAML in a page.
fn blocks(page: &str) -> Vec<String> {
    let blocks = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split_once("```"));
    blocks.map(|(block, _)| block.to_owned()).collect()
}

/// What an editor shows.
#[test]
fn what_an_editor_shows() {
    let schema = schema(None);
    let shown = |pointer: &str| schema.pointer(pointer).unwrap().clone();
    insta::assert_snapshot!(format!(
        "{:#}",
        json!([
            shown("/properties/port"),
            shown("/properties/executor/properties/url"),
            shown("/properties/limits"),
            shown("/$defs/limits/properties/memory_limit"),
            shown("/$defs/tls/properties/enabled"),
            shown("/properties/executor_api_key"),
            shown("/properties/security"),
        ])
    ));
}
