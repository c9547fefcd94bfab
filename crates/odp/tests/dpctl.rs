//! The real `ovs-dpctl` reads what is written here, and writes the same.

mod generators;

use std::process::Command;

use generators::stock_actions;
use odp::{Action, Actions, Format, KeyField};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

/// It does not read the numbers of `recirc` as it writes them.
fn readable(text: &str) -> String {
    let mut parts = text.split("recirc(0x");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_once(')').expect("it is closed");
        let number = u32::from_str_radix(digits, 16).expect("a number");
        out.push_str(&format!("recirc({number}){rest}"));
    }
    out
}

/// What the tool makes of actions, a line each.
fn parse_actions(texts: &[String]) -> Result<Vec<String>, String> {
    let output = Command::new("ovs-dpctl")
        .arg("parse-actions")
        .args(texts.iter().map(|text| readable(text)))
        .output()
        .expect("ovs-dpctl runs: openvswitch-switch is installed");
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(str::to_owned)
            .collect()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// What the tool has no words for, or reads otherwise than it writes.
fn is_beyond_it(action: &Action) -> bool {
    match action {
        // It reads no time to live, and writes words that are not there.
        Action::SetMasked {
            value: KeyField::Nsh(_),
            ..
        }
        | Action::Set(KeyField::Nsh(_)) => true,
        Action::Set(KeyField::Tunnel(tunnel)) => {
            // It sets flags of versions that it does not write, no policy that is zero, and takes a tunnel
            // with all flags for one that is set in parts.
            let flags = tunnel.dont_fragment && tunnel.checksum && tunnel.oam;
            tunnel.erspan.is_some() || tunnel.vxlan_gbp.is_some() || flags
        }
        // It fills data up with zeros.
        Action::Userspace(userspace) => userspace.data.as_ref().is_none_or(|data| data.len() < 8),
        Action::Sample(sample) => sample.actions.iter().any(is_beyond_it),
        Action::Clone(actions) => actions.iter().any(is_beyond_it),
        Action::CheckPacketLength(check) => {
            let mut all = check.greater.iter().chain(&check.less_equal);
            all.any(is_beyond_it)
        }
        _ => false,
    }
}

/// Sixty lists of actions at a time, twenty times.
#[test]
fn actions_are_written_as_ovs_dpctl_writes_them() {
    let mut runner = TestRunner::deterministic();
    for _ in 0..20 {
        let trees = (0..60).map(|_| stock_actions().new_tree(&mut runner).expect("a list"));
        let mut lists: Vec<Vec<Action>> = trees.map(|tree| tree.current()).collect();
        lists.retain(|actions| !actions.iter().any(is_beyond_it));
        assert!(!lists.is_empty());
        let write = |list: &Vec<Action>| Format::default().actions(list);
        let texts: Vec<String> = lists.iter().map(write).collect();
        let theirs = parse_actions(&texts).unwrap_or_else(|error| {
            let alone = |text: &&String| parse_actions(&[text.to_string()]).is_err();
            panic!("{error} {:?}", texts.iter().find(alone))
        });
        for ((theirs, ours), list) in theirs.iter().zip(&texts).zip(&lists) {
            assert_eq!(theirs, ours);
            let read = Actions::default().parse(theirs);
            assert_eq!(read.as_ref(), Ok(list), "{theirs}");
        }
    }
}
