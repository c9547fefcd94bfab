//! Random networks as `ovn-nbctl` commands, and packets for them.

#![allow(dead_code, reason = "each test uses a part of it")]

mod rich;

use std::fmt::Write as _;

/// Numbers that are the same in every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % limit
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn of<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

/// A machine of a network.
#[derive(Clone)]
pub(crate) struct Machine {
    port: String,
    switch: usize,
    mac: String,
    ip4: String,
    ip6: String,
}

/// A network: the commands that make it, and what packets can be about.
pub(crate) struct Network {
    pub(crate) commands: String,
    machines: Vec<Machine>,
    switches: usize,
    /// Virtual addresses with a port, and one of the backends.
    vips: Vec<(String, u16, String)>,
}

pub(crate) fn router_mac(switch: usize) -> String {
    format!("00:00:00:00:ff:{switch:02x}")
}

impl Network {
    pub(crate) fn random(dice: &mut Dice) -> Self {
        let mut network = Self {
            commands: String::from("lr-add r0"),
            machines: Vec::new(),
            switches: 2 + dice.below(3),
            vips: Vec::new(),
        };
        for switch in 0..network.switches {
            network.switch(switch, dice);
        }
        network.filters(dice);
        network.services(dice);
        network.gateway(dice);
        network
    }

    pub(crate) fn say(&mut self, command: impl AsRef<str>) {
        let _ = write!(self.commands, " -- {}", command.as_ref());
    }

    pub(crate) fn switch(&mut self, s: usize, dice: &mut Dice) {
        self.say(format!("ls-add s{s}"));
        let mac = router_mac(s);
        self.say(format!(
            "lrp-add r0 r0-s{s} {mac} 10.0.{s}.1/24 fd00:{s}::1/64"
        ));
        self.say(format!("lsp-add s{s} s{s}-r0"));
        self.say(format!("lsp-set-type s{s}-r0 router"));
        self.say(format!("lsp-set-addresses s{s}-r0 router"));
        self.say(format!("lsp-set-options s{s}-r0 router-port=r0-s{s}"));
        if dice.chance(30) {
            self.say(format!("lsp-add s{s} s{s}-wire"));
            self.say(format!("lsp-set-type s{s}-wire localnet"));
            self.say(format!("lsp-set-addresses s{s}-wire unknown"));
            self.say(format!("lsp-set-options s{s}-wire network_name=phys"));
        }
        for p in 0..2 + dice.below(3) {
            let machine = Machine {
                port: format!("s{s}-p{p}"),
                switch: s,
                mac: format!("00:00:00:00:{s:02x}:{:02x}", p + 16),
                ip4: format!("10.0.{s}.{}", p + 16),
                ip6: format!("fd00:{s}::{:x}", p + 16),
            };
            let Machine {
                port,
                mac,
                ip4,
                ip6,
                ..
            } = &machine;
            self.say(format!("lsp-add s{s} {port}"));
            let unknown = if dice.chance(15) { " unknown" } else { "" };
            self.say(format!(
                "lsp-set-addresses {port} \"{mac} {ip4} {ip6}\"{unknown}"
            ));
            match dice.below(4) {
                0 => self.say(format!("lsp-set-port-security {port} {mac}")),
                1 => self.say(format!(
                    "lsp-set-port-security {port} \"{mac} {ip4} {ip6}\""
                )),
                2 => self.say(format!("lsp-set-port-security {port} \"{mac} {ip4}\"")),
                _ => {}
            }
            if dice.chance(10) {
                self.say(format!("lsp-set-enabled {port} disabled"));
            }
            self.machines.push(machine);
        }
    }

