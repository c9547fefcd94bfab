//! What a switch learns from packets by itself: the backend of a client, the next hop of a connection.
//!
//! A switch keeps both as flows that it makes of a packet, with a time limit. Here they are part of the state.

use std::net::IpAddr;

use logic::{Action, Endpoint, Field, Transport};

use super::remark;
use crate::conntrack::Tuple;
use crate::machine::{At, Machine, Moving, Outcome};
use crate::network::Kind;
use crate::state::Client;
use crate::trace::Node;

const fn protocol(transport: Transport) -> u8 {
    match transport {
        Transport::Tcp => 6,
        Transport::Udp => 17,
        Transport::Sctp => 132,
    }
}

impl Machine<'_> {
    pub(super) fn remember(
        &mut self,
        at: At,
        action: &Action,
        moving: &mut Moving,
        out: &mut Vec<Node>,
        outcome: &mut Outcome,
    ) {
        match action {
            Action::CommitLbAff {
                vip,
                backend,
                transport,
                timeout,
            } => {
                let client = self.client(at, moving, vip, transport.map(protocol));
                if let (true, Some(client)) = (self.state.is_modelled(), client) {
                    let backend = (backend.address, backend.port.unwrap_or(0));
                    self.state.affinity.insert(client, backend);
                    remark(out, format!("/* remembered for {timeout} s */"));
                }
            }
            Action::CommitEcmpNh { transport, .. } => {
                self.consult_tuple(moving);
                self.consult(moving, Field::EthSrc, u128::MAX);
                let tuple = Tuple::of(&moving.fields);
                let tuple = tuple.filter(|it| it.protocol == protocol(*transport));
                if let (true, Some(tuple)) = (self.state.is_modelled(), tuple) {
                    let seat = at.seat(moving);
                    let mac = super::from_number(moving.fields.get(Field::EthSrc));
                    self.state.next_hops.insert((seat, mac, tuple));
                    let back = tuple.reversed();
                    self.state.towards_next_hops.insert((seat, back));
                    remark(out, "/* remembered for 20 s after the last packet */");
                }
            }
            _ => self.serve(at, action, moving, out, outcome),
        }
    }

    fn client(
        &mut self,
        at: At,
        moving: &Moving,
        vip: &Endpoint,
        protocol: Option<u8>,
    ) -> Option<Client> {
        self.consult_tuple(moving);
        let from = Tuple::of(&moving.fields)?.src;
        let port = protocol.map(|it| (it, vip.port.unwrap_or(0)));
        Some(Client {
            seat: at.seat(moving),
            from,
            vip: vip.address,
            port,
        })
    }

    /// `chk_lb_aff`: whether a client's backend is remembered. That goes into registers, whose place depends on how
    /// the flows were made.
    pub(super) fn stays_with_backend(
        &mut self,
        at: At,
        moving: &mut Moving,
        out: &mut Vec<Node>,
    ) -> bool {
        self.consult_tuple(moving);
        let Some(tuple) = Tuple::of(&moving.fields) else {
            return false;
        };
        let client = |port| Client {
            seat: at.seat(moving),
            from: tuple.src,
            vip: tuple.dst,
            port,
        };
        let with_port = client(Some((tuple.protocol, tuple.dst_port)));
        let known = self.state.affinity.get(&with_port);
        let known = known.or_else(|| self.state.affinity.get(&client(None)));
        let Some((backend, port)) = known.copied() else {
            return false;
        };
        remark(out, format!("/* the client has {backend} */"));
        let is_router = self.network[at.datapath].kind == Kind::Router;
        let (wide, port_register) = match (self.network.new_registers, is_router) {
            (true, _) => (Field::XxReg(1), Field::Reg(2)),
            (false, true) => (Field::XxReg(1), Field::Reg(8)),
            (false, false) => (Field::XxReg(0), Field::Reg(8)),
        };
        match backend {
            IpAddr::V4(it) => moving.set(Field::Reg(4), it.to_bits().into()),
            IpAddr::V6(it) => moving.set(wide, it.to_bits()),
        }
        if port != 0 {
            let others = moving.fields.get(port_register) & !0xffff;
            moving.set(port_register, others | u128::from(port));
        }
        true
    }

    /// `chk_ecmp_nh_mac`: whether a packet comes again from the next hop that its connection came from.
    pub(super) fn comes_from_next_hop(&mut self, at: At, moving: &Moving) -> bool {
        self.consult_tuple(moving);
        self.consult(moving, Field::EthSrc, u128::MAX);
        let mac = super::from_number(moving.fields.get(Field::EthSrc));
        Tuple::of(&moving.fields)
            .is_some_and(|it| self.state.next_hops.contains(&(at.seat(moving), mac, it)))
    }

    /// `chk_ecmp_nh`: whether a packet answers one that came from a next hop.
    pub(super) fn goes_to_next_hop(&mut self, at: At, moving: &Moving) -> bool {
        self.consult_tuple(moving);
        Tuple::of(&moving.fields).is_some_and(|it| {
            self.state
                .towards_next_hops
                .contains(&(at.seat(moving), it))
        })
    }
}
