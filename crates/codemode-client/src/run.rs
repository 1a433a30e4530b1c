//! Running code: for its outcome, or for all that happens meanwhile.

use std::sync::Arc;

use codemode_types::{ExecutionId, OutputStream};

use crate::{
    Client, ClientError, ExecutionOutcome, ExecutionStream, OutputSink, Request, ToolHost, events::Outlet, execution,
    new_execution_id, output::Closure,
};

impl Client {
    /// Runs code and calls `output` with its output as it comes; a copy of it is in the outcome.
    ///
    /// Dropping the future cancels the execution and drops the futures of its tool calls.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use codemode_client::{Client, EmbeddedOptions, NoTools, Request};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Some(executable) = std::env::var_os("CODEMODE_EXECUTABLE") else {
    /// #     return Ok(println!("not run: CODEMODE_EXECUTABLE names no executor"));
    /// # };
    /// let client = Client::embedded(EmbeddedOptions::new(executable))?;
    /// let mut printed = Vec::new();
    /// let request = Request::new("print('hello')\n[1, 2]");
    /// let outcome = client.execute(request, Arc::new(NoTools), |_stream, bytes| printed.extend_from_slice(bytes)).await?;
    /// assert_eq!(printed, b"hello\n");
    /// assert_eq!(outcome.result::<Vec<u8>>()?, Some(vec![1, 2]));
    ///
    /// // What the code does wrong is an outcome and no error.
    /// let outcome = client.execute(Request::new("1 / 0"), Arc::new(NoTools), |_stream, _bytes| ()).await?;
    /// assert_eq!(outcome.report.failure.unwrap().error_type, "ZeroDivisionError");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn execute<F>(
        &self,
        request: Request,
        tools: Arc<dyn ToolHost>,
        output: F,
    ) -> Result<ExecutionOutcome, ClientError>
    where
        F: FnMut(OutputStream, &[u8]) + Send,
    {
        self.execute_to(request, tools, Closure(output)).await
    }

    /// The same with a sink that may take its time.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use bytes::Bytes;
    /// use codemode_client::{Client, EmbeddedOptions, NoTools, OutputSink, OutputStream, Request};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Some(executable) = std::env::var_os("CODEMODE_EXECUTABLE") else {
    /// #     return Ok(println!("not run: CODEMODE_EXECUTABLE names no executor"));
    /// # };
    /// /// Hands output to another task, which may be slow.
    /// struct Forward(tokio::sync::mpsc::Sender<Bytes>);
    ///
    /// impl OutputSink for Forward {
    ///     async fn write(&mut self, _: OutputStream, data: Bytes) {
    ///         let _ = self.0.send(data).await;
    ///     }
    /// }
    ///
    /// let client = Client::embedded(EmbeddedOptions::new(executable))?;
    /// let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    /// let execution = client.execute_to(Request::new("print('hello')"), Arc::new(NoTools), Forward(sender));
    /// let (outcome, received) = tokio::join!(execution, receiver.recv());
    /// assert_eq!((outcome?.stdout, received), (b"hello\n".to_vec(), Some(Bytes::from("hello\n"))));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn execute_to<S: OutputSink>(
        &self,
        request: Request,
        tools: Arc<dyn ToolHost>,
        sink: S,
    ) -> Result<ExecutionOutcome, ClientError> {
        self.run(request, tools, sink, None).await
    }

    /// Runs code and tells what happens meanwhile: its output, its tool calls with their progress, and at last how it
    /// ended. Call it within a tokio runtime, where the execution is a task. Dropping the stream cancels the execution.
    ///
    /// A reader that is behind holds the code back: one mebibyte of events waits for it, then the executor waits.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use codemode_client::{Call, Client, EmbeddedOptions, Event, Request, Tool, Tools, Value, json};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Some(executable) = std::env::var_os("CODEMODE_EXECUTABLE") else {
    /// #     return Ok(println!("not run: CODEMODE_EXECUTABLE names no executor"));
    /// # };
    /// let work = Tool::with_call("work", "Works", |_: Value, call: Call| async move {
    ///     call.progress("half of it", 0.5);
    ///     Ok(json!("done"))
    /// });
    /// let client = Client::embedded(EmbeddedOptions::new(executable))?;
    /// let code = "print('before')\ntools['work'].run()";
    /// let mut events = client.stream(Request::new(code), Arc::new(Tools::of([work])?));
    /// let mut seen = Vec::new();
    /// while let Some(event) = events.next().await {
    ///     seen.push(match event {
    ///         Event::Stdout(bytes) => String::from_utf8_lossy(&bytes).trim().to_string(),
    ///         Event::ToolCallStarted { name, .. } => format!("{name} begins"),
    ///         Event::ToolProgress { message, .. } => message,
    ///         Event::ToolCallFinished { name, status, .. } => format!("{name}: {status}"),
    ///         Event::Finished(outcome) => outcome?.result::<String>()?.unwrap_or_default(),
    ///         _ => continue,
    ///     });
    /// }
    /// assert_eq!(seen, ["before", "work begins", "half of it", "work: ok", "done"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(&self, request: Request, tools: Arc<dyn ToolHost>) -> ExecutionStream {
        let client = self.clone();
        ExecutionStream::of(request.cancel.clone(), |outlet| async move {
            client.run(request, tools, outlet.clone(), Some(outlet)).await
        })
    }

    async fn run<S: OutputSink>(
        &self,
        request: Request,
        tools: Arc<dyn ToolHost>,
        mut sink: S,
        outlet: Option<Outlet>,
    ) -> Result<ExecutionOutcome, ClientError> {
        let settings = self.settings();
        let request = settings.applied(request)?;
        let mut attempt = 1;
        loop {
            // On the heap, so that what callers hand about is small.
            let execution = Box::pin(self.attempt(request.clone(), Arc::clone(&tools), &mut sink, outlet.clone()));
            let ended = execution.await;
            let error = match ended {
                Ok(outcome) => return Ok(settings.trimmed(outcome)),
                Err(error) => error,
            };
            // Nothing ran.
            let Some(pause) = settings.pause(attempt, &error) else { return Err(error) };
            tokio::select! {
                () = tokio::time::sleep(pause) => attempt += 1,
                () = request.cancel.cancelled() => return Err(error),
            }
        }
    }

    async fn attempt<S: OutputSink>(
        &self,
        request: Request,
        tools: Arc<dyn ToolHost>,
        sink: S,
        outlet: Option<Outlet>,
    ) -> Result<ExecutionOutcome, ClientError> {
        let id: ExecutionId = match &request.execution_id {
            Some(id) => id.clone(),
            None => new_execution_id()?,
        };
        let link = self.link().await?;
        execution::run(&link, id, request, tools, sink, outlet).await
    }
}
