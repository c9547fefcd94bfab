//! Flags that changes have in common, and the small languages of flags: times, ports, scopes.

use std::fmt::Display;
use std::time::Duration;

use hvflow::params::{Direction, IcmpType, PortRange, Prefix, Protocol, Rule, RuleAction};
use rpc::region::v1;

/// How a change is carried out.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "How it is carried out")]
pub(super) struct How {
    /// Change nothing; say what would be changed, and which hypervisors it concerns.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Do not wait for hypervisors: end when the change is written down.
    #[arg(long)]
    pub(super) detach: bool,
    /// Names this one request, so that it can be sent again and is carried out once.
    #[arg(long, value_name = "TEXT", default_value = "")]
    key: String,
    /// Tell so many hypervisors at once [default: 16].
    #[arg(long, value_name = "COUNT")]
    parallel: Option<u32>,
    /// Try a hypervisor that does not answer so often [default: 3].
    #[arg(long, value_name = "COUNT")]
    attempts: Option<u32>,
    /// Stop when so many hypervisors have failed; 0 is never [default: 0].
    #[arg(long, value_name = "COUNT")]
    stop_after: Option<u32>,
    /// One attempt may take so long, such as 500ms or 10s [default: 10s].
    #[arg(long, value_name = "TIME", value_parser = millis)]
    deadline: Option<u32>,
    /// Wait so long before the second attempt; it doubles with each further one [default: 500ms].
    #[arg(long, value_name = "TIME", value_parser = millis)]
    backoff: Option<u32>,
    /// Wait so long at most [default: 30s].
    #[arg(long, value_name = "TIME", value_parser = millis)]
    max_backoff: Option<u32>,
}

impl How {
    pub(super) fn options(&self) -> v1::Options {
        v1::Options {
            dry_run: self.dry_run,
            idempotency_key: self.key.clone(),
            policy: Some(v1::Policy {
                parallel: self.parallel,
                attempts: self.attempts,
                stop_after: self.stop_after,
                deadline_ms: self.deadline,
                backoff_ms: self.backoff,
                max_backoff_ms: self.max_backoff,
            }),
        }
    }
}

/// A set of machines: those for which all holds that is said.
#[derive(Debug, Clone, clap::Args)]
#[group(required = true, multiple = true)]
pub(super) struct ScopeArgs {
    /// The machine of this number.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    machine: Option<u32>,
    /// The machines of this customer.
    #[arg(long, value_name = "NAME")]
    customer: Option<String>,
    /// The machines with this tag.
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// All machines.
    #[arg(long, conflicts_with_all = ["machine", "customer", "tag"])]
    all: bool,
}

impl ScopeArgs {
    pub(super) fn scope(&self) -> v1::Scope {
        v1::Scope {
            machine_id: self.machine.unwrap_or_default(),
            customer: self.customer.clone().unwrap_or_default(),
            tag: self.tag.clone().unwrap_or_default(),
            all: self.all,
        }
    }
}

/// What is opened or closed: a protocol, and perhaps its ports or the type of its messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Port {
    protocol: Protocol,
    ports: Option<PortRange>,
    icmp: Option<IcmpType>,
}

impl Port {
    /// The rule that allows it.
    pub(super) fn rule(&self, direction: Direction, from: &[Prefix]) -> Rule {
        Rule {
            name: None,
            direction,
            action: RuleAction::Allow,
            protocol: self.protocol,
            ports: self.ports.into_iter().collect(),
            icmp: self.icmp,
            remote: from.to_vec(),
            remote_groups: Vec::new(),
        }
    }
}

