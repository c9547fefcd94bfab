//! What a chassis answers itself: DHCP, router solicitations, questions for names.
//!
//! What is answered depends on what the packet carries. Where nobody says what that is, a good request is assumed, as
//! `ovn-trace` does, and the trace says so.

use std::net::Ipv4Addr;

use logic::{Action, Field, OptionValue};

use super::{modify, remark};
use crate::machine::{At, Machine, Moving, Outcome};
use crate::network::NameAnswer;
use crate::payload::{Dhcp4, Payload};
use crate::trace::{Node, NodeKind};

/// ICMPv6 types (RFC 4861, section 4).
const ROUTER_SOLICITATION: u128 = 133;
const ROUTER_ADVERTISEMENT: u128 = 134;

impl Machine<'_> {
    pub(super) fn serve(
        &mut self,
        at: At,
        action: &Action,
        moving: &mut Moving,
        out: &mut Vec<Node>,
        outcome: &mut Outcome,
    ) {
        match action {
            Action::PutDhcpV4 { target, options } => {
                options_given(action, out);
                let answered = self.dhcp4(options, moving, out);
                moving.write(target, answered.into());
            }
            Action::PutDhcpV6 { target, .. } => {
                options_given(action, out);
                let answered = dhcp6(moving, out);
                moving.write(target, answered.into());
            }
            Action::PutNdRa { target, .. } => {
                options_given(action, out);
                let answered = self.advertise(moving);
                moving.write(target, answered.into());
            }
            Action::DhcpRelay {
                target,
                response,
                relay,
                server,
            } => {
                let good = if *response {
                    relayed_answer(*relay, *server, moving, out)
                } else {
                    relayed_request(*relay, moving, out)
                };
                moving.write(target, good.into());
            }
            _ => self.mark(at, action, moving, out, outcome),
        }
    }

    /// The answer of the chassis to a client of DHCPv4; its addresses are turned around by the flow that follows.
    fn dhcp4(&mut self, options: &[OptionValue], moving: &mut Moving, out: &mut Vec<Node>) -> bool {
        let offered = options.iter().find(|it| it.option.name == "offerip");
        let offered = offered.and_then(|it| it.numbers().next());
        let offered = offered.map_or(0, |it| it.value);
        let message = match &*moving.payload {
            Payload::Unknown => {
                let text = "/* We assume that this packet is DHCPDISCOVER or DHCPREQUEST. */";
                // Before the options, where `ovn-trace` has it.
                let at = out.len().saturating_sub(1);
                out.insert(at, NodeKind::Error(text.into()).into());
                return true;
            }
            Payload::Dhcp4(message) if !message.from_server => *message,
            _ => {
                remark(out, "/* not a message of a DHCP client */");
                return false;
            }
        };
        let address = Ipv4Addr::from_bits(offered as u32);
        let refused = message.kind == Dhcp4::REQUEST && message.wanted != address;
        let (name, is_answered) = match message.kind {
            Dhcp4::DISCOVER => ("DHCPOFFER", true),
            Dhcp4::DECLINE | Dhcp4::RELEASE => ("no answer", false),
            _ if refused => ("DHCPNAK", true),
            _ => ("DHCPACK", true),
        };
        remark(out, format!("/* {name}, {address} */"));
        if is_answered {
            let everybody = message.broadcast || refused;
            let to = if everybody { u32::MAX.into() } else { offered };
            moving.set(Field::Ip4Dst, to);
            moving.payload = Payload::Data.into();
            moving.length = None;
        }
        is_answered
    }

    /// Whether a packet is a router solicitation, which becomes the advertisement that answers it.
    fn advertise(&mut self, moving: &mut Moving) -> bool {
        if !self.state.is_modelled() {
            return true;
        }
        self.consult(moving, Field::Icmp6Type, u128::MAX);
        let asks = moving.fields.get(Field::Icmp6Type) == ROUTER_SOLICITATION;
        if asks {
            moving.set(Field::Icmp6Type, ROUTER_ADVERTISEMENT);
            moving.set(Field::Icmp6Code, 0);
        }
        asks
    }

    /// Whether the chassis answers a question for a name.
    pub(super) fn dns_lookup(&mut self, at: At, moving: &mut Moving, out: &mut Vec<Node>) -> bool {
        if !self.state.is_modelled() {
            // What `ovn-trace` says.
            out.push(NodeKind::Error("*** dns_lookup action not implemented".into()).into());
            return false;
        }
        let (name, kind) = match &*moving.payload {
            Payload::Dns { name, kind } => (name, *kind),
            Payload::Unknown => {
                let text = "*** nobody said which name is asked for (say dns/NAME): it is taken for unknown";
                out.push(NodeKind::Error(text.into()).into());
                return false;
            }
            _ => return false,
        };
        let answer = self.network[at.datapath].names.answer(name, kind);
        let text = match &answer {
            NameAnswer::None => format!("/* {name} is not known here; the question goes on */"),
            NameAnswer::Records(records) => format!("/* {name} is {} */", records.join(", ")),
            NameAnswer::Refused => {
                format!("/* {name} has no such address, and nobody else is asked */")
            }
        };
        remark(out, text);
        let is_answered = answer != NameAnswer::None;
        if is_answered {
            moving.payload = Payload::Data.into();
            moving.length = None;
        }
        is_answered
    }
}

