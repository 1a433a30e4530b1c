//! Who may call: an API key on every path but health, or, without keys, only callers on this machine.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
    task::{Context, Poll},
};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::Response,
};
use bytes::Bytes;
use codemode_config::Secret;
use codemode_types::{ErrorCode, Rejection};
use http_body::{Body as HttpBody, Frame, SizeHint};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    audit::{Audit, Origin, Principal},
    callers::Caller,
    compat, refusal,
    seldom::{Seldom, and_untold},
};

/// The keys, compared as digests: that takes the same time for every wrong key, whatever its length. All clones are one
/// set, which changes for all of them when keys are rotated.
#[derive(Clone, Default)]
pub struct ApiKeys(Arc<RwLock<Vec<Key>>>);

#[derive(Clone, PartialEq, Eq)]
struct Key {
    digest: [u8; 32],
    text: Secret,
}

impl ApiKeys {
    pub fn new<S: AsRef<str>>(keys: &[S]) -> Self {
        let key = |key: &S| Key { digest: Sha256::digest(key.as_ref()).into(), text: Secret::new(key.as_ref()) };
        Self(Arc::new(RwLock::new(keys.iter().map(key).collect())))
    }

    /// From now on the keys of `other` hold, for every clone. Says whether that is a change.
    pub(crate) fn replace(&self, other: &Self) -> bool {
        let fresh = other.held().clone();
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let changed = *held != fresh;
        *held = fresh;
        changed
    }

    pub fn is_empty(&self) -> bool {
        self.held().is_empty()
    }

    pub fn len(&self) -> usize {
        self.held().len()
    }

    /// Bytes of the shortest key; 0 without one.
    pub fn shortest(&self) -> usize {
        self.held().iter().map(|key| key.text.reveal().len()).min().unwrap_or(0)
    }

    /// The newest, which this executor shows to the application in its turn.
    pub(crate) fn newest(&self) -> Option<Secret> {
        self.held().first().map(|key| key.text.clone())
    }

    pub fn permit(&self, presented: &[u8]) -> bool {
        self.identify(presented).is_some()
    }

    /// Compares against every key without stopping at a match.
    pub(crate) fn identify(&self, presented: &[u8]) -> Option<Principal> {
        let digest: [u8; 32] = Sha256::digest(presented).into();
        let compare = |found, key: &Key| found | key.digest.ct_eq(&digest);
        let found: bool = self.held().iter().fold(Choice::from(0), compare).into();
        let [a, b, c, d, ..] = digest;
        found.then_some(Principal::Key([a, b, c, d]))
    }

    fn held(&self) -> RwLockReadGuard<'_, Vec<Key>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} API key(s)", self.len())
    }
}

/// What one listener asks of its callers.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    pub(crate) keys: ApiKeys,
    /// Reachable by a browser on this machine, which will send any web page's requests to a loopback port.
    pub(crate) tcp: bool,
    pub(crate) audit: Audit,
    pub(crate) refusals: Arc<Seldom>,
}

pub(crate) async fn check(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>();
    if open_to_all(request.uri().path()) {
        return match caller.map_or(Ok(None), Caller::ask) {
            Ok(asking) => while_answered(next.run(request).await, asking),
            Err(rejection) => refusal::respond(request.headers(), &rejection),
        };
    }
    let principal = guard.principal(&request);
    let origin = Origin::of(&request, principal);
    let rejection = match principal.map(|_| caller.map_or(Ok(()), Caller::introduce)) {
        Some(Ok(())) => {
            request.extensions_mut().insert(origin);
            return next.run(request).await;
        }
        Some(Err(rejection)) => rejection,
        None => {
            if let Some(untold) = guard.refusals.turn() {
                let path = request.uri().path();
                tracing::warn!(path, "refused: wrong or missing API key{}", and_untold(untold));
            }
            // Says nothing of the executor, nor which of the two it was.
            Rejection::new(ErrorCode::Unauthenticated, "a valid API key is required")
        }
    };
    guard.audit.refused(&origin, None, rejection.code.as_str(), &rejection.message).await;
    refusal::respond(request.headers(), &rejection)
}

/// Holds what an answer takes until its last byte is handed over.
fn while_answered(answer: Response, asking: Option<OwnedSemaphorePermit>) -> Response {
    let Some(asking) = asking else { return answer };
    answer.map(|body| Body::new(Held { body, _asking: asking }))
}

struct Held {
    body: Body,
    _asking: OwnedSemaphorePermit,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Probes carry no key. Whole paths only: a prefix could be extended into something else.
fn open_to_all(path: &str) -> bool {
    let probes = ["/healthz", "/readyz", "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"];
    probes.contains(&path) || compat::PROBES.contains(&path)
}

impl Guard {
    fn principal(&self, request: &Request) -> Option<Principal> {
        if self.keys.is_empty() {
            return (!self.tcp || local_caller(request)).then_some(Principal::Local);
        }
        presented(request.headers()).find_map(|key| self.keys.identify(key))
    }
}

fn presented(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
    let plain = headers.get("x-api-key").map(|value| value.as_bytes());
    bearer.into_iter().chain(plain)
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, key) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| key.trim_ascii())
}

/// Not a web page's request: no Origin, and addressed to this machine by a name that no foreign DNS entry can claim.
fn local_caller(request: &Request) -> bool {
    let host = match request.uri().authority() {
        Some(authority) => Some(authority.as_str()),
        None => request.headers().get(header::HOST).and_then(|value| value.to_str().ok()),
    };
    !request.headers().contains_key(header::ORIGIN) && host.is_some_and(names_this_machine)
}

fn names_this_machine(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => authority.split(':').next(),
    };
    host.is_some_and(|host| {
        host.eq_ignore_ascii_case("localhost")
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_of_two_keys_is_enough_and_nothing_else_is() {
        let keys = ApiKeys::new(&["old", "new"]);
        assert!(keys.permit(b"old") && keys.permit(b"new"));
        assert!(!keys.permit(b"") && !keys.permit(b"ol") && !keys.permit(b"oldnew"));
        assert!(!ApiKeys::default().permit(b""));
        assert_eq!(format!("{keys:?}"), "2 API key(s)");
    }

    #[test]
    fn bearer_is_read_whatever_its_case() {
        assert_eq!(bearer(b"bearer  k "), Some(&b"k"[..]));
        assert_eq!(bearer(b"Basic k"), None);
        assert_eq!(bearer(b"Bear"), None);
    }

    #[test]
    fn only_loopback_names_are_this_machine() {
        for host in ["localhost", "LOCALHOST:8001", "127.0.0.1:8001", "127.9.9.9", "[::1]:80"] {
            assert!(names_this_machine(host), "{host}");
        }
        for host in ["", "evil.example", "localhost.evil.example:8001", "0.0.0.0", "10.0.0.1", "[::]:80"] {
            assert!(!names_this_machine(host), "{host}");
        }
    }
}
