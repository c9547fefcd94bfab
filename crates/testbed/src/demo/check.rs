//! An expectation as a probe, and whether what came of it is what should have.

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::{Context, Result};
use api::Document;
use api::document::{self, Expectation, Target};

use crate::cloud::Cloud;
use crate::probe::{Kind, Outcome, Probe, Responder};

/// One line of the table.
pub(super) struct Check {
    from: String,
    source: IpAddr,
    spoofed: bool,
    /// The machine that is asked, unless it is an address that no machine has.
    target: Option<String>,
    probe: Probe,
    pub(super) should: document::Outcome,
}

/// What came of a check.
pub(super) struct Verdict {
    pub(super) holds: bool,
    pub(super) said: String,
}

impl Verdict {
    /// It does not hold, for this reason.
    pub(super) fn differs(said: String) -> Self {
        Self { holds: false, said }
    }
}

/// Makes checks of all expectations.
pub(super) fn prepare(document: &Document) -> Result<Vec<Check>> {
    let expectations = document.testbed.iter().flat_map(|bed| &bed.expectations);
    expectations
        .map(|expectation| check(document, expectation))
        .collect()
}

fn check(document: &Document, expectation: &Expectation) -> Result<Check> {
    let (target, to) = match &expectation.to {
        Target::Address(address) => (None, *address),
        Target::Machine { name, ipv6 } => {
            let name = name.value.as_str();
            (Some(name.to_owned()), address(document, name, *ipv6)?)
        }
    };
    let from = expectation.from.value.to_string();
    let source = match expectation.spoof {
        Some(spoof) => spoof,
        None => address(document, &from, to.is_ipv6())?,
    };
    let kind = match expectation.probe {
        document::Probe::Ping => Kind::Ping,
        document::Probe::Tcp(port) => Kind::Tcp(port),
        document::Probe::Udp(port) => Kind::Udp(port),
    };
    let probe = Probe {
        kind,
        to,
        from: expectation.spoof,
        ttl: expectation.ttl,
    };
    let spoofed = expectation.spoof.is_some();
    Ok(Check {
        from,
        source,
        spoofed,
        target,
        probe,
        should: expectation.should,
    })
}

fn address(document: &Document, machine: &str, ipv6: bool) -> Result<IpAddr> {
    let ports = document.switches.iter().flat_map(|switch| &switch.ports);
    let port = ports
        .filter(|port| port.name.value == machine)
        .flat_map(|port| &port.addresses);
    let mut fitting = port
        .map(|address| address.value)
        .filter(|address| address.is_ipv6() == ipv6);
    let family = if ipv6 { "IPv6" } else { "IPv4" };
    fitting
        .next()
        .with_context(|| format!("machine {machine} has no {family} address"))
}

/// Lets every machine answer on every port that it is asked at, also where the answer should not arrive:
/// a closed port would look the same as a packet that was dropped.
pub(super) fn respond(cloud: &Cloud, checks: &[Check]) -> Result<Vec<Responder>> {
    let mut wanted = BTreeSet::new();
    for check in checks {
        if let (Some(target), Kind::Tcp(port) | Kind::Udp(port)) = (&check.target, check.probe.kind)
        {
            wanted.insert((target.as_str(), port));
        }
    }
    let start = |(name, port)| Responder::start(cloud.vm(name)?.namespace(), name, port);
    wanted.into_iter().map(start).collect()
}

impl Check {
    /// Who asks whom, and what.
    pub(super) fn columns(&self) -> [String; 3] {
        let spoofed = if self.spoofed { "as " } else { "" };
        let to = match &self.target {
            Some(name) => format!("{name} ({})", self.probe.to),
            None => self.probe.to.to_string(),
        };
        let mut what = match self.probe.kind {
            Kind::Ping => "ping".to_owned(),
            Kind::Tcp(port) => format!("tcp/{port}"),
            Kind::Udp(port) => format!("udp/{port}"),
        };
        if let Some(ttl) = self.probe.ttl {
            what += &format!(" ttl {ttl}");
        }
        [
            format!("{} ({spoofed}{})", self.from, self.source),
            to,
            what,
        ]
    }