/// Shows the options that an answer would have.
fn options_given(action: &Action, out: &mut Vec<Node>) {
    let text = action.to_string();
    let call = text.split_once(" = ").map_or(&*text, |it| it.1);
    modify(out, call.trim_end_matches(';').to_owned());
}

/// The answer to a client of DHCPv6 (RFC 8415, section 18.3).
fn dhcp6(moving: &mut Moving, out: &mut Vec<Node>) -> bool {
    let kind = match *moving.payload {
        Payload::Unknown => {
            let text = "/* We assume that this packet is DHCPDISCOVER or DHCPREQUEST. */";
            let at = out.len().saturating_sub(1);
            out.insert(at, NodeKind::Error(text.into()).into());
            return true;
        }
        Payload::Dhcp6(kind) => kind,
        _ => {
            remark(out, "/* not a message of DHCPv6 */");
            return false;
        }
    };
    let answer = match kind {
        1 => "ADVERTISE",
        // REQUEST, CONFIRM, RELEASE, DECLINE, INFORMATION-REQUEST
        3 | 4 | 8 | 9 | 11 => "REPLY",
        _ => {
            remark(out, format!("/* message type {kind} is not answered */"));
            return false;
        }
    };
    remark(out, format!("/* {answer} */"));
    moving.payload = Payload::Data.into();
    true
}

/// Whether a relay takes a client's request: it must not have come by another relay.
fn relayed_request(relay: Ipv4Addr, moving: &mut Moving, out: &mut Vec<Node>) -> bool {
    let mut message = match *moving.payload {
        Payload::Unknown => {
            let text = "/* We assume that this packet is DHCPDISCOVER or DHCPREQUEST. */";
            out.push(NodeKind::Error(text.into()).into());
            return true;
        }
        Payload::Dhcp4(message) => message,
        _ => return false,
    };
    if message.from_server || !message.relay.is_unspecified() {
        remark(
            out,
            "/* not a message of a DHCP client, or of another relay */",
        );
        return false;
    }
    message.relay = relay;
    moving.payload = Payload::Dhcp4(message).into();
    true
}

/// Whether a relay takes a server's answer, and to whom it gives it.
fn relayed_answer(
    relay: Ipv4Addr,
    server: Ipv4Addr,
    moving: &mut Moving,
    out: &mut Vec<Node>,
) -> bool {
    const EVERYBODY: (u128, u128) = (0xffff_ffff_ffff, 0xffff_ffff);
    let (mac, address) = match *moving.payload {
        Payload::Unknown => {
            let text = "/* We assume that this packet is DHCPOFFER or DHCPACK and DHCP broadcast flag is set. Dest IP is set to broadcast. Dest MAC is set to broadcast but in real network this is unicast which is extracted from DHCP header. */";
            out.push(NodeKind::Error(text.into()).into());
            EVERYBODY
        }
        Payload::Dhcp4(message) => {
            let ours = message.from_server && message.relay == relay;
            if !ours || message.server != Some(server) {
                remark(out, "/* not the answer of the server to this relay */");
                return false;
            }
            if message.broadcast || message.kind == Dhcp4::NAK {
                EVERYBODY
            } else {
                (
                    super::number(message.client),
                    message.given.to_bits().into(),
                )
            }
        }
        _ => return false,
    };
    moving.set(Field::EthDst, mac);
    moving.set(Field::Ip4Dst, address);
    true
}
