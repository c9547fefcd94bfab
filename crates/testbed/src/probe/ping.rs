//! Echo requests, sent by `ping`: one until it is answered, or a steady stream that is counted.

use std::io::Read;
use std::net::IpAddr;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
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
    /// Requests that have no answer although a later one has. Those after the last answer may still be
    /// on their way.
    pub lost: u32,
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
            .args(["--pdeathsig", "KILL", "ping", "-n", "-W", "1"])
            .args(["-i", &format!("{}", every.as_secs_f64()), &to.to_string()])
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = namespace
            .run(move || command.spawn())?
            .context("cannot start ping")?;
        let mut output = child
            .stdout
            .take()
            .context("the output of ping is a pipe")?;
        let said = std::thread::spawn(move || {
            let mut said = String::new();
            // What came before a failure is all there is.
            let _ = output.read_to_string(&mut said);
            said
        });
        Ok(Pinging {
            child,
            said: Some(said),
        })
    }

    fn read(said: &str) -> Option<Self> {
        let line = said
            .lines()
            .find(|line| line.contains("packets transmitted"))?;
        let mut numbers = line
            .split(", ")
            .filter_map(|part| part.split(' ').next()?.parse().ok());
        let (sent, received) = (numbers.next()?, numbers.next()?);
        let answered = |line: &str| {
            let after = line
                .split_once(" bytes from ")?
                .1
                .split_once("icmp_seq=")?
                .1;
            after.split(' ').next()?.parse::<u32>().ok()
        };
        let last = said.lines().filter_map(answered).max().unwrap_or_default();
        Some(Self {
            sent,
            received,
            lost: last.saturating_sub(received),
        })
    }
}

/// A ping that runs.
pub struct Pinging {
    child: Child,
    /// Takes in what it says: a pipe that nobody empties would stop it.
    said: Option<JoinHandle<String>>,
}

impl Pinging {
    /// Ends it, and gives what it saw.
    ///
    /// # Errors
    /// When it had ended by itself.
    pub fn finish(mut self) -> Result<Echo> {
        let pid = Pid::from_raw(i32::try_from(self.child.id())?);
        kill(pid, Signal::SIGINT).context("ping has ended")?;
        self.child.wait()?;
        let said = self
            .said
            .take()
            .and_then(|said| said.join().ok())
            .unwrap_or_default();
        Echo::read(&said).with_context(|| format!("ping said {said:?}"))
    }
}

impl Drop for Pinging {
    fn drop(&mut self) {
        // It has ended already when it was finished.
        let _ = self.child.kill();
        let _ = self.child.wait();
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
    fn what_is_on_its_way_is_not_lost() {
        let answer =
            |number: u32| format!("64 bytes from 10.0.0.2: icmp_seq={number} ttl=64 time=0.8 ms\n");
        let said = |answers: &[u32]| {
            let answers: String = answers.iter().map(|number| answer(*number)).collect();
            let count = answers.lines().count();
            format!(
                "PING\n{answers}\n---\n6 packets transmitted, {count} received, 8.3% packet loss\n"
            )
        };
        let echo = |received, lost| {
            Some(Echo {
                sent: 6,
                received,
                lost,
            })
        };
        assert_eq!(Echo::read(&said(&[1, 2, 4, 3])), echo(4, 0));
        assert_eq!(Echo::read(&said(&[1, 2, 5])), echo(3, 2));
        assert_eq!(Echo::read(&said(&[])), echo(0, 0));
    }
}
