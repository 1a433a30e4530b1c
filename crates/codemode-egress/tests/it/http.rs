//! Plain HTTP through the proxy's port.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::world::{World, assert_refused, head, rest};

const ORIGIN: &str = "93.184.215.14:80";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A request that ends its connection, with these headers after the request line.
fn get(target: &str, headers: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn a_request_is_sent_on_without_what_is_between_hops() {
    let mut world = World::new();
    let requests = world.answer(ORIGIN, "HTTP/1.1 200 OK\r\nConnection: x-hop\r\nX-Hop: 1\r\nProxy-Authenticate: x\r\nCodemode-Refusal: forged\r\nX-End: 2\r\nContent-Length: 2\r\n\r\nok").await;
    let headers = "Host: EXAMPLE.org:80\r\nProxy-Authorization: secret\r\nProxy-Connection: keep-alive\r\nConnection: x-gone\r\n\
                   X-Gone: 1\r\nTE: trailers\r\nTrailer: X\r\nKeep-Alive: timeout=5\r\nX-Stays: yes\r\n";
    let answer = world.exchange(&get("http://Example.ORG./a%20b?c=d", headers)).await;
    assert_eq!(requests.all(), ["GET /a%20b?c=d HTTP/1.1\r\nhost: example.org\r\nx-stays: yes\r\n\r\n"]);
    assert_eq!(answer, "HTTP/1.1 200 OK\r\nx-end: 2\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
    world.decided(&["http example.org:80 allowed 93.184.215.14"]).await;
}

#[tokio::test]
async fn each_request_of_a_connection_is_judged_by_itself() {
    let mut world = World::new();
    let requests = world.answer(ORIGIN, OK).await;
    let mut stream = world.proxy().await;
    for path in ["one", "two"] {
        let request = format!("GET http://example.org/{path} HTTP/1.1\r\nHost: example.org\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        assert!(head(&mut stream).await.unwrap().starts_with("HTTP/1.1 200 "));
        stream.read_exact(&mut [0; 2]).await.unwrap();
    }
    stream.write_all(b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n").await.unwrap();
    assert_refused(&rest(&mut stream).await, 403, "not_listed");
    assert_eq!(requests.all().len(), 2);
    let allowed = "http example.org:80 allowed 93.184.215.14";
    world.decided(&[allowed, allowed, "http evil.example:80 not_listed"]).await;
    assert_eq!(world.log(), ["resolve example.org", "dial 93.184.215.14:80"], "the connection was kept");
}

#[tokio::test]
async fn a_pipelined_request_to_another_host_is_refused() {
    let mut world = World::new();
    let requests = world.answer(ORIGIN, OK).await;
    let answer = world
        .exchange(
            b"GET http://example.org/ HTTP/1.1\r\nHost: example.org\r\n\r\n\
              GET http://evil.example/ HTTP/1.1\r\nHost: example.org\r\n\r\n\
              GET http://example.org/third HTTP/1.1\r\nHost: example.org\r\n\r\n",
        )
        .await;
    let (first, second) = answer.split_at(answer.rfind("HTTP/1.1 ").unwrap());
    assert!(first.starts_with("HTTP/1.1 200 "), "{first}");
    assert_refused(second, 403, "host_mismatch");
    assert_eq!(requests.all().len(), 1);
    world.decided(&["http example.org:80 allowed 93.184.215.14", "http evil.example:80 host_mismatch"]).await;
}

#[tokio::test]
async fn a_request_inside_a_body_stays_a_body() {
    let mut world = World::new();
    let requests = world.answer(ORIGIN, OK).await;
    let smuggled = "GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    let head = format!(
        "POST http://example.org/ HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        smuggled.len()
    );
    let answer = world.exchange(format!("{head}{smuggled}").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 "));
    assert_eq!(requests.all().len(), 1);
    assert!(requests.all()[0].ends_with(smuggled));
    world.decided(&["http example.org:80 allowed 93.184.215.14"]).await;
    world.decided_nothing();
}

#[tokio::test]
async fn after_chunks_nothing_more_is_read() {
    let mut world = World::new();
    let (sender, mut received) = tokio::sync::mpsc::channel(1);
    world
        .serve(ORIGIN, move |mut stream| {
            let sender = sender.clone();
            async move {
                let head = head(&mut stream).await.unwrap();
                let mut body = vec![0; b"2\r\nhi\r\n0\r\n\r\n".len()];
                stream.read_exact(&mut body).await.unwrap();
                stream.write_all(OK.as_bytes()).await.unwrap();
                sender.send((head, body)).await.unwrap();
            }
        })
        .await;
    let answer = world
        .exchange(
            b"GET http://example.org/ HTTP/1.1\r\nHost: example.org\r\nTrailer: Host\r\nTransfer-Encoding: chunked\r\n\r\n\
              2;x=y\r\nhi\r\n0\r\nHost: evil.example\r\n\r\n\
              GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        )
        .await;
    assert!(answer.ends_with("connection: close\r\n\r\nok"), "{answer}");
    let (head, body) = received.recv().await.unwrap();
    assert_eq!(head, "GET / HTTP/1.1\r\nhost: example.org\r\ntransfer-encoding: chunked\r\n\r\n");
    assert_eq!(body, b"2\r\nhi\r\n0\r\n\r\n");
    world.decided(&["http example.org:80 allowed 93.184.215.14"]).await;
    world.decided_nothing();
}

/// A server that closes after each answer, or says that it goes on when it does not.
#[tokio::test]
async fn a_server_may_close_between_requests() {
    let mut world = World::new();
    let (sender, mut closed) = tokio::sync::mpsc::channel(1);
    world
        .serve(ORIGIN, move |mut stream| {
            let sender = sender.clone();
            async move {
                head(&mut stream).await;
                stream.write_all(OK.as_bytes()).await.unwrap();
                drop(stream);
                sender.send(()).await.unwrap();
            }
        })
        .await;
    let mut stream = world.proxy().await;
    for _ in 0..5 {
        stream.write_all(b"GET http://example.org/ HTTP/1.1\r\n\r\n").await.unwrap();
        closed.recv().await.unwrap();
        assert!(head(&mut stream).await.unwrap().starts_with("HTTP/1.1 200 "));
        stream.read_exact(&mut [0; 2]).await.unwrap();
    }
    assert_eq!(world.log().iter().filter(|line| line.starts_with("dial")).count(), 5);
}

#[tokio::test]
async fn a_client_may_wait_for_permission_to_send_its_body() {
    let mut world = World::new();
    let requests = world.answer(ORIGIN, OK).await;
    let mut stream = world.proxy().await;
    let request = "POST http://example.org/ HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(head(&mut stream).await.unwrap(), "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"body").await.unwrap();
    assert!(head(&mut stream).await.unwrap().starts_with("HTTP/1.1 200 "));
    assert!(requests.all()[0].ends_with("\r\n\r\nbody") && !requests.all()[0].contains("expect"));
    world.decided(&["http example.org:80 allowed 93.184.215.14"]).await;
}

#[tokio::test]
async fn a_body_that_is_malformed_is_the_programs_fault() {
    let mut world = World::new();
    world.serve(ORIGIN, |mut stream| async move { drop(rest(&mut stream).await) }).await;
    let request = b"POST http://example.org/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n0\r\n\r\n";
    let answer = world.exchange(request).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    world.decided(&["http example.org:80 allowed 93.184.215.14", "http example.org:80 bad_request"]).await;
}

#[tokio::test]
async fn a_redirect_is_returned_and_where_it_leads_is_judged() {
    let mut world = World::new();
    let redirect = "HTTP/1.1 302 Found\r\nLocation: http://evil.example/\r\nContent-Length: 0\r\n\r\n";
    world.answer(ORIGIN, redirect).await;
    let answer = world.exchange(&get("http://example.org/", "Host: example.org\r\n")).await;
    assert!(answer.contains("location: http://evil.example/\r\n"), "{answer}");
    assert_refused(&world.exchange(&get("http://evil.example/", "")).await, 403, "not_listed");
    world.decided(&["http example.org:80 allowed 93.184.215.14", "http evil.example:80 not_listed"]).await;
    assert_eq!(world.log(), ["resolve example.org", "dial 93.184.215.14:80"]);
}

#[tokio::test]
async fn other_than_plain_http_requests_are_refused_with_the_remedy() {
    let mut world = World::new();
    let table = [
        (get("/", "Host: example.org\r\n"), 400, "bad_request", "http://host/path"),
        (get("*", "Host: example.org\r\n"), 400, "bad_request", "http://host/path"),
        (get("https://example.org/", ""), 400, "bad_request", "HTTPS_PROXY"),
        (get("ftp://example.org/", ""), 400, "bad_request", "http:// URLs and CONNECT"),
        (get("http://user:pass@example.org/", ""), 400, "bad_request", "user name or password"),
        (get("http://example.org@evil.example/", ""), 400, "bad_request", "user name or password"),
        (get("http://example.org:99999/", ""), 400, "bad_request", "no number"),
        (get("http://example.org:/", ""), 400, "bad_request", "no number"),
        (get("http://ex_ample.org/", ""), 400, "bad_request", "`_`"),
        (get("http://127.1/", ""), 400, "bad_request", "ends with a number"),
        (get("http://2130706433/", ""), 400, "bad_request", "ends with a number"),
        (get("http://0x7f.0.0.1/", ""), 400, "bad_request", "ends with a number"),
        (get("http://[::1%25eth0]/", ""), 400, "bad_request", ""),
        (get("http://[example.org]/", ""), 400, "bad_request", ""),
        (get("http://example.org/", "Upgrade: websocket\r\n"), 403, "upgrade", "use TLS"),
        (get("http://example.org/", "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"), 403, "upgrade", "use TLS"),
        (b"TRACE http://example.org/ HTTP/1.1\r\n\r\n".to_vec(), 403, "method", "TRACE"),
        (get("http://example.org:8080/", ""), 403, "port", "network.ports"),
        (get("http://93.184.215.14/", ""), 403, "address_literal", "use the name"),
    ];
    for (request, status, word, remedy) in table {
        let answer = world.exchange(&request).await;
        assert_refused(&answer, status, word);
        assert!(answer.contains(remedy), "{answer}");
        assert_eq!(world.decision().await.verdict.unwrap_err().word(), word);
    }
    assert_eq!(world.log(), [""; 0]);
}

#[tokio::test]
async fn a_host_header_that_differs_is_refused() {
    let mut world = World::new();
    world.answer(ORIGIN, OK).await;
    for host in [
        "evil.example",
        "example.org:8080",
        "example.org.evil.example",
        "example.org:80:80",
        "[example.org]",
        "a@example.org",
        "",
    ] {
        let answer = world.exchange(&get("http://example.org/", &format!("Host: {host}\r\n"))).await;
        assert_refused(&answer, 403, "host_mismatch");
        world.decided(&["http example.org:80 host_mismatch"]).await;
    }
    for host in ["", "Host: example.org.\r\n", "Host: EXAMPLE.ORG\r\n"] {
        assert!(world.exchange(&get("http://example.org/", host)).await.starts_with("HTTP/1.1 200 "));
    }
}

#[tokio::test]
async fn heads_that_two_readers_read_in_two_ways_are_refused() {
    let mut world = World::new();
    let post =
        |headers: &str| format!("POST http://example.org/ HTTP/1.1\r\nHost: example.org\r\n{headers}\r\n0\r\n\r\n");
    let table = [
        (post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), "ambiguous_framing"),
        (post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), "ambiguous_framing"),
        (post("Content-Length: 5\r\nContent-Length: 5\r\n"), "ambiguous_framing"),
        (post("Content-Length: 5, 5\r\n"), "ambiguous_framing"),
        (post("Content-Length: +5\r\n"), "ambiguous_framing"),
        (post("Content-Length: -1\r\n"), "ambiguous_framing"),
        (post("Content-Length: 18446744073709551615\r\n"), "ambiguous_framing"),
        (post("Content-Length: 99999999999999999999\r\n"), "ambiguous_framing"),
        (post("Content-Length:\r\n"), "ambiguous_framing"),
        (post("Transfer-Encoding: gzip, chunked\r\n"), "ambiguous_framing"),
        (post("Transfer-Encoding: chunked, identity\r\n"), "ambiguous_framing"),
        (post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), "ambiguous_framing"),
        (post("Transfer-Encoding: chunked\r\n").replace("HTTP/1.1", "HTTP/1.0"), "ambiguous_framing"),
        (post("Transfer-Encoding : chunked\r\n"), "bad_request"),
        (post("X: a\r\n Transfer-Encoding: chunked\r\n"), "bad_request"),
        (post(" X: a\r\n"), "bad_request"),
        (post("X: a\0b\r\n"), "bad_request"),
        (post("X: a\rb\r\n"), "bad_request"),
        (post("X: a\nContent-Length: 3\r\n"), "bad_request"),
        (post("no colon\r\n"), "bad_request"),
        (post(": no name\r\n"), "bad_request"),
        (post("Host: example.org\r\n"), "bad_request"),
        (post(&"X: y\r\n".repeat(101)), "bad_request"),
        (post("").replace("\r\n", "\n"), "bad_request"),
        (post("").replace(" HTTP/1.1", "\tHTTP/1.1"), "not_http"),
        (post("").replace(" HTTP/1.1", " HTTP/1.1 "), "not_http"),
        (post("").replace(" HTTP/1.1", "  HTTP/1.1"), "not_http"),
        (post("").replace(" HTTP/1.1", " HTTP/2.0"), "not_http"),
        (post("").replace(" HTTP/1.1", ""), "not_http"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), "not_http"),
        ("\r\n\r\nGET http://example.org/ HTTP/1.1\r\n\r\n".to_owned(), "bad_request"),
        (format!("GET http://example.org/{} HTTP/1.1\r\n\r\n", "a".repeat(70_000)), "bad_request"),
    ];
    for (request, word) in table {
        assert_refused(&world.exchange(request.as_bytes()).await, 400, word);
        world.decided(&[&format!("http :0 {word}")]).await;
    }
    assert_eq!(world.log(), [""; 0]);
}
