use crate::support::codemode;

macro_rules! help {
    ($($name:ident: $arguments:expr;)+) => {
        $(#[test]
        fn $name() {
            let ran = codemode(&$arguments);
            assert_eq!((ran.exit, ran.stderr.as_str()), (0, ""));
            insta::assert_snapshot!(ran.stdout);
        })+
    };
}

help! {
    all: ["--help"];
    serve: ["serve", "--help"];
    run: ["run", "--help"];
    doctor: ["doctor", "--help"];
    health: ["health", "--help"];
    explain: ["explain", "--help"];
    completions: ["completions", "--help"];
    init: ["init", "--help"];
    validate: ["validate", "--help"];
    config: ["config", "--help"];
    config_check: ["config", "check", "--help"];
    config_schema: ["config", "schema", "--help"];
    tls: ["tls", "--help"];
    tools: ["tools", "--help"];
    tools_stubs: ["tools", "stubs", "--help"];
    tools_list: ["tools", "list", "--help"];
    generate_certs: ["tls", "generate-certs", "--help"];
    docker: ["docker", "--help"];
    docker_check: ["docker", "check", "--help"];
    docker_build: ["docker", "build", "--help"];
    docker_start: ["docker", "start", "--help"];
    docker_stop: ["docker", "stop", "--help"];
    docker_remove: ["docker", "remove", "--help"];
    docker_status: ["docker", "status", "--help"];
    docker_assets: ["docker", "assets", "--help"];
    docker_env: ["docker", "env", "--help"];
}

#[test]
fn version() {
    let expected = format!("codemode {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(codemode(&["version"]).stdout, expected);
    assert_eq!(codemode(&["--version"]).stdout, expected);
}

#[test]
fn completions_are_a_script() {
    let ran = codemode(&["completions", "bash"]);
    assert!(ran.exit == 0 && ran.stdout.contains("_codemode()"));
    assert!(ran.stdout.contains("__tools__") && ran.stdout.contains("stubs"));
}
