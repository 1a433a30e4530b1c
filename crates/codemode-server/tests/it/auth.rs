use codemode_proto::v1::{self, executor_client::ExecutorClient};
use serde_json::json;
use tonic::{Code, Request};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::support::{KEY, WithKey, block_on, serve, serve_on};

#[test]
fn a_wrong_or_missing_key_gets_the_same_silence() {
    block_on(async {
        let served = serve(json!({})).await;
        let json = ("content-type", "application/json");
        let mut answers = Vec::new();
        for headers in [
            vec![json],
            vec![json, ("x-api-key", "wrong")],
            vec![json, ("authorization", "Bearer wrong")],
            vec![json, ("authorization", "Basic YS1rZXk=")],
            vec![json, ("x-api-key", "")],
        ] {
            for path in ["/v1/executions", "/", "/nowhere", "/healthz/x", "/codemode.v1.Executor/Connect"] {
                let answer = served.http("POST", path, &headers, r#"{"code": "1"}"#).await;
                assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")), "{path}");
                answers.push(answer.body);
            }
        }
        answers.dedup();
        assert_eq!(answers.len(), 1);
        insta::assert_snapshot!(answers[0], @r#"{"type":"urn:codemode:error:unauthenticated","title":"Not authenticated","status":401,"detail":"a valid API key is required","code":"unauthenticated","outcome":null,"retryable":false}"#);
    });
}

#[test]
fn either_header_carries_the_key() {
    block_on(async {
        let served = serve(json!({})).await;
        let bearer = format!("bearer {KEY}");
        for header in [("x-api-key", KEY), ("authorization", bearer.as_str())] {
            assert_eq!(served.http("GET", "/nowhere", &[header], "").await.status, 404);
        }
    });
}

#[test]
fn grpc_without_the_key_is_unauthenticated() {
    block_on(async {
        let served = serve(json!({})).await;
        let mut bare = ExecutorClient::new(served.channel().await);
        let status = bare.get_info(v1::GetInfoRequest {}).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Unauthenticated, "a valid API key is required"));
        let status = bare.connect(tokio_stream::iter([v1::ClientMessage::default()])).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated);
        let mut wrong = Request::new(v1::GetInfoRequest {});
        wrong.metadata_mut().insert("authorization", "Bearer wrong".parse().unwrap());
        assert_eq!(bare.get_info(wrong).await.unwrap_err().code(), Code::Unauthenticated);
    });
}

#[test]
fn probes_need_no_key() {
    block_on(async {
        let served = serve(json!({})).await;
        assert_eq!(served.get("/healthz").await.body, r#"{"status":"ok"}"#);
        assert_eq!(served.get("/readyz").await.body, r#"{"status":"ready"}"#);
        let mut health = HealthClient::new(served.channel().await);
        for service in ["", "codemode.v1.Executor"] {
            let answer = health.check(HealthCheckRequest { service: service.into() }).await.unwrap();
            assert_eq!(answer.into_inner().status(), ServingStatus::Serving);
        }
    });
}

#[test]
fn reflection_needs_the_key_and_knows_the_contract() {
    block_on(async {
        let served = serve(json!({})).await;
        let ask = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let mut bare = ServerReflectionClient::new(served.channel().await);
        let refused = bare.server_reflection_info(tokio_stream::iter([ask.clone()])).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
        let mut client = ServerReflectionClient::with_interceptor(served.channel().await, WithKey);
        let mut answers = client.server_reflection_info(tokio_stream::iter([ask])).await.unwrap().into_inner();
        let Some(MessageResponse::ListServicesResponse(list)) =
            answers.message().await.unwrap().unwrap().message_response
        else {
            panic!("not a list")
        };
        let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
        assert!(names.contains(&"codemode.v1.Executor".into()), "{names:?}");
    });
}

#[test]
fn without_a_key_web_pages_get_nothing() {
    block_on(async {
        let served = serve_on("127.0.0.1:0", &[], json!({})).await;
        assert_eq!(served.http("GET", "/nowhere", &[], "").await.status, 404);
        for header in [("host", "evil.example:8001"), ("origin", "http://evil.example")] {
            assert_eq!(served.http("GET", "/nowhere", &[header], "").await.status, 401, "{header:?}");
        }
    });
}
