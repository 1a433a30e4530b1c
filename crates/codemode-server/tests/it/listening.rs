use std::{
    fs,
    os::unix::{fs::PermissionsExt, net::UnixListener},
};

use codemode_server::{ApiKeys, Listener, bind, config::ListenAddress};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn try_bind(address: &str, keys: &ApiKeys) -> Result<String, String> {
    let address: ListenAddress = address.parse().unwrap();
    let bound = runtime().block_on(bind(&address, keys));
    bound.map(|listener| listener.address()).map_err(|error| error.to_string())
}

#[test]
fn without_a_key_only_this_machine_is_served() {
    let (none, one) = (ApiKeys::default(), ApiKeys::new(&["k"]));
    assert!(try_bind("127.0.0.1:0", &none).unwrap().starts_with("127.0.0.1:"));
    assert!(try_bind("0.0.0.0:0", &one).unwrap().starts_with("0.0.0.0:"));
    insta::assert_snapshot!(try_bind("0.0.0.0:8001", &none).unwrap_err(), @"0.0.0.0:8001 can be reached from other machines and no API key is set: set CODEMODE_API_KEY (or api_key in the configuration file), or listen on 127.0.0.1 or on a Unix socket");
    assert!(try_bind("[::]:0", &none).unwrap_err().contains("no API key"));
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = try_bind(&address, &ApiKeys::default()).unwrap_err();
    assert!(error.starts_with(&format!("cannot listen on {address}: ")), "{error}");
}

#[test]
fn a_unix_socket_is_private_and_goes_with_its_listener() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let runtime = runtime();
    let listener = runtime.block_on(bind(&ListenAddress::Unix(path.clone()), &ApiKeys::default())).unwrap();
    assert!(matches!(listener, Listener::Unix(..)));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let second = try_bind(&format!("unix:{}", path.display()), &ApiKeys::default()).unwrap_err();
    assert!(second.ends_with("another process serves it"), "{second}");
    drop(listener);
    assert!(!path.exists());
}

#[test]
fn a_stale_socket_makes_room_and_anything_else_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let stale = folder.path().join("stale");
    drop(UnixListener::bind(&stale).unwrap());
    assert!(stale.exists());
    assert!(try_bind(&format!("unix:{}", stale.display()), &ApiKeys::default()).is_ok());
    let file = folder.path().join("file");
    fs::write(&file, "precious").unwrap();
    let error = try_bind(&format!("unix:{}", file.display()), &ApiKeys::default()).unwrap_err();
    assert!(error.ends_with("the path exists and is not a socket"), "{error}");
    assert_eq!(fs::read(&file).unwrap(), b"precious");
}
