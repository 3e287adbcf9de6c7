//! Running programs of the machine: docker, kind.
//!
//! A program gets arguments, never a line for a shell; a process group of its own, so that Ctrl-C reaches
//! only the harness and whatever the program starts ends with it; and a deadline.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdout, Command};

use crate::Failure;
use crate::host::mend;
use crate::host::{Journal, Made};

/// How long a program may run unless the caller says: what asks and answers, such as `docker ps`.
const DEADLINE: Duration = Duration::from_secs(60);

/// How much of what a program prints is kept. The rest is read and dropped, so that it never blocks.
const KEPT: u64 = 64 << 20;

/// How many lines of a complaint are quoted, from its end.
const QUOTED: usize = 20;

/// A program that was found on the PATH.
#[derive(Debug, Clone)]
pub struct Program {
    name: &'static str,
    path: PathBuf,
}

impl Program {
    /// Finds a program by its name.
    ///
    /// # Errors
    /// It is not on the PATH; `mend` is what to do about that.
    pub fn find(name: &'static str, mend: &str) -> Result<Self, Failure> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut candidates = std::env::split_paths(&path).map(|folder| folder.join(name));
        let found = candidates.find(|file| is_executable(file));
        let path =
            found.ok_or_else(|| Failure::environment(format!("`{name}` is not on the PATH"), "", mend))?;
        Ok(Self { name, path })
    }

    /// A program at a known place.
    pub fn at(name: &'static str, path: impl Into<PathBuf>) -> Self {
        Self { name, path: path.into() }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A call of the program, which does nothing until it is run.
    pub fn call<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Call {
        Call {
            program: self.clone(),
            arguments: arguments.into_iter().map(|it| it.as_ref().to_owned()).collect(),
            input: Input::Nothing,
            environment: Vec::new(),
            deadline: DEADLINE,
            journal: None,
        }
    }
}

fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

/// What a program reads on its standard input.
#[derive(Debug)]
enum Input {
    Nothing,
    Bytes(Vec<u8>),
    From(Stdio),
}

/// One call of a program.
#[derive(Debug)]
pub struct Call {
    program: Program,
    arguments: Vec<OsString>,
    input: Input,
    environment: Vec<(&'static str, OsString)>,
    deadline: Duration,
    journal: Option<Journal>,
}

/// What a program printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: String,
}

impl Output {
    /// The standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// What it printed.
    pub output: Output,
    /// Its exit code; `None` where a signal ended it.
    pub code: Option<i32>,
}

impl Call {
    /// The program reads these bytes, then the end of file.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Input::Bytes(bytes.into());
        self
    }

    /// The program reads a file.
    #[must_use]
    pub fn stdin_file(mut self, file: File) -> Self {
        self.input = Input::From(file.into());
        self
    }

