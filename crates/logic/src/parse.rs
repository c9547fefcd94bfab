//! Text to expression. The grammar is ovn-sb(5)'s, "Logical_Flow", `match`.

use crate::expr::{Comparison, Expr, Relation, Value};
use crate::lexer::{Placed, Token, error_at, tokens};
use crate::near::hint;
use crate::{Constant, Error, Field, Format, Kind, Level, Scope, Slice, Str, Symbol, Symbols};

/// The one function that a match can call.
const RESIDENCY: &str = "is_chassis_resident";

/// How deep parentheses and `!` may nest.
const MAX_DEPTH: usize = 100;

/// Reads a match expression.
///
/// # Errors
///
/// The first thing that is not in the language, with its column.
pub fn parse_match(text: &str, symbols: &Symbols) -> Result<Expr, Error> {
    let mut parser = Parser::new(text, symbols)?;
    let expr = parser.expression(false, 0)?;
    match parser.peek() {
        Token::End => Ok(expr),
        _ => Err(parser.unexpected("`&&`, `||` or the end of the expression")),
    }
}

/// [`parse_match`] with all of OVN's symbols.
///
/// # Errors
///
/// As [`parse_match`].
pub fn parse_match_with(text: &str) -> Result<Expr, Error> {
    parse_match(text, Symbols::ovn())
}

