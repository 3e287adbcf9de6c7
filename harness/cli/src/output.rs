use std::io::{self, ErrorKind, IsTerminal, Write};

use reports::{Detail, Style};

use crate::args::Colour;
use crate::failure::Failure;

/// What text is wrapped at.
const WIDTH: usize = 100;

/// Writes to standard output. A reader that goes away, as `head` does, has read what it wanted: the
/// verdict still decides the exit code.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Environment(format!("standard output cannot be written: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A line on standard error, for progress. Where that is closed there is no one to tell.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// How reports are rendered for standard output.
pub(crate) fn options(colour: Colour, verbose: bool) -> reports::Options {
    let coloured = is_coloured(colour, io::stdout().is_terminal());
    reports::Options {
        style: if coloured { Style::Coloured } else { Style::Plain },
        detail: if verbose { Detail::Everything } else { Detail::Story },
        width: WIDTH,
    }
}

/// Whether a stream is to be coloured; see <https://no-color.org> for the variable.
pub(crate) fn is_coloured(wanted: Colour, is_terminal: bool) -> bool {
    match wanted {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    }
}
