//! Properties over random expressions: printing and parsing are inverse, and the normal form means
//! what the expression means.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::normal::world;
use crate::bits::ones;
use crate::{
    Comparison, Constant, Expr, Field, Format, Kind, Level, Limits, Packed, Relation, Scope, Slice,
    Symbol, Symbols, Value, parse_match,
};

/// All symbols of a table that may stand in a match.
fn symbols(table: &'static Symbols) -> Vec<&'static Symbol> {
    let all = table.iter();
    all.filter(|symbol| symbol.scope() != Scope::IcmpError)
        .collect()
}

fn constant(slice: Slice, value: u128, mask: Option<u128>, hex: bool) -> Constant {
    let all = ones(slice.width());
    let format = match (slice.bits().field, slice.width()) {
        (Field::Ip4Src | Field::Ip4Dst, 32) => Format::Ip4,
        (Field::Ip6Src | Field::Ip6Dst, 128) => Format::Ip6,
        (Field::EthSrc | Field::EthDst, 48) => Format::Ethernet,
        (_, 65..) => Format::Hex,
        _ if hex => Format::Hex,
        _ => Format::Decimal,
    };
    let mask = mask.map(|mask| mask & all);
    Constant {
        value: value & all & mask.unwrap_or(all),
        mask,
        format,
    }
}

/// Numbers that collide often, so that terms overlap and contradict.
fn number() -> impl Strategy<Value = u128> {
    prop_oneof![
        0..4u128,
        (0..128u32).prop_map(|bit| 1 << bit),
        Just(u128::MAX),
        Just(0x0a00_0001),
        any::<u128>(),
    ]
}

fn port_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0..5u8).prop_map(|n| Value::Text(format!("p{n}").into())),
        Just(Value::PortGroup("pg".into())),
        Just(Value::Text("un \"known\\".into())),
    ]
}

fn comparison(table: &'static Symbols) -> impl Strategy<Value = Expr> {
    let fields: Vec<_> = symbols(table)
        .into_iter()
        .filter(|s| s.bits().is_some())
        .collect();
    let pick = proptest::sample::select(fields);
    let numbers = vec(
        (number(), proptest::option::of(number()), any::<bool>()),
        1..4,
    );
    let parts = (
        pick,
        any::<(u8, u8)>(),
        0..6u8,
        numbers,
        vec(port_value(), 1..3),
        any::<bool>(),
    );
    parts.prop_map(|(symbol, (a, b), relation, numbers, ports, set)| {
        let nominal = symbol.level() == Level::Nominal;
        let whole = Slice::whole(symbol).expect("fields only");
        let (first, last) = (a.min(b) % symbol.width(), a.max(b) % symbol.width());
        let part = if nominal {
            None
        } else {
            Slice::part(symbol, first, last)
        };
        let operand = part.unwrap_or(whole);
        let relation = if nominal {
            Relation::Equal
        } else {
            RELATIONS[usize::from(relation)]
        };
        if operand.width() == 1 {
            return Expr::Bit(operand);
        }
        let equality = matches!(relation, Relation::Equal | Relation::NotEqual);
        let mut values: Vec<Value> = if symbol.is_port() {
            ports
        } else {
            let mask = |mask: Option<u128>| if equality && !nominal { mask } else { None };
            numbers
                .into_iter()
                .map(|(value, m, hex)| Value::Number(constant(operand, value, mask(m), hex)))
                .collect()
        };
        if set && matches!(operand.bits().field, Field::Ip4Src | Field::Ip6Dst) && equality {
            values.push(Value::AddressSet("some".into()));
        }
        if !equality {
            values.retain(|v| matches!(v, Value::Number(_)));
            values.truncate(1);
        }
        Expr::Compare(Comparison {
            operand,
            relation,
            values,
        })
    })
}

const RELATIONS: [Relation; 6] = [
    Relation::Equal,
    Relation::NotEqual,
    Relation::Less,
    Relation::LessOrEqual,
    Relation::Greater,
    Relation::GreaterOrEqual,
];

