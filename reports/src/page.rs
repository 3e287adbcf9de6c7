use unicode_width::UnicodeWidthChar;

/// How text is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// With or without colours.
    pub style: Style,
    /// How much is told.
    pub detail: Detail,
    /// The width in columns that no line exceeds; less than 40 counts as 40.
    pub width: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { style: Style::Plain, detail: Detail::Story, width: 100 }
    }
}

/// With or without colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Plain text, for pipes and files and where `NO_COLOR` is set.
    Plain,
    /// With ANSI escape sequences.
    Coloured,
}

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What a person needs to follow the run.
    Story,
    /// Every entry of the timeline.
    Everything,
}

/// What a part of a line is, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Dim,
    Strong,
    Good,
    Bad,
    Open,
    Canary,
}

impl Tone {
    /// The parameters of the "select graphic rendition" sequence (ECMA-48).
    fn sgr(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Dim => Some("2"),
            Self::Strong => Some("1"),
            Self::Good => Some("32"),
            Self::Bad => Some("31"),
            Self::Open => Some("33"),
            Self::Canary => Some("36"),
        }
    }
}

/// A part of a line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Span {
    tone: Tone,
    text: String,
}

/// A part of a line in this tone.
pub(crate) fn span(tone: Tone, text: impl Into<String>) -> Span {
    Span { tone, text: text.into() }
}

/// A plain part of a line.
pub(crate) fn plain(text: impl Into<String>) -> Span {
    span(Tone::Plain, text)
}

/// Text under construction. Every line goes through it, so that none is too wide and nothing that a
/// message holds can command the terminal.
pub(crate) struct Page {
    text: String,
    style: Style,
    width: usize,
}

/// A character as it is shown.
type Cell = (char, Tone);

impl Page {
    pub(crate) fn new(options: &Options) -> Self {
        Self { text: String::new(), style: options.style, width: options.width.max(40) }
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// An empty line, unless there is one already or the page is empty.
    pub(crate) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// A title above a block.
    pub(crate) fn heading(&mut self, title: &str) {
        self.gap();
        self.line([], [span(Tone::Strong, title)]);
    }

    /// `lead` as it is, then `body`, which is broken between words and continues below its own
    /// beginning. A lead of more than half the page is broken too. Nothing is cut off.
    pub(crate) fn line(
        &mut self,
        lead: impl IntoIterator<Item = Span>,
        body: impl IntoIterator<Item = Span>,
    ) {
        let (mut line, mut body) = (shown(lead), shown(body));
        let mut indent = width_of(&line);
        if indent * 2 > self.width {
            body = [std::mem::take(&mut line), body].concat();
            indent = 4;
        }
        self.wrap(line, indent, &body);
    }

    fn wrap(&mut self, mut line: Vec<Cell>, indent: usize, body: &[Cell]) {
        let mut rest = body;
        loop {
            let room = self.width.saturating_sub(width_of(&line)).max(1);
            let (taken, skipped) = fitting(rest, room);
            line.extend(&rest[..taken]);
            self.write(&line);
            rest = &rest[taken + skipped..];
            if rest.is_empty() {
                return;
            }
            line = vec![(' ', Tone::Plain); indent];
        }
    }

    fn write(&mut self, line: &[Cell]) {
        let end = line.iter().rposition(|(c, _)| *c != ' ').map_or(0, |last| last + 1);
        let mut tone = None;
        for (c, wanted) in &line[..end] {
            let sgr = wanted.sgr().filter(|_| self.style == Style::Coloured);
            if sgr != tone {
                if tone.is_some() {
                    self.text += "\u{1b}[0m";
                }
                if let Some(sgr) = sgr {
                    self.text += &format!("\u{1b}[{sgr}m");
                }
                tone = sgr;
            }
            self.text.push(*c);
        }
        if tone.is_some() {
            self.text += "\u{1b}[0m";
        }
        self.text.push('\n');
    }
}

/// How many cells fit into `room`, breaking at a space where there is one, and how many spaces to skip
/// then.
fn fitting(cells: &[Cell], room: usize) -> (usize, usize) {
    let mut used = 0;
    let fits = cells.iter().take_while(|(c, _)| {
        used += width(*c);
        used <= room
    });
    let most = fits.count();
    if most == cells.len() {
        return (most, 0);
    }
    let broken = match cells[..=most].iter().rposition(|(c, _)| *c == ' ') {
        Some(space) if space > 0 => space,
        // One word is wider than the line, or than the whole page.
        Some(_) | None => most.max(1),
    };
    let spaces = cells[broken..].iter().take_while(|(c, _)| *c == ' ').count();
    (broken, spaces)
}

fn width_of(cells: &[Cell]) -> usize {
    cells.iter().map(|(c, _)| width(*c)).sum()
}

fn width(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// The columns that a text takes.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(width).sum()
}

/// The text, filled up with spaces to this many columns.
pub(crate) fn padded(text: &str, columns_wanted: usize) -> String {
    format!("{text}{}", " ".repeat(columns_wanted.saturating_sub(columns(text))))
}

fn shown(spans: impl IntoIterator<Item = Span>) -> Vec<Cell> {
    let mut cells = Vec::new();
    for Span { tone, text } in spans {
        for c in text.chars() {
            match c {
                '\n' | '\t' => cells.push((' ', tone)),
                _ if commands_the_terminal(c) => cells.extend(c.escape_unicode().map(|c| (c, tone))),
                _ => cells.push((c, tone)),
            }
        }
    }
    cells
}

/// Control characters, and those that turn the direction of the text, join, hide or change others.
fn commands_the_terminal(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page(style: Style, width: usize) -> Page {
        Page::new(&Options { style, width, ..Options::default() })
    }

    #[test]
    fn long_text_continues_below_its_own_beginning() {
        let mut page = page(Style::Plain, 40);
        page.line([plain("  12:00  ")], [plain("one two three four five six seven eight nine")]);
        assert_eq!(page.into_text(), "  12:00  one two three four five six\n         seven eight nine\n");
    }

    #[test]
    fn a_word_that_is_too_long_is_broken_and_not_cut_off() {
        let mut page = page(Style::Plain, 40);
        page.line([plain("> ")], [plain("x".repeat(90))]);
        assert_eq!(page.into_text().chars().filter(|c| *c == 'x').count(), 90);
    }

    #[test]
    fn a_message_cannot_command_the_terminal() {
        let mut page = page(Style::Coloured, 100);
        page.line([], [span(Tone::Bad, "a\u{1b}[2Jb\u{202e}c\rd\ne")]);
        assert_eq!(page.into_text(), "\u{1b}[31ma\\u{1b}[2Jb\\u{202e}c\\u{d}d e\u{1b}[0m\n");
    }

    proptest! {
        // No line is wider than the page, whatever it holds, and no visible character is lost.
        #[test]
        fn nothing_is_too_wide_and_nothing_is_lost(lead in "[ -~]{0,60}", body in any::<String>(), width in 40..120_usize) {
            let mut page = page(Style::Plain, width);
            page.line([plain(lead)], [plain(body.as_str())]);
            let text = page.into_text();
            for line in text.lines() {
                prop_assert!(unicode_width::UnicodeWidthStr::width(line) <= width, "{:?}", line);
            }
            let letters = |text: &str| text.chars().filter(|c| c.is_alphabetic()).count();
            prop_assert!(letters(&text) >= letters(&body));
        }
    }
}
