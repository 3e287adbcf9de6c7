use std::fmt;

use tokio::sync::watch;

/// Where a process is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing listens yet.
    Starting,
    /// The weights are fetched.
    Downloading,
    /// The weights are loaded.
    Loading,
    /// The first passes.
    Warming,
    /// Requests are served.
    Ready,
    /// Requests hang, and the probes say yes.
    Wedged,
    /// SIGTERM came.
    Draining,
    /// The process ended in order.
    Stopped,
    /// The process died.
    Dead,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::Downloading => "downloading",
            Self::Loading => "loading",
            Self::Warming => "warming",
            Self::Ready => "ready",
            Self::Wedged => "wedged",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
            Self::Dead => "dead",
        })
    }
}

/// What happened to the process from outside: its start, SIGTERM, its end. What follows from its age
/// (loading, warming, readiness) is worked out when it is asked for.
#[derive(Debug)]
pub struct Lifecycle {
    stage: watch::Sender<Stage>,
}

/// The stages that only events bring about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Nothing listens yet.
    Starting,
    /// The process serves, or loads.
    Running,
    /// SIGTERM came.
    Draining {
        /// Whether new requests are refused.
        refuses: bool,
    },
    /// The process ends with this code.
    Ended(u8),
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self { stage: watch::Sender::new(Stage::Starting) }
    }
}

impl Lifecycle {
    /// The stage now.
    pub fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    /// The listeners are open.
    pub fn run(&self) {
        self.change(|stage| matches!(stage, Stage::Starting).then_some(Stage::Running));
    }

    /// SIGTERM came.
    pub fn drain(&self, refuses: bool) {
        self.change(|stage| (!matches!(stage, Stage::Ended(_))).then_some(Stage::Draining { refuses }));
    }

    /// The process ends with this code; the first one counts.
    pub fn end(&self, code: u8) {
        self.change(|stage| (!matches!(stage, Stage::Ended(_))).then_some(Stage::Ended(code)));
    }

    /// Waits for the end; its code.
    pub async fn ended(&self) -> u8 {
        let mut stage = self.stage.subscribe();
        let ended = stage.wait_for(|stage| matches!(stage, Stage::Ended(_))).await;
        match ended.as_deref() {
            Ok(Stage::Ended(code)) => *code,
            _ => 0,
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        matches!(self.stage(), Stage::Draining { .. } | Stage::Ended(_))
    }

    pub(crate) fn refuses_requests(&self) -> bool {
        matches!(self.stage(), Stage::Draining { refuses: true } | Stage::Ended(_))
    }

    fn change(&self, next: impl Fn(Stage) -> Option<Stage>) {
        self.stage.send_if_modified(|stage| match next(*stage) {
            Some(other) => {
                *stage = other;
                true
            }
            None => false,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_ends_once_and_does_not_come_back() {
        let lifecycle = Lifecycle::default();
        lifecycle.run();
        assert!(!lifecycle.refuses_requests());
        lifecycle.drain(true);
        assert!(lifecycle.refuses_requests());
        lifecycle.end(137);
        lifecycle.end(0);
        lifecycle.run();
        lifecycle.drain(false);
        assert_eq!((lifecycle.ended().await, lifecycle.stage()), (137, Stage::Ended(137)));
    }
}
