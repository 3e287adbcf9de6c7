//! What mends the complaints that docker and kind are known for.

/// A text that a complaint holds, and what to do then.
const KNOWN: [(&str, &str); 14] = [
    (
        "no space left on device",
        "make room: `docker system df` shows what docker holds, `docker system prune` removes what nothing uses",
    ),
    ("port is already allocated", "another program has the port: end it, or run `rehearse clean`"),
    ("address already in use", "another program has the port: end it, or run `rehearse clean`"),
    (
        "too many open files",
        "raise the limits of inotify: `sudo sysctl fs.inotify.max_user_instances=512 \
         fs.inotify.max_user_watches=524288`",
    ),
    (
        "permission denied while trying to connect to the docker",
        "your user may not use docker: `sudo usermod -aG docker $USER`, then log in again",
    ),
    ("cannot connect to the docker daemon", "start docker: `sudo systemctl start docker`"),
    ("pull access denied", "the image is in no registry: `rehearse components load FILE` brings it"),
    (
        "failed to pull image",
        "without internet, `rehearse components load FILE` brings the images, and `rehearse doctor` says which",
    ),
    ("no such host", "there is no internet: `rehearse components load FILE` brings what is missing"),
    ("temporary failure in name resolution", "there is no internet: `rehearse components load FILE`"),
    ("toomanyrequests", "the registry limits pulls: `docker login`, or wait"),
    (
        "could not find a log line that matches",
        "the node did not start: `rehearse doctor` looks at memory, cgroups and the limits of inotify",
    ),
    (
        "timed out waiting for the condition",
        "the cluster did not come up in time: see whether the machine is overloaded, then try again",
    ),
    ("node(s) already exist for a cluster", "`rehearse clean` removes what an earlier run left"),
];

/// What mends a complaint, where that is known.
pub(super) fn of(complaint: &str) -> Option<&'static str> {
    let complaint = complaint.to_lowercase();
    KNOWN.iter().find(|(text, _)| complaint.contains(text)).map(|(_, mend)| *mend)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What docker 20.10 to 29 and kind 0.27 to 0.33 say.
    #[test]
    fn known_complaints_are_told_with_what_mends_them() {
        let cases = [
            ("write /var/lib/docker/tmp/x: no space left on device", "make room"),
            ("Bind for 127.0.0.1:38071 failed: port is already allocated", "has the port"),
            ("listen tcp 127.0.0.1:80: bind: address already in use", "has the port"),
            ("failed to create fsnotify watcher: too many open files", "inotify"),
            ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.", "start docker"),
            ("permission denied while trying to connect to the Docker daemon socket at unix:///x", "usermod"),
            ("permission denied while trying to connect to the docker API at unix:///x", "usermod"),
            ("Error response from daemon: pull access denied for local/x", "components load"),
            (
                "ERROR: failed to create cluster: failed to pull image \"kindest/node:v1\"",
                "rehearse components load",
            ),
            ("dial tcp: lookup registry-1.docker.io: no such host", "no internet"),
            ("could not find a log line that matches \"Reached target .*Multi-User System.*\"", "doctor"),
        ];
        for (complaint, mend) in cases {
            assert!(of(complaint).is_some_and(|it| it.contains(mend)), "{complaint}: {:?}", of(complaint));
        }
        assert_eq!(of("something new"), None);
    }
}
