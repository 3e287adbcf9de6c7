use std::ffi::OsString;
use std::path::PathBuf;

use crate::Failure;

/// Where files of the user lie, as the XDG Base Directory Specification places them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// What runs have made and not yet removed: `$REHEARSE_STATE`, `$XDG_STATE_HOME/rehearse` or
    /// `~/.local/state/rehearse`.
    pub state: PathBuf,
    /// Components that were unpacked from an archive: `$XDG_DATA_HOME/rehearse/components` or
    /// `~/.local/share/rehearse/components`.
    pub components: PathBuf,
    /// What was downloaded and can be again: `$XDG_CACHE_HOME/rehearse` or `~/.cache/rehearse`.
    pub cache: PathBuf,
}

impl Places {
    /// The places of the user that runs the program.
    ///
    /// # Errors
    /// The environment has no home folder to place them in.
    pub fn of_user() -> Result<Self, Failure> {
        Self::from(|name| std::env::var_os(name))
    }

    fn from(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, Failure> {
        // The specification has relative paths ignored.
        let folder = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = |name, below: &str| {
            let home = || folder("HOME").map(|home| home.join(below));
            let base = folder(name).or_else(home);
            base.map(|base| base.join("rehearse")).ok_or_else(|| {
                let what =
                    format!("there is no place for files: neither {name} nor HOME is an absolute path");
                Failure::environment(what, "", "set HOME")
            })
        };
        let state = match variable("REHEARSE_STATE").filter(|path| !path.is_empty()) {
            Some(path) => std::path::absolute(path).map_err(|error| {
                Failure::environment("REHEARSE_STATE is not a path", error, "name a folder")
            })?,
            None => base("XDG_STATE_HOME", ".local/state")?,
        };
        let components = base("XDG_DATA_HOME", ".local/share")?.join("components");
        Ok(Self { state, components, cache: base("XDG_CACHE_HOME", ".cache")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(variables: &[(&str, &str)]) -> Result<Places, Failure> {
        Places::from(|name| variables.iter().find(|it| it.0 == name).map(|it| it.1.into()))
    }

    #[test]
    fn everything_lies_below_home_unless_a_variable_says_otherwise() {
        let at_home = places(&[("HOME", "/h")]).unwrap();
        assert_eq!(at_home.state, PathBuf::from("/h/.local/state/rehearse"));
        assert_eq!(at_home.components, PathBuf::from("/h/.local/share/rehearse/components"));
        assert_eq!(at_home.cache, PathBuf::from("/h/.cache/rehearse"));
        let elsewhere = places(&[("HOME", "/h"), ("XDG_STATE_HOME", "/s"), ("XDG_CACHE_HOME", "relative")]);
        let elsewhere = elsewhere.unwrap();
        assert_eq!(elsewhere.state, PathBuf::from("/s/rehearse"));
        assert_eq!(elsewhere.cache, at_home.cache);
        let told = places(&[("HOME", "/h"), ("XDG_STATE_HOME", "/s"), ("REHEARSE_STATE", "/r")]).unwrap();
        assert_eq!(told.state, PathBuf::from("/r"));
    }

    #[test]
    fn without_a_home_there_is_no_guess() {
        let failure = places(&[]).unwrap_err().to_string();
        assert!(failure.contains("neither XDG_STATE_HOME nor HOME"), "{failure}");
    }
}
