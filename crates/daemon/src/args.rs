//! The flags that every OVS daemon has, for programs to flatten into theirs.

use std::ffi::OsString;

use crate::StartError;

/// The flags of `daemon`, `vlog` and `unixctl`, as in `ovn-northd(8)`.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
#[command(next_help_heading = "Daemon options")]
pub struct DaemonArgs {
    /// Run in the background; return when the daemon is ready.
    #[arg(long)]
    pub detach: bool,
    /// Do not change to the root folder when detaching.
    #[arg(long)]
    pub no_chdir: bool,
    /// Write the process's number to this file, removed at exit [default: RUNDIR/PROGRAM.pid].
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub pidfile: Option<String>,
    /// Take over a pidfile that another process holds.
    #[arg(long)]
    pub overwrite_pidfile: bool,
    /// Accepted for compatibility; starting again after a crash is the service manager's work.
    #[arg(long)]
    pub monitor: bool,
    /// Accepted for compatibility; there is no self-confinement.
    #[arg(long, hide = true)]
    pub no_self_confinement: bool,
    /// Not supported yet.
    #[arg(long, hide = true, value_name = "USER:GROUP")]
    pub user: Option<String>,
    /// Log to this file [default: LOGDIR/PROGRAM.log].
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub log_file: Option<String>,
    /// Set log levels: words of MODULE, console|syslog|file, off|emer|err|warn|info|dbg.
    #[arg(short, long, value_name = "SPEC", num_args = 0..=1, require_equals = true, default_missing_value = "dbg")]
    pub verbose: Vec<String>,
    /// Accepted for compatibility; nothing is sent to a system log.
    #[arg(long, hide = true, value_name = "METHOD")]
    pub syslog_method: Option<String>,
    /// Accepted for compatibility; nothing is sent to a system log.
    #[arg(long, hide = true, value_name = "HOST:PORT")]
    pub syslog_target: Option<String>,
    /// The control socket [default: RUNDIR/PROGRAM.PID.ctl]; `none` for no socket.
    #[arg(long, value_name = "SOCKET")]
    pub unixctl: Option<String>,
}

impl DaemonArgs {
    pub(crate) fn check(&self) -> Result<(), StartError> {
        if self.user.is_some() {
            return Err(StartError::NotSupported("--user"));
        }
        Ok(())
    }
}

/// Rewrites `-vSPEC`, which OVS's scripts write without an equals sign, to `--verbose=SPEC`.
///
/// Run the process's arguments through this before clap reads them: an optional value that is
/// attached to a short flag is the one thing of getopt that clap cannot express. Arguments behind a
/// `--` are left alone.
pub fn normalise(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut options = true;
    args.into_iter()
        .map(|arg| {
            options &= arg != "--";
            match arg.to_str().and_then(|text| text.strip_prefix("-v")) {
                Some(spec) if options && !spec.is_empty() && !spec.starts_with('=') => {
                    OsString::from(format!("--verbose={spec}"))
                }
                _ => arg,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        daemon: DaemonArgs,
        positional: Option<String>,
    }

    fn parse(line: &str) -> Program {
        Program::try_parse_from(normalise(line.split(' ').map(OsString::from))).unwrap()
    }

    #[test]
    fn the_line_that_test_suites_use() {
        let program = parse("x -vconsole:off --detach --no-chdir --pidfile --log-file tcp:1.2.3.4");
        let args = program.daemon;
        assert_eq!(args.verbose, ["console:off"]);
        assert!(args.detach && args.no_chdir);
        assert_eq!(args.pidfile.as_deref(), Some(""));
        assert_eq!(args.log_file.as_deref(), Some(""));
        assert_eq!(program.positional.as_deref(), Some("tcp:1.2.3.4"));
    }

    #[test]
    fn verbose_takes_no_separate_word() {
        let program = parse("x -v word");
        assert_eq!(program.daemon.verbose, ["dbg"]);
        assert_eq!(program.positional.as_deref(), Some("word"));
        assert_eq!(
            parse("x --verbose=a:file:dbg -vb").daemon.verbose,
            ["a:file:dbg", "b"]
        );
    }

    #[test]
    fn user_is_refused_by_name() {
        let error = parse("x --user=a:b").daemon.check().unwrap_err();
        assert_eq!(error.to_string(), "not supported: --user");
    }
}
