//! Echo requests, sent by `ping`: one until it is answered, or a steady stream that is counted.

use std::net::IpAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Answer, Outcome};
use crate::namespace::Namespace;

/// What a steady ping saw; see [`Echo::start`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo {
    /// Requests sent.
    pub sent: u32,
    /// Answers received.
    pub received: u32,
}

pub(super) fn once(to: IpAddr, from: Option<IpAddr>, ttl: Option<u8>) -> Result<Outcome> {
    let mut command = Command::new("ping");
    // With a deadline, `ping` goes on asking until the first answer.
    command
        .args(["-n", "-c", "1", "-i", "0.2", "-w", "1"])
        .env("LC_ALL", "C");
    if let Some(from) = from {
        command.args(["-I", &from.to_string()]);
    }
    if let Some(ttl) = ttl {
        command.args(["-t", &ttl.to_string()]);
    }
    let output = command
        .arg(to.to_string())
        .output()
        .context("cannot run ping")?;
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.code() == Some(2) {
        return Err(anyhow!(
            "ping: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ));
    }
    Ok(read(&said))
}

fn read(said: &str) -> Outcome {
    for line in said.lines() {
        if let Some((_, after)) = line.split_once(" time=") {
            let number = after
                .split_whitespace()
                .next()
                .and_then(|text| text.parse::<f64>().ok());
            let took = Duration::from_secs_f64(number.unwrap_or_default() / 1000.0);
            return Outcome::Answered(Answer { took, by: None });
        }
        if let Some(error) = line.strip_prefix("From ") {
            let (by, what) = error.split_once(" icmp_seq=").unwrap_or((error, ""));
            if what.contains("exceeded") {
                return Outcome::Expired(by.to_owned());
            }
            let what = what.split_once(' ').map_or(what, |(_, what)| what);
            return Outcome::Refused(format!("{what}, says {by}"));
        }
    }
    Outcome::Silence
}

impl Echo {
    /// Pings steadily, `every` so often, until the guard that it gives is asked for the count.
    ///
    /// # Errors
    /// When `ping` cannot be started.
    pub fn start(namespace: &Namespace, to: IpAddr, every: Duration) -> Result<Pinging> {
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "ping", "-n", "-q", "-W", "1"])
            .args(["-i", &format!("{}", every.as_secs_f64()), &to.to_string()])
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let child = namespace
            .run(move || command.spawn())?
            .context("cannot start ping")?;
        Ok(Pinging(Some(child)))
    }

    fn read(said: &str) -> Option<Self> {
        let line = said
            .lines()
            .find(|line| line.contains("packets transmitted"))?;
        let mut numbers = line
            .split(", ")
            .filter_map(|part| part.split(' ').next()?.parse().ok());
        Some(Self {
            sent: numbers.next()?,
            received: numbers.next()?,
        })
    }
}

/// A ping that runs.
pub struct Pinging(Option<Child>);

impl Pinging {
    /// Ends it, and gives what it saw. The last request may still be on its way: one that is not yet
    /// answered counts as lost, so allow for one.
    ///
    /// # Errors
    /// When it had ended by itself.
    pub fn finish(mut self) -> Result<Echo> {
        let child = self.0.take().context("a ping is finished once")?;
        let pid = Pid::from_raw(i32::try_from(child.id())?);
        kill(pid, Signal::SIGINT).context("ping has ended")?;
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        Echo::read(&said).with_context(|| format!("ping said {said:?}"))
    }
}

impl Drop for Pinging {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ping_answers_are_read() {
        let said = "PING 10.0.0.2 (10.0.0.2) 56(84) bytes of data.\n\
                    64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=0.834 ms\n";
        let Outcome::Answered(answer) = read(said) else {
            panic!("{:?}", read(said))
        };
        assert_eq!(answer.took, Duration::from_micros(834));
    }

    #[test]
    fn ping_errors_name_who_sent_them() {
        let of = |line: &str| {
            read(&format!(
                "PING 10.0.1.2 (10.0.1.2) 56(84) bytes of data.\n{line}\n"
            ))
        };
        let router = || "10.0.0.1".to_owned();
        assert_eq!(
            of("From 10.0.0.1 icmp_seq=1 Time to live exceeded"),
            Outcome::Expired(router())
        );
        assert_eq!(
            of("From fd00::1 icmp_seq=1 Time exceeded: Hop limit"),
            Outcome::Expired("fd00::1".to_owned())
        );
        assert_eq!(
            of("From 10.0.0.1 icmp_seq=2 Packet filtered"),
            Outcome::Refused("Packet filtered, says 10.0.0.1".to_owned())
        );
    }

    #[test]
    fn ping_without_an_answer_is_silence() {
        let said = "--- 10.0.0.2 ping statistics ---\n5 packets transmitted, 0 received\n";
        assert_eq!(read(said), Outcome::Silence);
    }

    #[test]
    fn a_count_is_read() {
        let said = "\n--- 10.0.0.2 ping statistics ---\n\
                    12 packets transmitted, 11 received, 8.3% packet loss, time 810ms\n";
        assert_eq!(
            Echo::read(said),
            Some(Echo {
                sent: 12,
                received: 11
            })
        );
    }
}
