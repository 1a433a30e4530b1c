//! `codemode docker …`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use serde::{Deserialize, Serialize};

const IMAGE: &str = "codemode/executor:latest";
/// The container, where nobody names another.
pub(crate) const CONTAINER: &str = "codemode-executor";

#[derive(Debug, Subcommand)]
pub(crate) enum DockerCommand {
    /// Show whether a Docker Engine answers, and whether it can run the executor
    Check(CheckArgs),
    /// Build the executor's image from this installation
    #[command(after_help = BUILD_EXAMPLES)]
    Build(BuildArgs),
    /// Start an executor in a container, with the strongest walls
    #[command(after_help = START_EXAMPLES)]
    Start(StartArgs),
    /// Stop it; what runs gets some seconds to end
    Stop(NameArgs),
    /// Remove it, with its key
    Remove(RemoveArgs),
    /// Show what it does, where it is reached, and which version it is
    #[command(after_help = STATUS_EXAMPLES)]
    Status(StatusArgs),
    /// Write the files that an image and a compose project are made of
    #[command(after_help = ASSETS_EXAMPLES)]
    Assets(AssetsArgs),
    /// Print the variables with which a client finds it
    #[command(after_help = ENV_EXAMPLES)]
    Env(NameArgs),
}

#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) image: ImageArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ImageArgs {
    /// The image, with its tag
    #[arg(long, short, visible_alias = "tag", value_name = "IMAGE", default_value = IMAGE, value_parser = image_name)]
    pub(crate) image: String,
}

#[derive(Args, Debug)]
pub(crate) struct BuildArgs {
    #[command(flatten)]
    pub(crate) image: ImageArgs,
    /// Debian, or a derivative of it, to build on [default: debian:bookworm-slim]
    #[arg(long, value_name = "IMAGE", value_parser = image_name)]
    pub(crate) base: Option<String>,
    /// Build every layer again
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Options of `docker build` itself
    #[arg(last = true, value_name = "OPTION")]
    pub(crate) docker: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct StartArgs {
    #[command(flatten)]
    pub(crate) container: NameArgs,
    #[command(flatten)]
    pub(crate) options: StartOptions,
}

/// What a container is made with. It carries them as a label, so that nobody takes it for one made with others.
#[derive(Args, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct StartOptions {
    /// Port of 127.0.0.1 to publish; 0 takes a free one [default: 8001]
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// The configuration and policy, in YAML [default: the image's]
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// Folder that executed code sees as /workspace, read-only
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) workspace: Option<PathBuf>,
    /// Folder that receives what executed code leaves in /outputs, created if missing; without one it is lost, and each
    /// result says so
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) outputs: Option<PathBuf>,
    /// Memory of the executor and all its sandboxes together [default: 2G]
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<String>,
    /// Processors of them [default: 2, or what there is]
    #[arg(long, value_name = "N")]
    pub(crate) cpus: Option<String>,
    /// The image, with its tag [default: codemode/executor:latest]
    #[arg(long, short, visible_alias = "tag", value_name = "IMAGE", value_parser = image_name)]
    pub(crate) image: Option<String>,
    /// File with the key that callers must send [default: what the environment says, else a new one]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) api_key_file: Option<PathBuf>,
    /// Options of `docker create` itself
    #[arg(last = true, value_name = "OPTION", value_parser = create_option)]
    pub(crate) docker: Vec<String>,
}

impl StartOptions {
    pub(crate) fn image(&self) -> &str {
        self.image.as_deref().unwrap_or(IMAGE)
    }
}

#[derive(Args, Debug)]
pub(crate) struct NameArgs {
    /// The container's name
    #[arg(long, short, value_name = "NAME", default_value = CONTAINER, value_parser = container_name)]
    pub(crate) name: String,
}

#[derive(Args, Debug)]
pub(crate) struct RemoveArgs {
    #[command(flatten)]
    pub(crate) container: NameArgs,
    /// Also while it runs; what runs in it is killed
    #[arg(long, short)]
    pub(crate) force: bool,
}

#[derive(Args, Debug)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) container: NameArgs,
    /// Print one JSON document instead
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct AssetsArgs {
    /// Folder for the files; created if missing
    #[arg(long, short, alias = "dest", value_name = "DIR", default_value = "codemode-docker")]
    pub(crate) output: PathBuf,
    /// Replace files that are there already
    #[arg(long, short)]
    pub(crate) force: bool,
}

/// As Docker has it. It names a folder of ours as well.
fn container_name(text: &str) -> Result<String, String> {
    let fits = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    match fits && (2..=64).contains(&text.len()) && !text.starts_with(['_', '.', '-']) {
        true => Ok(text.to_owned()),
        false => Err("must be 2 to 64 letters, digits, dots, dashes and underscores, and begin with one of the first \
                      two"
        .into()),
    }
}

/// The engine knows what names there are; what begins with a dash would be an option to `docker`.
fn image_name(text: &str) -> Result<String, String> {
    let fits = !text.starts_with('-') && text.bytes().all(|byte| byte.is_ascii_graphic());
    match fits && !text.is_empty() {
        true => Ok(text.to_owned()),
        false => Err("must be an image's name, without spaces, that begins with no dash".into()),
    }
}

fn create_option(text: &str) -> Result<String, String> {
    match text.split('=').next() {
        Some("--name") => Err("the container has its name from `--name` in front of `--`".into()),
        _ => Ok(text.to_owned()),
    }
}

const BUILD_EXAMPLES: &str = "\
The image gets this very executable and its guest library; no sources are needed, only Debian's
packages. The base must have a C library that is no older than this machine's, or the build ends
with its loader's complaint.

Examples:
  codemode docker build
  codemode docker build --base debian:trixie-slim
  codemode docker build --tag registry.example/executor:1 -- --pull --build-arg HTTP_PROXY=...";

const START_EXAMPLES: &str = "\
The container has no capability, a read-only root and a seccomp profile of its own; it is published
on 127.0.0.1 only. Its key is in a file that only you and the executor can read, not in its
environment. The executor runs as you; as 10001, or the owner of --outputs, where you are root.

Examples:
  codemode docker start
  codemode docker start --config codemode.yaml --workspace ./files --outputs ./results
  codemode docker start --name second --port 8002 --memory 4g
  codemode docker start -- --env CODEMODE_MAX_EXEC_TIME=60

Environment:
  CODEMODE_API_KEY, CODEMODE_API_KEY_FILE    the key that callers must send, or a file with it

Exit codes: 0 once it serves, also where it did before; 69 where it does not, with its last words.";

const STATUS_EXAMPLES: &str = "\
Exit codes: 0 where it serves, 1 where it does not or there is none.";

const ASSETS_EXAMPLES: &str = "\
Needs no engine. The folder can be taken to another machine of the same processor.

Examples:
  codemode docker assets --output sidecar
  docker build --tag codemode/executor sidecar
  cd sidecar && CODEMODE_API_KEY=... docker compose up --detach";

const ENV_EXAMPLES: &str = "\
Example:
  eval \"$(codemode docker env)\"
  echo '2 + 2' | codemode run -";
