//! `codemode docker start`.

use std::{collections::BTreeMap, fs, path::Path, process::ExitCode};

use super::{
    container::{self, Container, KEY, LABEL, PORT},
    engine::Engine,
    hardening::Hardening,
    image,
    key::{self, Place},
    mounts::{User, absolute, bind},
    serving::Serving,
    status,
};
use crate::{
    args::{StartArgs, StartOptions},
    environment,
    exit::{self, Failure},
};

pub(super) fn start(args: StartArgs) -> Result<ExitCode, Failure> {
    let name = args.container.name;
    let variables = environment::variables();
    let engine = Engine::connect()?;
    engine.here().map_err(|elsewhere| {
        Failure::unavailable(format!("docker: the engine at {} is {elsewhere}; name one here", engine.address))
    })?;
    let options = resolved(args.options)?;
    let place = Place::of(&name, &variables)?;
    let _alone = place.lock()?;
    engine.catch_interrupt()?;
    let (how, (container, serving)) = match Container::ours(&engine, &name)? {
        Some(there) => again(&engine, &name, &there, &options, &variables)?,
        None => ("is started", anew(&engine, &name, &options, &place, &variables)?),
    };
    let found = status::Found { name: &name, container: &container, serving: Some(&serving) };
    exit::print(&format!("{name} {how}\n{}\n{}", found.lines(), usage(&name, &found)))
}

fn again(
    engine: &Engine,
    name: &str,
    there: &Container,
    options: &StartOptions,
    variables: &BTreeMap<String, String>,
) -> Result<(&'static str, (Container, Serving)), Failure> {
    same(there, name, options)?;
    same_key(there, name, key::given(options.api_key_file.as_deref(), variables)?)?;
    if there.state.status == "paused" {
        return Err(Failure::usage(format!("{name} is paused; `docker unpause {name}` lets it go on")));
    }
    if there.runs() {
        return Ok(("is running already", Serving::wait(engine, name)?));
    }
    let served = run(engine, name, options).and_then(|()| Serving::wait(engine, name));
    // Its restart policy would try again for ever.
    served.map(|served| ("is started again, as it was made", served)).inspect_err(|_| drop(engine.ask(&["stop", name])))
}

fn anew(
    engine: &Engine,
    name: &str,
    options: &StartOptions,
    place: &Place,
    variables: &BTreeMap<String, String>,
) -> Result<(Container, Serving), Failure> {
    create(engine, name, options, place, variables)?;
    let served = run(engine, name, options).and_then(|()| Serving::wait(engine, name));
    served.inspect_err(|_| unmake(engine, name, place))
}

/// Made for nothing. The failure that led here is the one to tell.
fn unmake(engine: &Engine, name: &str, place: &Place) {
    // Without its key a container that stays could not be started any more.
    if engine.told(&["rm", "--force", "--volumes", name]).is_ok() {
        let _ = place.remove();
    }
}

fn usage(name: &str, found: &status::Found<'_>) -> String {
    match found.exports() {
        Some(exports) => format!("To use it here: eval \"$({})\", or\n{exports}", container::command("env", name)),
        None => "It publishes no port of this machine.\n".into(),
    }
}

/// The same wherever the command is given.
fn resolved(options: StartOptions) -> Result<StartOptions, Failure> {
    let file = |option: &str, path: Option<std::path::PathBuf>, folder| {
        path.map(|path| absolute(option, &path, folder)).transpose()
    };
    let outputs = options.outputs.map(std::path::absolute).transpose();
    Ok(StartOptions {
        config: file("--config", options.config, false)?,
        workspace: file("--workspace", options.workspace, true)?,
        outputs: outputs.map_err(|error| Failure::usage(format!("--outputs: {error}")))?,
        api_key_file: file("--api-key-file", options.api_key_file, false)?,
        ..options
    })
}

/// A container keeps what it was made with. Whoever asks for something else must hear it.
fn same(container: &Container, name: &str, options: &StartOptions) -> Result<(), Failure> {
    let made = container.label(LABEL).and_then(|label| serde_json::from_str::<StartOptions>(label).ok());
    if *options == StartOptions::default() || made.as_ref() == Some(options) {
        return Ok(());
    }
    Err(other(name, "other options"))
}

/// A key that could not be compared is none of the caller's.
fn same_key(container: &Container, name: &str, given: Option<String>) -> Result<(), Failure> {
    let Some(given) = given else { return Ok(()) };
    let has = container.key_file().and_then(|file| fs::read_to_string(file).ok());
    match has.is_some_and(|has| has.trim() == given) {
        true => Ok(()),
        false => Err(other(name, "another key")),
    }
}

fn other(name: &str, what: &str) -> Failure {
    let remove = container::command("remove --force", name);
    Failure::usage(format!(
        "{name} is there already, and was made with {what}; `{remove}` first, or choose another --name"
    ))
}

