//! Text to actions. To add an action, add a line to [`Reader::statement`] or [`Reader::assigned`].

use super::{
    Action, Actions, Family, LbKind, NatKind, Nest, ObservationPoint, Pipeline, Query, Severity,
    Transport, Verdict, Zone, catalogue,
};
use crate::action::options::{DHCP_V4_OPTIONS, DHCP_V6_OPTIONS, EVENT_OPTIONS, RA_OPTIONS};
use crate::lexer::Token;
use crate::near::hint;
use crate::parse::Parser;
use crate::{Error, Scope, Slice, Symbols, Value};

/// The one event that there is.
const EMPTY_LB_BACKENDS: &str = "empty_lb_backends";

/// How deep actions may nest in actions.
const MAX_DEPTH: usize = 32;

/// Reads the actions of a flow.
///
/// # Errors
///
/// The first thing that is not in the language, with its column.
pub fn parse_actions(text: &str, symbols: &Symbols) -> Result<Actions, Error> {
    let parser = Parser::new(text, symbols)?;
    let mut reader = Reader {
        parser,
        scope: Scope::Default,
        depth: 0,
    };
    reader.block(false)
}

/// The parser, and what may be written at this place.
pub(super) struct Reader<'a> {
    pub(super) parser: Parser<'a>,
    scope: Scope,
    depth: usize,
}

