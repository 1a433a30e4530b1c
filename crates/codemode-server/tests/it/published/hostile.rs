//! What a caller without a key, code and applications do that nobody asked for.

use std::time::Duration;

use codemode_proto::compat::{
    ExecutionRequest, ToolCallResponse,
    executor_service_client::ExecutorServiceClient,
    google::{ListValue, Struct, Value, value::Kind},
};
use codemode_server::ApiKeys;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tonic::{Code, Request};

use super::{answered, application::Application, ask, asking, client, dialling, of, tool};
use crate::support::{KEY, block_on, serve, serve_dialling};

/// Catches what calls say; the code is told of no more than the beginning.
const SAID: &str = "
def said(called, /, **arguments):
    try:
        tools[called].run(**arguments)
    except ToolError as error:
        return [len(str(error)), str(error)[:200]]
";

#[test]
fn probes_that_are_given_up_do_not_ask_again() {
    block_on(async {
        let mut application = Application::silent().await;
        let served = dialling(&application).await;
        let mut stranger = ExecutorServiceClient::new(served.channel().await);
        let mut probe = stranger.clone();
        let first = tokio::spawn(async move { probe.ready(()).await.unwrap().into_inner().status });
        application.listed.recv().await.unwrap();
        first.abort();
        for _ in 0..20 {
            let mut probe = stranger.clone();
            let given_up = tokio::spawn(async move { probe.ready(()).await.map(drop) });
            stranger.health(()).await.unwrap();
            given_up.abort();
        }
        // The one that goes on is everybody's: whoever waits gets its answer.
        assert_eq!(stranger.ready(()).await.unwrap().into_inner().status, "unreachable");
        let mut asked = 0;
        while application.listed.try_recv().is_ok() {
            asked += 1;
        }
        assert!(asked < 5, "{asked}");
    });
}

#[test]
fn a_schema_is_told_of_no_tool_but_the_executions_own() {
    block_on(async {
        let mut application = Application::with(vec![tool("t"), tool("hidden")]).await;
        let served = dialling(&application).await;
        // The published application answers what is no name of a tool with the names of all.
        let code = format!(
            "{SAID}
odd = [5, True, None, ['hidden'], ('hidden',), {{'name': 'hidden'}}, 'hidden', '']
result = [said('__schema__', name=each) for each in odd] + [said('__schema__')]
tools['t'].run()"
        );
        let answer = ask(client(&served).await, Request::new(asking(&code, &["t", "__schema__"])));
        let asked = application.next().await;
        assert_eq!(asked.call.tool_name, "t");
        asked.reply.send(answered(&[])).unwrap();
        let answer = answer.await.unwrap();
        let said: Vec<(u64, String)> = serde_json::from_str(&answer.result).unwrap();
        assert!(said.len() == 9 && said.iter().all(|(_, said)| said.contains("there is no tool")), "{said:?}");
    });
}

#[test]
fn the_application_hears_of_no_tool_that_the_request_does_not_name() {
    block_on(async {
        let mut application = Application::with(vec![tool("t"), tool("hidden")]).await;
        let served = dialling(&application).await;
        // Past the objects that would refuse it themselves.
        let code = "
import os, struct
for call, name in enumerate([b'hidden', b'__list__', b'__search__', b'__list__\\n', b't\\0', b'']):
    body = b'\\x01' + struct.pack('<QI', 900 + call, len(name)) + name + struct.pack('<I', 2) + b'{}'
    os.write(3, struct.pack('<I', len(body)) + body)
tools['t'].run()";
        let answer = ask(client(&served).await, Request::new(asking(code, &["t", "__schema__"])));
        let asked = application.next().await;
        assert_eq!(asked.call.tool_name, "t");
        asked.reply.send(answered(&[])).unwrap();
        answer.await.unwrap();
        assert!(application.asked.try_recv().is_err());
    });
}