    pub(crate) fn filters(&mut self, dice: &mut Dice) {
        let members: Vec<String> = self
            .machines
            .iter()
            .filter(|_| dice.chance(60))
            .map(|it| it.port.clone())
            .collect();
        self.say(format!("pg-add pg0 {}", members.join(" ")));
        let set: Vec<String> = self
            .machines
            .iter()
            .filter(|_| dice.chance(50))
            .map(|it| format!("\\\"{}\\\"", it.ip4))
            .collect();
        self.say(format!(
            "create Address_Set name=as0 addresses={}",
            set.join(",")
        ));
        for n in 0..3 + dice.below(6) {
            let inward = dice.chance(50);
            let group = dice.chance(50);
            let (direction, port) = if inward {
                ("to-lport", "outport")
            } else {
                ("from-lport", "inport")
            };
            let who = if group {
                "@pg0".to_owned()
            } else {
                format!("\\\"{}\\\"", dice.of(&self.machines).port)
            };
            let what = dice.of(&[
                "ip4.src == $as0 && tcp.dst == 80",
                "tcp.dst >= 1000 && tcp.dst < 1100",
                "ip4",
                "ip6 && udp",
                "icmp4.type == 8 || icmp6.type == 128",
                "ip4.dst == {10.0.0.0/28, 10.0.1.16} && udp.dst != 53",
                "ip.ttl > 3 && tcp",
                "!(tcp.dst == {22, 80}) && ip",
            ]);
            let verdict = dice.of(&[
                "allow",
                "allow-related",
                "drop",
                "reject",
                "allow-stateless",
            ]);
            let priority = 1000 + dice.below(5);
            let target = if group {
                "pg0".to_owned()
            } else {
                format!("s{}", dice.below(self.switches))
            };
            let kind = if group { "port-group" } else { "switch" };
            let log = if dice.chance(20) {
                format!("--log --name=acl{n} ")
            } else {
                String::new()
            };
            self.say(format!(
                "--may-exist --type={kind} {log}acl-add {target} {direction} {priority} \"{port} == {who} && ({what})\" {verdict}"
            ));
        }
    }

    pub(crate) fn services(&mut self, dice: &mut Dice) {
        if dice.chance(70) {
            let backend = dice.of(&self.machines).ip4;
            self.vips.push(("172.16.0.10".into(), 80, backend.clone()));
            self.say(format!("lb-add lb0 172.16.0.10:80 {backend}:8080 tcp"));
            for s in 0..self.switches {
                if dice.chance(70) {
                    self.say(format!("ls-lb-add s{s} lb0"));
                }
            }
        }
        let s = dice.below(self.switches);
        let cidr = format!("10.0.{s}.0/24");
        self.say(format!(
            "--id=@dhcp create DHCP_Options cidr={cidr} options=\"lease_time=3600 router=10.0.{s}.1 server_id=10.0.{s}.1 server_mac=\\\"{}\\\"\"",
            router_mac(s)
        ));
        let there: Vec<String> = self
            .machines
            .iter()
            .filter(|it| it.switch == s)
            .map(|it| it.port.clone())
            .collect();
        for port in there {
            self.say(format!(
                "set Logical_Switch_Port {port} dhcpv4_options=@dhcp"
            ));
        }
        if dice.chance(50) {
            self.say("lr-route-add r0 192.168.0.0/16 10.0.0.17");
            self.say("lr-route-add r0 2001:db8::/32 fd00:1::11");
        }
        if dice.chance(40) {
            self.say(
                "lr-policy-add r0 100 \"ip4.src == 10.0.0.0/24 && ip4.dst == 10.0.1.0/24\" drop",
            );
        }
        if dice.chance(40) {
            self.say("lr-policy-add r0 90 \"ip4.dst == 192.168.7.0/24\" reroute 10.0.1.16");
        }
    }

    /// A gateway router behind a switch that joins it to the first one, with translation.
    pub(crate) fn gateway(&mut self, dice: &mut Dice) {
        if dice.chance(40) {
            return;
        }
        self.say("lr-add gw");
        self.say("set Logical_Router gw options:chassis=hv1");
        self.say("ls-add join");
        for (router, last) in [("r0", 1), ("gw", 2)] {
            let mac = format!("00:00:00:00:fe:0{last}");
            self.say(format!(
                "lrp-add {router} {router}-join {mac} 100.64.0.{last}/24"
            ));
            self.say(format!("lsp-add join join-{router}"));
            self.say(format!("lsp-set-type join-{router} router"));
            self.say(format!("lsp-set-addresses join-{router} router"));
            self.say(format!(
                "lsp-set-options join-{router} router-port={router}-join"
            ));
        }
        self.say("ls-add outside");
        self.say("lrp-add gw gw-outside 00:00:00:00:fd:01 203.0.113.1/24");
        self.say("lsp-add outside outside-gw");
        self.say("lsp-set-type outside-gw router");
        self.say("lsp-set-addresses outside-gw router");
        self.say("lsp-set-options outside-gw router-port=gw-outside");
        self.say("lsp-add outside outside-p0");
        self.say("lsp-set-addresses outside-p0 \"00:00:00:00:fd:10 203.0.113.16\"");
        self.say("lr-route-add r0 0.0.0.0/0 100.64.0.2");
        self.say("lr-route-add gw 10.0.0.0/8 100.64.0.1");
        self.say("lr-nat-add gw snat 203.0.113.1 10.0.0.0/16");
        let inside = dice.of(&self.machines).ip4;
        self.say(format!("lr-nat-add gw dnat_and_snat 203.0.113.5 {inside}"));
    }