    /// Sends the packets. One that should pass may be asked twice: a machine that did not know its
    /// neighbour's address yet asks for it again only after a second.
    pub(super) fn run(&self, cloud: &Cloud) -> Result<Verdict> {
        let namespace = cloud.vm(&self.from)?.namespace();
        let borrowed = self.spoofed.then(|| {
            let length = if self.source.is_ipv6() { 128 } else { 32 };
            format!("{}/{length} dev eth0", self.source)
        });
        if let Some(address) = &borrowed {
            namespace.ip(&format!("addr add {address}"))?;
        }
        let mut outcome = self.probe.ask(namespace)?;
        if outcome == Outcome::Silence && self.should != document::Outcome::Fail {
            outcome = self.probe.ask(namespace)?;
        }
        if let Some(address) = &borrowed {
            namespace.ip(&format!("addr del {address}"))?;
        }
        Ok(self.judge(&outcome))
    }

    fn judge(&self, outcome: &Outcome) -> Verdict {
        let verdict = |holds: bool, said: String| Verdict { holds, said };
        match outcome {
            Outcome::Answered(answer) => {
                let took = format!("pass, {:.1} ms", answer.took.as_secs_f64() * 1000.0);
                match (&answer.by, &self.target) {
                    (Some(by), Some(target)) if by != target => {
                        verdict(false, format!("{by} answered"))
                    }
                    _ => verdict(self.should == document::Outcome::Pass, took),
                }
            }
            Outcome::Expired(by) => verdict(
                self.should == document::Outcome::Expire,
                format!("expired at {by}"),
            ),
            Outcome::Refused(why) => verdict(
                self.should == document::Outcome::Fail,
                format!("fail: {why}"),
            ),
            Outcome::Silence => verdict(self.should == document::Outcome::Fail, "fail".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::probe::Answer;

    fn check(should: document::Outcome) -> Check {
        let to: IpAddr = "10.0.0.2".parse().unwrap();
        Check {
            from: "a".to_owned(),
            source: "10.0.0.1".parse().unwrap(),
            spoofed: false,
            target: Some("b".to_owned()),
            probe: Probe::new(Kind::Tcp(80), to),
            should,
        }
    }

    fn answer(by: &str) -> Outcome {
        Outcome::Answered(Answer {
            took: Duration::from_micros(800),
            by: Some(by.to_owned()),
        })
    }

    #[test]
    fn an_answer_holds_only_where_it_should_pass() {
        assert!(check(document::Outcome::Pass).judge(&answer("b")).holds);
        assert!(!check(document::Outcome::Fail).judge(&answer("b")).holds);
        assert!(!check(document::Outcome::Expire).judge(&answer("b")).holds);
    }

    #[test]
    fn an_answer_by_somebody_else_never_holds() {
        assert!(!check(document::Outcome::Pass).judge(&answer("c")).holds);
        assert!(!check(document::Outcome::Fail).judge(&answer("c")).holds);
    }

    #[test]
    fn silence_holds_only_where_it_should_fail() {
        assert!(
            check(document::Outcome::Fail)
                .judge(&Outcome::Silence)
                .holds
        );
        assert!(
            !check(document::Outcome::Pass)
                .judge(&Outcome::Silence)
                .holds
        );
        assert!(
            !check(document::Outcome::Expire)
                .judge(&Outcome::Silence)
                .holds
        );
    }

    #[test]
    fn a_line_reads_like_a_sentence() {
        let [from, to, what] = check(document::Outcome::Pass).columns();
        assert_eq!(
            format!("{from} ---> {to} {what}"),
            "a (10.0.0.1) ---> b (10.0.0.2) tcp/80"
        );
    }
}
