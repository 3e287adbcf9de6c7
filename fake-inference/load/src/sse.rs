//! Server-sent events, as the WHATWG HTML standard's "event stream interpretation" reads them.

/// The longest event, in bytes.
pub(crate) const MAX_EVENT: usize = 1 << 20;

/// An event is longer than [`MAX_EVENT`], or not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadEvent {
    #[error("an event of the stream is longer than {MAX_EVENT} bytes")]
    TooLong,
    #[error("an event of the stream is not UTF-8")]
    NotUtf8,
}

/// Puts events together from bytes that come in pieces of any size.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    /// The line under way.
    line: Vec<u8>,
    /// The data of the event under way, each line with its end.
    data: String,
    /// The last byte was a carriage return: a line feed that follows belongs to it.
    after_return: bool,
    begun: bool,
}

impl Parser {
    /// Takes the next bytes and gives the data of each event that they complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<String>, BadEvent> {
        let mut events = Vec::new();
        for &byte in bytes {
            match byte {
                b'\n' if self.after_return => {}
                b'\n' | b'\r' => events.extend(self.end_line()?),
                _ if self.line.len() + self.data.len() >= MAX_EVENT => return Err(BadEvent::TooLong),
                _ => self.line.push(byte),
            }
            self.after_return = byte == b'\r';
        }
        Ok(events)
    }

    /// Only `data` matters here: `event`, `id`, `retry` and comments say nothing that this API uses.
    fn end_line(&mut self) -> Result<Option<String>, BadEvent> {
        let line = std::mem::take(&mut self.line);
        let line = str::from_utf8(&line).map_err(|_| BadEvent::NotUtf8)?;
        let line = if self.begun { line } else { line.trim_start_matches('\u{feff}') };
        self.begun = true;
        if line.is_empty() {
            let ended = self.data.pop().is_some();
            return Ok(ended.then(|| std::mem::take(&mut self.data)));
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        if field == "data" {
            self.data.push_str(value.strip_prefix(' ').unwrap_or(value));
            self.data.push('\n');
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events(text: &str) -> Vec<String> {
        Parser::default().push(text.as_bytes()).unwrap()
    }

    #[test]
    fn events_are_read_as_the_standard_says() {
        let table: [(&str, &[&str]); 9] = [
            ("data: {}\n\ndata: [DONE]\n\n", &["{}", "[DONE]"]),
            ("data:x\r\n\r\n", &["x"]),
            ("data: x\r\rdata: y\r\r", &["x", "y"]),
            ("data: a\ndata: b\n\n", &["a\nb"]),
            (": a comment\n\nevent: ping\nid: 7\ndata: x\n\n", &["x"]),
            ("\u{feff}data: x\n\n", &["x"]),
            ("data:  two spaces\n\n", &[" two spaces"]),
            ("data\n\n", &[""]),
            ("data: not ended\n", &[]),
        ];
        for (text, expected) in table {
            assert_eq!(events(text), expected, "{text:?}");
        }
    }

    #[test]
    fn an_event_without_end_is_refused_before_it_fills_the_memory() {
        let mut parser = Parser::default();
        parser.push(b"data: ").unwrap();
        let piece = vec![b'x'; 1 << 16];
        let refused = (0..100).find_map(|_| parser.push(&piece).err());
        assert_eq!(refused, Some(BadEvent::TooLong));
        let mut parser = Parser::default();
        let refused = (0..2_000_000).find_map(|_| parser.push(b"data: x\n").err());
        assert_eq!(refused, Some(BadEvent::TooLong));
    }

    proptest! {
        // However the bytes are cut, characters included, the events are the same.
        #[test]
        fn pieces_do_not_matter(text in "(data: ?|é|x|:|\r|\n|\r\n){0,40}", size in 1_usize..9) {
            let mut parser = Parser::default();
            let pieces: Result<Vec<_>, _> = text.as_bytes().chunks(size).map(|piece| parser.push(piece)).collect();
            prop_assert_eq!(pieces.unwrap().concat(), events(&text));
        }

        // No bytes make it panic.
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = Parser::default().push(&bytes);
        }
    }
}
