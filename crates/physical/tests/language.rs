//! Every action of the language: a switch or the agent carries it out, as the catalogue says, or it is not supported, as
//! `docs/logical-language.md` says.

#![allow(clippy::unwrap_used, reason = "part of tests")]

mod support;

use logic::{ACTIONS, ActionInfo, CarriedOut};
use openflow::Action;
use physical::Physical;
use physical::opcode::Userdata;
use support::{Net, computed};

fn with(info: &ActionInfo) -> Physical {
    let net = Net::new()
        .datapath("sw", 1, true)
        .local("sw", "p", 1, 7)
        .port("sw", "a", 2)
        .port("sw", "b", 3)
        .port("sw", "vip", 4)
        .flow("sw", "in:3", 10, &format!("1 -> {}", info.example));
    computed(net.facts)
}

/// The numbers of what is asked of the agent, in actions and in groups.
fn opcodes(physical: &Physical) -> Vec<u32> {
    fn of(actions: &[Action], into: &mut Vec<u32>) {
        for action in actions {
            match action {
                Action::Controller(controller) => {
                    into.push(Userdata::decode(&controller.userdata).unwrap().opcode as u32);
                }
                Action::Clone(inner) => of(inner, into),
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    for (_, body) in physical.flows().filter(|(key, _)| key.table == 8 + 3) {
        of(&body.actions.to_vec(), &mut found);
    }
    found.dedup();
    found
}

#[test]
fn actions_are_carried_out_by_whom_the_catalogue_says() {
    let mut not_supported = Vec::new();
    for info in ACTIONS {
        let physical = with(info);
        if let [trouble, ..] = physical.diagnostics().as_slice() {
            let text = &trouble.message;
            assert!(
                text.starts_with("not supported: "),
                "{}: {text}",
                info.example
            );
            not_supported.push(format!("`{}`", info.name));
            continue;
        }
        let wanted = match info.by {
            CarriedOut::Agent(opcode) => vec![opcode],
            // The MTU is written by the agent that makes the error, and by one that resumes the packet.
            CarriedOut::Switch if info.ovn == "OVNFIELD_LOAD" => vec![14],
            CarriedOut::Switch => vec![],
        };
        assert_eq!(opcodes(&physical), wanted, "{}", info.example);
    }
    let text = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/logical-language.md"
    ))
    .unwrap();
    let line = format!(
        "Not carried out by `heddle agent` yet: {}.",
        not_supported.join(", ")
    );
    let said = text
        .lines()
        .find(|line| line.starts_with("Not carried out by"));
    assert_eq!(said, Some(line.as_str()), "docs/logical-language.md");
}
