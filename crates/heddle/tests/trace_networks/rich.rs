//! What random networks can have beside switches, filters and a gateway router: a distributed gateway with
//! translation, load balancers of routers, routes and policies with several next hops, names, DHCPv6, announcements.

use std::fmt::Write as _;

use super::{Dice, Machine, Network, router_mac};

impl Network {
    /// A network with all of it, some of it at random.
    pub(crate) fn rich(dice: &mut Dice) -> Self {
        let mut network = Self {
            commands: String::from("lr-add r0"),
            machines: Vec::new(),
            switches: 2 + dice.below(2),
            vips: Vec::new(),
        };
        for switch in 0..network.switches {
            network.switch(switch, dice);
        }
        if dice.chance(50) {
            network.filters(dice);
        }
        network.public(dice);
        network.balancers(dice);
        network.routes(dice);
        network.chassis_services(dice);
        network
    }

    /// A switch to the outside behind a port of the router that one chassis has, with translation there.
    fn public(&mut self, dice: &mut Dice) {
        self.say("ls-add pub");
        self.say("lrp-add r0 r0-pub 00:00:00:00:fd:01 203.0.113.1/24 2001:db8:113::1/64");
        self.say("lsp-add pub pub-r0");
        self.say("lsp-set-type pub-r0 router");
        self.say("lsp-set-addresses pub-r0 router");
        self.say("lsp-set-options pub-r0 router-port=r0-pub");
        self.say("lsp-add pub pub-wire");
        self.say("lsp-set-type pub-wire localnet");
        self.say("lsp-set-addresses pub-wire unknown");
        self.say("lsp-set-options pub-wire network_name=phys");
        self.say("lsp-add pub pub-p0");
        self.say("lsp-set-addresses pub-p0 \"00:00:00:00:fd:10 203.0.113.16 2001:db8:113::10\"");
        self.say("lrp-set-gateway-chassis r0-pub hv1 20");
        if dice.chance(50) {
            self.say("lrp-set-gateway-chassis r0-pub hv2 10");
        }
        self.say("lr-route-add r0 0.0.0.0/0 203.0.113.16");
        if dice.chance(70) {
            self.say("lr-nat-add r0 snat 203.0.113.1 10.0.0.0/16");
        }
        let inside = dice.of(&self.machines);
        if dice.chance(50) {
            self.say(format!(
                "lr-nat-add r0 dnat_and_snat 203.0.113.5 {} {} 00:00:00:00:fd:05",
                inside.ip4, inside.port
            ));
        } else {
            let stateless = if dice.chance(30) { "--stateless " } else { "" };
            self.say(format!(
                "{stateless}lr-nat-add r0 dnat_and_snat 203.0.113.5 {}",
                inside.ip4
            ));
        }
        if dice.chance(40) {
            let inside = dice.of(&self.machines);
            self.say(format!("lr-nat-add r0 dnat 203.0.113.6 {}", inside.ip4));
        }
        if dice.chance(40) {
            self.say("set Logical_Router_Port r0-pub options:gateway_mtu=1400");
        }
        self.machines.push(Machine {
            port: "pub-p0".into(),
            switch: OUTSIDE,
            mac: "00:00:00:00:fd:10".into(),
            ip4: "203.0.113.16".into(),
            ip6: "2001:db8:113::10".into(),
        });
    }

    fn balancers(&mut self, dice: &mut Dice) {
        let backends: Vec<String> = (0..2).map(|_| dice.of(&self.machines).ip4).collect();
        let all: Vec<String> = backends.iter().map(|it| format!("{it}:8080")).collect();
        let mut vips = vec![("172.16.0.10", 80)];
        if dice.chance(50) {
            vips.push(("203.0.113.9", 443));
        }
        for (at, (vip, port)) in vips.iter().enumerate() {
            self.vips.push(((*vip).into(), *port, backends[0].clone()));
            self.say(format!("lb-add lb{at} {vip}:{port} {} tcp", all.join(",")));
            if dice.chance(40) {
                self.say(format!(
                    "set Load_Balancer lb{at} options:affinity_timeout=60"
                ));
            }
            if dice.chance(30) {
                self.say(format!(
                    "set Load_Balancer lb{at} options:hairpin_snat_ip=172.16.9.9"
                ));
            }
            if dice.chance(30) {
                self.say(format!("set Load_Balancer lb{at} options:skip_snat=true"));
            }
            self.say(format!("lr-lb-add r0 lb{at}"));
            for s in 0..self.switches {
                if dice.chance(40) {
                    self.say(format!("ls-lb-add s{s} lb{at}"));
                }
            }
        }
        if dice.chance(50) {
            self.say(
                "--id=@none create Load_Balancer name=none protocol=tcp options:reject=true \
                 vips:\\\"172.16.0.20:80\\\"=\\\"\\\"",
            );
            self.say("add Logical_Switch s0 load_balancer @none");
            self.vips
                .push(("172.16.0.20".into(), 80, backends[0].clone()));
        }
        if dice.chance(40) {
            self.say("set Logical_Router r0 options:lb_force_snat_ip=router_ip");
        }
    }