#[test]
fn no_refusal_is_longer_than_what_it_refuses() {
    block_on(async {
        let mut application = Application::with(vec![tool("t")]).await;
        let served = dialling(&application).await;
        let code = format!(
            "{SAID}
long = '\x7f' * (3 << 20)
result = [
    said('__schema__', name=long),
    said('t', **{{long: 2**60}}),
    said('t', a={{long: [2**60]}}),
    said('t', a='x' * (9 << 20)),
    said('t'),
    said('t'),
]"
        );
        let answer = ask(client(&served).await, Request::new(asking(&code, &["t", "__schema__"])));
        let error = "\u{1}".repeat(3 << 20);
        application.next().await.reply.send(Ok(ToolCallResponse { error, ..ToolCallResponse::default() })).unwrap();
        let call = application.next().await;
        call.reply.send(Err(tonic::Status::internal("\u{1}".repeat(2 << 10)))).unwrap();
        let answer = answer.await.unwrap();
        assert!(answer.success, "{answer:?}");
        let said: Vec<(usize, String)> = serde_json::from_str(&answer.result).unwrap();
        assert!(said.len() == 6 && said.iter().all(|(length, _)| *length < 20 << 10), "{said:?}");
    });
}

#[test]
fn large_answers_at_once_are_bounded_and_the_next_one_arrives() {
    block_on(async {
        let mut application = Application::with(vec![tool("t")]).await;
        let served = dialling(&application).await;
        let code = "
done = tools.gather([tools['t'].call() for _ in range(12)], return_exceptions=True)
failures = [str(each) for each in done if isinstance(each, Exception)]
result = [len(failures), failures[0], len(tools['t'].run()['v'])]";
        let answer = ask(client(&served).await, Request::new(asking(code, &["t"])));
        let mut waiting = Vec::new();
        while waiting.len() < 12 {
            waiting.push(application.next().await);
        }
        let large = || answered(&[("v", Kind::StringValue("x".repeat(15 << 20)))]);
        waiting.into_iter().for_each(|asked| asked.reply.send(large()).unwrap());
        application.next().await.reply.send(large()).unwrap();
        let answer = answer.await.unwrap();
        let (failed, why, length): (usize, String, usize) = serde_json::from_str(&answer.result).unwrap();
        assert!(failed < 12 && why.contains("too many large answers are under way"), "{failed} {why}");
        assert_eq!(length, 15 << 20);
    });
}

#[test]
fn an_application_that_does_not_list_its_tools_costs_no_more_than_the_callers_patience() {
    block_on(async {
        let application = Application::silent().await;
        let served = dialling(&application).await;
        let mut request = Request::new(asking("result = 1", &["t"]));
        request.set_timeout(Duration::from_secs(2));
        let answer = client(&served).await.execute(request).await.unwrap().into_inner();
        assert_eq!(answer.error_type, "Timeout", "{answer:?}");
        assert!(answer.error.contains("nothing ran"), "{answer:?}");
        let answer = client(&served).await.execute(asking("result = 1", &["t"])).await.unwrap().into_inner();
        assert!(answer.error.contains("no answer within 5 s"), "{answer:?}");
    });
}

#[test]
fn a_call_whose_connection_breaks_is_not_made_again() {
    block_on(async {
        let mut application = Application::with(vec![tool("t")]).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (between, target) = (listener.local_addr().unwrap().to_string(), application.target.clone());
        let (cut, mut cuts) = tokio::sync::mpsc::channel::<()>(1);
        tokio::spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let mut far = TcpStream::connect(&target).await.unwrap();
                tokio::select! {
                    _ = copy_bidirectional(&mut near, &mut far) => {}
                    _ = cuts.recv() => {}
                }
            }
        });
        let served = serve_dialling(&ApiKeys::new(&[KEY]), &between, json!({}), None).await;
        let code = format!("{SAID}\nresult = [said('t'), tools['t'].run()]");
        let answer = ask(client(&served).await, Request::new(asking(&code, &["t"])));
        let mut first = application.next().await;
        cut.send(()).await.unwrap();
        first.reply.closed().await;
        application.next().await.reply.send(answered(&[])).unwrap();
        let answer = answer.await.unwrap();
        assert!(answer.result.contains("ToolService cannot be reached"), "{answer:?}");
        assert!(application.asked.try_recv().is_err());
    });
}

