use std::{fmt, path::PathBuf, str::FromStr};

/// Where the executor listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

impl FromStr for ListenAddress {
    type Err = String;

    /// `unix:PATH`, `HOST:PORT` or `[V6]:PORT`.
    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("`{text}` is not an address: write HOST:PORT or unix:PATH");
        if let Some(path) = text.strip_prefix("unix:") {
            // `unix:///run/x` is the URL form of `unix:/run/x`.
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() { Err(form()) } else { Ok(Self::Unix(path.into())) };
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(form)?;
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(inner) => inner,
            None if host.contains(':') => return Err(form()),
            None => host,
        };
        if host.is_empty() {
            return Err(form());
        }
        Ok(Self::Tcp { host: host.into(), port: port.parse().map_err(|_| form())? })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(formatter, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(formatter, "{host}:{port}"),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ListenAddress;

    #[test]
    fn addresses_read_and_write() {
        for text in ["127.0.0.1:8001", "[::1]:0", "localhost:65535", "unix:/run/codemode.sock"] {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), text);
        }
        assert_eq!("unix:///run/x".parse(), Ok(ListenAddress::Unix("/run/x".into())));
        for text in ["", "8001", ":8001", "a:b", "a:65536", "::1:80", "unix:"] {
            assert!(text.parse::<ListenAddress>().is_err(), "{text}");
        }
    }
}
