//! The command line, and the help a person learns it from.

mod config;
mod docker;
mod explain;
mod init;
mod validate;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use codemode_server::config::{ListenAddress, LogLevel};

pub(crate) use self::{
    config::{ConfigCommand, SchemaArgs},
    docker::{AssetsArgs, BuildArgs, CONTAINER, CheckArgs, DockerCommand, StartArgs, StartOptions, StatusArgs},
    explain::ExplainArgs,
    init::{InitArgs, SideName},
    validate::{Kind, ValidateArgs},
};
use self::{init::INIT_EXAMPLES, validate::VALIDATE_EXAMPLES};
use crate::exit;

/// Run LLM-written Python in a fresh, kernel-enforced sandbox
///
/// Each execution gets a sandbox of its own: real CPython, only the commands you list, only the folders you mount, no
/// network unless you open it. What it may do is one YAML file; without a file it may compute and nothing else.
#[derive(Debug, Parser)]
#[command(name = "codemode", version, max_term_width = 100, after_help = EXAMPLES, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve executions to clients over gRPC and HTTP
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(ServeArgs),
    /// Run one piece of Python in a sandbox and print what comes of it
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Show which layers of isolation this machine has, and why each matters
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor(DoctorArgs),
    /// Ask an executor whether it serves
    #[command(after_help = HEALTH_EXAMPLES)]
    Health(HealthArgs),
    /// Write configuration files to begin with
    #[command(after_help = INIT_EXAMPLES)]
    Init(InitArgs),
    /// Check configuration files, and show what they come to
    #[command(after_help = VALIDATE_EXAMPLES)]
    Validate(ValidateArgs),
    /// Check configuration files, and describe what they may hold
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Show the tools of Python files and modules
    #[command(subcommand)]
    Tools(ToolsCommand),
    /// Print the version
    Version,
    /// Certificates for TLS
    #[command(subcommand)]
    Tls(TlsCommand),
    /// The executor in a container of your Docker Engine
    #[command(subcommand)]
    Docker(DockerCommand),
    /// Say what an error code means, and what helps
    Explain(ExplainArgs),
    /// Print a completion script for a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum TlsCommand {
    /// Make certificates to develop with: an authority, the executor's, and clients' ones
    #[command(after_help = GENERATE_CERTS_EXAMPLES)]
    GenerateCerts(GenerateCertsArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ToolsCommand {
    /// Print the tools as Python stubs: signatures, types, defaults and docstrings
    #[command(after_help = TOOLS_STUBS_EXAMPLES)]
    Stubs(ToolsStubsArgs),
    /// List the tools with their parameters
    #[command(after_help = TOOLS_LIST_EXAMPLES)]
    List(ToolsListArgs),
}

#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    /// The configuration and policy, in YAML
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Address or name to listen on [default: 127.0.0.1]
    #[arg(long, conflicts_with = "listen")]
    pub(crate) host: Option<String>,
    /// Port to listen on; 0 takes a free one [default: 8001]
    #[arg(long, conflicts_with = "listen")]
    pub(crate) port: Option<u16>,
    /// Where to listen, in one word: HOST:PORT or unix:PATH
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<ListenAddress>,
    /// The executor's certificate, in PEM: TLS is on
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's private key, in PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Authorities of the clients' certificates, in PEM: each client must show one
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_client_ca: Option<PathBuf>,
    /// error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log_level: Option<LogLevel>,
    /// Serve the parent process only, as it says on standard input
    #[arg(long, hide = true, exclusive = true)]
    pub(crate) embedded: bool,
}

#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// The Python file, or - for standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Folder that the code sees as /workspace, read-only
    #[arg(long, value_name = "DIR")]
    pub(crate) workspace: Option<PathBuf>,
    /// Folder that receives what the code leaves in /outputs; created if missing
    #[arg(long, value_name = "DIR")]
    pub(crate) outputs: Option<PathBuf>,
    /// Command that the code may start; repeat it, or separate with commas
    #[arg(long, value_name = "CMD", value_delimiter = ',')]
    pub(crate) allow: Vec<String>,
    /// Python file or module whose tools the code may call; repeat it for more
    #[arg(long, value_name = "FILE|MODULE", value_hint = ValueHint::FilePath)]
    pub(crate) tools: Vec<OsString>,
    /// Offer only this one of the tools; repeat it, or separate with commas
    #[arg(long, value_name = "NAME", value_delimiter = ',', requires = "tools")]
    pub(crate) tool_filter: Vec<String>,
    /// Seconds that the code may take
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<std::time::Duration>,
    /// One of the executor's guest.environments, in place of its own interpreter
    #[arg(long, value_name = "NAME")]
    pub(crate) environment: Option<String>,
    /// Print one JSON document with everything instead
    #[arg(long)]
    pub(crate) json: bool,
    /// The client's configuration and the policy, in YAML; the options above win over it
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Run on this executor instead of one of its own; its key comes from CODEMODE_EXECUTOR_API_KEY
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

