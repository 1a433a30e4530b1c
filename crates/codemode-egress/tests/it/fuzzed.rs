//! The fuzz targets of this crate, on their seeds and on every input that was ever found.
#![allow(clippy::expect_used, clippy::panic, unreachable_pub)] // as the fuzzer's own crate has them

#[path = "../../../../fuzz/src/dns.rs"]
mod dns;
#[path = "../../../../fuzz/src/egress.rs"]
mod egress;
#[path = "../../../../fuzz/src/replay.rs"]
mod replay;

#[test]
fn questions_to_the_stub() {
    replay::all("dns_stub", dns::stub);
}

#[test]
fn heads_of_requests_and_socks() {
    replay::all("egress_heads", egress::heads);
}

#[test]
fn client_hellos() {
    replay::all("client_hello", egress::client_hello);
}