    /// Sets a variable of the program's environment, which else is the harness's.
    #[must_use]
    pub fn env(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// How long it may run.
    #[must_use]
    pub fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Writes the call into a journal before it is made, and crosses it out when it has ended: where the
    /// harness is killed meanwhile, the reaper ends the program. The arguments must be of this run alone.
    #[must_use]
    pub fn journalled(mut self, journal: &Journal) -> Self {
        self.journal = Some(journal.clone());
        self
    }

    /// The command as one would type it.
    pub fn told(&self) -> String {
        let arguments = self.arguments.iter().map(|it| it.to_string_lossy());
        let words = std::iter::once(self.program.name.into()).chain(arguments);
        words.map(|word| quoted(&word)).collect::<Vec<_>>().join(" ")
    }

    /// Runs the program to its end.
    ///
    /// # Errors
    /// It cannot be started, its exit code is not zero, or the deadline passed.
    pub async fn run(self) -> Result<Output, Failure> {
        let told = self.told();
        let ended = self.ended().await?;
        succeeded(&told, ended)
    }

    /// Runs the program to its end and leaves its exit code to the caller.
    ///
    /// # Errors
    /// It cannot be started, or the deadline passed.
    pub async fn ended(self) -> Result<Ended, Failure> {
        let (told, deadline) = (self.told(), self.deadline);
        let noted = self.noted()?;
        let running = self.start(Stdio::piped())?;
        let ended = running.finish(&told, deadline).await?;
        if let Some((journal, note)) = noted {
            journal.done(note)?;
        }
        Ok(ended)
    }

    /// Runs this program and another that reads what it prints.
    ///
    /// # Errors
    /// As [`Call::run`], for either. Where both fail, the reader's complaint is told: a writer whose reader is
    /// gone complains only of that.
    pub async fn piped_into(self, mut reader: Self) -> Result<Output, Failure> {
        let (writer_told, reader_told) = (self.told(), reader.told());
        let (writer_deadline, reader_deadline) = (self.deadline, reader.deadline);
        let notes = [self.noted()?, reader.noted()?];
        let mut writer = self.start(Stdio::piped())?;
        let between = writer.stdout().map_err(|error| cannot_run(&writer_told, &error))?;
        reader.input = Input::From(between);
        let reader = reader.start(Stdio::piped())?;
        let (written, read) = tokio::join!(
            writer.finish(&writer_told, writer_deadline),
            reader.finish(&reader_told, reader_deadline)
        );
        for (journal, note) in notes.into_iter().flatten() {
            journal.done(note)?;
        }
        let output = succeeded(&reader_told, read?)?;
        succeeded(&writer_told, written?)?;
        Ok(output)
    }

    fn noted(&self) -> Result<Option<(Journal, crate::host::Note)>, Failure> {
        let Some(journal) = &self.journal else { return Ok(None) };
        let arguments = self.arguments.iter().map(|it| it.to_string_lossy().into_owned()).collect();
        let note = journal.note(Made::Program { arguments })?;
        Ok(Some((journal.clone(), note)))
    }

    fn start(self, stdout: Stdio) -> Result<Running, Failure> {
        let told = self.told();
        let mut command = Command::new(&self.program.path);
        let (stdin, bytes) = match self.input {
            Input::Nothing => (Stdio::null(), None),
            Input::Bytes(bytes) => (Stdio::piped(), Some(bytes)),
            Input::From(file) => (file, None),
        };
        command.args(&self.arguments).envs(self.environment);
        command.stdin(stdin).stdout(stdout).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| cannot_run(&told, &error))?;
        let stdout = child.stdout.take();
        Ok(Running { child, bytes, stdout })
    }
}

/// A program that runs. Dropping it ends its process group.
struct Running {
    child: Child,
    bytes: Option<Vec<u8>>,
    stdout: Option<ChildStdout>,
}

impl Running {
    /// Takes the standard output, for another program to read.
    fn stdout(&mut self) -> io::Result<Stdio> {
        self.stdout.take().ok_or_else(|| io::Error::other("no standard output"))?.try_into()
    }

    async fn finish(mut self, told: &str, deadline: Duration) -> Result<Ended, Failure> {
        match tokio::time::timeout(deadline, self.exchange()).await {
            Ok(Ok(ended)) => Ok(ended),
            Ok(Err(error)) => Err(cannot_run(told, &error)),
            Err(_) => {
                let what = format!("`{told}` did not end within {} s and was stopped", deadline.as_secs());
                Err(Failure::environment(what, "", "see whether the machine is overloaded, then try again"))
            }
        }
    }

