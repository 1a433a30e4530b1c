//! JSON Schema (2020-12) of the configuration file, for editors. It is made of the tables that the readers use, and says
//! what one key can: names, places, types and ranges. What two keys say together is for the readers.

mod rules;
mod tree;

use codemode_types::POLICY_KEYS;
use serde_json::{Value, json};

pub(crate) use rules::{default_of, spelt_size};

use self::{
    rules::{Rule, of_kind, of_policy},
    tree::Section,
};
use crate::{
    side::Side,
    sidecar::keys::{SECURITY, security_spelling},
    sort::{ALSO_UNDER_EXECUTOR, DESCRIPTIVE_KEYS},
};

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Of a file that only this side reads; without one, of a file for both.
pub fn schema(side: Option<Side>) -> Value {
    let mut root = Section::default();
    let sides = Side::BOTH.into_iter().filter(|it| side.is_none_or(|side| side == *it));
    sides.for_each(|side| put_keys(&mut root, side));
    put_policy(&mut root);
    for name in DESCRIPTIVE_KEYS {
        root.put(name, Rule::anything("It only describes, and takes effect nowhere"));
    }
    let (properties, mut definitions) = root.finish();
    definitions.extend(rules::definitions());
    let title = match side {
        None => "Codemode: client and executor",
        Some(Side::Client) => "Codemode: client",
        Some(Side::Sidecar) => "Codemode: executor (codemode serve)",
    };
    json!({
        "$schema": DRAFT,
        "title": title,
        "description": "Every key is optional. ${NAME} and ${NAME:-default} in a value take a variable of the environment.",
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": properties,
        "$defs": definitions,
    })
}

fn put_keys(root: &mut Section, side: Side) {
    for key in side.table() {
        let rule = of_kind(key, side);
        let first = key.name.split('.').next().unwrap_or_default();
        if ALSO_UNDER_EXECUTOR.contains(&first) {
            root.put(&format!("executor.{}", key.name), rule.clone());
        }
        for alias in key.aliases {
            root.put(alias, rule.also(key.name));
        }
        root.put(key.name, rule);
    }
}

fn put_policy(root: &mut Section) {
    for key in POLICY_KEYS {
        let rule = of_policy(key);
        root.put(&format!("executor.{}", key.name), rule.clone());
        if SECURITY.contains(&key.name) {
            root.put(&security_spelling(key.name), rule.also(key.name));
        }
        root.put(key.name, rule);
    }
}
