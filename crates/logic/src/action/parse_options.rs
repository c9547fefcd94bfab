//! Lists of options, as DHCP, router advertisements and events take them.

use super::OptionValue;
use super::options::OptionKind;
use super::parse::Reader;
use crate::lexer::Token;
use crate::near::hint;
use crate::{Constant, Error, Format, OptionDef, Value};

impl Reader<'_> {
    /// `(name = value, ...)` with names out of `table`.
    pub(super) fn options(
        &mut self,
        table: &'static [OptionDef],
        what: &str,
    ) -> Result<Vec<OptionValue>, Error> {
        self.parser.expect("(")?;
        self.options_until_end(table, what)
    }

    pub(super) fn options_until_end(
        &mut self,
        table: &'static [OptionDef],
        what: &str,
    ) -> Result<Vec<OptionValue>, Error> {
        let mut options = Vec::new();
        while !self.parser.accept(")") {
            let &Token::Name(name) = self.parser.peek() else {
                return Err(self
                    .parser
                    .unexpected(&format!("the name of a {what} option")));
            };
            let Some(option) = table.iter().find(|option| option.name == name) else {
                let hint = hint(name, table.iter().map(|option| option.name));
                let message = format!("there is no {what} option called `{name}`{hint}");
                return Err(self.parser.error(message));
            };
            self.parser.next();
            self.parser.expect("=")?;
            options.push(self.option_value(option)?);
            self.parser.accept(",");
        }
        Ok(options)
    }

    fn option_value(&mut self, option: &'static OptionDef) -> Result<OptionValue, Error> {
        let at = self.parser.position();
        let (values, _) = self.parser.values()?;
        if option.kind.accepts(&values) {
            return Ok(OptionValue { option, values });
        }
        let message = format!(
            "the option `{}` takes {}",
            option.name,
            option.kind.wanted()
        );
        Err(self.parser.error_from(at, message))
    }
}

impl OptionKind {
    /// Whether values are of this type.
    fn accepts(self, values: &[Value]) -> bool {
        let numbers = |test: &dyn Fn(&Constant) -> bool| {
            values
                .iter()
                .all(|value| matches!(value, Value::Number(number) if test(number)))
        };
        let single = |test: &dyn Fn(&Constant) -> bool| values.len() == 1 && numbers(test);
        let text = matches!(values, [Value::Text(_)]);
        let plain = |constant: &Constant, highest: u128| {
            constant.mask.is_none()
                && constant.format.width().is_none()
                && constant.value <= highest
        };
        match self {
            Self::Bool => single(&|c| plain(c, 1)),
            Self::Uint8 => single(&|c| plain(c, u8::MAX.into())),
            Self::Uint16 => single(&|c| plain(c, u16::MAX.into())),
            Self::Uint32 => single(&|c| plain(c, u32::MAX.into())),
            Self::Ip4 => numbers(&|c| c.format == Format::Ip4),
            Self::Ip6 => numbers(&|c| c.format == Format::Ip6),
            Self::Mac => single(&|c| c.format == Format::Ethernet),
            Self::Text | Self::Domains | Self::Domain => text,
            Self::StaticRoutes => {
                values.len().is_multiple_of(2) && numbers(&|c| c.format == Format::Ip4)
            }
            Self::HostId => text || single(&|c| c.format == Format::Ip4),
        }
    }

    /// What an option of this type takes, in words.
    pub const fn wanted(self) -> &'static str {
        match self {
            Self::Bool => "0 or 1",
            Self::Uint8 => "a number up to 255",
            Self::Uint16 => "a number up to 65535",
            Self::Uint32 => "a number up to 4294967295",
            Self::Ip4 => "IPv4 addresses",
            Self::Ip6 => "IPv6 addresses",
            Self::Mac => "a MAC address",
            Self::Text => "a text in double quotes",
            Self::Domains => "domain names separated by commas in double quotes",
            Self::Domain => "a domain name in double quotes",
            Self::StaticRoutes => "pairs of an IPv4 network and a router in braces",
            Self::HostId => "an IPv4 address, or a host name in double quotes",
        }
    }
}
