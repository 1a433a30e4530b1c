//! The text of a value, which the code wrote, as a tree.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::TAG;

/// Values nest a hundred deep, and three levels of text for each.
const MAX_DEPTH: usize = 320;

/// Numbers keep their digits, which `serde_json::Value` would round. Its size is a small multiple of the text's.
#[derive(Debug, PartialEq)]
pub(super) enum Node<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    Text(Cow<'a, str>),
    List(Vec<Self>),
    Map(Vec<(Cow<'a, str>, Self)>),
}

impl<'a> Node<'a> {
    /// `None` for what is no JSON, or deeper than values are.
    pub(super) fn read(text: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        // Well-formed from here on, which the reader below leans on for nothing but the answer being right.
        serde_json::from_str::<&RawValue>(text).ok()?;
        let mut reader = Reader { text, at: 0 };
        let node = reader.node(0)?;
        reader.skip_space();
        (reader.at == text.len()).then_some(node)
    }

    fn member(&self, name: &str) -> Option<&Self> {
        let Self::Map(members) = self else { return None };
        members.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The tag and the content of a value that JSON has no form for.
    pub(super) fn tagged(&self) -> Option<(&str, &Self)> {
        Some((self.member(TAG)?.text().unwrap_or("object"), self.member("v").unwrap_or(&Self::Null)))
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn node(&mut self, depth: usize) -> Option<Node<'a>> {
        self.skip_space();
        match self.peek()? {
            b'{' if depth < MAX_DEPTH => self.map(depth + 1),
            b'[' if depth < MAX_DEPTH => self.list(depth + 1),
            b'"' => self.string().map(Node::Text),
            b'n' => self.word("null", Node::Null),
            b't' => self.word("true", Node::Bool(true)),
            b'f' => self.word("false", Node::Bool(false)),
            b'-' | b'0'..=b'9' => self.number(),
            _ => None,
        }
    }

    fn map(&mut self, depth: usize) -> Option<Node<'a>> {
        let mut members = Vec::new();
        self.at += 1;
        if !self.takes(b'}') {
            loop {
                self.skip_space();
                let key = self.string()?;
                self.takes(b':').then_some(())?;
                members.push((key, self.node(depth)?));
                if self.takes(b'}') {
                    break;
                }
                self.takes(b',').then_some(())?;
            }
        }
        Some(Node::Map(members))
    }

    fn list(&mut self, depth: usize) -> Option<Node<'a>> {
        let mut items = Vec::new();
        self.at += 1;
        if !self.takes(b']') {
            loop {
                items.push(self.node(depth)?);
                if self.takes(b']') {
                    break;
                }
                self.takes(b',').then_some(())?;
            }
        }
        Some(Node::List(items))
    }

    fn string(&mut self) -> Option<Cow<'a, str>> {
        let start = self.at;
        let inner = self.text.get(start..)?.strip_prefix('"')?;
        let mut escaped = false;
        let mut bytes = inner.bytes().enumerate();
        let length = loop {
            match bytes.next()? {
                (at, b'"') => break at,
                (_, b'\\') => {
                    escaped = true;
                    bytes.next();
                }
                _ => {}
            }
        };
        self.at = start + length + 2;
        match escaped {
            false => inner.get(..length).map(Cow::Borrowed),
            true => serde_json::from_str(self.text.get(start..self.at)?).ok().map(Cow::Owned),
        }
    }

    fn number(&mut self) -> Option<Node<'a>> {
        let rest = self.text.get(self.at..)?;
        let is_numeric = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
        let length = rest.as_bytes().iter().take_while(|byte| is_numeric(byte)).count();
        self.at += length;
        rest.get(..length).map(Node::Number)
    }

    fn word(&mut self, word: &str, node: Node<'a>) -> Option<Node<'a>> {
        let found = self.text.get(self.at..)?.starts_with(word);
        self.at += word.len();
        found.then_some(node)
    }

    fn takes(&mut self, byte: u8) -> bool {
        self.skip_space();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::Node;

    #[test]
    fn numbers_keep_their_digits() {
        let node = Node::read(br#" {"a" : [123456789012345678901234567890, -0.10e+2], "\u00e9\"": null , "a":true} "#);
        let node = node.unwrap();
        assert_eq!(node.member("a"), Some(&Node::Bool(true)));
        assert_eq!(node.member("\u{e9}\""), Some(&Node::Null));
        let Node::Map(members) = node else { panic!("a mapping") };
        let numbers = vec![Node::Number("123456789012345678901234567890"), Node::Number("-0.10e+2")];
        assert_eq!(members[0].1, Node::List(numbers));
    }

    #[test]
    fn what_is_no_value_is_none() {
        let deep = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
        assert!(Node::read(&deep(320)).is_some() && Node::read(&deep(321)).is_none());
        assert!(Node::read(&deep(1_000_000)).is_none());
        for text in ["", "nul", "[1,]", "{\"a\" 1}", "\"a", "\"\\\"", "1 2", "01", "{1: 2}", "\u{feff}1"] {
            assert_eq!(Node::read(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Node::read(b"\"\xff\""), None);
    }
}