/// How an executor that others started lets us in.
#[derive(Args, Debug, Default)]
pub(crate) struct RemoteArgs {
    /// File with the API key
    #[arg(long, value_name = "FILE")]
    pub(crate) api_key_file: Option<PathBuf>,
    /// CA certificates that vouch for the executor, in PEM [default: those of this machine]
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// Certificate of this side, in PEM, for an executor that asks for one
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of that certificate, in PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
    /// Show also what the commands that this file lists bring along, and whether its policy can be had
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print one JSON document instead
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct HealthArgs {
    /// The executor's address [default: where `codemode serve` listens with this file and environment]
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    pub(crate) url: Option<String>,
    /// The file that `codemode serve` was given
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

/// Where the application's tools are.
#[derive(Args, Debug)]
pub(crate) struct ToolsSource {
    /// A Python file or module with tools; repeat it for more
    #[arg(long, required = true, value_name = "FILE|MODULE", value_hint = ValueHint::FilePath)]
    pub(crate) tools: Vec<OsString>,
}

#[derive(Args, Debug)]
pub(crate) struct ToolsStubsArgs {
    #[command(flatten)]
    pub(crate) source: ToolsSource,
    /// Write them to this file
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct ToolsListArgs {
    #[command(flatten)]
    pub(crate) source: ToolsSource,
    /// Print one JSON document with the schemas instead
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

#[derive(Args, Debug)]
pub(crate) struct GenerateCertsArgs {
    /// Folder for the files; created if missing
    #[arg(long, short, alias = "output", value_name = "DIR", default_value = "certs")]
    pub(crate) out: PathBuf,
    /// Name or address by which clients reach the executor, besides this machine's own; repeat it, or separate with
    /// commas
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) host: Vec<String>,
    /// Make a certificate for a client too, in NAME.pem; repeat it, or separate with commas
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = crate::tls::client_name)]
    pub(crate) client: Vec<String>,
    /// Days that the certificates are valid; the authority stays for ten years
    #[arg(long, value_name = "N", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub(crate) days: u32,
    /// Replace certificates that are there already; the authority stays
    #[arg(long, short)]
    pub(crate) force: bool,
}

/// The command, or how to exit after help or an error was printed.
pub(crate) fn parse() -> Result<Command, ExitCode> {
    Cli::try_parse().map(|cli| cli.command).map_err(|error| {
        let _ = error.print();
        if error.use_stderr() { ExitCode::from(exit::USAGE) } else { ExitCode::SUCCESS }
    })
}

fn seconds(text: &str) -> Result<std::time::Duration, String> {
    let parsed = text.parse().ok().and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok());
    parsed.filter(|duration| !duration.is_zero()).ok_or_else(|| "must be a number of seconds above 0".into())
}

const EXAMPLES: &str = "\
Examples:
  echo '2 + 2' | codemode run -              run one expression in a sandbox of its own
  codemode run job.py --workspace . --allow grep,wc
  codemode serve --config codemode.yaml      serve the applications of this machine
  codemode doctor                            see what holds the sandbox on this machine

Exit codes: the code's own for `run`, 124 after a timeout, 64 for bad usage or configuration,
69 where the executor cannot be reached or does not start.";

const SERVE_EXAMPLES: &str = "\
Without an API key it listens only where nobody but this machine gets in: on loopback or on a Unix
socket. Each setting is looked for on the command line, then in the environment, then in the file.
Ctrl-C or SIGTERM stops taking work and gives what runs 30 seconds; a second one ends at once.

Examples:
  codemode serve                             this machine only, on 127.0.0.1:8001
  codemode serve --config codemode.yaml --listen unix:/run/codemode.sock
  CODEMODE_API_KEY_FILE=/run/secrets/key codemode serve --host 0.0.0.0 \
    --tls-cert server.pem --tls-key server-key.pem

Certificates and keys in files are read again when they change, and at once on SIGHUP.

Environment, and .env beside the file of --config, without one in the current folder:
  CODEMODE_API_KEY, CODEMODE_API_KEY_FILE    the key that callers must send, or a file with it
  CODEMODE_API_KEY_PREVIOUS, ..._FILE        the key from before, as long as it shall hold
  CODEMODE_TLS_CERT_FILE, _KEY_FILE          as --tls-cert and --tls-key
  CODEMODE_TLS_CA_FILE                       as --tls-client-ca
  CODEMODE_TLS_REQUIRE_CLIENT_AUTH           false: a client may come without a certificate
  CODEMODE_TLS_REQUIRED                      true: no port for other machines without TLS
  CODEMODE_HOST, CODEMODE_PORT               where to listen
  CODEMODE_MAX_EXEC_TIME                     code_timeout in seconds: default and ceiling
  CODEMODE_MEMORY_LIMIT                      memory of one execution, such as 512m
  CODEMODE_AUDIT                             audit log: the path of a file, stdout, or off
  CODEMODE_LOG_LEVEL                         as --log-level
  CODEMODE_LOG                               a filter, such as codemode_server=debug