/// A position in a list of tokens; the action parser uses it too.
pub(crate) struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Placed<'a>>,
    at: usize,
    symbols: &'a Symbols,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(text: &'a str, symbols: &'a Symbols) -> Result<Self, Error> {
        Ok(Self {
            text,
            tokens: tokens(text)?,
            at: 0,
            symbols,
        })
    }

    pub(crate) fn peek(&self) -> &Token<'a> {
        &self.tokens[self.at].token
    }

    /// The token after the next one.
    pub(crate) fn peek_second(&self) -> &Token<'a> {
        &self.tokens[(self.at + 1).min(self.tokens.len() - 1)].token
    }

    pub(crate) fn next(&mut self) -> Token<'a> {
        let token = self.peek().clone();
        self.skip();
        token
    }

    fn skip(&mut self) {
        // The last token is `End`, which stays for ever.
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// An error at the next token.
    pub(crate) fn error(&self, message: impl Into<String>) -> Error {
        self.error_from(self.at, message)
    }

    /// An error that began at an earlier token, whose name it carries.
    pub(crate) fn error_from(&self, position: usize, message: impl Into<String>) -> Error {
        let placed = &self.tokens[position.min(self.tokens.len() - 1)];
        error_at(self.text, placed.start, placed.end, message)
    }

    pub(crate) fn unexpected(&self, expected: &str) -> Error {
        if let Token::Template(name) = self.peek() {
            return self.error(format!("the template variable ^{name} has no value here"));
        }
        self.error(format!("{expected} was expected"))
    }

    pub(crate) fn is(&self, sign: &str) -> bool {
        matches!(self.peek(), Token::Sign(found) if *found == sign)
    }

    pub(crate) fn accept(&mut self, sign: &str) -> bool {
        let found = self.is(sign);
        if found {
            self.skip();
        }
        found
    }

    pub(crate) fn expect(&mut self, sign: &str) -> Result<(), Error> {
        if self.accept(sign) {
            Ok(())
        } else {
            Err(self.unexpected(&format!("`{sign}`")))
        }
    }

    pub(crate) fn accept_name(&mut self, name: &str) -> bool {
        let found = matches!(self.peek(), Token::Name(found) if *found == name);
        if found {
            self.skip();
        }
        found
    }

    pub(crate) fn text(&mut self, what: &str) -> Result<Str, Error> {
        match self.peek().clone() {
            Token::Text(text) => {
                self.skip();
                Ok(text)
            }
            _ => Err(self.unexpected(what)),
        }
    }

    /// A field symbol with its bits.
    pub(crate) fn slice(&mut self) -> Result<Slice, Error> {
        let start = self.at;
        let symbol = self.symbol("the name of a field")?;
        self.bits_of(symbol, start)
    }

    fn symbol(&mut self, expected: &str) -> Result<&'static Symbol, Error> {
        let Token::Name(name) = self.peek() else {
            return Err(self.unexpected(expected));
        };
        let symbol = self.symbols.find(name);
        let symbol = symbol.ok_or_else(|| self.unknown_symbol(name))?;
        self.skip();
        Ok(symbol)
    }

    /// The bits of a symbol whose name was just read, at `start`.
    fn bits_of(&mut self, symbol: &'static Symbol, start: usize) -> Result<Slice, Error> {
        let name = symbol.name();
        let Some(whole) = Slice::whole(symbol) else {
            return Err(self.error_from(start, format!("`{name}` is a predicate, not a field")));
        };
        if !self.accept("[") {
            return Ok(whole);
        }
        let first = self.bit_number()?;
        let last = if self.accept("..") {
            self.bit_number()?
        } else {
            first
        };
        self.expect("]")?;
        if symbol.is_port() || symbol.level() != Level::Ordinal {
            let message = format!("`{name}` has no single bits to look at");
            return Err(self.error_from(start, message));
        }
        Slice::part(symbol, first, last).ok_or_else(|| {
            let highest = symbol.width() - 1;
            let message = format!("`{name}` has the bits 0 to {highest}, low..high");
            self.error_from(start, message)
        })
    }

    fn unknown_symbol(&self, name: &str) -> Error {
        if let Token::Sign("(") = self.peek_second() {
            let hint = hint(name, [RESIDENCY]);
            return self.error(format!("there is no function called `{name}` here{hint}"));
        }
        let hint = hint(name, self.symbols.iter().map(|symbol| symbol.name()));
        self.error(format!(
            "there is no field or predicate called `{name}`{hint}"
        ))
    }

    fn bit_number(&mut self) -> Result<u8, Error> {
        match *self.peek() {
            Token::Number(Constant {
                value,
                mask: None,
                format: Format::Decimal,
            }) if value < 128 => {
                self.skip();
                Ok(value as u8)
            }
            _ => Err(self.unexpected("the number of a bit")),
        }
    }

    /// `a && b && c` or `a || b || c`. `negated` says whether an odd number of `!` is around it.
    fn expression(&mut self, negated: bool, depth: usize) -> Result<Expr, Error> {
        if depth > MAX_DEPTH {
            return Err(self.error(format!("parentheses nest deeper than {MAX_DEPTH}")));
        }
        let mut parts = vec![self.primary(negated, depth)?];
        let operator = match self.peek() {
            Token::Sign(sign @ ("&&" | "||")) => *sign,
            _ => return Ok(parts.remove(0)),
        };
        while self.accept(operator) {
            parts.push(self.primary(negated, depth)?);
        }
        if self.is("&&") || self.is("||") {
            return Err(self.error("`&&` and `||` need parentheses when they stand side by side"));
        }
        Ok(if operator == "&&" {
            Expr::and(parts)
        } else {
            Expr::or(parts)
        })
    }

    fn primary(&mut self, negated: bool, depth: usize) -> Result<Expr, Error> {
        if self.accept("(") {
            let inner = self.expression(negated, depth + 1)?;
            self.expect(")")?;
            return Ok(inner);
        }
        let start = self.at;
        if self.accept("!") {
            if depth >= MAX_DEPTH {
                return Err(self.error(format!("`!` nests deeper than {MAX_DEPTH}")));
            }
            let bare = !self.is("(");
            let inner = self.primary(!negated, depth + 1)?;
            if bare && self.at > start + 2 && self.was_comparison(start + 1) {
                let message = "`!` in front of a comparison needs parentheses around it";
                return Err(self.error_from(start, message));
            }
            return Ok(inner.not());
        }
        match self.peek() {
            Token::Name(RESIDENCY) => self.residency(),
            Token::Name(_) => self.symbol_first(negated),
            Token::Number(Constant {
                value: value @ (0 | 1),
                mask: None,
                ..
            }) if self.relation_of(self.peek_second()).is_none() => {
                let truth = *value == 1;
                self.skip();
                Ok(Expr::Const(truth))
            }
            Token::Number(_)
            | Token::Text(_)
            | Token::Set(_)
            | Token::Group(_)
            | Token::Sign("{") => self.constant_first(negated),
            _ => Err(self.unexpected("a field, a predicate, a constant, `!` or `(`")),
        }
    }

    /// Whether one of the tokens from `start` on that were read is a relation.
    fn was_comparison(&self, start: usize) -> bool {
        self.tokens[start..self.at]
            .iter()
            .any(|p| self.relation_of(&p.token).is_some())
            && !matches!(self.tokens[start].token, Token::Sign("!"))
    }

    fn relation_of(&self, token: &Token<'_>) -> Option<Relation> {
        Some(match token {
            Token::Sign("==") => Relation::Equal,
            Token::Sign("!=") => Relation::NotEqual,
            Token::Sign("<") => Relation::Less,
            Token::Sign("<=") => Relation::LessOrEqual,
            Token::Sign(">") => Relation::Greater,
            Token::Sign(">=") => Relation::GreaterOrEqual,
            _ => return None,
        })
    }

    fn accept_relation(&mut self) -> Option<Relation> {
        let relation = self.relation_of(self.peek())?;
        self.skip();
        Some(relation)
    }

    fn residency(&mut self) -> Result<Expr, Error> {
        self.skip();
        self.expect("(")?;
        let port = self.text("the name of a port in double quotes")?;
        self.expect(")")?;
        Ok(Expr::Resident(port))
    }

    /// `symbol`, or `symbol relation constants`.
    fn symbol_first(&mut self, negated: bool) -> Result<Expr, Error> {
        let start = self.at;
        let symbol = self.symbol("a field or a predicate")?;
        if let Kind::Predicate(_) = symbol.kind() {
            return self.predicate(symbol, start, negated);
        }
        let operand = self.matchable(symbol, start)?;
        let Some(relation) = self.accept_relation() else {
            return self.bare(operand, start, negated);
        };
        let comparison = self.comparison(start, operand, relation, negated)?;
        if self.relation_of(self.peek()).is_some() {
            return Err(
                self.error("a range is written `low < field < high`, the field in the middle")
            );
        }
        Ok(comparison)
    }

    /// A predicate whose name was just read, by itself or compared with 0 or 1.
    fn predicate(
        &mut self,
        symbol: &'static Symbol,
        start: usize,
        negated: bool,
    ) -> Result<Expr, Error> {
        let name = symbol.name();
        let value = match self.accept_relation() {
            None => true,
            Some(relation) => self.truth(relation, name)?,
        };
        if symbol.level() == Level::Nominal && value == negated {
            let message = format!(
                "`{name}` may only be tested positively: `{name}`, not `!{name}` or `{name} == 0`"
            );
            return Err(self.error_from(start, message));
        }
        let predicate = Expr::Predicate(symbol);
        Ok(if value { predicate } else { predicate.not() })
    }

    /// A field by itself: a bit that is 1, or below `!` a number that is 0.
    fn bare(&self, operand: Slice, start: usize, negated: bool) -> Result<Expr, Error> {
        if operand.width() == 1 && !operand.is_port() {
            return Ok(Expr::Bit(operand));
        }
        if negated && !operand.is_port() {
            return Ok(Expr::Compare(Comparison {
                operand,
                relation: Relation::NotEqual,
                values: vec![Value::Number(Constant::number(0))],
            }));
        }
        let example = if operand.is_port() {
            "== \"name\""
        } else {
            "!= 0"
        };
        let message = format!("`{operand}` needs a comparison, such as `{operand} {example}`");
        Err(self.error_from(start, message))
    }

    /// The bits of a symbol whose name was just read, which can be matched.
    fn matchable(&mut self, symbol: &'static Symbol, start: usize) -> Result<Slice, Error> {
        let slice = self.bits_of(symbol, start)?;
        if symbol.scope() == Scope::IcmpError {
            return Err(self.error_from(start, format!("`{slice}` can only be set, not matched")));
        }
        Ok(slice)
    }

    /// The constant that a predicate is compared with.
    fn truth(&mut self, relation: Relation, name: &str) -> Result<bool, Error> {
        let value = match *self.peek() {
            Token::Number(Constant {
                value: value @ (0 | 1),
                mask: None,
                ..
            }) => value == 1,
            _ => return Err(self.unexpected(&format!("0 or 1, which is all `{name}` can be,"))),
        };
        self.skip();
        match relation {
            Relation::Equal => Ok(value),
            Relation::NotEqual => Ok(!value),
            _ => Err(self.error(format!("`{name}` can only be compared with == and !="))),
        }
    }

    /// `constants relation symbol`, or `constant < symbol < constant`.
    fn constant_first(&mut self, negated: bool) -> Result<Expr, Error> {
        let first_at = self.at;
        let (_, braces) = self.values()?;
        let after_values = self.at;
        let Some(left) = self.accept_relation() else {
            return Err(self.unexpected("`==`, `!=`, `<`, `<=`, `>` or `>=`"));
        };
        let start = self.at;
        let symbol = self.symbol("a field")?;
        if let Kind::Predicate(_) = symbol.kind() {
            let name = symbol.name();
            let message = format!("write `{name}` first: `{name} == 1`");
            return Err(self.error_from(start, message));
        }
        let operand = self.matchable(symbol, start)?;
        let after = self.at;
        // The constants are read again now that the field is known.
        self.at = first_at;
        let lower = self.comparison(start, operand, left.swapped(), negated)?;
        debug_assert_eq!(self.at, after_values);
        self.at = after;
        let Some(right) = self.accept_relation() else {
            return Ok(lower);
        };
        let rising = |r: Relation| matches!(r, Relation::Less | Relation::LessOrEqual);
        let falling = |r: Relation| matches!(r, Relation::Greater | Relation::GreaterOrEqual);
        if braces || !(rising(left) && rising(right) || falling(left) && falling(right)) {
            let message = "a range is written `low < field < high` or `high > field > low`";
            return Err(self.error_from(after, message));
        }
        let upper = self.comparison(start, operand, right, negated)?;
        Ok(Expr::and([lower, upper]))
    }

    /// The constants after a relation, checked against the field.
    fn comparison(
        &mut self,
        start: usize,
        operand: Slice,
        relation: Relation,
        negated: bool,
    ) -> Result<Expr, Error> {
        let equality = matches!(relation, Relation::Equal | Relation::NotEqual);
        let wanted = if negated {
            Relation::NotEqual
        } else {
            Relation::Equal
        };
        if operand.symbol().level() == Level::Nominal && relation != wanted {
            let message =
                format!("`{operand}` may only be tested for equality, counting every `!`");
            return Err(self.error_from(start, message));
        }
        let values_at = self.at;
        let (values, braces) = self.values()?;
        let masked = |v: &Value| matches!(v, Value::Number(Constant { mask: Some(_), .. }));
        let single_number = matches!(values.as_slice(), [Value::Number(_)])
            && !values.iter().any(masked)
            && !braces;
        if !equality && !single_number {
            let message = format!("`{relation}` needs a single number without a mask");
            return Err(self.error_from(values_at, message));
        }
        for (number, value) in values.iter().enumerate() {
            let at = || self.member_position(values_at, number);
            self.check_value(operand, value, at)?;
            if operand.symbol().level() == Level::Nominal && masked(value) {
                let message =
                    format!("`{operand}` is compared as a whole: a mask has no meaning here");
                return Err(self.error_from(at(), message));
            }
        }
        if operand.width() == 1
            && single_number
            && equality
            && let [Value::Number(constant)] = values.as_slice()
        {
            let positive = (constant.value == 1) == (relation == Relation::Equal);
            let bit = Expr::Bit(operand);
            return Ok(if positive { bit } else { bit.not() });
        }
        Ok(Expr::Compare(Comparison {
            operand,
            relation,
            values,
        }))
    }

    /// One constant, or several in braces; also says whether there were braces.
    pub(crate) fn values(&mut self) -> Result<(Vec<Value>, bool), Error> {
        if !self.accept("{") {
            return Ok((vec![self.value()?], false));
        }
        let mut values = Vec::new();
        while !self.accept("}") {
            values.push(self.value()?);
            self.accept(",");
        }
        if values.is_empty() {
            return Err(self.error_from(self.at - 1, "a set needs at least one member"));
        }
        Ok((values, true))
    }

    fn value(&mut self) -> Result<Value, Error> {
        let value = match self.peek().clone() {
            Token::Number(constant) => Value::Number(constant),
            Token::Text(text) => Value::Text(text),
            Token::Set(name) => Value::AddressSet(name.into()),
            Token::Group(name) => Value::PortGroup(name.into()),
            Token::Name(name) => {
                return Err(self.error(format!(
                    "a constant was expected, not the name `{name}`; texts stand in double quotes"
                )));
            }
            _ => return Err(self.unexpected("a constant")),
        };
        self.skip();
        Ok(value)
    }

    /// Whether a constant can be a value of the field.
    pub(crate) fn check_value(
        &self,
        operand: Slice,
        value: &Value,
        at: impl FnOnce() -> usize,
    ) -> Result<(), Error> {
        let message = match value {
            Value::Number(_) | Value::AddressSet(_) if operand.is_port() => {
                format!("`{operand}` is a port: compare it with a name in double quotes or @group")
            }
            Value::Text(_) | Value::PortGroup(_) if !operand.is_port() => {
                format!(
                    "`{operand}` is a number of {} bits, not a port name",
                    operand.width()
                )
            }
            Value::Number(constant) => match misfit(operand, constant) {
                Some(message) => message,
                None => return Ok(()),
            },
            _ => return Ok(()),
        };
        Err(self.error_from(at(), message))
    }

    /// Where a member of the set stands that begins at `at`; each is one token.
    fn member_position(&self, at: usize, number: usize) -> usize {
        let is_member = |token: &Token<'_>| !matches!(token, Token::Sign("{" | ","));
        let mut places =
            (at..self.tokens.len()).filter(|place| is_member(&self.tokens[*place].token));
        places.nth(number).unwrap_or(at)
    }
}

/// What is wrong with a number as value of the field.
fn misfit(operand: Slice, constant: &Constant) -> Option<String> {
    let (bits, width) = (constant.significant_bits(), operand.width());
    if bits > width {
        return Some(format!(
            "{constant} has {bits} bits, but `{operand}` has {width}"
        ));
    }
    let is6 = matches!(
        operand.bits().field,
        Field::Ip6Src | Field::Ip6Dst | Field::NdTarget
    );
    let is4 = matches!(
        operand.bits().field,
        Field::Ip4Src | Field::Ip4Dst | Field::ArpSpa | Field::ArpTpa
    );
    match constant.format {
        Format::Ip4 if is6 => Some(format!(
            "`{operand}` is an IPv6 address, {constant} is IPv4"
        )),
        Format::Ip6 if is4 => Some(format!(
            "`{operand}` is an IPv4 address, {constant} is IPv6"
        )),
        _ => None,
    }
}
