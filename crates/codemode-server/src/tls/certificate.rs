//! What is worth saying of the server's own certificate.

use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use codemode_config::sidecar::NamedFile;

pub(super) const MALFORMED: &str = "holds a certificate that is not well formed";

/// Time enough to have it renewed.
const SOON: Duration = Duration::from_secs(7 * 24 * 3600);

/// A certificate that clients will not accept is served all the same, and said aloud: what replaces it may be on its
/// way, and is taken up without a restart.
pub(super) fn warn_of(certificate: &CertificateDer<'_>, file: &NamedFile) -> Result<(), String> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| MALFORMED)?;
    let path = file.path.display();
    let (from, until) = (time(parsed.validity().not_before.timestamp()), time(parsed.validity().not_after.timestamp()));
    let (shown_from, shown_until) = (humantime::format_rfc3339_seconds(from), humantime::format_rfc3339_seconds(until));
    let now = SystemTime::now();
    if until <= now {
        tracing::warn!("the TLS certificate {path} expired on {shown_until}: clients refuse it");
    } else if now < from {
        tracing::warn!("the TLS certificate {path} is not valid before {shown_from}: clients refuse it");
    } else if until <= now + SOON {
        tracing::warn!("the TLS certificate {path} expires on {shown_until}");
    }
    if !matches!(parsed.subject_alternative_name(), Ok(Some(_))) {
        tracing::warn!("the TLS certificate {path} names no host (subject alternative name): clients refuse it");
    }
    Ok(())
}

/// A date that no clock here can show counts as the first or the last that it can.
fn time(seconds: i64) -> SystemTime {
    /// The end of the year 9999, which is the last that certificates know.
    const LAST: u64 = 253_402_300_799;
    let since = u64::try_from(seconds).unwrap_or(0).min(LAST);
    SystemTime::UNIX_EPOCH + Duration::from_secs(since)
}
