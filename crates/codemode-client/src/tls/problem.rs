use std::{
    net::IpAddr,
    path::PathBuf,
    time::{Duration, UNIX_EPOCH},
};

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, pki_types::UnixTime};

use super::{CA_FILE, CERT_FILE, KEY_FILE, TlsMode, TlsOptions, plain_port, secure_port, shown};

/// A certificate of a large service holds hundreds.
const MAX_NAMES: usize = 8;

/// Why no TLS connection came about. Dates are RFC 3339, in UTC.
///
/// ```
/// use codemode_client::{ClientError, TlsProblem};
///
/// let problem = TlsProblem::Expired { not_after: Some("2025-01-31T00:00:00Z".into()) };
/// let error = ClientError::Tls { url: "https://executor.example".into(), problem };
/// assert_eq!((error.code(), error.retryable()), ("tls_certificate_expired", false));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsProblem {
    /// The executor's certificate was valid until some time ago.
    Expired {
        /// When that was.
        not_after: Option<String>,
    },
    /// The executor's certificate will be valid later.
    NotYetValid {
        /// When that is.
        not_before: Option<String>,
    },
    /// The executor's certificate is another host's.
    WrongHostName {
        /// The name that this side wanted.
        asked: String,
        /// Those of the certificate.
        names: Vec<String>,
    },
    /// Nobody who is trusted vouches for the executor's certificate.
    UnknownIssuer {
        /// `None` where the system's roots were asked.
        ca_file: Option<PathBuf>,
    },
    /// Something else is wrong with the executor's certificate.
    Certificate {
        /// In the words of the TLS library.
        detail: String,
    },
    /// This side began without TLS, the executor answered with it.
    Required,
    /// This side began with TLS, the executor answered without it.
    NotSpoken,
    /// The executor lets nobody in without a certificate.
    ClientCertificateRequired,
    /// The executor does not accept the certificate in `file`.
    ClientCertificateRefused {
        /// Where this side has it from.
        file: PathBuf,
        /// The executor's.
        reason: String,
    },
    /// The two ends could not agree.
    Handshake {
        /// In the words of the TLS library.
        detail: String,
    },
}

impl TlsProblem {
    /// `None` where the error says nothing but that the connection broke.
    pub(super) fn of(error: &Error, options: &TlsOptions) -> Option<Self> {
        Some(match error {
            Error::InvalidCertificate(error) => of_certificate(error, options),
            // What came was no TLS record.
            Error::InvalidMessage(InvalidMessage::InvalidContentType) => Self::NotSpoken,
            Error::AlertReceived(alert) => return of_alert(*alert, options),
            Error::InvalidMessage(_)
            | Error::PeerIncompatible(_)
            | Error::PeerMisbehaved(_)
            | Error::NoApplicationProtocol
            | Error::NoCertificatesPresented
            | Error::InappropriateMessage { .. }
            | Error::InappropriateHandshakeMessage { .. }
            | Error::PeerSentOversizedRecord
            | Error::DecryptError => Self::Handshake { detail: error.to_string() },
            _ => return None,
        })
    }

