//! Ending programs that a harness left running.

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal, getpgid, getpgrp, kill_process_group};

/// Ends every program that was started with exactly these arguments, whatever it is called, with its process group. Says how
/// many groups there were: a child that a program has forked has the same arguments until it runs a program of its own.
///
/// Nothing is remembered of a process but its arguments: they can be written down before it is started,
/// unlike its id, and they hold the id of a run, so that no other process has them.
pub(super) fn end(arguments: &[String]) -> usize {
    let is_meant =
        |line: &[String]| !arguments.is_empty() && line.ends_with(arguments) && line.len() > arguments.len();
    let meant = running().into_iter().filter(|(_, line)| is_meant(line));
    let group = |(process, _)| getpgid(Some(Pid::from_raw(process)?)).ok();
    // The groups of programs that lead their own; never the one that this process is in.
    let groups: HashSet<Pid> = meant.filter_map(group).filter(|group| *group != getpgrp()).collect();
    groups.into_iter().filter(|group| kill_process_group(*group, Signal::KILL).is_ok()).count()
}

/// The processes of the machine with their command lines: from `/proc`, or from `ps` where there is none.
fn running() -> Vec<(i32, Vec<String>)> {
    if Path::new("/proc/self/cmdline").exists() { from_proc() } else { from_ps() }
}

fn from_proc() -> Vec<(i32, Vec<String>)> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let process = |entry: std::fs::DirEntry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let line = line.strip_suffix(b"\0").unwrap_or(&line);
        let words = line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
        Some((id, words.collect()))
    };
    entries.flatten().filter_map(process).collect()
}

/// `ps` does not tell where an argument ends; those of a journal hold no spaces but in paths.
fn from_ps() -> Vec<(i32, Vec<String>)> {
    let Ok(output) = Command::new("ps").args(["-axww", "-o", "pid=,args="]).output() else {
        return Vec::new();
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let process = |line: &str| {
        let mut words = line.split_whitespace();
        Some((words.next()?.parse().ok()?, words.map(str::to_owned).collect()))
    };
    text.lines().filter_map(process).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::process::CommandExt;
    use std::process::Stdio;

    use super::*;
    use crate::host::state::unlike_any_other;

    /// A shell with an argument that no other process has but the child that it forks, and the pipe that ends when they do.
    fn shell(mark: &str) -> (std::process::Child, std::process::ChildStdout) {
        let script = "(echo ready; sleep 1000; :) & sleep 1000";
        let mut child = Command::new("sh");
        child.args(["-c", script, "sh", "--name", mark]).stdout(Stdio::piped()).process_group(0);
        let mut child = child.spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let mut ready = [0; 6];
        stdout.read_exact(&mut ready).unwrap();
        (child, stdout)
    }

    #[test]
    fn a_program_is_known_by_its_arguments_and_ended_with_all_it_started() {
        let mark = unlike_any_other(12);
        let (mut child, mut stdout) = shell(&mark);
        for near in [&mark[1..], &format!("{mark}x"), ""] {
            assert_eq!(end(&["--name".to_owned(), near.to_owned()]), 0, "{near}");
        }
        assert_eq!(end(&[]), 0);
        assert_eq!(end(&["--name".to_owned(), mark.clone()]), 1);
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        assert!(!child.wait().unwrap().success());
        assert_eq!(end(&["--name".to_owned(), mark]), 0, "it is gone");
    }

    #[test]
    fn ps_tells_what_proc_tells() {
        let mark = unlike_any_other(12);
        let (mut child, _stdout) = shell(&mark);
        let has_mark = |list: Vec<(i32, Vec<String>)>| {
            list.iter().any(|(id, line)| {
                u32::try_from(*id) == Ok(child.id()) && line.ends_with(&["--name".to_owned(), mark.clone()])
            })
        };
        assert!(has_mark(from_proc()));
        if Command::new("ps").output().is_ok() {
            assert!(has_mark(from_ps()));
        }
        end(&["--name".to_owned(), mark]);
        child.wait().unwrap();
    }
}
