use serde_json::{Value, json};

use crate::support::{ENDLESS, block_on, one_place, serve};

#[test]
fn an_execution_tells_everything() {
    block_on(async {
        let served = serve(json!({})).await;
        let code =
            "import sys\nprint('out')\nprint('err', file=sys.stderr)\nresult = {'n': 2**70, 'c': context['who']}";
        let answer = served.post(&json!({"code": code, "context": {"who": "me"}, "correlation_id": "cm-1"})).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(answer.body.contains(r#"1180591620717411303424"#), "{}", answer.body);
        let body = answer.json();
        assert_eq!((&body["success"], &body["outcome"], &body["exit_code"]), (&true.into(), &"ok".into(), &0.into()));
        assert_eq!((&body["stdout"], &body["stderr"]), (&"out\n".into(), &"err\n".into()));
        assert_eq!((&body["result"]["c"], &body["error"]), (&"me".into(), &Value::Null));
        assert_eq!(answer.header("x-correlation-id"), Some("cm-1"));
        assert_eq!(answer.header("x-execution-id"), body["execution_id"].as_str());
        let keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
        let mut expected = vec![
            "execution_id",
            "correlation_id",
            "success",
            "outcome",
            "exit_code",
            "result",
            "stdout",
            "stderr",
            "stdout_truncated",
            "stderr_truncated",
            "error",
            "tool_calls",
            "artifacts",
            "violations",
            "usage",
            "isolation",
            "warnings",
            "duration_ms",
        ];
        expected.retain(|key| !keys.contains(key));
        assert_eq!(expected, [""; 0]);
    });
}

#[test]
fn contents_of_files_come_along_when_they_are_wanted() {
    block_on(async {
        let served = serve(json!({})).await;
        let code = "open('/outputs/a.txt', 'w').write('hello')";
        let body = served.post(&json!({"code": code})).await.json();
        assert_eq!((&body["artifacts"][0]["size"], &body["artifacts"][0]["data"]), (&5.into(), &Value::Null));
        let body = served.post(&json!({"code": code, "artifact_bytes": 100})).await.json();
        assert_eq!(body["artifacts"][0]["data"], "aGVsbG8=");
    });
}

#[test]
fn an_environment_is_asked_for_by_its_name() {
    block_on(async {
        let environments = json!([{"name": "colours", "preload": ["colorsys"]}]);
        let served = serve(json!({"guest": {"environments": environments}})).await;
        let code = "import sys\n'colorsys' in sys.modules";
        let body = served.post(&json!({"code": code, "environment": "colours"})).await.json();
        assert_eq!(body["result"], true, "{body}");
        assert_eq!(served.post(&json!({"code": code})).await.json()["result"], false);
        let refused = served.post(&json!({"code": code, "environment": "colors"})).await;
        assert_eq!((refused.status, &refused.json()["code"]), (422, &"policy".into()));
    });
}

#[test]
fn names_are_given_and_come_back_when_they_are_wanted() {
    block_on(async {
        let served = serve(json!({})).await;
        let body =
            served.post(&json!({"code": "y = x + 1", "variables": {"x": 1}, "keep_variables": true})).await.json();
        assert_eq!(body["variables"], json!({"x": 1, "y": 2}));
        let body = served.post(&json!({"code": "y = 1"})).await.json();
        assert_eq!(body.get("variables"), None);
        let body = served.post(&json!({"code": "y = 1", "variables": {"two words": 1}})).await.json();
        assert_eq!(body["error"]["error_type"], "Rejected", "{body}");
        assert_eq!(served.post(&json!({"code": "1", "variables": [1]})).await.status, 422);
    });
}

#[test]
fn failures_are_answers_too() {
    block_on(async {
        let served = serve(json!({})).await;
        let body = served.post(&json!({"code": "print('so far')\nraise ValueError('no')"})).await.json();
        assert_eq!(
            (&body["success"], &body["outcome"], &body["exit_code"]),
            (&false.into(), &"error".into(), &1.into())
        );
        assert_eq!((&body["stdout"], &body["error"]["error_type"]), (&"so far\n".into(), &"ValueError".into()));
        assert_eq!((&body["error"]["message"], &body["error"]["line"]), (&"no".into(), &2.into()));
        let body = served.post(&json!({"code": "while True: pass", "code_timeout": 0.3})).await.json();
        assert_eq!((&body["outcome"], &body["exit_code"]), (&"timeout".into(), &124.into()));
        let body = served.post(&json!({"code": "tools['x'].run()"})).await.json();
        assert_eq!(body["outcome"], "error");
    });
}

#[test]
fn limits_are_clamped_and_said() {
    block_on(async {
        let served = serve(json!({"limits": {"code_timeout": 2}})).await;
        let body = served.post(&json!({"code": "1", "code_timeout": 99})).await.json();
        assert_eq!(body["warnings"], json!(["code_timeout: 99 s is more than this executor allows; 2 s holds"]));
        let body = served.post(&json!({"code": "1", "max_code_length": 60_000, "context": null, "config": {}})).await;
        let warning = "max_code_length: 60000 characters are more than this executor allows; 50000 hold";
        assert_eq!(body.json()["warnings"], json!([warning]));
    });
}

#[test]
fn what_cannot_be_served_says_why() {
    block_on(async {
        let served = serve(json!({})).await;
        let mut seen = String::new();
        for body in [
            r#"{"code": ""}"#,
            r#"{"code": "a\u0000b"}"#,
            r#"{"code": "11", "max_code_length": 1}"#,
            r#"{"code": "1", "tools": []}"#,
            r#"{"code": "1", "tols": []}"#,
            r#"{"code": 1}"#,
            r#"{}"#,
            r#"{"code": "1""#,
            r#"{"code": "\ud800"}"#,
            r#"{"code": "1", "code_timeout": 0}"#,
            r#"{"code": "1", "context": [1]}"#,
            r#"{"code": "1", "config": "x"}"#,
            r#"{"code": "1", "correlation_id": "a b"}"#,
        ] {
            let answer = served.post_text(body, &[]).await;
            assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{}", answer.body);
            let problem = answer.json();
            assert_eq!((&problem["status"], &problem["outcome"]), (&answer.status.into(), &"rejected".into()));
            seen.push_str(&format!("{} {} {}\n", answer.status, problem["code"], problem["detail"]));
        }
        insta::assert_snapshot!(seen);
    });
}

#[test]
fn other_refusals_have_their_status() {
    block_on(async {
        let served = serve(json!({"limits": {"value_bytes": 4096}})).await;
        let ok = r#"{"code": "1"}"#;
        assert_eq!(served.post_text(ok, &[("content-type", "text/plain")]).await.status, 415);
        assert_eq!(served.post_text(ok, &[("content-type", "application/json; charset=utf-8")]).await.status, 200);
        let mismatch = r#"{"code": "1", "correlation_id": "a"}"#;
        assert_eq!(served.post_text(mismatch, &[("x-correlation-id", "b")]).await.status, 400);
        let huge = json!({"code": "1", "context": "x".repeat(9 << 20)});
        let answer = served.post(&huge).await;
        assert_eq!((answer.status, &answer.json()["title"]), (413, &"The request is too large".into()));
        let key = [("x-api-key", crate::support::KEY)];
        assert_eq!(served.http("GET", "/v1/executions", &key, "").await.status, 405);
        assert_eq!(served.http("GET", "/v1/nothing", &key, "").await.status, 404);
    });
}

#[test]
fn a_caller_that_hangs_up_ends_its_execution() {
    block_on(async {
        let served = serve(one_place()).await;
        let held = served.post_and_hold(&json!({"code": ENDLESS})).await;
        // Once the only place is taken, the execution is under way.
        while served.post(&json!({"code": "1"})).await.status == 200 {}
        let refused = served.post(&json!({"code": "1"})).await;
        assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
        assert_eq!((&refused.json()["code"], &refused.json()["outcome"]), (&"overloaded".into(), &"overloaded".into()));
        drop(held);
        while served.post(&json!({"code": "1"})).await.status == 429 {}
    });
}
