use std::sync::Arc;

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::RecordType;
use tokio::{
    io::{DuplexStream, duplex},
    task::JoinHandle,
    time::Instant,
};

use super::*;

/// Allows `allowed.example` and remembers what was refused.
#[derive(Default)]
struct Policy {
    refused: Arc<Mutex<Vec<Refused>>>,
}

impl Names for Policy {
    fn judge(&self, host: &Host) -> Permission {
        if host.to_string() == "allowed.example" { Permission::Allowed } else { Permission::NotListed }
    }

    fn refused(&self, refused: Refused) -> BoxFuture<()> {
        let all = Arc::clone(&self.refused);
        Box::pin(async move { all.lock().unwrap().push(refused) })
    }
}

fn serve() -> (DuplexStream, Arc<Stub>, JoinHandle<Vec<Refused>>) {
    let (ours, theirs) = duplex(1 << 16);
    let stub = Arc::new(Stub::new());
    let serving = Arc::clone(&stub);
    let task = tokio::spawn(async move {
        let policy = Policy::default();
        serving.serve(theirs, &policy).await;
        policy.refused.lock().unwrap().clone()
    });
    (ours, stub, task)
}

/// A question with its length before it.
fn framed(id: u16, name: &str, kind: RecordType) -> Vec<u8> {
    let mut message = Message::query();
    message.metadata.id = id;
    message.add_query(Query::query(name.parse().unwrap(), kind));
    let message = message.to_vec().unwrap();
    [&(message.len() as u16).to_be_bytes(), &message[..]].concat()
}

async fn receive(stream: &mut DuplexStream) -> Message {
    let mut message = vec![0; usize::from(stream.read_u16().await.unwrap())];
    stream.read_exact(&mut message).await.unwrap();
    Message::from_vec(&message).unwrap()
}

#[tokio::test]
async fn questions_are_answered_in_order_however_they_arrive() {
    let (mut stream, stub, _task) = serve();
    let pipelined: Vec<u8> = (0..100).flat_map(|id| framed(id, "allowed.example.", RecordType::A)).collect();
    stream.write_all(&pipelined).await.unwrap();
    for byte in framed(100, "allowed.example.", RecordType::A) {
        stream.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    for id in 0..=100 {
        let message = receive(&mut stream).await;
        assert_eq!((message.metadata.id, message.metadata.response_code), (id, ResponseCode::NoError));
        let Some(std::net::IpAddr::V4(address)) = message.answers[0].data.ip_addr() else { panic!("{message}") };
        assert_eq!(stub.name_of(address).unwrap().as_str(), "allowed.example");
    }
    assert_eq!(stub.name_of(Ipv4Addr::LOCALHOST), None);
}

#[tokio::test]
async fn a_refusal_is_told_once_for_both_families_before_the_answer() {
    let (mut stream, _, task) = serve();
    for (name, kind) in [("a.evil", RecordType::A), ("a.evil", RecordType::AAAA), ("b.evil", RecordType::A)] {
        stream.write_all(&framed(1, &format!("{name}."), kind)).await.unwrap();
        assert_eq!(receive(&mut stream).await.metadata.response_code, ResponseCode::NXDomain);
    }
    drop(stream);
    let hosts: Vec<_> = task.await.unwrap().into_iter().map(|refused| refused.host).collect();
    assert_eq!(hosts, ["a.evil", "b.evil"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_message_ends_the_connection_at_once() {
    let start = Instant::now();
    let giant = [&0xffff_u16.to_be_bytes()[..], &[0; 100]].concat();
    let too_long = ((MESSAGE_BYTES + 1) as u16).to_be_bytes();
    for bytes in [&b"\0\0"[..], &giant, &too_long, b"\0\x05hello", b"\0\x0c\0\0\x80\0\0\0\0\0\0\0\0\0"] {
        let (mut stream, _, task) = serve();
        stream.write_all(bytes).await.unwrap();
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "{bytes:?}");
        task.await.unwrap();
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn a_connection_that_ends_in_the_middle_is_over() {
    let whole = framed(1, "allowed.example.", RecordType::A);
    for length in 0..whole.len() {
        let (mut stream, _, task) = serve();
        stream.write_all(&whole[..length]).await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
        task.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_question_and_an_answer_that_nobody_takes_end_the_connection() {
    let (mut stream, _, task) = serve();
    let start = Instant::now();
    stream.write_all(&framed(1, "allowed.example.", RecordType::A)[..20]).await.unwrap();
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    task.await.unwrap();
    assert_eq!(start.elapsed(), IDLE_TIMEOUT);

    let (ours, theirs) = duplex(64);
    let task = tokio::spawn(async move { Stub::new().serve(theirs, &Policy::default()).await });
    let (_unread, mut sending) = tokio::io::split(ours);
    while sending.write_all(&framed(1, "allowed.example.", RecordType::A)).await.is_ok() {}
    task.await.unwrap();
    assert_eq!(start.elapsed(), 2 * IDLE_TIMEOUT);
}

#[tokio::test]
async fn questions_are_counted_for_the_connection_and_for_the_session() {
    let (mut stream, stub, task) = serve();
    for _ in 0..QUESTIONS_PER_CONNECTION {
        stream.write_all(&framed(1, "allowed.example.", RecordType::A)).await.unwrap();
        receive(&mut stream).await;
    }
    task.await.unwrap();
    assert_eq!(stub.questions_left.load(Ordering::Relaxed), QUESTIONS_PER_SESSION - QUESTIONS_PER_CONNECTION);

    stub.questions_left.store(1, Ordering::Relaxed);
    let (mut ours, theirs) = duplex(1 << 16);
    let serving = Arc::clone(&stub);
    let task = tokio::spawn(async move { serving.serve(theirs, &Policy::default()).await });
    ours.write_all(&framed(1, "allowed.example.", RecordType::A).repeat(2)).await.unwrap();
    receive(&mut ours).await;
    assert_eq!(ours.read(&mut [0]).await.unwrap(), 0);
    task.await.unwrap();
}