impl std::str::FromStr for Port {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (protocol, rest) = match text.split_once('/') {
            Some((protocol, rest)) => (protocol, Some(rest)),
            None => (text, None),
        };
        // A number alone would be taken for a port by people, and for a protocol here.
        let protocol = Protocol::from_name(protocol).ok_or_else(|| {
            format!("{protocol:?}: is none of tcp, udp, sctp, icmp, icmpv6, any; write tcp/22")
        })?;
        let mut port = Self {
            protocol,
            ports: None,
            icmp: None,
        };
        let Some(rest) = rest else { return Ok(port) };
        if protocol.has_ports() {
            let (first, last) = rest.split_once('-').unwrap_or((rest, rest));
            let number = |text: &str| text.parse::<u16>().map_err(|_| bad_port(text));
            let range = PortRange {
                first: number(first)?,
                last: number(last)?,
            };
            if range.last < range.first {
                return Err(format!("{rest}: the last port is below the first"));
            }
            port.ports = Some(range);
        } else if protocol == Protocol::ICMP || protocol == Protocol::ICMPV6 {
            let kind = rest
                .parse()
                .map_err(|_| format!("{rest}: is no type of {protocol}"))?;
            port.icmp = Some(IcmpType { kind, code: None });
        } else {
            return Err(format!("{protocol} has no ports; tcp, udp and sctp have"));
        }
        Ok(port)
    }
}

impl Display for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.protocol)?;
        match (&self.ports, &self.icmp) {
            (Some(range), _) if range.first == range.last => write!(f, "/{}", range.first),
            (Some(range), _) => write!(f, "/{}-{}", range.first, range.last),
            (None, Some(icmp)) => write!(f, "/{}", icmp.kind),
            (None, None) => Ok(()),
        }
    }
}

fn bad_port(text: &str) -> String {
    format!("{text:?}: is no port; write tcp/22 or tcp/8000-8080")
}

/// A time of whole milliseconds: `500ms`, `10s`, `2m`, `1h`, `7d`.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..) {
        Some("ms") => 1,
        Some("s") => 1000,
        Some("m") => 60_000,
        Some("h") => 3_600_000,
        Some("d") => 86_400_000,
        _ => return Err("write a number and ms, s, m, h or d, such as 10s".to_owned()),
    };
    let number: Option<u64> = digits.parse().ok();
    let millis = number.and_then(|number| number.checked_mul(unit));
    millis
        .map(Duration::from_millis)
        .ok_or_else(|| format!("{digits:?}: is no number of that size"))
}

/// A time from which on something is asked for.
pub(super) type Since = pbjson_types::Timestamp;

/// A time, or how long ago it was.
pub(super) fn since(text: &str) -> Result<Since, String> {
    let written = serde_json::from_value(text.into());
    if let Ok(time) = written {
        return Ok(time);
    }
    let ago =
        time(text).map_err(|error| format!("{error}; or a time such as 2026-11-21T17:00:00Z"))?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let time = now.unwrap_or_default().saturating_sub(ago);
    Ok(Since {
        seconds: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        nanos: 0,
    })
}

fn millis(text: &str) -> Result<u32, String> {
    u32::try_from(time(text)?.as_millis()).map_err(|_| "is too long".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_as_they_are_written() {
        for text in [
            "tcp/22",
            "udp/8000-8080",
            "tcp",
            "icmp/8",
            "icmpv6",
            "any",
            "sctp/0-65535",
        ] {
            assert_eq!(text.parse::<Port>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "22",
            "tcp/",
            "tcp/70000",
            "tcp/9-8",
            "icmp/x",
            "any/1",
            "tcp/1-2-3",
        ] {
            assert!(text.parse::<Port>().is_err(), "{text}");
        }
        let prefix: Prefix = "192.0.2.0/24".parse().unwrap();
        let rule = "tcp/22".parse::<Port>().unwrap();
        let rule = rule.rule(Direction::Inbound, &[prefix]);
        assert_eq!(rule.check_alone(), Ok(()));
    }

    #[test]
    fn times_have_units() {
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(time("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(time("7d"), Ok(Duration::from_secs(604_800)));
        for bad in ["", "5", "s", "-1s", "1.5s", "9999999999999999999d", "1é"] {
            assert!(time(bad).is_err(), "{bad}");
        }
        assert!(millis("60d").is_err());
    }

    #[test]
    fn a_time_is_a_date_or_how_long_ago_it_was() {
        let time = since("2026-11-21T17:00:00Z").unwrap();
        assert_eq!((time.seconds, time.nanos), (1_795_280_400, 0));
        assert!(since("2h").unwrap().seconds - since("3h").unwrap().seconds >= 3600);
        assert!(
            since("yesterday")
                .unwrap_err()
                .contains("2026-11-21T17:00:00Z")
        );
    }
}
