use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use codemode_proto::{
    ExecutorInfo,
    v1::{self, executor_client::ExecutorClient, server_message::Message},
};
use codemode_types::{ErrorCode, ExecutionId, Rejection};
use tokio::{sync::mpsc, task::AbortHandle, time::timeout};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Streaming, transport::Channel};

use crate::{
    ClientError, Hold,
    dial::Dial,
    status::{LinkFailure, Peer},
    wire::Pulse,
};

/// Against a length prefix gone wild. An executor's own limits are far below, unless its operator raised them.
const MAX_MESSAGE: usize = 1 << 30;

/// One connection with its one stream. Executions that share it are told apart by id.
pub(crate) struct Link {
    pub(crate) info: ExecutorInfo,
    /// Bytes of large results of tools that an execution may have under way at first; 0: they go whole.
    pub(crate) tool_result_credit: u64,
    pub(crate) peer: Peer,
    outbox: mpsc::UnboundedSender<v1::ClientMessage>,
    routes: Arc<Routes>,
    reader: AbortHandle,
    retired: AtomicBool,
}

impl Link {
    pub(crate) async fn open(dial: &Dial) -> Result<Arc<Self>, ClientError> {
        let (channel, pulse) = dial.channel().await?;
        // An executor that accepts and then says nothing, though it answers pings.
        timeout(dial.peer.timeout, Self::greet(dial, channel, pulse))
            .await
            .unwrap_or(Err(LinkFailure::Silent))
            .map_err(|failure| failure.at_connect(&dial.peer))
    }

    async fn greet(dial: &Dial, channel: Channel, pulse: Pulse) -> Result<Arc<Self>, LinkFailure> {
        let (outbox, inbox) = mpsc::unbounded_channel();
        let broken = |_| LinkFailure::Broken("the stream closed at once".into());
        outbox.send(v1::ClientMessage::hello(dial.hello.clone())).map_err(broken)?;
        let mut incoming = ExecutorClient::new(channel)
            .max_decoding_message_size(MAX_MESSAGE)
            .connect(dial.authorized(UnboundedReceiverStream::new(inbox)))
            .await
            .map_err(|status| LinkFailure::of(&status, &pulse))?
            .into_inner();
        let (info, tool_result_credit) = welcome(next(&mut incoming, &pulse).await?)?;
        let routes = Arc::new(Routes::default());
        let reader = tokio::spawn(read(incoming, Arc::clone(&routes), pulse)).abort_handle();
        let (peer, retired) = (dial.peer.clone(), AtomicBool::new(false));
        Ok(Arc::new(Self { info, tool_result_credit, peer, outbox, routes, reader, retired }))
    }

    /// Whether a new execution may use it.
    pub(crate) fn is_open(&self) -> bool {
        !self.retired.load(Ordering::Relaxed) && self.routes.lock().failure.is_none()
    }

    /// The executor is about to stop: new executions need a new connection, those under way go on.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
    }

    /// Ends every execution on it.
    pub(crate) fn close(&self) {
        self.routes.fail(LinkFailure::Closed);
        self.reader.abort();
    }

    /// What the executor says about `id` from now on. Says `None` if a live execution of this link has that id.
    pub(crate) fn route(self: &Arc<Self>, id: &ExecutionId) -> Result<Option<Route>, LinkFailure> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut table = self.routes.lock();
        if let Some(failure) = &table.failure {
            return Err(failure.clone());
        }
        if table.open.contains_key(id.as_str()) {
            return Ok(None);
        }
        table.open.insert(id.as_str().into(), sender);
        Ok(Some(Route { link: Arc::clone(self), id: id.clone(), receiver, over: false }))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// The end of one execution's frames. Dropped before the execution is over, it cancels it.
pub(crate) struct Route {
    link: Arc<Link>,
    id: ExecutionId,
    receiver: mpsc::UnboundedReceiver<Message>,
    over: bool,
}

impl Route {
    pub(crate) fn send(&self, message: impl Into<v1::client_message::Message>) {
        // If the stream is gone, `receive` says so.
        let _ = self.link.outbox.send(v1::ClientMessage::new(&self.id, message));
    }

    pub(crate) fn hold(&self, call_id: u64) -> Hold {
        Hold::new(self.link.outbox.clone(), self.id.clone(), call_id)
    }

    /// Cancel safe.
    pub(crate) async fn receive(&mut self) -> Result<Message, LinkFailure> {
        if let Some(message) = self.receiver.recv().await {
            self.over = matches!(message, Message::Finished(_) | Message::Rejected(_));
            return Ok(message);
        }
        self.over = true;
        let failure = self.link.routes.lock().failure.clone();
        Err(failure.unwrap_or_else(|| LinkFailure::Broken("the stream closed".into())))
    }
}

impl Drop for Route {
    fn drop(&mut self) {
        if !self.over {
            self.send(v1::Cancel {});
        }
        self.link.routes.lock().open.remove(self.id.as_str());
    }
}

#[derive(Default)]
struct Routes(Mutex<Table>);

#[derive(Default)]
struct Table {
    open: HashMap<Box<str>, mpsc::UnboundedSender<Message>>,
    failure: Option<LinkFailure>,
}

impl Routes {
    fn lock(&self) -> MutexGuard<'_, Table> {
        // Nothing in here panics between two states.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deliver(&self, id: &str, message: Message) {
        // An id nobody waits for is an execution that was dropped here and is being cancelled there. Unbounded is
        // bounded by the executor: output by its credit, tool calls by their number.
        if let Some(route) = self.lock().open.get(id) {
            let _ = route.send(message);
        }
    }

    /// The first failure is the reason; dropping the senders wakes every execution.
    fn fail(&self, failure: LinkFailure) {
        let mut table = self.lock();
        table.failure.get_or_insert(failure);
        table.open.clear();
    }
}

async fn read(mut incoming: Streaming<v1::ServerMessage>, routes: Arc<Routes>, pulse: Pulse) {
    let failure = loop {
        match next(&mut incoming, &pulse).await {
            Ok((id, Message::Rejected(rejected))) if id.is_empty() => break refusal(rejected),
            Ok((id, message)) => routes.deliver(&id, message),
            Err(failure) => break failure,
        }
    };
    tracing::debug!(?failure, "connection to the executor ended");
    routes.fail(failure);
}

async fn next(incoming: &mut Streaming<v1::ServerMessage>, pulse: &Pulse) -> Result<(String, Message), LinkFailure> {
    loop {
        let frame = incoming.message().await.map_err(|status| LinkFailure::of(&status, pulse))?;
        let Some(frame) = frame else {
            return Err(LinkFailure::Broken("the executor ended the stream".into()));
        };
        // A kind of message that a later version added says nothing to this one.
        if let Some(message) = frame.message {
            return Ok((frame.execution_id, message));
        }
    }
}

/// What the executor says of itself, and its credit for large results of tools.
fn welcome((_, message): (String, Message)) -> Result<(ExecutorInfo, u64), LinkFailure> {
    match message {
        Message::Welcome(info) => {
            let credit = info.tool_result_credit;
            let info = info.try_into().map_err(|error| LinkFailure::Protocol(format!("{error}")))?;
            Ok((info, credit))
        }
        Message::Rejected(rejected) => Err(refusal(rejected)),
        _ => Err(LinkFailure::Protocol("its first message was no welcome".into())),
    }
}

fn refusal(rejected: v1::Rejected) -> LinkFailure {
    let message = rejected.message.clone();
    let rejection = Rejection::try_from(rejected).unwrap_or(Rejection::new(ErrorCode::Internal, message));
    LinkFailure::Refused(rejection)
}
