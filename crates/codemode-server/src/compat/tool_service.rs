//! The application's side of the protocol: what it is asked, and what becomes of its silence.

use std::{error::Error, sync::Arc, time::Duration};

use axum::http;
use codemode_proto::compat::{ToolCallRequest, ToolCallResponse, ToolInfo, tool_service_client::ToolServiceClient};
use codemode_types::Limits;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};
use tonic::{
    Request, Status,
    body::Body,
    metadata::{Ascii, MetadataMap, MetadataValue},
    transport::Channel,
};
use tower::ServiceExt as _;

use super::{
    callback::Callback,
    received::{Metered, Received, Share},
};
use crate::{
    audit::escaped,
    auth::ApiKeys,
    seldom::{Seldom, and_untold},
};

/// For the list of tools, which the application has at hand.
const PATIENCE: Duration = Duration::from_secs(5);
/// Whoever asks for readiness has shown no key: the application is asked no more often than this.
const BETWEEN_PROBES: Duration = Duration::from_secs(1);
/// Room for what stands around a value in a message.
const OVERHEAD: u64 = 1 << 20;
/// Of answers to one execution that are under way at once; two of the largest always fit.
const MOST_RECEIVED: usize = 64 << 20;

#[derive(Clone, Debug)]
pub(super) struct ToolService(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    callback: Callback,
    channel: Channel,
    /// Of one answer.
    most_bytes: usize,
    keys: ApiKeys,
    probed: Arc<Mutex<Option<(Instant, bool)>>>,
    complaints: Seldom,
}

/// The caller's own names for a request, for the application's records. The code has no part in them.
#[derive(Clone, Debug, Default)]
pub(super) struct Trace {
    correlation_id: Option<MetadataValue<Ascii>>,
    parent: Option<MetadataValue<Ascii>>,
}

#[derive(Debug)]
pub(super) enum Unserved {
    /// And why.
    Unreachable(String),
    Refused(Status),
}

impl Trace {
    pub(super) fn of(metadata: &MetadataMap, correlation_id: &str) -> Self {
        let correlation_id = Some(correlation_id).filter(|it| !it.is_empty()).and_then(|it| it.parse().ok());
        Self { correlation_id, parent: metadata.get("traceparent").cloned() }
    }

    pub(super) fn correlation_id(&self) -> &str {
        self.correlation_id.as_ref().and_then(|it| it.to_str().ok()).unwrap_or_default()
    }
}

impl ToolService {
    pub(super) fn new(callback: Callback, keys: ApiKeys, limits: &Limits) -> Self {
        let most = usize::try_from(limits.value_bytes.bytes().saturating_add(OVERHEAD)).unwrap_or(usize::MAX);
        let channel = callback.channel();
        let (probed, complaints) = (Arc::default(), Seldom::default());
        Self(Arc::new(Shared { callback, channel, most_bytes: most, keys, probed, complaints }))
    }

    pub(super) fn address(&self) -> &str {
        self.0.callback.address()
    }

    pub(super) async fn list(&self, trace: &Trace) -> Result<Vec<ToolInfo>, Unserved> {
        let channel = self.0.channel.clone();
        let mut client = ToolServiceClient::new(channel).max_decoding_message_size(self.0.most_bytes);
        match timeout(PATIENCE, client.list_tools(self.request((), trace))).await {
            Ok(Ok(answer)) => Ok(answer.into_inner().tools),
            Ok(Err(status)) => Err(Unserved::of(status)),
            Err(_) => Err(Unserved::Unreachable(format!("no answer within {} s", PATIENCE.as_secs()))),
        }
    }

    /// For the answers to one execution.
    pub(super) fn received(&self) -> Received {
        Received::new(self.0.most_bytes.saturating_mul(2).max(MOST_RECEIVED))
    }

    /// Until the answer comes: whoever waits knows how long.
    pub(super) async fn call(
        &self,
        call: ToolCallRequest,
        trace: &Trace,
        share: &Arc<Share>,
    ) -> Result<ToolCallResponse, Unserved> {
        let counted = Arc::clone(share);
        let metered = self
            .0
            .channel
            .clone()
            .map_response(move |answer: http::Response<Body>| answer.map(|body| Metered { body, share: counted }));
        let mut client = ToolServiceClient::new(metered).max_decoding_message_size(self.0.most_bytes);
        let answered = client.call_tool(self.request(call, trace)).await;
        answered.map(tonic::Response::into_inner).map_err(Unserved::of)
    }

    /// Code can bring it about as often as it may call tools.
    pub(super) fn complain(&self, error: &Unserved) {
        let Some(untold) = self.0.complaints.turn() else { return };
        let (address, untold) = (self.address(), and_untold(untold));
        match error {
            Unserved::Unreachable(why) => {
                let why = escaped(why);
                tracing::warn!(address, %why, "a tool call did not reach the ToolService{untold}");
            }
            Unserved::Refused(status) => {
                tracing::warn!(address, code = ?status.code(), "the ToolService refused a tool call{untold}");
            }
        }
    }

    /// Whether it answers, as of a moment ago.
    pub(super) async fn is_reachable(&self) -> bool {
        let mut probed = Arc::clone(&self.0.probed).lock_owned().await;
        if let Some((at, reachable)) = *probed
            && at.elapsed() < BETWEEN_PROBES
        {
            return reachable;
        }
        // Goes on when whoever asked gives up: otherwise the next one would ask the application again at once.
        let service = self.clone();
        let asked = tokio::spawn(async move {
            let reachable = service.list(&Trace::default()).await.is_ok();
            *probed = Some((Instant::now(), reachable));
            reachable
        });
        asked.await.unwrap_or(false)
    }

    fn request<T>(&self, message: T, trace: &Trace) -> Request<T> {
        let mut request = Request::new(message);
        let key = self.0.keys.newest().and_then(|key| format!("Bearer {}", key.reveal()).parse().ok());
        let key = key.map(|mut key: MetadataValue<Ascii>| {
            key.set_sensitive(true);
            key
        });
        let named = [
            ("authorization", key),
            ("x-correlation-id", trace.correlation_id.clone()),
            ("traceparent", trace.parent.clone()),
        ];
        for (name, value) in named {
            if let Some(value) = value {
                request.metadata_mut().insert(name, value);
            }
        }
        request
    }
}

impl Unserved {
    /// A status of tonic's own has a cause; one that was sent has none.
    fn of(status: Status) -> Self {
        let mut cause = status.source();
        let mut deepest = None;
        while let Some(error) = cause {
            deepest = Some(error.to_string());
            cause = error.source();
        }
        match deepest {
            Some(why) => Self::Unreachable(why),
            None => Self::Refused(status),
        }
    }
}