#[test]
fn what_is_no_application_is_said_to_be_none() {
    block_on(async {
        for said in
            ["HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", "\u{0}garbage".repeat(99).as_str(), ""]
        {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let (target, said) = (listener.local_addr().unwrap().to_string(), said.to_owned());
            tokio::spawn(async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    let _ = stream.read_u8().await;
                    let _ = stream.write_all(said.as_bytes()).await;
                }
            });
            let served = serve_dialling(&ApiKeys::new(&[KEY]), &target, json!({}), None).await;
            let answer = client(&served).await.execute(asking("result = 1", &["t"])).await.unwrap().into_inner();
            assert_eq!(answer.error_type, "ToolServiceUnreachable", "{answer:?}");
            assert!(answer.error.contains(&target) && answer.error.contains("nothing ran"), "{answer:?}");
        }
    });
}

#[test]
fn long_lists_of_tools_and_names_that_are_given_twice() {
    block_on(async {
        let mut listed: Vec<_> = (0..100_000).map(|number| tool(&format!("t{number}"))).collect();
        listed.push(tool("bad\n\u{1b}[2Jname"));
        listed.push(tool("t7"));
        let application = Application::with(listed).await;
        let served = dialling(&application).await;
        let names = ["t7", "t99999", "t7", "__list__", "__list__", "bad\n\u{1b}[2Jname"];
        let answer = client(&served).await.execute(asking("result = len(tools)", &names)).await.unwrap().into_inner();
        assert!(answer.success, "{answer:?}");
        let long = "n".repeat(1 << 20);
        let answer = client(&served).await.execute(asking("result = 1", &[&long])).await.unwrap().into_inner();
        assert!(answer.error_type == "ToolNotFound" && answer.error.len() < 1 << 10, "{}", answer.error.len());
    });
}

#[test]
fn what_nests_too_deeply_is_refused() {
    fn nested(depth: usize) -> Value {
        let values = if depth == 0 { Vec::new() } else { vec![nested(depth - 1)] };
        Value { kind: Some(Kind::ListValue(ListValue { values })) }
    }
    fn holding(depth: usize) -> Struct {
        Struct { fields: [("a".to_owned(), nested(depth))].into() }
    }
    block_on(async {
        let mut application = Application::with(vec![tool("t")]).await;
        let served = dialling(&application).await;
        for depth in [60, 2_000] {
            let request = ExecutionRequest { context: Some(holding(depth)), ..asking("result = 1", &[]) };
            let status = client(&served).await.execute(request).await.unwrap_err();
            assert!(![Code::Unavailable, Code::ResourceExhausted].contains(&status.code()), "{status:?}");
        }
        let request = ExecutionRequest { context: Some(holding(40)), ..asking("result = 1", &[]) };
        assert_eq!(client(&served).await.execute(request).await.unwrap().into_inner().result, "1");
        let code = format!("{SAID}\nresult = [said('t'), len(tools['t'].run()['a'])]");
        let answer = ask(client(&served).await, Request::new(asking(&code, &["t"])));
        for depth in [2_000, 40] {
            let result = Some(holding(depth));
            let deep = ToolCallResponse { success: true, result, ..ToolCallResponse::default() };
            application.next().await.reply.send(Ok(deep)).unwrap();
        }
        let answer = answer.await.unwrap();
        let (said, length): ((u64, String), u64) = serde_json::from_str(&answer.result).unwrap();
        assert!(said.1.contains("failed to decode") && length == 1, "{said:?}");
    });
}