    /// A stable word for programs.
    ///
    /// ```
    /// assert_eq!(codemode_client::TlsProblem::Required.code(), "tls_required");
    /// ```
    pub fn code(&self) -> &'static str {
        match self {
            Self::Expired { .. } => "tls_certificate_expired",
            Self::NotYetValid { .. } => "tls_certificate_not_yet_valid",
            Self::WrongHostName { .. } => "tls_wrong_host_name",
            Self::UnknownIssuer { .. } => "tls_unknown_issuer",
            Self::Certificate { .. } => "tls_certificate_invalid",
            Self::Required => "tls_required",
            Self::NotSpoken => "tls_not_spoken",
            Self::ClientCertificateRequired => "tls_client_certificate_required",
            Self::ClientCertificateRefused { .. } => "tls_client_certificate_refused",
            Self::Handshake { .. } => "tls_handshake",
        }
    }

    /// Whether the executor refused this client, and not this client the executor.
    ///
    /// ```
    /// use codemode_client::TlsProblem;
    ///
    /// assert!(TlsProblem::ClientCertificateRequired.is_refusal());
    /// assert!(!TlsProblem::NotSpoken.is_refusal());
    /// ```
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::ClientCertificateRequired | Self::ClientCertificateRefused { .. })
    }

    /// What it is and what helps, for the executor at `url`.
    pub(crate) fn text(&self, url: &str) -> String {
        let cannot = format!("cannot connect to the executor at {url}");
        match self {
            Self::Expired { not_after } => format!(
                "{cannot}: its certificate expired{}. Put a new one into the executor's tls.cert_file",
                not_after.as_deref().map(|date| format!(" at {date}")).unwrap_or_default()
            ),
            Self::NotYetValid { not_before } => format!(
                "{cannot}: its certificate is not valid {}. Look whether the clocks of both machines are right",
                not_before.as_deref().map_or("yet".into(), |date| format!("before {date}"))
            ),
            Self::WrongHostName { asked, names } => format!(
                "{cannot}: its certificate is for {}, not for {asked}. Use a name of the certificate in the URL, \
                 or put one for {asked} into the executor's tls.cert_file",
                listed(names)
            ),
            Self::UnknownIssuer { ca_file } => format!(
                "{cannot}: its certificate comes from {}. \
                 Set {CA_FILE} to the certificate of the CA that issued it",
                match ca_file {
                    Some(file) => format!("no CA in {}", shown(file)),
                    None => "no CA that this machine trusts (a private CA, or self-signed)".into(),
                }
            ),
            Self::Certificate { detail } => format!(
                "{cannot}: its certificate cannot be accepted: {detail}. \
                 Put a server certificate into the executor's tls.cert_file"
            ),
            Self::Required => {
                format!("the executor at {url} speaks TLS: use {}", secure_port(url).as_deref().unwrap_or("https://"))
            }
            Self::NotSpoken => format!(
                "the executor at {url} does not speak TLS: use {} if you trust the network, \
                 or set the executor's tls.cert_file and tls.key_file",
                plain_port(url).as_deref().unwrap_or("http://")
            ),
            Self::ClientCertificateRequired => format!(
                "the executor at {url} wants a certificate of the client and none was given. \
                 Set {CERT_FILE} and {KEY_FILE}"
            ),
            Self::ClientCertificateRefused { file, reason } => format!(
                "the executor at {url} refused the client certificate {}: {reason}. \
                 Set {CERT_FILE} to one that a CA in the executor's tls.ca_file issued",
                shown(file)
            ),
            Self::Handshake { detail } => format!(
                "{cannot}: the TLS handshake failed: {detail}. \
                 The other end must be an executor with TLS 1.2 or 1.3"
            ),
        }
    }
}

fn of_certificate(error: &CertificateError, options: &TlsOptions) -> TlsProblem {
    match (error, &options.mode) {
        (CertificateError::Expired, _) => TlsProblem::Expired { not_after: None },
        (CertificateError::ExpiredContext { not_after, .. }, _) => TlsProblem::Expired { not_after: date(*not_after) },
        (CertificateError::NotValidYet, _) => TlsProblem::NotYetValid { not_before: None },
        (CertificateError::NotValidYetContext { not_before, .. }, _) => {
            TlsProblem::NotYetValid { not_before: date(*not_before) }
        }
        (CertificateError::NotValidForNameContext { expected, presented }, _) => TlsProblem::WrongHostName {
            asked: expected.to_str().into_owned(),
            names: presented.iter().map(|name| bare(name)).collect(),
        },
        (CertificateError::UnknownIssuer, TlsMode::Custom(file)) => {
            TlsProblem::UnknownIssuer { ca_file: Some(file.clone()) }
        }
        (CertificateError::UnknownIssuer, _) => TlsProblem::UnknownIssuer { ca_file: None },
        (CertificateError::ApplicationVerificationFailure, TlsMode::Exactly(file)) => {
            TlsProblem::Certificate { detail: format!("it is not the one in {}", shown(file)) }
        }
        (error, _) => TlsProblem::Certificate { detail: error.to_string() },
    }
}

