//! The text of flows, groups and meters: what is read, is printed, is the same when it is read again.

use openflow::Parser;

/// Reads the text as everything that there is a reader for.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let parser = Parser::default();
    if let Ok(matches) = parser.matches(text) {
        let printed = matches.to_string();
        assert_eq!(
            parser.matches(&printed).expect(&printed),
            matches,
            "{printed}"
        );
    }
    if let Ok(flow) = parser.flow(text) {
        let printed = flow.to_string();
        assert_eq!(parser.flow(&printed).expect(&printed), flow, "{printed}");
    }
    let _ = parser.actions(text);
    let _ = parser.flow_spec(text);
    if let Ok(group) = parser.group(text) {
        let printed = group.to_string();
        assert_eq!(parser.group(&printed).expect(&printed), group, "{printed}");
    }
    let _ = parser.meter(text);
}
