//! An empty network namespace is used again. What an execution leaves in it goes with it, or takes it out of use.

use codemode_types::Outcome;
use serde_json::{Value, json};

use crate::harness::{Ran, engine, is_root, run};

/// More than are kept and made ahead, so that some are used again.
const MANY: usize = 12;

/// Which one it is, and the sockets that are in it already.
const LOOK: &str = "
import os
sockets = open('/proc/self/net/unix').read().splitlines()[1:]
result = [os.readlink('/proc/self/ns/net'), sockets]
";

/// A name, a process that holds it, and a socket that nobody holds but itself: sent over itself and never received.
const LEAVE: &str = "
import os, socket, time
named = socket.socket(socket.AF_UNIX)
named.bind(chr(0) + 'left')
named.listen()
one, other = socket.socketpair()
socket.send_fds(one, [b'x'], [one.fileno(), other.fileno(), named.fileno()])
if os.fork() == 0:
    os.setsid()
    time.sleep(60)
";

fn seen(ran: &Ran) -> (String, Value) {
    let result: Value = serde_json::from_str(&ran.result()).unwrap();
    (result[0].as_str().unwrap().to_owned(), result[1].clone())
}

#[tokio::test]
async fn nothing_that_an_execution_leaves_is_in_a_later_ones_network() {
    if !is_root() {
        return; // the namespace belongs to the sandbox's own user namespace
    }
    let engine = engine(json!({})).await;
    let mut networks = Vec::new();
    for _ in 0..MANY {
        let left = run(&engine, LEAVE).await;
        assert_eq!(left.outcome(), Outcome::Ok, "{left:#?}");
        let (network, sockets) = seen(&run(&engine, LOOK).await);
        assert_eq!(sockets, json!([]));
        networks.push(network);
    }
    let used = networks.len();
    networks.sort();
    networks.dedup();
    assert!(networks.len() < used, "none was used again, so this shows nothing: {networks:?}");
}
