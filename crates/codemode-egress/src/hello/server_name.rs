//! The strict reader of the server name extension (RFC 8446, section 4.1.2; RFC 6066, section 3).

/// The name, or nothing if there is no extension; no answer at all for what is not exactly one ClientHello in whole TLS
/// records, with at most one such extension that holds exactly one host name in ASCII.
pub(super) fn read(records: &[u8]) -> Option<Option<String>> {
    let message = joined(records)?;
    let mut message = Bytes(&message);
    let is_client_hello = message.array::<1>()? == [1];
    let mut body = Bytes(message.vector::<3>()?);
    if !is_client_hello || !message.0.is_empty() {
        return None;
    }
    let _version = body.array::<2>()?;
    let _random = body.array::<32>()?;
    let _session = body.vector::<1>()?;
    let _ciphers = body.vector::<2>()?;
    let _compression = body.vector::<1>()?;
    if body.0.is_empty() {
        return Some(None);
    }
    let mut extensions = Bytes(body.vector::<2>()?);
    let mut found = None;
    while !extensions.0.is_empty() {
        let kind = extensions.array::<2>()?;
        let data = extensions.vector::<2>()?;
        if kind == [0, 0] && found.replace(data).is_some() {
            return None;
        }
    }
    match (body.0.is_empty(), found) {
        (false, _) => None,
        (true, None) => Some(None),
        (true, Some(data)) => Some(Some(only_name(data)?)),
    }
}

/// The first handshake message, which has to end where a record does. What follows is not looked at: a client may send
/// early data right away.
fn joined(records: &[u8]) -> Option<Vec<u8>> {
    let mut records = Bytes(records);
    let mut message = Vec::new();
    loop {
        let [kind, _, _] = records.array::<3>()?;
        if kind != super::HANDSHAKE {
            return None;
        }
        message.extend_from_slice(records.vector::<2>()?);
        let whole = Bytes(&message).skip(1).and_then(|mut body| body.vector::<3>()).map(|body| 1 + 3 + body.len());
        match whole {
            Some(length) if length == message.len() => return Some(message),
            Some(_) => return None,
            None => {}
        }
    }
}

fn only_name(data: &[u8]) -> Option<String> {
    let mut data = Bytes(data);
    let mut list = Bytes(data.vector::<2>()?);
    let is_host_name = list.array::<1>()? == [0];
    let name = list.vector::<2>()?;
    let is_all = is_host_name && list.0.is_empty() && data.0.is_empty() && name.is_ascii();
    is_all.then(|| std::str::from_utf8(name).ok().map(str::to_owned))?
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn skip(self, count: usize) -> Option<Self> {
        self.0.get(count..).map(Self)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*array)
    }

    /// What follows its own length in `N` bytes.
    fn vector<const N: usize>(&mut self) -> Option<&'a [u8]> {
        let length = self.array::<N>()?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        let (vector, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(vector)
    }
}