#[test]
fn a_call_whose_time_is_up_ends_at_the_application_too() {
    block_on(async {
        let mut application = Application::with(vec![tool("t")]).await;
        let policy = json!({"limits": {"tool_timeout": 1}});
        let served = serve_dialling(&ApiKeys::new(&[KEY]), &application.target, policy, None).await;
        let code = format!("{SAID}\nfirst = said('t')\ntools['t'].run()\nresult = first");
        let answer = ask(client(&served).await, Request::new(asking(&code, &["t"])));
        let mut late = application.next().await;
        let next = application.next().await;
        late.reply.closed().await;
        next.reply.send(answered(&[])).unwrap();
        assert!(answer.await.unwrap().result.contains("ToolTimeout"));
    });
}

#[test]
fn a_drain_ends_code_and_calls_with_an_answer() {
    block_on(async {
        let mut application = Application::with(vec![tool("t")]).await;
        let mut served = dialling(&application).await;
        let answer = ask(client(&served).await, Request::new(asking("tools['t'].run()", &["t"])));
        let mut asked = application.next().await;
        served.running.take().unwrap().drain(Duration::ZERO).await;
        asked.reply.closed().await;
        let answer = answer.await.unwrap();
        assert!(!answer.success && answer.error_type == "Interrupted", "{answer:?}");
    });
}

#[test]
fn names_of_requests_put_nothing_into_headers() {
    block_on(async {
        let mut application = Application::with(vec![tool("t")]).await;
        let served = dialling(&application).await;
        for name in ["a\r\nauthorization: x", "a\nb", "\u{e9}", " ", &"c".repeat(129), "a b", "\0"] {
            let request = ExecutionRequest { correlation_id: (*name).into(), ..asking("1", &["t"]) };
            let status = client(&served).await.execute(request).await.unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument, "{name:?}");
        }
        assert!(application.listed.try_recv().is_err());
        let metadata = of(&[("traceparent", Kind::StringValue("from the body".into()))]);
        let request = ExecutionRequest { context: Some(metadata), ..asking("tools['t'].run()", &["t"]) };
        let answer = ask(client(&served).await, Request::new(request));
        let asked = application.next().await;
        assert!(asked.metadata.get("traceparent").is_none() && asked.metadata.get("x-correlation-id").is_none());
        asked.reply.send(answered(&[])).unwrap();
        assert!(answer.await.unwrap().success);
    });
}

#[test]
fn numbers_at_the_edges_keep_their_meaning() {
    block_on(async {
        let served = serve(json!({})).await;
        let number = |number: f64| Kind::NumberValue(number);
        let config = of(&[
            ("nan", number(f64::NAN)),
            ("inf", number(f64::NEG_INFINITY)),
            ("zero", number(-0.0)),
            ("edge", number(2_f64.powi(53))),
            ("over", number(2_f64.powi(53) + 2.0)),
            ("tiny", number(5e-324)),
            ("$codemode", Kind::StringValue("repr".into())),
        ]);
        let code = "
import math
c = config
assert math.isnan(c['nan']) and c['inf'] == -math.inf and math.copysign(1, c['zero']) == -1
assert type(c['edge']) is int and type(c['over']) is float and c['over'] == 2**53 + 2 and c['tiny'] == 5e-324
result = c['$codemode']";
        let request = ExecutionRequest { config: Some(config), ..asking(code, &[]) };
        let answer = client(&served).await.execute(request).await.unwrap().into_inner();
        assert_eq!(answer.result, "\"repr\"", "{answer:?}");
        for (name, limit) in [("tool_call_timeout", 5e-324), ("max_code_length", 0.5), ("max_code_length", -0.0)] {
            let config = Some(of(&[(name, number(limit))]));
            let request = ExecutionRequest { config, ..asking("result = 1", &[]) };
            let answer = client(&served).await.execute(request).await;
            // Never none at all.
            assert!(name == "tool_call_timeout" || answer.is_err() || !answer.unwrap().into_inner().success, "{name}");
        }
    });
}
