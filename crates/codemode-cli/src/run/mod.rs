//! `codemode run`: one execution, on an executor of its own or on a remote one.

mod output;
mod result;
mod target;

use std::{
    fs,
    io::{self, Read},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use codemode_client::{CancellationToken, Client, ClientError, ExecutionOutcome, NoTools, Request};
use codemode_types::LimitOverrides;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    args::RunArgs,
    environment,
    exit::{Failure, USAGE},
    log,
    serve::runtime,
};

pub(crate) fn run(args: RunArgs) -> Result<ExitCode, Failure> {
    let variables = environment::variables();
    let target = target::target(&args, &variables)?;
    if let Some(level) = target.log_level() {
        log::start(level, &variables)?;
    }
    let request = Request {
        overrides: LimitOverrides { code_timeout: args.timeout, ..LimitOverrides::default() },
        ..Request::new(code(&args.file)?)
    };
    runtime()?.block_on(async {
        let client = target.client().map_err(failure)?;
        let outcome = execute(&client, request, args.json).await;
        client.close().await;
        match outcome {
            Ok(outcome) => result::print(&outcome, args.json),
            Err(error) if args.json => result::print_error(&error, exit_code(&error)),
            Err(error) => Err(failure(error)),
        }
    })
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
async fn execute(client: &Client, mut request: Request, json: bool) -> Result<ExecutionOutcome, ClientError> {
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
    let outcome = client.execute(request, Arc::new(NoTools), output::live(json)).await;
    watch.abort();
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
