//! What an image and a compose project are made of, from this installation: no sources, no registry of ours.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::hardening::{COMPOSE, SECCOMP, SECCOMP_IN_COMPOSE};
use crate::{
    args::AssetsArgs,
    exit::{self, Failure},
    guest,
    init::word,
    write_new::{NewFile, write_new},
};

const DOCKERFILE: &str = include_str!("../../../../deploy/docker/Dockerfile");
const CONFIGURATION: &str = include_str!("../../../../deploy/docker/codemode.yaml");
const OVERRIDE: &str = include_str!("../../../../deploy/compose/docker-compose.override.yml");

/// Before the stage of the Dockerfile that both share, and after it.
const DOCKERFILE_HEAD: &str = "\
# The executor as a container, from the codemode that wrote this file: docker build --tag codemode/executor .

# Debian or a derivative of it, with the same or a newer C library than the machine's that codemode was built on.";
const DOCKERFILE_TAIL: &str = "\
FROM system AS executor
COPY local/ /usr/local/
# A base whose C library is too old is found out now.
RUN [\"codemode\", \"version\"]
";

const COMPOSE_HEAD: &str = "\
# An executor that is root nowhere, with the strongest walls: tier `full`. docker-compose.override.yml has what is yours
# to choose: the image, where it is reached, and the key.
#
#     mkdir -p project_files outputs && sudo chown 10001:10001 outputs
#     CODEMODE_API_KEY=... docker compose up --detach
";

/// The Dockerfile's stage `system`, with the parts of this installation on it.
fn dockerfile() -> String {
    // Two empty lines stand between the stages; what comes before the first are their arguments.
    let mut stages = DOCKERFILE.split("\n\n\n");
    let arguments = stages.next().unwrap_or_default().lines().filter(|line| line.starts_with("ARG BASE_IMAGE"));
    let arguments: String = arguments.map(|line| format!("{line}\n")).collect();
    let system = stages.next().unwrap_or_default().replace("COPY deploy/docker/", "COPY ");
    format!("{DOCKERFILE_HEAD}\n{arguments}\n\n{system}\n\n\n{DOCKERFILE_TAIL}")
}

/// hardened.yml, for a folder of its own.
fn compose() -> String {
    let services = COMPOSE.split_once("\nservices:").map_or(COMPOSE, |(_, services)| services);
    format!("{COMPOSE_HEAD}services:{}", services.replace(SECCOMP_IN_COMPOSE, "seccomp:./seccomp.json"))
}

/// The context of `docker build`.
pub(super) fn context(folder: &Path) -> Result<Vec<NewFile>, Failure> {
    let program = std::env::current_exe().map_err(|error| unreadable(Path::new("this executable"), &error))?;
    let library = guest::library().map_err(Failure::unavailable)?;
    Ok(vec![
        NewFile::text(folder.join("Dockerfile"), dockerfile()),
        NewFile::text(folder.join("codemode.yaml"), CONFIGURATION),
        part(folder.join("local/bin/codemode"), &program, 0o755)?,
        part(folder.join("local/lib/codemode/libcodemode_guest.so"), &library, 0o644)?,
    ])
}

fn part(path: PathBuf, source: &Path, mode: u32) -> Result<NewFile, Failure> {
    let contents = fs::read(source).map_err(|error| unreadable(source, &error))?;
    Ok(NewFile { path, contents, mode })
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::unavailable(format!("cannot read {}: {error}", path.display()))
}

pub(super) fn assets(args: &AssetsArgs) -> Result<ExitCode, Failure> {
    let folder = &args.output;
    let mut files = context(folder)?;
    files.extend([
        NewFile::text(folder.join("seccomp.json"), SECCOMP),
        NewFile::text(folder.join("docker-compose.yml"), compose()),
        NewFile::text(folder.join("docker-compose.override.yml"), OVERRIDE),
    ]);
    write_new(&files, args.force)?;
    let wrote: String = files.iter().map(|file| format!("wrote {}\n", file.path.display())).collect();
    exit::print(&format!("{wrote}{}", next(folder)))
}

fn next(folder: &Path) -> String {
    format!(
        "
Next:
  cd {}
  docker build --tag codemode/executor .
  mkdir -p project_files outputs && sudo chown 10001:10001 outputs
  CODEMODE_API_KEY=$(openssl rand -hex 32) docker compose up --detach
",
        word(folder)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_is_the_dockerfile_s_system_with_our_parts() {
        insta::assert_snapshot!(dockerfile());
    }

    #[test]
    fn the_compose_file_is_the_hardened_one() {
        let ours = compose();
        let lines =
            |text: &str| text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
        let (ours, shipped) = (lines(&ours), lines(COMPOSE));
        assert_eq!(ours.len(), shipped.len());
        let differing = ours.iter().zip(&shipped).filter(|(ours, shipped)| ours != shipped);
        assert_eq!(differing.map(|(ours, _)| ours.trim()).collect::<Vec<_>>(), ["- seccomp:./seccomp.json"]);
    }
}