Probes need no key: GET /healthz, GET /readyz, and the standard gRPC health service.";

const RUN_EXAMPLES: &str = "\
The code's output appears as it comes, each stream on its own. Then follows its result on standard
output: the variable `result`, else the value of the last expression. Text is printed as it is,
anything else as JSON, None not at all. The code sees /workspace (read-only), /sandbox (its own,
gone afterwards) and /outputs.

Examples:
  echo '2 + 2' | codemode run -
  codemode run report.py --workspace ./logs --outputs ./out --allow grep --allow wc
  codemode run job.py --tools my_tools.py --tools shop.tools --tool-filter weather
  codemode run job.py --timeout 5 --json | jq .result
  CODEMODE_EXECUTOR_URL=http://127.0.0.1:8001 codemode run job.py
  codemode run job.py --url https://executor.example --api-key-file key --tls-ca ca.pem

What --tools names is loaded as `codemode tools list` does, and its tools run in a Python process
beside this command, with your rights; only the code is in the sandbox. What they print goes to
standard error. A tool that asks for approval is refused: nobody is asked here.

A file may name the executor as well (executor_url). Its policy is then a request to narrow that
executor's own; without one it is the policy of an executor of this command's own.

Environment, and .env beside the file of --config:
  CODEMODE_EXECUTOR_URL                      as --url
  CODEMODE_EXECUTOR_API_KEY                  the key
  CODEMODE_EXECUTOR_API_KEY_FILE             as --api-key-file
  CODEMODE_TLS_CA_FILE                       as --tls-ca; also named CODEMODE_TLS_CERT_PATH
  CODEMODE_TLS_CLIENT_CERT_FILE              as --tls-cert
  CODEMODE_TLS_CLIENT_KEY_FILE               as --tls-key

Exit codes: the code's own; 124 after a timeout, 137 over the memory limit; 64 for bad usage, also
code that is refused before it runs; 69 where the executor cannot be reached or does not start; 2
where the tools cannot be loaded, and then nothing has run.";

const DOCTOR_EXAMPLES: &str = "\
Examples:
  codemode doctor
  codemode doctor --config codemode.yaml     with the closure of each listed command

Exit codes: 0 where a tier of isolation can be had, 69 where `codemode serve` would refuse to start,
64 for bad usage or configuration.";

const HEALTH_EXAMPLES: &str = "\
Needs no key; with one it also asks whether the executor lets it in. Says one line. Without --url
and --tls-ca it accepts exactly the certificate that the executor itself is told to show.

Examples:
  codemode health                            http://127.0.0.1:8001, or what the environment says
  codemode health --url unix:/run/codemode.sock
  codemode health --config codemode.yaml     as the container image's HEALTHCHECK does
  codemode health --url https://executor.example --tls-ca ca.pem

Environment: CODEMODE_TLS_CLIENT_CERT_FILE and CODEMODE_TLS_CLIENT_KEY_FILE as --tls-cert and
--tls-key; with --url also CODEMODE_TLS_CA_FILE as --tls-ca.

Exit codes: 0 where it serves, 1 where it does not, 64 for bad usage or configuration.";

const TOOLS_STUBS_EXAMPLES: &str = "\
A source offers what its function `register(registry)` registers; without one, what its variable
`registry` holds; without both, every @tool and every instance of Tool at its top. It is imported
as the current folder's own, by the Python that this command came with, or that
CODEMODE_GUEST_INTERPRETER names. What it prints goes to standard error.

Examples:
  cat my_tools.py
    from codemode import tool

    @tool
    def weather(location: str, days: int = 1) -> dict[str, float]:
        \"Highest temperature of each day.\"
        ...
  codemode tools stubs --tools my_tools.py
  codemode tools stubs --tools my_tools.py --tools shop.tools -o tools.pyi

Exit codes: 2 where the tools cannot be loaded or a name is no Python identifier, 69 where there is
no Python with the package, 64 for bad usage.";

const TOOLS_LIST_EXAMPLES: &str = "\
Parameters in brackets can be left out. What a source offers: see `codemode tools stubs --help`.

Examples:
  codemode tools list --tools my_tools.py
  codemode tools list --tools shop.tools --json | jq '.[].name'

Exit codes: 2 where the tools cannot be loaded, 69 where there is no Python with the package, 64 for
bad usage.";

const GENERATE_CERTS_EXAMPLES: &str = "\
For development and tests: whoever can read ca-key.pem can pass for the executor and for every
client. In production take certificates from your own authority.

What is there already is kept, so that one authority can make certificates again and again. With
--force, certificates are made anew.

Examples:
  codemode tls generate-certs                in ./certs, for localhost, 127.0.0.1 and ::1
  codemode tls generate-certs --host executor,executor.internal
  codemode tls generate-certs --client alice --client bob
  codemode tls generate-certs --force --days 7";

const COMPLETIONS_EXAMPLES: &str = "\
Example:
  codemode completions bash > ~/.local/share/bash-completion/completions/codemode";