    fn routes(&mut self, dice: &mut Dice) {
        if dice.chance(60) {
            let symmetric = if dice.chance(50) {
                "--ecmp-symmetric-reply"
            } else {
                "--ecmp"
            };
            for hop in ["10.0.0.16", "10.0.1.16"] {
                self.say(format!("{symmetric} lr-route-add r0 192.168.0.0/16 {hop}"));
            }
        }
        if dice.chance(30) {
            self.say("lr-route-add r0 192.168.9.0/24 discard");
        }
        if dice.chance(50) {
            self.say(
                "lr-policy-add r0 80 \"ip4.dst == 192.168.7.0/24\" reroute 10.0.0.17,10.0.1.17",
            );
        }
        if dice.chance(40) {
            self.say("lr-policy-add r0 85 \"tcp.dst == 1050\" drop");
        }
        if dice.chance(40) {
            self.say("static-mac-binding-add r0-pub 203.0.113.77 00:00:00:00:fd:77");
        }
    }

    fn chassis_services(&mut self, dice: &mut Dice) {
        self.say(
            "--id=@dns create DNS records={\"www.example\"=\"10.0.0.16\"} external_ids:of=test",
        );
        self.say("set Logical_Switch s0 dns_records=@dns");
        if dice.chance(60) {
            self.say(format!(
                "--id=@dhcp6 create DHCP_Options cidr=\\\"fd00:1::/64\\\" options:server_id=\\\"{}\\\"",
                router_mac(1)
            ));
            let there = self.machines.iter().filter(|it| it.switch == 1);
            let there: Vec<String> = there.map(|it| it.port.clone()).collect();
            for port in there {
                self.say(format!(
                    "set Logical_Switch_Port {port} dhcpv6_options=@dhcp6"
                ));
            }
        }
        self.say("set Logical_Router_Port r0-s0 ipv6_ra_configs:address_mode=slaac");
        if dice.chance(40) {
            self.say("qos-add s0 from-lport 100 \"ip4\" dscp=10");
        }
        if dice.chance(30) {
            self.say("set Logical_Switch s1 other_config:mcast_snoop=true");
        }
        if dice.chance(30) {
            self.say("fwd-group-add group s0 10.0.0.200 00:00:00:00:00:c8 s0-p0 s0-p1");
        }
    }

    /// A packet that has something to do with what is rich.
    pub(crate) fn rich_packet(&self, dice: &mut Dice) -> Vec<String> {
        let from = dice.of(&self.machines);
        if from.switch != OUTSIDE && dice.chance(40) {
            let mut args = self.packet_from(&from, dice);
            args.insert(0, "--select-id=1".into());
            return args;
        }
        let mut args: Vec<String> = Vec::new();
        for _ in 0..dice.below(5) {
            args.push(
                dice.of(&["--ct=new", "--ct=new", "--ct=est", "--ct=est,rpl"])
                    .into(),
            );
        }
        args.push("--select-id=1".into());
        let gateway = if from.switch == OUTSIDE {
            "00:00:00:00:fd:01".to_owned()
        } else {
            router_mac(from.switch)
        };
        let mut text = format!("inport == \"{}\" && eth.src == {} && ", from.port, from.mac);
        match dice.below(8) {
            // Stock aborts on a router solicitation that is answered.
            0 | 1 => {
                let _ = write!(
                    text,
                    "eth.dst == 33:33:00:01:00:02 && ip6.src == fe80::1 && ip6.dst == ff02::1:2 && \
                     ip.ttl == 64 && udp.src == 546 && udp.dst == 547"
                );
            }
            2 => {
                let _ = write!(
                    text,
                    "eth.dst == {gateway} && ip4.src == {} && ip4.dst == 8.8.8.8 && ip.ttl == 64 && \
                     udp.src == 3000 && udp.dst == 53",
                    from.ip4
                );
            }
            3 | 4 if !self.vips.is_empty() => {
                let (vip, port, backend) = dice.of(&self.vips);
                args.push(format!("--lb-dst={backend}:8080"));
                let _ = write!(
                    text,
                    "eth.dst == {gateway} && ip4.src == {} && ip4.dst == {vip} && ip.ttl == 64 && \
                     tcp && tcp.src == 4000 && tcp.dst == {port}",
                    from.ip4
                );
            }
            _ => {
                let to = dice.of(&[
                    "203.0.113.5",
                    "203.0.113.6",
                    "203.0.113.1",
                    "203.0.113.77",
                    "192.168.7.9",
                    "192.168.1.9",
                    "192.168.9.9",
                    "8.8.8.8",
                    "10.0.0.16",
                    "10.0.1.17",
                ]);
                let upper = dice.of(&[
                    "tcp && tcp.dst == 1050",
                    "udp && udp.dst == 5000",
                    "icmp4.type == 8 && icmp4.code == 0",
                ]);
                let _ = write!(
                    text,
                    "eth.dst == {gateway} && ip4.src == {} && ip4.dst == {to} && ip.ttl == {} && {upper}",
                    from.ip4,
                    dice.of(&[64, 64, 64, 1])
                );
            }
        }
        args.push(text);
        args
    }
}

/// The number of the switch to the outside, which is none of the others.
pub(crate) const OUTSIDE: usize = 99;