/// In TLS 1.3 the executor judges the client's certificate when the client takes the handshake for done.
fn of_alert(alert: AlertDescription, options: &TlsOptions) -> Option<TlsProblem> {
    let reason = match alert {
        AlertDescription::CertificateRequired => "it was not presented, or is of a kind that the executor cannot use",
        AlertDescription::UnknownCA => "the executor does not know the CA that issued it",
        AlertDescription::CertificateExpired => "it has expired, or is not valid yet",
        AlertDescription::CertificateRevoked => "it has been revoked",
        AlertDescription::UnsupportedCertificate => "it is not for clients (extended key usage clientAuth)",
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => "it is not acceptable",
        AlertDescription::AccessDenied if options.client_cert_file.is_some() => "it gives no access",
        AlertDescription::DecryptError if options.client_cert_file.is_some() => "its signature does not hold",
        // An executor that speaks TLS speaks a version of ours. One that does not speaks in this alert.
        AlertDescription::ProtocolVersion => return Some(TlsProblem::NotSpoken),
        AlertDescription::HandshakeFailure
        | AlertDescription::InsufficientSecurity
        | AlertDescription::NoApplicationProtocol
        | AlertDescription::AccessDenied
        | AlertDescription::DecryptError
        | AlertDescription::UnrecognisedName
        | AlertDescription::IllegalParameter
        | AlertDescription::DecodeError
        | AlertDescription::UnexpectedMessage => {
            return Some(TlsProblem::Handshake { detail: format!("the executor's alert is {alert:?}") });
        }
        _ => return None,
    };
    Some(match &options.client_cert_file {
        Some(file) => TlsProblem::ClientCertificateRefused { file: file.clone(), reason: reason.into() },
        None => TlsProblem::ClientCertificateRequired,
    })
}

fn date(time: UnixTime) -> Option<String> {
    // The formatter panics behind the year 9999, which no certificate can name.
    let time = Some(time.as_secs()).filter(|seconds| *seconds < 253_402_300_800)?;
    Some(humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(time)).to_string())
}

/// `DnsName("a.example")` and `IpAddress(0::1)`, as rustls has them, without their kind. No name may drive a terminal.
fn bare(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name).trim_matches('"');
    match inner.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => inner.escape_debug().to_string(),
    }
}

fn listed(names: &[String]) -> String {
    match names.len() {
        0 => "no name at all".into(),
        many if many > MAX_NAMES => format!("{} and {} more", names[..MAX_NAMES].join(", "), many - MAX_NAMES),
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_certificates_read_as_in_a_url() {
        for (name, text) in [
            ("DnsName(\"*.example.com\")", "*.example.com"),
            ("IpAddress(127.0.0.1)", "127.0.0.1"),
            ("IpAddress(0::1)", "::1"),
            ("DnsName(\"\u{1b}[2J\")", "\\u{1b}[2J"),
            ("DirectoryName", "DirectoryName"),
        ] {
            assert_eq!(bare(name), text);
        }
        let many: Vec<_> = (0..10).map(|number| format!("h{number}")).collect();
        assert_eq!(listed(&many), "h0, h1, h2, h3, h4, h5, h6, h7 and 2 more");
        assert_eq!(listed(&[]), "no name at all");
    }

    #[test]
    fn no_date_is_too_far() {
        let at = |seconds| date(UnixTime::since_unix_epoch(Duration::from_secs(seconds)));
        assert_eq!(at(0).as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(at(253_402_300_799).as_deref(), Some("9999-12-31T23:59:59Z"));
        assert_eq!((at(253_402_300_800), at(u64::MAX)), (None, None));
    }

    #[test]
    fn every_problem_names_the_url_and_a_way_out() {
        let file = || PathBuf::from("/c.pem");
        let problems = [
            (TlsProblem::Expired { not_after: None }, "expired. Put a new one"),
            (TlsProblem::NotYetValid { not_before: None }, "not valid yet. Look whether the clocks"),
            (TlsProblem::WrongHostName { asked: "a".into(), names: Vec::new() }, "for no name at all, not for a. Use"),
            (
                TlsProblem::UnknownIssuer { ca_file: None },
                "this machine trusts (a private CA, or self-signed). Set tls.",
            ),
            (TlsProblem::UnknownIssuer { ca_file: Some(file()) }, "no CA in /c.pem. Set tls.ca_file (tls_cert_path, "),
            (TlsProblem::Certificate { detail: "x".into() }, "cannot be accepted: x. Put"),
            (TlsProblem::NotSpoken, "does not speak TLS: use grpc://h:1 if you trust the network, or"),
            (TlsProblem::ClientCertificateRequired, "none was given. Set tls.client_cert_file (CODEMODE_"),
            (
                TlsProblem::ClientCertificateRefused { file: file(), reason: "x".into() },
                "refused the client certificate /c.pem: x. Set tls.client_cert_file",
            ),
            (TlsProblem::Handshake { detail: "x".into() }, "the TLS handshake failed: x. The other end"),
        ];
        for (problem, text) in problems {
            let said = problem.text("grpcs://h:1");
            assert!(said.contains("executor at grpcs://h:1") && said.contains(text), "{said}");
        }
        assert_eq!(TlsProblem::Required.text("grpc://h:1"), "the executor at grpc://h:1 speaks TLS: use grpcs://h:1");
    }
}
