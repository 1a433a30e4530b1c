//! Why no TLS connection came about. Nothing ran in any of these.

use super::{Entry, Kind, entry};

const REFUSING: Entry = Entry { python: Some("ExecutorConnectionError"), exit: Some("69"), ..entry(Kind::Client) };
const REFUSED: Entry = Entry { python: Some("AuthenticationError"), ..REFUSING };

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: "tls_certificate_expired",
        title: "The executor's certificate expired",
        happened: "The certificate that the executor shows was valid until some time ago.",
        causes: &["Nobody put a new one there.", "This machine's clock is wrong."],
        remedies: &[
            "Put a new certificate into the executor's `tls.cert_file`. It is read again without a restart.",
            "Look at the clocks of both machines.",
        ],
        ..REFUSING
    },
    Entry {
        code: "tls_certificate_not_yet_valid",
        title: "The executor's certificate is not valid yet",
        happened: "The certificate that the executor shows begins to be valid later.",
        causes: &["The clock of one of the machines is wrong."],
        remedies: &["Look at the clocks of both machines."],
        ..REFUSING
    },
    Entry {
        code: "tls_wrong_host_name",
        title: "The executor's certificate is for another host",
        happened: "The name in the URL is none of those in the executor's certificate.",
        causes: &[
            "The URL has an address where the certificate has a name, or another name of the same machine.",
            "Something else answers at that address.",
        ],
        remedies: &[
            "Use a name of the certificate in the URL: the message lists them.",
            "Make a certificate with that name: `codemode tls generate-certs --host NAME` makes one to develop with.",
        ],
        ..REFUSING
    },
    Entry {
        code: "tls_unknown_issuer",
        title: "Nobody who is trusted vouches for the executor's certificate",
        happened: "The executor's certificate comes from an authority that this client does not trust.",
        causes: &[
            "A private authority made it, and the client was not told of it.",
            "The executor's file lacks the certificates in between.",
        ],
        remedies: &[
            "Set `tls_cert_path`, `CODEMODE_TLS_CA_FILE` or `--tls-ca` to the authority's certificate.",
            "Put the whole chain into the executor's `tls.cert_file`.",
        ],
        ..REFUSING
    },
    Entry {
        code: "tls_certificate_invalid",
        title: "The executor's certificate cannot be accepted",
        happened: "Something else is wrong with the certificate; the message has the words of the TLS library.",
        causes: &[
            "It is no certificate for a server.",
            "`codemode health` expects the one in the executor's file, and the executor still shows another.",
        ],
        remedies: &["Put a server certificate into the executor's `tls.cert_file`."],
        ..REFUSING
    },
    Entry {
        code: "tls_required",
        title: "The executor speaks TLS",
        happened: "The client began without TLS, and the executor answered with it.",
        causes: &["The URL begins with `http://` or `grpc://`."],
        remedies: &["Use `https://` or `grpcs://`."],
        ..REFUSING
    },
    Entry {
        code: "tls_not_spoken",
        title: "The executor does not speak TLS",
        happened: "The client began with TLS, and the executor answered without it.",
        causes: &["The executor has no certificate.", "A proxy in between has ended TLS already."],
        remedies: &[
            "Set `tls.cert_file` and `tls.key_file` on the executor.",
            "Use `http://` where you trust the network.",
        ],
        ..REFUSING
    },
    Entry {
        code: "tls_client_certificate_required",
        title: "The executor asks for a certificate of the client",
        happened: "The executor lets nobody in without a certificate, and the client showed none.",
        causes: &["The executor has `tls.ca_file`, and the client has no certificate."],
        remedies: &[
            "Set `CODEMODE_TLS_CLIENT_CERT_FILE` and `CODEMODE_TLS_CLIENT_KEY_FILE`, or `--tls-cert` and `--tls-key`.",
            "Where a certificate may be missing, set the executor's `tls.require_client_auth` to false.",
        ],
        ..REFUSED
    },
    Entry {
        code: "tls_client_certificate_refused",
        title: "The executor does not accept the client's certificate",
        happened: "The client showed a certificate, and the executor refused it; the message has its reason.",
        causes: &["It expired.", "It comes from an authority that is not in the executor's `tls.ca_file`."],
        remedies: &["Use a certificate that an authority in the executor's `tls.ca_file` issued."],
        ..REFUSED
    },
    Entry {
        code: "tls_handshake",
        title: "The TLS handshake failed",
        happened: "The two ends could not agree; the message has the words of the TLS library.",
        causes: &["One end has neither TLS 1.2 nor TLS 1.3.", "Something in between changes what is sent."],
        remedies: &["Look at what is between them: the other end must be an executor with TLS 1.2 or 1.3."],
        ..REFUSING
    },
];
