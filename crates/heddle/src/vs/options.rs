//! The options that stand before the commands, and the commands themselves (`ovs-vsctl(8)`, "Options").

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use ovsdb::tool::tabular::{Format, Layout};
use ovsdb::tool::text::Style;
use transport::{Remote, TlsArgs};

use super::command::Call;

/// What is to be done, and how.
pub(super) struct Options {
    pub(super) servers: Vec<Remote>,
    /// Certificates, for servers at ssl:.
    pub(super) tls: TlsArgs,
    /// Whether to wait until the switch has done it.
    pub(super) wait: bool,
    pub(super) dry_run: bool,
    pub(super) oneline: bool,
    pub(super) retry: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) layout: Layout,
    pub(super) calls: Vec<Call>,
    /// The commands as they were written.
    pub(super) text: String,
    names: bool,
}

/// Options with an argument, in their short forms too.
const WITH_VALUE: &[(&str, &str)] = &[
    ("--db", ""),
    ("--timeout", "-t"),
    ("--format", "-f"),
    ("--data", "-d"),
    ("--private-key", "-p"),
    ("--certificate", "-c"),
    ("--ca-cert", "-C"),
    ("--bootstrap-ca-cert", ""),
    ("--peer-ca-cert", ""),
    ("--ssl-protocols", ""),
    ("--ssl-ciphers", ""),
    ("--ssl-ciphersuites", ""),
];
const PLAIN: &[&str] = &[
    "--no-wait",
    "--dry-run",
    "--oneline",
    "--retry",
    "--no-headings",
    "--bare",
    "--json",
    "--no-syslog",
    "--pretty",
    "--commands",
];

impl Options {
    /// Takes a command line apart.
    pub(super) fn parse(words: &[String]) -> anyhow::Result<Self> {
        let mut options = Self {
            servers: Vec::new(),
            tls: TlsArgs::default(),
            wait: true,
            dry_run: false,
            oneline: false,
            retry: false,
            timeout: None,
            layout: Layout {
                format: Format::List,
                style: Style::String,
                headings: true,
            },
            calls: Vec::new(),
            text: String::new(),
            names: false,
        };
        let mut rest = words;
        // Options of the first command may stand among these; they are put in front of it.
        let mut first = Vec::new();
        while let [word, behind @ ..] = rest {
            if word == "--" || !word.starts_with('-') {
                break;
            }
            rest = behind;
            if !options.take(word, &mut rest)? {
                first.push(word.clone());
            }
        }
        if options.names {
            return Ok(options);
        }
        options.split(first, rest)?;
        if options.servers.is_empty() {
            let dirs = daemon::Dirs::from_env(daemon::Family::OpenvSwitch);
            options.servers = vec![Remote::Unix(dirs.run.join("db.sock"))];
        }
        Ok(options)
    }

    /// Whether only the names of the commands are asked for.
    pub(super) fn only_names(&self) -> bool {
        self.names
    }

    fn split(&mut self, mut first: Vec<String>, rest: &[String]) -> anyhow::Result<()> {
        let mut groups: Vec<Vec<String>> =
            rest.split(|word| word == "--").map(<[_]>::to_vec).collect();
        if let Some(group) = groups.first_mut() {
            first.append(group);
            *group = first;
        }
        groups.retain(|group| !group.is_empty());
        ensure!(
            !groups.is_empty(),
            "missing command name (use --help for help)"
        );
        let texts: Vec<String> = groups.iter().map(|group| group.join(" ")).collect();
        self.text = texts.join(" -- ");
        self.calls = groups
            .iter()
            .map(|group| Call::parse(group))
            .collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Takes one option; false if it is none of these.
    fn take(&mut self, word: &str, rest: &mut &[String]) -> anyhow::Result<bool> {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word, None),
        };
        let long = WITH_VALUE.iter().find(|(long, short)| {
            name == *long
                || (!short.is_empty() && word.starts_with(short) && !word.starts_with("--"))
        });
        if let Some((long, short)) = long {
            let value = match value.filter(|_| name == *long) {
                Some(value) => value,
                None if name != *long && word.len() > short.len() => word[short.len()..].to_owned(),
                None => {
                    let [value, behind @ ..] = *rest else {
                        bail!("{word}: the value is missing");
                    };
                    *rest = behind;
                    value.clone()
                }
            };
            self.set(long, &value)?;
            return Ok(true);
        }
        if PLAIN.contains(&word) {
            self.switch(word);
            return Ok(true);
        }
        Ok(false)
    }

    fn set(&mut self, name: &str, value: &str) -> anyhow::Result<()> {
        match name {
            "--db" => {
                self.servers = Remote::parse_list(value)?;
                ensure!(
                    !self.servers.is_empty(),
                    "--db={value}: no address; use unix:, tcp: or ssl:"
                );
                if let Some(passive) = self.servers.iter().find(|remote| remote.is_passive()) {
                    bail!("{passive} is a place to listen; use unix:, tcp: or ssl:");
                }
            }
            "--timeout" => {
                let seconds: u64 = value
                    .parse()
                    .ok()
                    .with_context(|| format!("--timeout={value}: is no number of seconds"))?;
                self.timeout = (seconds > 0).then(|| Duration::from_secs(seconds));
            }
            "--format" => {
                self.layout.format = match value {
                    "table" => Format::Table,
                    "list" => Format::List,
                    "csv" => Format::Csv,
                    "json" => Format::Json,
                    _ => bail!("not supported: --format={value}; use table, list, csv or json"),
                }
            }
            "--private-key" => self.tls.private_key = Some(value.into()),
            "--certificate" => self.tls.certificate = Some(value.into()),
            "--ca-cert" => self.tls.ca_cert = Some(value.into()),
            "--bootstrap-ca-cert" => self.tls.bootstrap_ca_cert = Some(value.into()),
            "--peer-ca-cert" => self.tls.peer_ca_cert = Some(value.into()),
            "--ssl-protocols" => self.tls.ssl_protocols = Some(value.to_owned()),
            "--ssl-ciphers" => self.tls.ssl_ciphers = Some(value.to_owned()),
            "--ssl-ciphersuites" => self.tls.ssl_ciphersuites = Some(value.to_owned()),
            _ => {
                self.layout.style = match value {
                    "string" => Style::String,
                    "bare" => Style::Bare,
                    "json" => Style::Json,
                    _ => bail!("not supported: --data={value}; use string, bare or json"),
                }
            }
        }
        Ok(())
    }

    fn switch(&mut self, word: &str) {
        match word {
            "--no-wait" => self.wait = false,
            "--dry-run" => self.dry_run = true,
            "--oneline" => self.oneline = true,
            "--retry" => self.retry = true,
            "--no-headings" => self.layout.headings = false,
            "--bare" => {
                self.layout = Layout {
                    format: Format::List,
                    style: Style::Bare,
                    headings: false,
                }
            }
            "--json" => self.layout.format = Format::Json,
            "--commands" => self.names = true,
            // Nothing is sent to a system log, and JSON is one line.
            _ => {}
        }
    }
}