impl Reader<'_> {
    /// Actions up to the end of the text, or of the braces.
    fn block(&mut self, braces: bool) -> Result<Actions, Error> {
        let mut actions = Vec::new();
        if self.parser.accept_name("drop") {
            self.parser.expect(";")?;
            return match self.at_end(braces) {
                true => Ok(Actions::default()),
                false => Err(self
                    .parser
                    .error("`drop;` stands alone, without other actions")),
            };
        }
        while !self.at_end(braces) {
            actions.push(self.statement()?);
            self.parser.expect(";")?;
        }
        Ok(Actions(actions))
    }

    fn at_end(&mut self, braces: bool) -> bool {
        if braces {
            self.parser.accept("}")
        } else {
            *self.parser.peek() == Token::End
        }
    }

    fn braces(&mut self, scope: Scope) -> Result<Actions, Error> {
        self.parser.expect("{")?;
        if self.depth == MAX_DEPTH {
            return Err(self
                .parser
                .error(format!("actions nest deeper than {MAX_DEPTH}")));
        }
        let outer = std::mem::replace(&mut self.scope, scope);
        self.depth += 1;
        let inner = self.block(true);
        self.depth -= 1;
        self.scope = outer;
        inner
    }

    /// One action without its semicolon.
    fn statement(&mut self) -> Result<Action, Error> {
        let &Token::Name(name) = self.parser.peek() else {
            return Err(self.parser.unexpected("an action"));
        };
        if let Token::Sign("=" | "<->" | "[") = self.parser.peek_second() {
            return self.assignment();
        }
        let start = self.parser.position();
        self.parser.next();
        if let Some(nest) = Nest::named(name) {
            let scope = if nest == Nest::Clone {
                Scope::Default
            } else {
                self.scope
            };
            return Ok(Action::Nested(nest, self.braces(scope)?));
        }
        if let Some(kind) = NatKind::named(name) {
            return self.nat(kind);
        }
        if let Some(kind) = LbKind::named(name) {
            return self.load_balance(kind);
        }
        match name {
            "output" => Ok(Action::Output),
            "next" => self.next(),
            "push" => Ok(Action::Push(self.slice_in_parentheses()?)),
            "pop" => {
                let at = self.parser.position() + 1;
                let slice = self.slice_in_parentheses()?;
                self.check_writable(slice, at)?;
                Ok(Action::Pop(slice))
            }
            "ip.ttl" => {
                self.parser.expect("--")?;
                Ok(Action::DecrementTtl)
            }
            "ct_next" => Ok(Action::CtNext(self.optional_zone()?)),
            "ct_commit" if self.parser.is("{") => {
                Ok(Action::CtCommit(self.braces(Scope::CtCommit)?))
            }
            "ct_commit" if self.parser.is("(") => self.commit_arguments(),
            "ct_commit" => Ok(Action::CtCommit(Actions::default())),
            "ct_commit_to_zone" => match self.optional_zone()? {
                Some(zone) => Ok(Action::CtCommitToZone(zone)),
                None => Err(self.parser.unexpected("`(dnat)` or `(snat)`")),
            },
            "ct_commit_nat" => Ok(Action::CtCommitNat(self.optional_zone()?)),
            "ct_clear" => Ok(Action::CtClear),
            "ct_snat_to_vip" => Ok(Action::CtSnatToVip),
            "get_arp" => self.get_neighbour(Family::V4),
            "get_nd" => self.get_neighbour(Family::V6),
            "put_arp" => self.put_neighbour(Family::V4),
            "put_nd" => self.put_neighbour(Family::V6),
            "put_fdb" => self.put_fdb(),
            "set_queue" => Ok(Action::SetQueue(self.in_parentheses(Self::queue)?)),
            "log" => self.log(),
            "set_meter" => self.set_meter(),
            "trigger_event" => self.trigger_event(),
            "igmp" => Ok(Action::Igmp),
            "bind_vport" => self.bind_vport(),
            "handle_svc_check" => Ok(Action::HandleSvcCheck(
                self.in_parentheses(Self::port_field)?,
            )),
            "handle_dhcpv6_reply" => Ok(Action::HandleDhcpV6Reply),
            "handle_bfd_msg" => self.in_parentheses(|_| Ok(Action::HandleBfd)),
            "fwd_group" => self.forwarding_group(),
            "commit_ecmp_nh" => self.commit_ecmp_nh(),
            "commit_lb_aff" => self.commit_lb_aff(),
            "sample" => self.sample(),
            "mac_cache_use" => Ok(Action::MacCacheUse),
            "flood_remote" => Ok(Action::FloodRemote),
            "mirror" => Ok(Action::Mirror(self.in_parentheses(|r| {
                r.parser.text("the name of a port in double quotes")
            })?)),
            "drop" => Err(self
                .parser
                .error_from(start, "`drop;` stands alone, without other actions")),
            _ => Err(self.no_such_action(start, name)),
        }
    }

    /// `target = something` or `left <-> right`.
    fn assignment(&mut self) -> Result<Action, Error> {
        let at = self.parser.position();
        let target = self.parser.slice()?;
        if self.parser.accept("<->") {
            self.check_writable(target, at)?;
            let other_at = self.parser.position();
            let other = self.parser.slice()?;
            self.check_writable(other, other_at)?;
            self.check_alike(target, other, other_at)?;
            return Ok(Action::Exchange(target, other));
        }
        self.parser.expect("=")?;
        self.check_writable(target, at)?;
        if let (&Token::Name(name), Token::Sign("(")) =
            (self.parser.peek(), self.parser.peek_second())
        {
            return self.assigned(target, at, name);
        }
        let value_at = self.parser.position();
        match self.parser.peek().clone() {
            Token::Name(_) => {
                let source = self.parser.slice()?;
                self.check_alike(target, source, value_at)?;
                Ok(Action::Move { target, source })
            }
            Token::Number(_) | Token::Text(_) => {
                let value = match self.parser.next() {
                    Token::Text(text) => Value::Text(text),
                    Token::Number(constant) => Value::Number(constant),
                    _ => unreachable!("the token was just looked at"),
                };
                self.parser.check_value(target, &value, || value_at)?;
                Ok(Action::Load { target, value })
            }
            _ => Err(self.parser.unexpected("a constant, a field or a function")),
        }
    }

    /// `target = name(...)`.
    fn assigned(&mut self, target: Slice, at: usize, name: &str) -> Result<Action, Error> {
        let name_at = self.parser.position();
        self.parser.next();
        if let Some(query) = Query::named(name) {
            self.check_width(target, query.result_width(), at)?;
            return self.in_parentheses(|_| Ok(Action::Query { target, query }));
        }
        match name {
            "select" => return self.select(target, at),
            "get_fdb" | "get_remote_fdb" => {
                self.check_port(target, at)?;
                let mac = self.in_parentheses(|r| r.field(48))?;
                return Ok(Action::GetFdb {
                    target,
                    mac,
                    remote: name != "get_fdb",
                });
            }
            _ => self.check_width(target, 1, at)?,
        }
        match name {
            "put_dhcp_opts" => self.put_dhcp(target),
            "put_dhcpv6_opts" => {
                let options = self.options(DHCP_V6_OPTIONS, "DHCPv6")?;
                Ok(Action::PutDhcpV6 { target, options })
            }
            "put_nd_ra_opts" => self.put_nd_ra(target),
            "check_pkt_larger" => {
                let length = self.in_parentheses(|r| r.uint16("a length in bytes"))?;
                Ok(Action::CheckPktLarger { target, length })
            }
            "lookup_arp" => self.lookup_neighbour(target, Family::V4, true),
            "lookup_nd" => self.lookup_neighbour(target, Family::V6, true),
            "lookup_arp_ip" => self.lookup_neighbour(target, Family::V4, false),
            "lookup_nd_ip" => self.lookup_neighbour(target, Family::V6, false),
            "lookup_fdb" => self.lookup_fdb(target),
            "dhcp_relay_req_chk" => self.dhcp_relay(target, false),
            "dhcp_relay_resp_chk" => self.dhcp_relay(target, true),
            _ => {
                let hint = hint(name, catalogue::function_names());
                let message = format!("there is no function called `{name}`{hint}");
                Err(self.parser.error_from(name_at, message))
            }
        }
    }

    fn no_such_action(&self, at: usize, name: &str) -> Error {
        if catalogue::function_names().any(|it| it == name) {
            let message = format!("`{name}` gives a result: write `FIELD = {name}(...);`");
            return self.parser.error_from(at, message);
        }
        let hint = hint(name, catalogue::statement_names());
        let message = format!("there is no action called `{name}`{hint}");
        self.parser.error_from(at, message)
    }

    fn put_dhcp(&mut self, target: Slice) -> Result<Action, Error> {
        let at = self.parser.position();
        let options = self.options(DHCP_V4_OPTIONS, "DHCPv4")?;
        if !options.iter().any(|option| option.option.code == 0) {
            return Err(self
                .parser
                .error_from(at, "put_dhcp_opts needs the option `offerip`"));
        }
        Ok(Action::PutDhcpV4 { target, options })
    }

    fn put_nd_ra(&mut self, target: Slice) -> Result<Action, Error> {
        let at = self.parser.position();
        let options = self.options(RA_OPTIONS, "router advertisement")?;
        let find = |name: &str| options.iter().find(|option| option.option.name == name);
        if find("slla").is_none() {
            return Err(self
                .parser
                .error_from(at, "put_nd_ra_opts needs the option `slla`"));
        }
        let stateful = find("addr_mode").and_then(|o| o.text()) == Some("dhcpv6_stateful");
        if !stateful && find("prefix").is_none() {
            let message = "put_nd_ra_opts needs the option `prefix` unless addr_mode is \
                           \"dhcpv6_stateful\"";
            return Err(self.parser.error_from(at, message));
        }
        Ok(Action::PutNdRa { target, options })
    }

    fn trigger_event(&mut self) -> Result<Action, Error> {
        self.parser.expect("(")?;
        self.key("event")?;
        let at = self.parser.position();
        let event = self.parser.text("the name of an event in double quotes")?;
        if event != EMPTY_LB_BACKENDS {
            let hint = hint(&event, [EMPTY_LB_BACKENDS]);
            let message = format!("there is no event called `{event}`{hint}");
            return Err(self.parser.error_from(at, message));
        }
        self.parser.accept(",");
        let options = self.options_until_end(EVENT_OPTIONS, "event")?;
        Ok(Action::TriggerEvent { event, options })
    }

    /// Whether the field can be written at this place.
    fn check_writable(&self, slice: Slice, at: usize) -> Result<(), Error> {
        let message = match (slice.symbol().scope(), self.scope) {
            (Scope::ReadOnly, _) => format!("`{slice}` cannot be changed"),
            (Scope::CtCommit, Scope::CtCommit) => return Ok(()),
            (Scope::CtCommit, _) => {
                format!("`{slice}` can only be changed inside `ct_commit {{ ... }}`")
            }
            (_, Scope::CtCommit) => {
                format!("`{slice}` cannot be changed inside `ct_commit {{ ... }}`")
            }
            _ => return Ok(()),
        };
        Err(self.parser.error_from(at, message))
    }

    /// `(ct_mark=1, ct_label=2/3)`, as OVN wrote the constants that a connection is remembered with before there were
    /// braces.
    fn commit_arguments(&mut self) -> Result<Action, Error> {
        self.parser.expect("(")?;
        let outer = std::mem::replace(&mut self.scope, Scope::CtCommit);
        let mut loads = Vec::new();
        while !self.parser.accept(")") {
            loads.push(self.assignment()?);
            self.separator()?;
        }
        self.scope = outer;
        Ok(Action::CtCommit(Actions(loads)))
    }

    /// Whether one field can be copied to the other.
    fn check_alike(&self, target: Slice, source: Slice, at: usize) -> Result<(), Error> {
        if target.is_port() != source.is_port() {
            let (port, number) = if target.is_port() {
                (target, source)
            } else {
                (source, target)
            };
            let message = format!("`{port}` is a port and `{number}` a number");
            return Err(self.parser.error_from(at, message));
        }
        self.check_width(source, target.width(), at)
    }

    pub(super) fn check_width(&self, slice: Slice, width: u8, at: usize) -> Result<(), Error> {
        if slice.width() == width {
            return Ok(());
        }
        let message = format!(
            "`{slice}` has {} bits where {width} are needed",
            slice.width()
        );
        Err(self.parser.error_from(at, message))
    }

    /// A word out of a list, such as a verdict.
    fn word<T>(&mut self, named: fn(&str) -> Option<T>, expected: &str) -> Result<T, Error> {
        let found = match self.parser.peek() {
            Token::Name(word) => named(word),
            _ => None,
        };
        let value = found.ok_or_else(|| self.parser.unexpected(expected))?;
        self.parser.next();
        Ok(value)
    }

    pub(super) fn zone(&mut self) -> Result<Zone, Error> {
        self.word(Zone::named, "`dnat` or `snat`")
    }

    pub(super) fn pipeline(&mut self) -> Result<Pipeline, Error> {
        self.word(Pipeline::named, "`ingress` or `egress`")
    }

    pub(super) fn transport(&mut self) -> Result<Transport, Error> {
        self.word(Transport::named, "`tcp`, `udp` or `sctp`")
    }

    fn log(&mut self) -> Result<Action, Error> {
        let (mut name, mut meter) = (None, None);
        let (mut verdict, mut severity) = (Verdict::Allow, Severity::Info);
        self.parser.expect("(")?;
        while !self.parser.accept(")") {
            if self.accept_key("verdict")? {
                verdict = self.word(Verdict::named, "`allow`, `drop`, `reject` or `pass`")?;
            } else if self.accept_key("severity")? {
                let words = "`alert`, `warning`, `notice`, `info` or `debug`";
                severity = self.word(Severity::named, words)?;
            } else if self.accept_key("name")? {
                name = Some(self.parser.text("a name in double quotes")?);
            } else if self.accept_key("meter")? {
                meter = Some(self.parser.text("the name of a meter in double quotes")?);
            } else {
                return Err(self
                    .parser
                    .unexpected("`name`, `verdict`, `severity` or `meter`"));
            }
            self.separator()?;
        }
        Ok(Action::Log {
            name,
            verdict,
            severity,
            meter,
        })
    }

    fn sample(&mut self) -> Result<Action, Error> {
        let (mut probability, mut collector_set, mut domain) = (0, 0, 0);
        let mut point = ObservationPoint::Number(0);
        let at = self.parser.position();
        self.parser.expect("(")?;
        while !self.parser.accept(")") {
            if self.accept_key("probability")? {
                probability = self.uint16("a probability up to 65535")?;
            } else if self.accept_key("collector_set")? {
                collector_set = self.number(u32::MAX.into(), "a number of 32 bits")? as u32;
            } else if self.accept_key("obs_domain")? {
                domain = self.number(255, "a number of 8 bits")? as u8;
            } else if self.accept_key("obs_point")? {
                point = self.observation_point()?;
            } else {
                let words = "`probability`, `collector_set`, `obs_domain` or `obs_point`";
                return Err(self.parser.unexpected(words));
            }
            self.separator()?;
        }
        if probability == 0 {
            let message = "sample needs `probability`, from 1 to 65535";
            return Err(self.parser.error_from(at, message));
        }
        Ok(Action::Sample {
            probability,
            collector_set,
            domain,
            point,
        })
    }
}
