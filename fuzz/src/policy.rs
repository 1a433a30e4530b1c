//! The policy from JSON, and requests to narrow it.

use std::path::{Component, Path};

use codemode_types::{
    NetworkMode, NetworkPolicy, Policy, PolicyError,
    domain::{DomainPattern, DomainRules, Host, Permission},
};
use serde_json::{Map, Value, json};

use super::choices::Choices;

/// What loads is what its own text says, and paths and names in it are what they must be.
pub fn policy(text: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(text) else { return };
    match Policy::from_value(&value, Path::new("/base")) {
        Ok(policy) => {
            let again = Policy::from_value(&policy.to_value(), Path::new("/elsewhere"));
            assert_eq!(again.as_ref(), Ok(&policy));
            let mounts = [&policy.filesystem.workspace.mount, &policy.filesystem.outputs.mount];
            assert!(mounts.into_iter().flatten().all(|mount| mount.is_absolute()), "{mounts:?}");
            for command in &policy.execution.allowed_commands {
                let parts: Vec<_> = Path::new(command).components().collect();
                assert!(matches!(parts[..], [Component::Normal(_)]), "{command:?} is not a name");
            }
            assert!(policy.limits.cpu_time() > std::time::Duration::ZERO);
            assert!(policy.sandbox_size() <= policy.limits.memory_limit);
            assert!(DomainRules::new(&policy.network).is_ok());
            assert!(policy.network.ca_file.is_none_or(|file| file.is_absolute()));
        }
        Err(error) => named(&error, text.len()),
    }
}

/// Every problem has words, and they are not much longer than what was asked.
fn named(error: &PolicyError, asked: usize) {
    assert!(!error.problems.is_empty());
    for problem in &error.problems {
        assert!(!problem.message.is_empty(), "{error}");
        assert!(problem.message.len() + problem.key.len() < 2_000 + 8 * asked, "{error}");
    }
}

/// `narrowed` never gives more than the executor's own policy, whatever both of them say. The input is both as JSON, a
/// line each, which is what a finding is kept as; or, so that more of them make sense, choices among the keys there are.
pub fn narrowing(input: &[u8]) {
    let (held, asked) = written(input).unwrap_or_else(|| {
        let mut choices = Choices::new(input);
        (tree(&mut choices), tree(&mut choices))
    });
    let Ok(held) = Policy::from_value(&held, Path::new("/")) else { return };
    assert_eq!(held.narrowed(&held.to_value()).as_ref(), Ok(&held), "asking for what holds changes nothing");
    match held.narrowed(&asked) {
        Ok(narrowed) => {
            assert_not_wider(&held, &narrowed);
            assert_blocked(&asked, &narrowed.network);
            assert_eq!(Policy::from_value(&narrowed.to_value(), Path::new("/")).as_ref(), Ok(&narrowed));
            assert_eq!(narrowed.narrowed(&asked).as_ref(), Ok(&narrowed), "asking twice is asking once");
        }
        Err(error) => named(&error, asked.to_string().len()),
    }
}

fn written(input: &[u8]) -> Option<(Value, Value)> {
    let (held, asked) = std::str::from_utf8(input).ok()?.trim_end().split_once('\n')?;
    Some((serde_json::from_str(held).ok()?, serde_json::from_str(asked).ok()?))
}

/// Any of the keys that exist, each with a value of its own kind.
fn tree(choices: &mut Choices<'_>) -> Value {
    filled(&Policy::default().to_value(), choices).unwrap_or(Value::Null)
}

fn filled(known: &Value, choices: &mut Choices<'_>) -> Option<Value> {
    let Value::Object(members) = known else {
        // Most keys are left out, as in most files; most of the others make sense.
        return match choices.byte() % 32 {
            0..=7 => Some(likely(known, choices)),
            8 => Some(json!(choices.number())),
            9 => Some(json!(f64::from_bits(choices.number()))),
            10 => Some(json!(choices.one_of(&WORDS))),
            _ => None,
        };
    };
    let entries = members.iter().filter_map(|(name, known)| {
        let filled = match name.as_str() {
            "mode" => match choices.byte() % 4 {
                0 => None,
                1 => Some(json!(choices.one_of(&WORDS[..3]))),
                _ => Some(json!("restricted")),
            },
            "allowed_domains" | "blocked_domains" => some_of(&DOMAINS, choices),
            "allowed_networks" => some_of(&NETWORKS, choices),
            "ports" => some_of(&[22, 80, 443, 8443], choices),
            _ => filled(known, choices),
        };
        Some((name.clone(), filled?))
    });
    Some(Value::Object(entries.collect::<Map<_, _>>())).filter(|filled| *filled != json!({}))
}

fn some_of<T: Copy + Into<Value>>(items: &[T], choices: &mut Choices<'_>) -> Option<Value> {
    let count = choices.byte() % 8;
    (count < 5).then(|| (0..count).map(|_| (*choices.one_of(items)).into()).collect())
}

