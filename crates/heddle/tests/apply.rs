//! `heddle apply` and `heddle nb show` against a running server: by name, idempotent, all or nothing.

mod support;

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use support::{NETWORK, file, heddle};
use testbed::{Central, Centre, Database, Scratch};

struct Bed {
    centre: Centre,
    _scratch: Scratch,
}

impl Bed {
    fn new() -> Result<Self> {
        let scratch = Scratch::new()?;
        let centre = Centre::start(Central::Heddle, heddle(), &scratch)?;
        Database::open(&centre.northbound(), "OVN_Northbound")?;
        Ok(Self {
            centre,
            _scratch: scratch,
        })
    }

    /// Runs a subcommand; gives whether it succeeded, and all that it said.
    fn heddle(&self, arguments: &[&str]) -> Result<(bool, String)> {
        let output = Command::new(heddle())
            .args(arguments)
            .args(["--db", &self.centre.northbound()])
            .output()?;
        let said = [output.stdout, output.stderr].concat();
        Ok((
            output.status.success(),
            String::from_utf8_lossy(&said).into_owned(),
        ))
    }

    fn apply(&self, text: &str, more: &[&str]) -> Result<(bool, String)> {
        let document = file(text)?;
        let name = document.path().to_str().context("UTF-8")?;
        self.heddle(&[&["apply", "-f", name], more].concat())
    }

    fn show(&self) -> Result<String> {
        Ok(self.heddle(&["nb", "show"])?.1)
    }
}

#[test]
fn a_document_is_applied_once_and_what_it_drops_is_removed() -> Result<()> {
    let bed = Bed::new()?;
    let (good, said) = bed.apply(NETWORK, &["--dry-run"])?;
    ensure!(good && said.contains("would be made"), "{said}");
    ensure!(
        !bed.show()?.contains("switch a"),
        "a dry run changed something"
    );

    let (good, said) = bed.apply(NETWORK, &["--wait", "sb"])?;
    ensure!(good, "{said}");
    let shown = bed.show()?;
    ensure!(
        shown.contains("port a2") && shown.contains("router r"),
        "{shown}"
    );
    let (good, said) = bed.apply(NETWORK, &[])?;
    ensure!(good && said.contains("nothing to do"), "{said}");

    // What somebody else made stays, whatever the document says.
    let db = format!("--db={}", bed.centre.northbound());
    testbed::run(Command::new("ovn-nbctl").args([&db, "ls-add", "foreign"]))?;
    let smaller: String = NETWORK
        .lines()
        .filter(|line| !line.contains("b1:"))
        .collect::<Vec<_>>()
        .join("\n");
    let (good, said) = bed.apply(&smaller, &[])?;
    ensure!(good && said.contains("b1"), "{said}");
    let shown = bed.show()?;
    ensure!(
        !shown.contains("port b1") && shown.contains("port a2"),
        "{shown}"
    );
    ensure!(shown.contains("switch foreign"), "{shown}");
    Ok(())
}

#[test]
fn a_bad_document_is_refused_with_its_line_and_nothing_is_applied() -> Result<()> {
    let bed = Bed::new()?;
    let cases = [
        (
            "subnets: [10.0.1.0/24, fd00:1::/64]",
            "subnet: [10.0.1.0/24]",
        ),
        (
            "addresses: [10.0.1.12, fd00:1::12]",
            "addresses: [10.0.9.12]",
        ),
        ("subnets: [10.0.2.0/24", "subnets: [10.0.2.0/33"),
        ("ports: [a2]", "ports: [a7]"),
        ("      a2: {", "      a1: {"),
    ];
    for (right, wrong) in cases {
        let before = NETWORK.find(right).with_context(|| right.to_owned())?;
        let line = format!(
            ":{}:",
            NETWORK[..before].lines().count() + usize::from(wrong.starts_with(' '))
        );
        let (good, said) = bed.apply(&NETWORK.replacen(right, wrong, 1), &[])?;
        ensure!(!good && said.contains(".yaml:"), "{wrong}: {said}");
        ensure!(
            said.contains(&line),
            "{wrong} should be told with line {line} {said}"
        );
        ensure!(
            !bed.show()?.contains("switch a"),
            "{wrong} was applied in part"
        );
    }
    Ok(())
}

#[test]
fn a_rule_that_does_not_parse_is_left_out_and_says_so() -> Result<()> {
    let bed = Bed::new()?;
    let rules = "acls:
      - {name: bad, direction: to-lport, priority: 1002, action: drop, match: tcp.dts == 80}
      - {name: good, direction: to-lport, priority: 1001, action: drop, match: udp.dst == 4711}";
    let (_, said) = bed.apply(&NETWORK.replacen("acls: []", rules, 1), &["--wait", "sb"])?;
    if said.contains("tcp.dts") {
        // The document's own check caught it; what other clients write is not checked before.
        let (good, said) = bed.apply(NETWORK, &["--wait", "sb"])?;
        ensure!(good, "{said}");
        let db = format!("--db={}", bed.centre.northbound());
        for (priority, rule) in [("1002", "tcp.dts == 80"), ("1001", "udp.dst == 4711")] {
            let words = [
                "--wait=sb",
                "acl-add",
                "servers",
                "to-lport",
                priority,
                rule,
                "drop",
            ];
            testbed::run(Command::new("ovn-nbctl").arg(&db).args(words))?;
        }
    }
    Database::open(&bed.centre.northbound(), "OVN_Northbound")?
        .sync("sb_cfg", Duration::from_secs(10))?;
    let shown = bed.show()?;
    let near = shown
        .lines()
        .skip_while(|line| !line.contains("tcp.dts"))
        .take(2);
    let near = near.collect::<Vec<_>>().join("\n");
    ensure!(
        near.contains("error"),
        "nothing is said beside the rule: {shown}"
    );
    let db = format!("--db={}", bed.centre.southbound());
    let flows = testbed::run(Command::new("ovn-sbctl").args([&db, "lflow-list"]))?;
    ensure!(
        flows.contains("udp.dst == 4711"),
        "the rule beside it is missing"
    );
    ensure!(!flows.contains("tcp.dts"), "the bad rule was compiled");
    Ok(())
}
