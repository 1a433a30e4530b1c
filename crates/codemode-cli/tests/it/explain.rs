//! `codemode explain` as a person sees it.

use codemode_types::catalogue::entries;

use crate::support::codemode;

fn explained(words: &[&str]) -> String {
    let ran = codemode(&[&["explain"], words].concat());
    assert_eq!((ran.exit, ran.stderr.as_str()), (0, ""), "{words:?}");
    ran.stdout
}

#[test]
fn an_entry_fits_a_terminal() {
    insta::assert_snapshot!(explained(&["overloaded"]));
    for entry in entries() {
        let text = explained(&[entry.code]);
        assert!(text.contains(entry.title) && text.starts_with(entry.code), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 132), "{text}");
    }
}

#[test]
fn other_words_for_a_code() {
    assert_eq!(explained(&["memorylimitexceeded"]), explained(&["memory_limit"]));
    assert_eq!(explained(&["urn:codemode:error:policy"]), explained(&["policy"]));
    insta::assert_snapshot!(explained(&["ExecutorConnectionError"]));
    let both = explained(&["timeout"]);
    assert!(both.contains("No sign of life from the executor") && both.contains("The code took too long"), "{both}");
}

#[test]
fn the_list_has_every_code() {
    let list = explained(&["--list"]);
    assert!(entries().all(|entry| list.contains(&format!("  {} ", entry.code))), "{list}");
}

#[test]
fn an_unknown_code_gets_the_nearest_ones() {
    let said = |word: &str| {
        let ran = codemode(&["explain", word]);
        assert_eq!((ran.exit, ran.stdout.as_str()), (64, ""));
        ran.stderr
    };
    insta::assert_snapshot!(said("tool-not-fuond"));
    insta::assert_snapshot!(said("banana"));
    assert!(codemode(&["explain"]).exit == 64);
}