    pub(crate) fn packet(&self, dice: &mut Dice) -> Vec<String> {
        let from = dice.of(&self.machines);
        self.packet_from(&from, dice)
    }

    fn packet_from(&self, from: &Machine, dice: &mut Dice) -> Vec<String> {
        let mut args: Vec<String> = Vec::new();
        let states = [
            "--ct=trk,new",
            "--ct=trk,est",
            "--ct=trk,est,rpl",
            "--ct=trk,inv",
        ];
        for _ in 0..dice.below(5) {
            args.push(dice.of(&states).into());
        }
        let to = dice.of(&self.machines);
        let neighbour = to.switch == from.switch;
        let mac = if neighbour {
            to.mac.clone()
        } else {
            router_mac(from.switch)
        };
        let source = if dice.chance(8) {
            "00:00:00:00:99:99".to_owned()
        } else {
            from.mac.clone()
        };
        let mut text = format!("inport == \"{}\" && eth.src == {source} && ", from.port);
        if dice.chance(15) {
            let (said, asked) = (
                from.ip4.clone(),
                dice.of(&[to.ip4.clone(), format!("10.0.{}.1", from.switch)]),
            );
            let _ = write!(
                text,
                "eth.dst == ff:ff:ff:ff:ff:ff && arp.op == 1 && arp.sha == {} && arp.spa == {said} && arp.tpa == {asked}",
                from.mac
            );
        } else if dice.chance(8) {
            text.push_str(
                "eth.dst == ff:ff:ff:ff:ff:ff && ip4.src == 0.0.0.0 && ip4.dst == 255.255.255.255 && \
                 udp.src == 68 && udp.dst == 67 && ip.ttl == 64",
            );
        } else {
            let _ = write!(text, "ip.ttl == {} && ", dice.of(&[64, 64, 64, 1, 0, 255]));
            let upper = dice.of(&[
                "tcp && tcp.src == 4000 && tcp.dst == 80",
                "tcp && tcp.dst == 1050",
                "udp && udp.dst == 53",
                "udp && udp.dst == 5000",
            ]);
            if dice.chance(30) {
                let icmp = dice.chance(40);
                let upper = if icmp {
                    "icmp6.type == 128 && icmp6.code == 0"
                } else {
                    upper
                };
                let _ = write!(
                    text,
                    "eth.dst == {mac} && ip6.src == {} && ip6.dst == {} && {upper}",
                    from.ip6, to.ip6
                );
            } else {
                let (mac, ip) = match dice.below(8) {
                    0 => (router_mac(from.switch), format!("10.0.{}.1", from.switch)),
                    1 => (
                        router_mac(from.switch),
                        dice.of(&["8.8.8.8", "192.168.7.9", "203.0.113.5", "10.0.1.99"])
                            .to_owned(),
                    ),
                    2 if !self.vips.is_empty() => {
                        let (vip, _, backend) = self.vips[0].clone();
                        args.push(format!("--lb-dst={backend}:8080"));
                        (router_mac(from.switch), vip)
                    }
                    _ => (mac, to.ip4.clone()),
                };
                let icmp = dice.chance(30);
                let upper = if icmp {
                    "icmp4.type == 8 && icmp4.code == 0"
                } else {
                    upper
                };
                let spoofed = dice.chance(8);
                let src = if spoofed {
                    "10.9.9.9".to_owned()
                } else {
                    from.ip4.clone()
                };
                let _ = write!(
                    text,
                    "eth.dst == {mac} && ip4.src == {src} && ip4.dst == {ip} && {upper}"
                );
            }
        }
        if dice.chance(50) {
            args.push(format!("s{}", from.switch));
        }
        args.push(text);
        args
    }
}

/// Splits a line of commands into words as a shell does with double quotes.
pub(crate) fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut escaped) = (Vec::new(), String::new(), false, false);
    for c in line.chars() {
        match c {
            _ if escaped => {
                word.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            _ => word.push(c),
        }
    }
    words.push(word);
    words.retain(|it| !it.is_empty());
    words
}
