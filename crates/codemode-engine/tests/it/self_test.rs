//! The engine attacks itself before it serves. What gets through, here attacks that no wall is against, refuses the start.

use std::fs;

use codemode_engine::{Attack, Attacks, StartError};
use serde_json::json;

use crate::harness::{engine, engine_against, run};

/// No wall holds this.
const WRITES: Attack = Attack { name: "writes", wall: "code writes nothing to /sandbox", removable: &[] };

async fn refusal(source: &'static str, list: &'static [Attack]) -> StartError {
    engine_against(json!({}), &[Attacks { source, list }]).await.unwrap_err()
}

#[tokio::test]
async fn an_attack_that_succeeds_refuses_the_start() {
    let source = "
def writes(host):
    with open('/sandbox/mine', 'w') as file:
        return f'wrote {file.write(host[\"mark\"][:3])} characters'
";
    let refused = refusal(source, &[WRITES]).await;
    let StartError::Escaped { attack, wall, happened } = &refused else { panic!("{refused}") };
    assert_eq!([attack, wall, happened], ["writes", WRITES.wall, "wrote 3 characters"]);
    assert!(refused.to_string().contains("codemode doctor"), "{refused}");
}

#[tokio::test]
async fn a_program_that_starts_is_noticed() {
    // Listed here, so that it does; the engine's own attack leaves it out.
    let source = "
def writes(host):
    return 'id ran' if _starts(os.path.realpath('/usr/bin/id')) else None
";
    let refused =
        engine_against(json!({"execution": {"allowed_commands": ["id"]}}), &[Attacks { source, list: &[WRITES] }])
            .await;
    assert!(matches!(refused, Err(StartError::Escaped { happened, .. }) if happened == "id ran"));
    assert!(engine_against(json!({}), &[Attacks { source, list: &[WRITES] }]).await.is_ok());
}

#[tokio::test]
async fn its_listeners_are_shut_when_it_is_over() {
    let source = "
def writes(host):
    return ' '.join(name for name, _, _ in host['canaries'])
";
    let refused = refusal(source, &[WRITES]).await;
    let StartError::Escaped { happened, .. } = &refused else { panic!("{refused}") };
    let port = happened.split(' ').next().unwrap();
    assert!(port.starts_with("127.0.0.1:") && std::net::TcpStream::connect(port).is_err(), "{port}");
}

#[tokio::test]
async fn an_attack_that_cannot_be_tried_refuses_the_start() {
    for (source, says) in [
        ("def writes(host):\n    1 / 0\n", "ZeroDivisionError"),
        ("def writes(host):\n    import os\n    os._exit(0)\n", "outcome is"),
        ("import no_such_module\n", "no_such_module"),
        ("def writes(host):\n    return None\nattempt = lambda host, attacks: []\n", "0 of 14"),
    ] {
        let refused = refusal(source, &[WRITES]).await;
        assert!(matches!(&refused, StartError::SelfTest(reason) if reason.contains(says)), "{says}: {refused}");
    }
}

#[tokio::test]
async fn what_the_test_left_is_gone_before_the_first_request() {
    let engine = engine(json!({})).await;
    let code = "import os\n[sorted(os.listdir(folder)) for folder in ('/sandbox', '/tmp', '/dev/shm')]";
    assert_eq!(run(&engine, code).await.result(), "[[],[],[]]");
}

#[tokio::test]
async fn it_passes_whatever_the_policy_lists() {
    let workspace = tempfile::tempdir().unwrap();
    fs::write(workspace.path().join("data"), "mine").unwrap();
    for policy in [
        json!({"execution": {"allowed_commands": ["sh", "env", "id", "cat", "python3"]}}),
        json!({"network": {"mode": "restricted", "allowed_domains": ["*.example.org"]}}),
        json!({"network": {"mode": "all"}}),
        json!({"execution": {"allow_direct_execution": false}, "filesystem": {"workspace": {"mount": workspace.path()}}}),
        json!({"limits": {"code_timeout": 0.05, "max_code_length": 10, "result_bytes": 4096, "output_bytes": 4096}}),
        json!({"limits": {"processes": 2, "open_files": 32, "memory_limit": "32Mi"}, "max_concurrent_executions": 1, "queue": 0}),
    ] {
        let engine = engine(policy.clone()).await;
        assert_eq!(run(&engine, "2 + 2").await.result(), "4", "{policy}");
    }
    assert_eq!(fs::read_dir(workspace.path()).unwrap().count(), 1);
    assert_eq!(fs::read(workspace.path().join("data")).unwrap(), b"mine");
}