const WORDS: [&str; 11] = ["none", "restricted", "all", "container", "full", "64m", "1GB", "/w", "ls", "cat", "a.b"];
const DOMAINS: [&str; 8] = ["a.b", "*.a.b", "c.a.b", "*.c.a.b", "D.c.a.b.", "e.f", "10.1.2.3", "8.8.8.8"];
const NETWORKS: [&str; 4] = ["10.0.0.0/8", "10.1.0.0/16", "fd12::/16", "192.168.0.0/24"];

/// A value of the default's kind, if a number then around it.
fn likely(known: &Value, choices: &mut Choices<'_>) -> Value {
    match known {
        Value::Bool(_) => json!(choices.coin()),
        Value::Number(number) => match number.as_u64() {
            Some(whole) => json!(whole.saturating_mul(u64::from(choices.byte())) / 64),
            None => json!(f64::from(choices.byte()) / 64.0),
        },
        Value::Array(_) => (0..choices.byte() % 4).map(|_| json!(choices.one_of(&WORDS))).collect(),
        _ => match choices.byte() % 4 {
            0 => json!(choices.coin()),
            1 => json!(choices.byte()),
            _ => json!(choices.one_of(&WORDS)),
        },
    }
}

fn assert_not_wider(held: &Policy, narrowed: &Policy) {
    assert!(held.direct_execution() || !narrowed.direct_execution(), "programs may start that might not");
    assert!(narrowed.filesystem.sandbox.size() <= held.filesystem.sandbox.size());
    assert!(narrowed.network.mode <= held.network.mode);
    if narrowed.network.mode == NetworkMode::Restricted && held.network.mode == NetworkMode::Restricted {
        assert_network_not_wider(&held.network, &narrowed.network);
    }
    // What is asked of the isolation can only grow.
    assert!(narrowed.isolation.minimum >= held.isolation.minimum);
    assert!(held.isolation.require.iter().all(|layer| narrowed.isolation.require.contains(layer)));
    compare("", &held.to_value(), &narrowed.to_value());
}

fn assert_network_not_wider(held: &NetworkPolicy, narrowed: &NetworkPolicy) {
    let [before, now] = [held, narrowed].map(|policy| DomainRules::new(policy).expect("patterns that were read"));
    let texts = [&held.allowed_domains, &held.blocked_domains, &narrowed.allowed_domains, &narrowed.blocked_domains];
    for pattern in texts.into_iter().flatten().filter_map(|text| DomainPattern::parse(text).ok()) {
        let pattern = pattern.to_string();
        let name = pattern.trim_start_matches("*.");
        for host in [name.to_owned(), format!("x.{name}"), format!("x.y.{name}")] {
            let Ok(host) = Host::parse(&host) else { continue };
            if now.judge(&host) == Permission::Allowed {
                assert_eq!(before.judge(&host), Permission::Allowed, "{host}");
            }
        }
    }
    assert!(narrowed.ports.iter().all(|port| held.ports.contains(port)));
    let covered = |network| held.allowed_networks.iter().any(|held| held.covers(network));
    assert!(narrowed.allowed_networks.iter().all(covered));
    assert!(narrowed.max_connections <= held.max_connections && narrowed.max_bytes <= held.max_bytes);
    assert!(narrowed.idle_timeout <= held.idle_timeout);
    assert_eq!(narrowed.ca_file, held.ca_file);
}

/// What a request blocks is blocked.
fn assert_blocked(asked: &Value, narrowed: &NetworkPolicy) {
    let texts = asked.pointer("/network/blocked_domains").and_then(Value::as_array);
    let rules = DomainRules::new(narrowed).expect("patterns that were read");
    for text in texts.into_iter().flatten().filter_map(Value::as_str) {
        // Nothing is below the longest names.
        let Ok(host) = Host::parse(&text.replacen("*.", "x.", 1)) else { continue };
        assert_eq!(rules.judge(&host), Permission::Blocked, "{text}");
    }
}

/// Leaf by leaf: a key that narrowing changes has to be known here, with its direction.
fn compare(key: &str, held: &Value, narrowed: &Value) {
    if let (Value::Object(held), Value::Object(narrowed)) = (held, narrowed) {
        assert_eq!(held.len(), narrowed.len());
        for (name, held) in held {
            let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
            compare(&key, held, &narrowed[name]);
        }
        return;
    }
    let narrower = match key {
        _ if held == narrowed => true,
        // Judged in `assert_not_wider`.
        "execution.allow_direct_execution" | "filesystem.sandbox.max_size" => true,
        "isolation.minimum" | "isolation.require" => true,
        key if key.starts_with("network.") => true,
        "isolation.allow_jit" => *held == json!(true),
        "execution.allowed_commands" => {
            let commands = |value: &Value| value.as_array().cloned().unwrap_or_default();
            commands(narrowed).iter().all(|command| commands(held).contains(command))
        }
        key if key.starts_with("limits.") || key.ends_with(".max_size") => match (held.as_u64(), narrowed.as_u64()) {
            (Some(held), Some(narrowed)) => narrowed <= held,
            _ => narrowed.as_f64() <= held.as_f64(),
        },
        _ => false,
    };
    assert!(narrower, "{key}: {narrowed} is not narrower than {held}");
}
