//! The logical language: what is read, is printed, is the same when it is read again, packed or not; the normal form
//! stays within its limits; template variables stand for anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use logic::{Constant, Environment, Limits, Packed, Str, Symbols, parse_actions, parse_match};

/// A world with one of everything.
struct World;

impl Environment for World {
    fn address_set(&self, name: &str) -> Option<Arc<[Constant]>> {
        (name.len() < 4).then(|| Arc::new([]) as Arc<[Constant]>)
    }

    fn port_group(&self, name: &str) -> Option<Arc<[Str]>> {
        (name.len() < 4).then(|| Arc::new(["a".into(), "b".into()]) as Arc<[Str]>)
    }

    fn port_key(&self, name: &str) -> Option<u32> {
        u32::try_from(name.len()).ok()
    }

    fn is_resident(&self, port: &str) -> bool {
        port.len() % 2 == 0
    }
}

/// Reads the text as a match and as actions. Lines before the last give variables values.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (lines, text) = text.rsplit_once('\n').unwrap_or(("", text));
    let values = lines.lines().filter_map(|line| line.split_once('='));
    let values: BTreeMap<Str, Str> = values
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    templates(text, &values);
    plain(text, Symbols::ct_translation());
    plain(text, Symbols::ovn());
}

/// An error is at a place in the text as it is written.
fn templates(text: &str, values: &BTreeMap<Str, Str>) {
    let within = |error: &logic::Error| error.column <= text.chars().count() + 1;
    let read = logic::expand_match(text, Symbols::ovn(), values);
    assert!(read.as_ref().err().is_none_or(within), "{read:?}");
    let read = logic::expand_actions(text, Symbols::ovn(), values);
    assert!(read.as_ref().err().is_none_or(within), "{read:?}");
    let _ = logic::check_match(text, Symbols::ovn());
}

fn plain(text: &str, symbols: &'static Symbols) {
    if let Ok(expr) = parse_match(text, symbols) {
        let printed = expr.to_string();
        let again = parse_match(&printed, symbols).expect(&printed);
        assert_eq!(again, expr, "{printed}");
        assert_eq!(Packed::new(&expr).unpack(), expr, "{printed}");
        let _ = expr.references();
        let limits = Limits {
            conjuncts: 200,
            ..Limits::default()
        };
        if let Ok(normal) = expr.normalise(&World, limits) {
            assert!(normal.conjuncts.len() <= limits.conjuncts);
        }
    }
    if let Ok(actions) = parse_actions(text, symbols) {
        let printed = actions.to_string();
        let again = parse_actions(&printed, symbols).expect(&printed);
        assert_eq!(again, actions, "{printed}");
        let _ = (actions.prerequisites(), actions.ports());
    }
}