fn leaf(table: &'static Symbols) -> impl Strategy<Value = Expr> {
    let predicates: Vec<_> = symbols(table)
        .into_iter()
        .filter(|s| matches!(s.kind(), Kind::Predicate(_)))
        .collect();
    prop_oneof![
        1 => any::<bool>().prop_map(Expr::Const),
        2 => proptest::sample::select(predicates).prop_map(Expr::Predicate),
        1 => prop_oneof![Just("here"), Just("there")].prop_map(|p| Expr::Resident(p.into())),
        6 => comparison(table),
    ]
}

/// Whether everything nominal is tested positively, as the language demands.
fn is_lawful(expr: &Expr, positive: bool) -> bool {
    match expr {
        Expr::Predicate(symbol) => positive || symbol.level() != Level::Nominal,
        Expr::Compare(c) => {
            let wanted = if positive {
                Relation::Equal
            } else {
                Relation::NotEqual
            };
            c.operand.symbol().level() != Level::Nominal || c.relation == wanted
        }
        Expr::Not(inner) => is_lawful(inner, !positive),
        Expr::And(parts) | Expr::Or(parts) => parts.iter().all(|part| is_lawful(part, positive)),
        Expr::Const(_) | Expr::Resident(_) | Expr::Bit(_) => true,
    }
}

fn expression() -> impl Strategy<Value = Expr> {
    expression_of(Symbols::ovn())
}

fn expression_of(table: &'static Symbols) -> impl Strategy<Value = Expr> {
    let tree = leaf(table).prop_recursive(4, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..4).prop_map(Expr::and),
            vec(inner.clone(), 2..4).prop_map(Expr::or),
            inner.prop_map(Expr::not),
        ]
    });
    tree.prop_map(|expr| {
        if is_lawful(&expr, true) {
            expr
        } else {
            positive(expr)
        }
    })
}

/// The same without `!`, which is always lawful.
fn positive(expr: Expr) -> Expr {
    match expr {
        Expr::Not(inner) => positive(*inner),
        Expr::And(parts) => Expr::and(parts.into_iter().map(positive)),
        Expr::Or(parts) => Expr::or(parts.into_iter().map(positive)),
        other => other,
    }
}

/// Texts that are nearly actions: examples of them, with some of their tokens exchanged for tokens of others.
fn statements() -> impl Strategy<Value = String> {
    let pieces = || -> Vec<String> {
        let tokens = |text: &str| -> Vec<String> {
            let tokens = crate::lexer::tokens(text).expect("examples are tokens");
            tokens
                .iter()
                .map(|it| text[it.start..it.end].to_owned())
                .collect()
        };
        crate::ACTIONS
            .iter()
            .flat_map(|info| tokens(info.example))
            .collect()
    };
    let examples =
        || proptest::sample::select(crate::ACTIONS).prop_map(|info| info.example.to_owned());
    let nested = (examples(), vec(examples(), 0..3)).prop_map(|(outer, inner)| {
        let inner = inner.join(" ");
        match outer.split_once('{') {
            Some((name, _)) => format!("{name}{{ {inner} }};"),
            None => outer + &inner,
        }
    });
    let swaps = vec(
        (
            any::<prop::sample::Index>(),
            proptest::sample::select(pieces()),
        ),
        0..3,
    );
    (vec(nested, 1..4), swaps).prop_map(|(texts, swaps)| {
        let mut text = texts.join(" ");
        for (at, piece) in swaps {
            let tokens = crate::lexer::tokens(&text).unwrap_or_default();
            if let Some(token) = tokens.get(at.index(tokens.len().max(1))) {
                text.replace_range(token.start..token.end, &piece);
            }
        }
        text
    })
}

/// A packet: protocols that exist, and for the rest the numbers that expressions use.
fn packet() -> impl Strategy<Value = Vec<u128>> {
    vec(number(), Field::MATCHABLE.len()).prop_flat_map(|values| {
        let types = proptest::sample::select(vec![0x800u128, 0x86dd, 0x806, 0x8035, 0x1234]);
        let protocols = proptest::sample::select(vec![1u128, 2, 6, 17, 58, 132, 99]);
        let icmp = proptest::sample::select(vec![130u128, 133, 134, 135, 136, 143, 0]);
        (Just(values), types, protocols, icmp).prop_map(
            |(mut values, ethertype, protocol, icmp)| {
                for (field, value) in Field::MATCHABLE.iter().zip(&mut values) {
                    *value &= field.mask();
                    match field {
                        Field::EthType => *value = ethertype,
                        Field::IpProto => *value = protocol,
                        Field::Icmp6Type => *value = icmp,
                        Field::Icmp6Code => *value &= 1,
                        Field::IpTtl if *value > 3 => *value = 255,
                        _ => {}
                    }
                }
                values
            },
        )
    })
}

