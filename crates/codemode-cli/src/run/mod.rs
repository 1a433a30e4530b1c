//! `codemode run`: one execution, on an executor of its own or on a remote one.

mod output;
mod result;
mod target;
mod tools;

use std::{
    fs,
    io::{self, Read},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use codemode_client::{CancellationToken, Client, ClientError, ExecutionOutcome, NoTools, Request, ToolHost};
use codemode_types::LimitOverrides;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    args::RunArgs,
    environment,
    exit::{Failure, USAGE},
    log,
    serve::runtime,
};
use tools::PythonTools;

pub(crate) fn run(args: RunArgs) -> Result<ExitCode, Failure> {
    let variables = environment::variables();
    let target = target::target(&args, &variables)?;
    if let Some(level) = target.log_level() {
        log::start(level, &variables)?;
    }
    let request = Request {
        environment: args.environment.clone(),
        overrides: LimitOverrides { code_timeout: args.timeout, ..LimitOverrides::default() },
        ..Request::new(code(&args.file)?)
    };
    runtime()?.block_on(async {
        let client = target.client().map_err(failure)?;
        if args.tools.is_empty() {
            let outcome = execute(client, request, Arc::new(NoTools), args.json).await;
            return shown(outcome, args.json);
        }
        let mut tools = match PythonTools::start(&args).await {
            Ok(tools) => tools,
            Err(exit) => return Ok(exit),
        };
        let mut outcome = execute(client, tools.introduce(request), tools.host(), args.json).await;
        let warnings = tools.close().await;
        if let Ok(outcome) = &mut outcome {
            outcome.report.warnings.extend(warnings);
        }
        let shown = shown(outcome, args.json);
        tools.end();
        shown
    })
}

fn shown(outcome: Result<ExecutionOutcome, ClientError>, json: bool) -> Result<ExitCode, Failure> {
    match outcome {
        Ok(outcome) => result::print(&outcome, json),
        Err(error) if json => result::print_error(&error, exit_code(&error)),
        Err(error) => Err(failure(error)),
    }
}

fn code(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut code = Vec::new();
    let read = match file == Path::new("-") {
        true => io::stdin().lock().read_to_end(&mut code).map(|_| code),
        false => fs::read(file),
    };
    read.map_err(|error| Failure::usage(format!("cannot read {}: {error}", file.display())))
}

/// Ctrl-C cancels the execution and still shows what came of it; a second one ends this process.
async fn execute(
    client: Client,
    mut request: Request,
    tools: Arc<dyn ToolHost>,
    json: bool,
) -> Result<ExecutionOutcome, ClientError> {
    let cancel = CancellationToken::new();
    request.cancel = cancel.clone();
    let watch = tokio::spawn(async move {
        let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            return;
        };
        for _ in 0..2 {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if cancel.is_cancelled() {
                std::process::exit(130);
            }
            cancel.cancel();
        }
    });
    let outcome = client.execute(request, tools, output::live(json)).await;
    watch.abort();
    client.close().await;
    outcome
}

fn failure(error: ClientError) -> Failure {
    Failure { exit: exit_code(&error), message: error.to_string() }
}

fn exit_code(error: &ClientError) -> u8 {
    match error {
        // Nothing ran, and the caller can mend it.
        ClientError::Config { .. } | ClientError::Rejected { .. } => USAGE,
        _ => crate::exit::UNAVAILABLE,
    }
}
