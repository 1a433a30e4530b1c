//! Certificates and keys that change while the daemon serves.

use std::{fs, time::Duration};

use codemode_server::{
    ApiKeys, Reloader, Tls,
    config::{KeySource, ServerConfig, Sources},
};

use crate::{
    certificates::{Authority, Files, Issued, ask},
    support::{KEY, Served, block_on, serve_encrypted, serve_rotating},
};

/// Often enough not to wait for.
const PERIOD: Duration = Duration::from_millis(20);

fn reload(keys: &ApiKeys, source: KeySource, tls: Option<&Tls>) {
    tokio::spawn(Reloader::new(keys, source, tls).unwrap().every(PERIOD).run());
}

/// What a client that trusts `authority` and shows `shown` comes to.
async fn visit(served: &Served, authority: &Authority, shown: &Issued) -> Result<(), String> {
    let mut stream = authority.dial(&served.address, Some(shown)).await.map_err(|error| error.to_string())?;
    ask(&mut stream, "/nowhere", KEY).await.map(drop).map_err(|error| error.to_string())
}

#[test]
fn new_certificates_hold_at_once_and_old_connections_live_on() {
    block_on(async {
        let (first, second) = (Authority::new("a"), Authority::new("b"));
        let files = Files::of(&first);
        let (keys, tls) = (ApiKeys::new(&[KEY]), files.load(Some(true)));
        let served = serve_encrypted(&keys, &tls, None).await;
        reload(&keys, KeySource::default(), Some(&tls));
        let (alice, bob) = (first.client("alice"), second.client("bob"));
        let mut old = first.dial(&served.address, Some(&alice)).await.unwrap();
        assert!(ask(&mut old, "/nowhere", KEY).await.unwrap().starts_with("HTTP/1.1 404"));

        // The executor's own certificate, then the authority of the clients.
        files.put(&second.server());
        while visit(&served, &second, &alice).await.is_err() {}
        assert!(visit(&served, &first, &alice).await.unwrap_err().contains("UnknownIssuer"));
        files.write("ca.pem", &second.pem);
        while visit(&served, &second, &bob).await.is_err() {}
        assert!(visit(&served, &second, &alice).await.unwrap_err().contains("UnknownCA"));

        assert!(ask(&mut old, "/nowhere", KEY).await.unwrap().starts_with("HTTP/1.1 404"));
    });
}

#[test]
fn what_cannot_be_used_leaves_everything_as_it_was() {
    block_on(async {
        let authority = Authority::new("a");
        let files = Files::of(&authority);
        let tls = files.load(Some(true));
        let served = serve_encrypted(&ApiKeys::new(&[KEY]), &tls, None).await;
        let alice = authority.client("alice");
        for (name, text) in [("server-key.pem", authority.server().key), ("ca.pem", String::new())] {
            let before = fs::read_to_string(files.path(name)).unwrap();
            files.write(name, &text);
            tls.reload().unwrap_err();
            visit(&served, &authority, &alice).await.unwrap();
            files.write(name, &before);
            tls.reload().unwrap();
        }
        fs::remove_file(files.path("server.pem")).unwrap();
        tls.reload().unwrap_err();
        visit(&served, &authority, &alice).await.unwrap();
    });
}

#[test]
fn keys_in_files_are_rotated_without_a_restart() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let (new, old) = (folder.path().join("new"), folder.path().join("old"));
        fs::write(&new, "first\n").unwrap();
        fs::write(&old, "").unwrap();
        let variable = |name: &str, path: &std::path::Path| (name.to_owned(), path.display().to_string());
        let environment = [variable("CODEMODE_API_KEY_FILE", &new), variable("CODEMODE_API_KEY_PREVIOUS_FILE", &old)];
        let sources = Sources { environment: environment.into(), ..Sources::default() };
        let config = ServerConfig::load(&sources).unwrap();
        let served = serve_rotating(&config.api_keys).await;
        reload(&config.api_keys, config.key_source, None);
        let status = async |key: &str| served.http("GET", "/nowhere", &[("x-api-key", key)], "").await.status;
        assert_eq!((status("first").await, status("second").await), (404, 401));

        fs::write(&old, "first\n").unwrap();
        fs::write(&new, "second\n").unwrap();
        while status("second").await != 404 {}
        assert_eq!(status("first").await, 404);
        fs::write(&old, "\n").unwrap();
        while status("first").await != 401 {}
        assert_eq!(status("second").await, 404);

        // No key at all is no key that was meant; neither is half of one that is still being written.
        for wrong in ["", "  \n", "a key with spaces\n", "a\nb\nc\n"] {
            fs::write(&new, wrong).unwrap();
            fs::write(&old, "third\n").unwrap();
            fs::write(&old, "").unwrap();
            assert_eq!(status("second").await, 404, "{wrong:?}");
        }
        fs::write(&new, "fourth\n").unwrap();
        while status("fourth").await != 404 {}
        assert_eq!(status("second").await, 401);
    });
}
