//! An application that serves tools as the published package does, and answers when the test says so.

use codemode_proto::compat::{
    GetToolSchemaRequest, GetToolSchemaResponse, ListToolsResponse, ToolCallRequest, ToolCallResponse, ToolInfo,
    tool_service_server::{ToolService, ToolServiceServer},
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, metadata::MetadataMap, transport::Server};

/// A call that waits for its answer. `reply` is closed where the caller does not wait any more.
pub(crate) struct Asked {
    pub(crate) call: ToolCallRequest,
    pub(crate) metadata: MetadataMap,
    pub(crate) reply: oneshot::Sender<Result<ToolCallResponse, Status>>,
}

pub(crate) struct Application {
    pub(crate) target: String,
    pub(crate) asked: mpsc::UnboundedReceiver<Asked>,
    /// The metadata of each question for the list of tools.
    pub(crate) listed: mpsc::UnboundedReceiver<MetadataMap>,
    serving: JoinHandle<()>,
}

struct Tools {
    /// None: it never answers that.
    list: Option<Vec<ToolInfo>>,
    asked: mpsc::UnboundedSender<Asked>,
    listed: mpsc::UnboundedSender<MetadataMap>,
}

impl Application {
    pub(crate) async fn with(list: Vec<ToolInfo>) -> Self {
        Self::telling(Some(list)).await
    }

    /// It hears the question for its tools and says nothing.
    pub(crate) async fn silent() -> Self {
        Self::telling(None).await
    }

    async fn telling(list: Option<Vec<ToolInfo>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap().to_string();
        let ((asking, asked), (listing, listed)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let service = ToolServiceServer::new(Tools { list, asked: asking, listed: listing });
        let server = Server::builder().add_service(service).serve_with_incoming(TcpListenerStream::new(listener));
        let serving = tokio::spawn(async move { server.await.unwrap() });
        Self { target, asked, listed, serving }
    }

    pub(crate) async fn next(&mut self) -> Asked {
        self.asked.recv().await.expect("a call")
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[tonic::async_trait]
impl ToolService for Tools {
    async fn call_tool(&self, request: Request<ToolCallRequest>) -> Result<Response<ToolCallResponse>, Status> {
        let (metadata, _, call) = request.into_parts();
        let (reply, answer) = oneshot::channel();
        self.asked.send(Asked { call, metadata, reply }).map_err(|_| Status::unavailable("the test is over"))?;
        answer.await.map_err(|_| Status::unavailable("the test is over"))?.map(Response::new)
    }

    async fn list_tools(&self, request: Request<()>) -> Result<Response<ListToolsResponse>, Status> {
        self.listed.send(request.into_parts().0).map_err(|_| Status::unavailable("the test is over"))?;
        match &self.list {
            Some(list) => Ok(Response::new(ListToolsResponse { tools: list.clone() })),
            None => std::future::pending().await,
        }
    }

    async fn get_tool_schema(
        &self,
        _: Request<GetToolSchemaRequest>,
    ) -> Result<Response<GetToolSchemaResponse>, Status> {
        Err(Status::unimplemented("nobody asks"))
    }
}
