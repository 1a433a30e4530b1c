//! The application's side of the protocol: what it is asked, and what becomes of its silence.

use std::{error::Error, sync::Arc, time::Duration};

use codemode_proto::compat::{ToolCallRequest, ToolCallResponse, ToolInfo, tool_service_client::ToolServiceClient};
use codemode_types::Limits;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataMap, MetadataValue},
    transport::Channel,
};

use super::callback::Callback;
use crate::auth::ApiKeys;

/// For the list of tools, which the application has at hand.
const PATIENCE: Duration = Duration::from_secs(5);
/// Whoever asks for readiness has shown no key: the application is asked no more often than this.
const BETWEEN_PROBES: Duration = Duration::from_secs(1);
/// Room for what stands around a value in a message.
const OVERHEAD: u64 = 1 << 20;

#[derive(Clone, Debug)]
pub(super) struct ToolService(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    callback: Callback,
    client: ToolServiceClient<Channel>,
    keys: ApiKeys,
    probed: Mutex<Option<(Instant, bool)>>,
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
        let client = ToolServiceClient::new(callback.channel()).max_decoding_message_size(most);
        Self(Arc::new(Shared { callback, client, keys, probed: Mutex::default() }))
    }

    pub(super) fn address(&self) -> &str {
        self.0.callback.address()
    }

    pub(super) async fn list(&self, trace: &Trace) -> Result<Vec<ToolInfo>, Unserved> {
        let mut client = self.0.client.clone();
        match timeout(PATIENCE, client.list_tools(self.request((), trace))).await {
            Ok(Ok(answer)) => Ok(answer.into_inner().tools),
            Ok(Err(status)) => Err(Unserved::of(status)),
            Err(_) => Err(Unserved::Unreachable(format!("no answer within {} s", PATIENCE.as_secs()))),
        }
    }

    /// Until the answer comes: whoever waits knows how long.
    pub(super) async fn call(&self, call: ToolCallRequest, trace: &Trace) -> Result<ToolCallResponse, Unserved> {
        let mut client = self.0.client.clone();
        let answered = client.call_tool(self.request(call, trace)).await;
        answered.map(tonic::Response::into_inner).map_err(Unserved::of)
    }

    /// Whether it answers, as of a moment ago.
    pub(super) async fn is_reachable(&self) -> bool {
        let mut probed = self.0.probed.lock().await;
        if let Some((at, reachable)) = *probed
            && at.elapsed() < BETWEEN_PROBES
        {
            return reachable;
        }
        let reachable = self.list(&Trace::default()).await.is_ok();
        *probed = Some((Instant::now(), reachable));
        reachable
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