fn create(
    engine: &Engine,
    name: &str,
    options: &StartOptions,
    place: &Place,
    variables: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    if !image::exists(engine, options.image())? {
        let image = options.image();
        return Err(Failure::unavailable(format!(
            "there is no image {image} at the engine; make it with `codemode docker build --image {image}`"
        )));
    }
    let processors = processors(engine)?;
    let hardening = Hardening::load()?;
    let key = key::choose(options.api_key_file.as_deref(), variables)?;
    let user = User::choose(options.outputs.as_deref(), hardening.user())?;
    let words = command(name, options, &hardening, processors, user, place)?;
    let made = place.prepare(&key, user).and_then(|()| {
        let answer = engine.ask(&words.iter().map(String::as_str).collect::<Vec<_>>())?;
        match answer.succeeded {
            true => Ok(()),
            false => Err(Failure::unavailable(format!("docker cannot make {name}: {}", answer.reason()))),
        }
    });
    made.inspect_err(|_| match Container::find(engine, name) {
        // Nobody waited for the answer; the engine did it nevertheless.
        Ok(Some(there)) if there.key_file().map(Path::new) == Some(&place.key()) => unmake(engine, name, place),
        Ok(_) => drop(place.remove()),
        Err(_) => {}
    })
}

/// Of the engine's machine. Where ids in a container are others than this machine's, its user could not read the key.
fn processors(engine: &Engine) -> Result<u32, Failure> {
    let said = engine.told(&["info", "--format", "{{.NCPU}} {{join .SecurityOptions \" \"}}"])?;
    let kind = ["name=rootless", "name=userns"].into_iter().find(|kind| said.contains(kind));
    match kind {
        None => Ok(said.split(' ').next().and_then(|count| count.parse().ok()).unwrap_or(1)),
        Some(_) => Err(Failure::unavailable(
            "docker: this engine gives containers other user ids than this machine's (rootless, or userns-remap), \
             and the executor could not read its key; serve without a container, which needs no root: codemode serve",
        )),
    }
}

fn command(
    name: &str,
    options: &StartOptions,
    hardening: &Hardening,
    processors: u32,
    user: User,
    place: &Place,
) -> Result<Vec<String>, Failure> {
    let label = serde_json::to_string(options)
        .map_err(|error| Failure::usage(format!("docker takes names in UTF-8 only: {error}")))?;
    let port = options.port.unwrap_or(PORT);
    let mut words: Vec<String> = ["create", "--pull", "never", "--name", name].map(Into::into).into();
    words.extend(["--label".into(), format!("{LABEL}={label}"), "--user".into(), user.to_string()]);
    let cpus = options.cpus.clone().unwrap_or_else(|| hardening.cpus(processors));
    let memory = options.memory.as_deref().unwrap_or(hardening.memory());
    words.extend(hardening.options(&place.seccomp(), memory, &cpus));
    words.push(hardening.restart());
    // The executor's port within is ours to say, whatever a configuration has for outside of containers.
    words.extend([
        "--publish".into(),
        format!("127.0.0.1:{}:{PORT}", if port == 0 { String::new() } else { port.to_string() }),
    ]);
    for variable in ["CODEMODE_HOST=0.0.0.0", &format!("CODEMODE_PORT={PORT}"), &format!("CODEMODE_API_KEY_FILE={KEY}")]
    {
        words.extend(["--env".into(), variable.to_owned()]);
    }
    let mounts = [
        Some((place.key(), KEY, false)),
        options.config.clone().map(|file| (file, "/etc/codemode/codemode.yaml", false)),
        options.workspace.clone().map(|folder| (folder, "/workspace", false)),
        options.outputs.clone().map(|folder| (folder, "/outputs", true)),
    ];
    for (source, target, writable) in mounts.into_iter().flatten() {
        words.extend(["--mount".into(), bind(&source, target, writable)?]);
    }
    words.extend(options.docker.iter().cloned());
    words.push(options.image().to_owned());
    Ok(words)
}

fn run(engine: &Engine, name: &str, options: &StartOptions) -> Result<(), Failure> {
    let answer = engine.ask(&["start", name])?;
    if answer.succeeded {
        return Ok(());
    }
    let reason = answer.stderr.to_lowercase();
    let taken = ["port is already allocated", "address already in use"].iter().any(|words| reason.contains(words));
    Err(Failure::unavailable(match taken {
        true => format!(
            "port {} of 127.0.0.1 is taken; choose another with --port, or 0 for a free one",
            options.port.unwrap_or(PORT)
        ),
        false => format!("docker cannot start {name}: {}", answer.reason()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(options: &StartOptions) -> String {
        let variables = [("XDG_STATE_HOME".to_owned(), "/s".to_owned())].into();
        let place = Place::of("n", &variables).unwrap();
        let user = User { uid: 1000, gid: 100 };
        command("n", options, &Hardening::load().unwrap(), 4, user, &place).unwrap().join(" ").replace(" --", "\n--")
    }

    #[test]
    fn a_container_as_it_is_made() {
        insta::assert_snapshot!(words(&StartOptions::default()));
    }

    #[test]
    fn a_container_with_options() {
        insta::assert_snapshot!(words(&StartOptions {
            port: Some(0),
            config: Some("/c.yaml".into()),
            workspace: Some("/w".into()),
            outputs: Some(Path::new("/o").into()),
            memory: Some("4g".into()),
            cpus: Some("3".into()),
            image: Some("mine:1".into()),
            docker: vec!["--env=A=b".into()],
            api_key_file: None,
        }));
    }
}
