//! What an engine refuses to start with, and how it says so.

use std::path::{Path, PathBuf};

use codemode_engine::{Engine, EngineConfig};
use codemode_types::Policy;
use serde_json::{Value, json};

use crate::harness::{guest_library, interpreter};

async fn refusal(policy: Value, interpreter: PathBuf, guest_library: PathBuf) -> String {
    let policy = Policy::from_value(&policy, Path::new("/")).unwrap();
    Engine::start(EngineConfig { policy, interpreter, guest_library }).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_missing_guest_library_is_named() {
    let said = refusal(json!({}), interpreter(), "/nowhere/guest.so".into()).await;
    assert_eq!(said, "the guest's native module is not at /nowhere/guest.so");
}

#[tokio::test]
async fn a_missing_interpreter_is_named() {
    let said = refusal(json!({}), "/nowhere/python3".into(), guest_library()).await;
    assert!(said.contains("/nowhere/python3"), "{said}");
}

#[tokio::test]
async fn a_guest_library_that_is_none_ends_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("guest.so");
    std::fs::write(&library, "no library").unwrap();
    let said = refusal(json!({}), interpreter(), library).await;
    assert_eq!(said, "the zygote ended before it was ready; its own words are on the standard error stream");
}

#[tokio::test]
async fn a_policy_that_cannot_be_held_here_is_refused() {
    let said = refusal(json!({"isolation": {"require": ["moat"]}}), interpreter(), guest_library()).await;
    assert!(said.starts_with("this machine cannot hold the policy:") && said.contains("moat"), "{said}");
    let network = json!({"mode": "restricted", "ca_file": "/no/such/bundle.pem"});
    let said = refusal(json!({"network": network}), interpreter(), guest_library()).await;
    assert!(said.contains("network.ca_file: /no/such/bundle.pem: No such file"), "{said}");
    let said =
        refusal(json!({"execution": {"allowed_commands": ["no-such-command"]}}), interpreter(), guest_library()).await;
    assert!(said.contains("no-such-command"), "{said}");
}

#[tokio::test]
async fn more_places_than_user_ids_are_refused() {
    let said = refusal(json!({"max_concurrent_executions": 1000}), interpreter(), guest_library()).await;
    assert_eq!(said, "max_concurrent_executions is 1000; one executor holds at most 120");
}

#[tokio::test]
async fn an_environment_that_cannot_be_is_refused_before_it_is_asked_for() {
    let environments = json!([{"name": "far", "interpreter": "/nowhere/python3"}]);
    let said = refusal(json!({"guest": {"environments": environments}}), interpreter(), guest_library()).await;
    assert_eq!(said, "guest.environments: `far`: cannot run /nowhere/python3: No such file or directory (os error 2)");
}