fn reader(values: &[u128]) -> impl Fn(Field) -> u128 + '_ {
    |field| {
        let at = Field::MATCHABLE
            .iter()
            .position(|f| *f == field)
            .expect("a basic field");
        values[at]
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn printing_and_parsing_are_inverse(expr in expression()) {
        let text = expr.to_string();
        prop_assert_eq!(parse_match(&text, Symbols::ovn()), Ok(expr), "{}", text);
    }

    #[test]
    fn packing_and_unpacking_are_inverse(expr in expression(), other in expression()) {
        let packed = Packed::new(&expr);
        prop_assert_eq!(packed.unpack(), expr.clone());
        prop_assert_eq!(packed == Packed::new(&other), expr == other);
    }

    #[test]
    fn a_variable_stands_for_any_part_of_a_text(
        expr in expression(),
        (from, to) in any::<(prop::sample::Index, prop::sample::Index)>(),
    ) {
        let text = expr.to_string();
        let tokens = crate::lexer::tokens(&text).expect("what is printed are tokens");
        let (from, to) = (from.index(tokens.len()), to.index(tokens.len()));
        let (start, end) = (tokens[from.min(to)].start, tokens[from.max(to)].end);
        let written = format!("{}^part {}", &text[..start], &text[end..]);
        let values = BTreeMap::from([("part".into(), text[start..end].into())]);
        prop_assert_eq!(crate::variables(&written), Ok(vec!["part".into()]));
        let read = crate::expand_match(&written, Symbols::ovn(), &values);
        prop_assert_eq!(read, Ok(expr), "{} with {:?}", written, values);
    }

    #[test]
    fn what_reads_as_actions_prints_as_it_reads(text in statements()) {
        if let Ok(actions) = crate::parse_actions(&text, Symbols::ovn()) {
            let printed = actions.to_string();
            prop_assert_eq!(crate::parse_actions(&printed, Symbols::ovn()), Ok(actions), "{}", printed);
        }
    }

    #[test]
    fn the_normal_form_means_the_same(
        expr in prop_oneof![4 => expression(), 1 => expression_of(Symbols::ct_translation())],
        packets in vec(packet(), 20),
    ) {
        let world = world();
        for limits in [Limits::flat(1000), Limits { conjuncts: 1000, flat: 1 }] {
            // What is too large says so; the tests of chosen expressions see that this is rare.
            let Ok(form) = expr.normalise(&world, limits) else { continue };
            for values in &packets {
                let packet = reader(values);
                prop_assert_eq!(
                    form.holds(&packet), expr.eval(&packet, &world), "{} {:?}", expr, form
                );
            }
            // A packet made from a conjunct must satisfy the expression; random ones seldom do.
            for conjunct in form.conjuncts.iter().take(20) {
                let packet = |field| conjunct.term(field).map_or(0, |term| term.value);
                prop_assert!(expr.eval(&packet, &world), "{} {}", expr, conjunct);
            }
            for conjunctive in form.conjunctives.iter().take(20) {
                let first: Vec<_> = conjunctive.dimensions.iter().map(|d| &d[0]).collect();
                let packet = |field| {
                    first.iter().find_map(|c| c.term(field)).map_or(0, |term| term.value)
                };
                prop_assert!(expr.eval(&packet, &world), "{} {:?}", expr, conjunctive);
            }
        }
    }

    #[test]
    fn no_text_makes_the_parsers_panic(text in "[a-z0-9.:/\"$@^(){}<>=!&|,; \\[\\]\\\\-]{0,60}") {
        let _ = parse_match(&text, Symbols::ovn());
        let _ = crate::parse_actions(&text, Symbols::ovn());
    }

    #[test]
    fn no_bytes_make_the_parsers_panic(text in ".{0,60}") {
        let _ = parse_match(&text, Symbols::ovn());
        let _ = crate::parse_actions(&text, Symbols::ovn());
    }
}
