//! `codemode docker build`, and whether an image is there.

use std::{path::Path, process::ExitCode};

use super::{bundle, engine::Engine};
use crate::{
    args::BuildArgs,
    exit::{self, Failure},
    write_new::write_new,
};

/// The registered name of what an image holds in which version.
const VERSION_LABEL: &str = concat!("org.opencontainers.image.version=", env!("CARGO_PKG_VERSION"));

pub(super) fn build(args: &BuildArgs) -> Result<ExitCode, Failure> {
    let engine = Engine::connect()?;
    let image = &args.image.image;
    let context = tempfile::Builder::new().prefix("codemode-docker-").tempdir();
    let context = context.map_err(|error| Failure::unavailable(format!("cannot make a temporary folder: {error}")))?;
    write_new(&bundle::context(context.path())?, false)?;
    let words = command(args, context.path());
    if !engine.show(&words.iter().map(String::as_str).collect::<Vec<_>>())?.success() {
        return Err(Failure::unavailable(format!("docker build failed; {image} is as it was")));
    }
    if !exists(&engine, image)? {
        return Err(Failure::unavailable(format!(
            "docker built {image}, and the engine does not have it; a builder of its own (`docker buildx ls`) hands it \
             over with `-- --load`"
        )));
    }
    exit::print(&format!("\nbuilt {image} with codemode {}\nnext: codemode docker start\n", env!("CARGO_PKG_VERSION")))
}

fn command(args: &BuildArgs, context: &Path) -> Vec<String> {
    let mut words: Vec<String> = ["build", "--tag", &args.image.image, "--label", VERSION_LABEL].map(Into::into).into();
    if let Some(base) = &args.base {
        words.extend(["--build-arg".into(), format!("BASE_IMAGE={base}")]);
    }
    words.extend(args.no_cache.then(|| "--no-cache".into()));
    words.extend(args.docker.iter().cloned());
    words.push(context.display().to_string());
    words
}

pub(super) fn exists(engine: &Engine, image: &str) -> Result<bool, Failure> {
    let answer = engine.ask(&["image", "inspect", "--format", "{{.Id}}", image])?;
    if answer.succeeded || answer.stderr.to_lowercase().contains("no such image") {
        return Ok(answer.succeeded);
    }
    Err(Failure::unavailable(format!("docker: cannot look at the image {image}: {}", answer.reason())))
}