    /// The pipes are read to their end first and the process is waited for afterwards: until then its id is
    /// its own, and so is its group's.
    async fn exchange(&mut self) -> io::Result<Ended> {
        let (stdin, bytes) = (self.child.stdin.take(), self.bytes.take().unwrap_or_default());
        let (stdout, stderr) = (self.stdout.take(), self.child.stderr.take());
        let write = async move {
            if let Some(mut stdin) = stdin {
                // A program that reads no further says why in its exit code.
                let _ = stdin.write_all(&bytes).await;
            }
        };
        let ((), stdout, stderr) = tokio::join!(write, drain(stdout), drain(stderr));
        let status = self.child.wait().await?;
        let stderr = String::from_utf8_lossy(&stderr?).into_owned();
        Ok(Ended { output: Output { stdout: stdout?, stderr }, code: status.code() })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // None once it was waited for.
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = id.and_then(Pid::from_raw) {
            // It may just have ended.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

async fn drain(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let Some(mut pipe) = pipe else { return Ok(Vec::new()) };
    let mut kept = Vec::new();
    (&mut pipe).take(KEPT).read_to_end(&mut kept).await?;
    tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    Ok(kept)
}

fn succeeded(told: &str, ended: Ended) -> Result<Output, Failure> {
    if ended.code == Some(0) {
        return Ok(ended.output);
    }
    let how = ended.code.map_or("was killed".to_owned(), |code| format!("failed with exit code {code}"));
    Err(complaint(format!("`{told}` {how}"), &ended.output.stderr))
}

/// A failure that quotes the end of what a program complained of, with what mends that where it is known.
pub(crate) fn complaint(what: String, stderr: &str) -> Failure {
    let lines: Vec<&str> = stderr.trim().lines().collect();
    let quoted = lines[lines.len().saturating_sub(QUOTED)..].join("\n");
    Failure::environment(what, quoted, mend::of(stderr).unwrap_or_default())
}

fn cannot_run(told: &str, error: &io::Error) -> Failure {
    Failure::environment(format!("`{told}` cannot be run"), error, "")
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) { word.to_owned() } else { format!("'{word}'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Call {
        Program::find("sh", "").unwrap().call(["-c", script])
    }

    fn told(failure: &Failure) -> String {
        assert!(matches!(failure, Failure::Environment(_)), "{failure:?}");
        failure.to_string()
    }

    #[tokio::test]
    async fn what_a_program_prints_is_given_back() {
        let output = sh("cat; echo complaint >&2").stdin("in").run().await.unwrap();
        assert_eq!(output, Output { stdout: b"in".to_vec(), stderr: "complaint\n".to_owned() });
    }

    #[tokio::test]
    async fn more_than_a_pipe_holds_goes_both_ways() {
        let bytes = vec![b'x'; 1 << 20];
        let output = sh("cat").stdin(bytes.clone()).run().await.unwrap();
        assert!(output.stdout == bytes);
    }

    #[tokio::test]
    async fn a_program_that_reads_nothing_is_no_failure() {
        sh("exec <&-; true").stdin(vec![b'x'; 1 << 20]).run().await.unwrap();
    }

    #[tokio::test]
    async fn an_exit_code_is_told_with_the_complaint() {
        let failure = sh("echo no such luck >&2; exit 3").run().await.unwrap_err();
        assert_eq!(
            told(&failure),
            "`sh -c 'echo no such luck >&2; exit 3'` failed with exit code 3\n  no such luck"
        );
        let ended = sh("exit 3").ended().await.unwrap();
        assert_eq!(ended.code, Some(3));
    }

    #[test]
    fn a_program_that_is_missing_is_told_with_what_mends_it() {
        let failure = Program::find("rehearse-has-no-such-program", "install it").unwrap_err();
        assert_eq!(told(&failure), "`rehearse-has-no-such-program` is not on the PATH\n  help: install it");
    }

    #[tokio::test]
    async fn one_program_reads_another() {
        let output = sh("echo first").piped_into(sh("cat; echo second")).await.unwrap();
        assert_eq!(output.text(), "first\nsecond\n");
        let failure = sh("yes").piped_into(sh("exit 2")).await.unwrap_err();
        assert!(told(&failure).contains("exit 2"), "{failure}");
        let failure = sh("exit 4").piped_into(sh("cat")).await.unwrap_err();
        assert!(told(&failure).contains("exit code 4"), "{failure}");
    }

    /// The pipe ends only when the last process that holds it has ended.
    #[tokio::test]
    async fn the_deadline_ends_the_program_and_what_it_started() {
        let (reader, writer) = io::pipe().unwrap();
        let failure = {
            let call = sh("sleep 1000 & sleep 1000").within(Duration::from_millis(50));
            let mut running = Command::new("sh");
            running.arg("-c").arg("sleep 1000 & sleep 1000").stdout(writer).process_group(0);
            drop(Running { child: running.spawn().unwrap(), bytes: None, stdout: None });
            drop(running);
            call.run().await.unwrap_err()
        };
        assert!(told(&failure).contains("did not end within 0 s and was stopped"), "{failure}");
        let read = tokio::task::spawn_blocking(move || io::read_to_string(reader)).await.unwrap();
        assert_eq!(read.unwrap(), "");
    }
}
