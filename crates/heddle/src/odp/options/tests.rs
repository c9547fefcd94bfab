//! Options as people write them.

use clap::Parser;
use odp::Format;

use super::*;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    flags: Flags,
}

fn names() -> PortNames {
    let ports = [(1, "ethx"), (2, "vx"), (3, "gnv0")];
    ports
        .map(|(number, name)| (PortNo(number), name.to_owned()))
        .into_iter()
        .collect()
}

fn parse(words: &[&str]) -> anyhow::Result<FlowOptions> {
    let words = std::iter::once(&"odp").chain(words);
    read(&Command::try_parse_from(words)?.flags, &names())
}

fn text(words: &[&str]) -> String {
    let options = parse(words).unwrap();
    let format = Format::default();
    format!(
        "{} -> {}",
        options.matches,
        format.actions(&options.actions)
    )
}

fn error(words: &[&str]) -> String {
    format!("{:#}", parse(words).unwrap_err())
}

#[test]
fn the_walk_through_of_the_seed_is_understood() {
    let words = [
        "--in-port=ethx",
        "--set-tunnel-ipv4-src=10.0.0.112",
        "--set-tunnel-ipv4-dst=10.0.0.113",
        "--set-tunnel-ttl=64",
        "--output=vx",
    ];
    assert_eq!(
        text(&words),
        "in_port(1),eth() -> set(tunnel(src=10.0.0.112,dst=10.0.0.113,ttl=64,flags(0))),2"
    );
}

/// The peer sets first and puts out last, whatever was said.
#[test]
fn actions_keep_their_order() {
    let words = [
        "--output=ethx",
        "--set-tunnel-ipv4-dst=10.0.0.1",
        "--output=vx",
        "--actions=pop_vlan",
        "--set-tunnel-ipv4-dst=10.0.0.2",
        "--output=vx,gnv0",
    ];
    assert_eq!(
        text(&words),
        "eth() -> 1,set(tunnel(dst=10.0.0.1,ttl=64,flags(0))),2,pop_vlan,\
         set(tunnel(dst=10.0.0.2,ttl=64,flags(0))),2,3"
    );
}

/// The peer takes no notice of the first where the second is right.
#[test]
fn a_bad_source_is_refused_beside_a_good_destination() {
    let words = ["--eth-src=nonsense", "--eth-dst=00:00:00:00:00:01"];
    assert_eq!(
        error(&words),
        "--eth-src=nonsense: not an Ethernet address (expected xx:xx:xx:xx:xx:xx)"
    );
}

/// The peer forgets it when nothing else of the tunnel is said.
#[test]
fn fragmentation_alone_makes_a_tunnel_count() {
    assert_eq!(
        text(&["--tunnel-df", "--output=1"]),
        "tunnel(flags(+df)),eth() -> 1"
    );
    let options = parse(&["--tunnel-df=false"]).unwrap();
    let tunnel = options.matches.mask.unwrap().tunnel().unwrap().clone();
    assert!(tunnel.dont_fragment && !tunnel.checksum);
}

#[test]
fn masks_are_taken_in_three_ways() {
    let mask = "eth(src=02:00:00:00:00:01/ff:ff:ff:00:00:00) -> drop";
    for between in ["/", "&", ":"] {
        let word = format!("--eth-src=02:00:00:00:00:01{between}ff:ff:ff:00:00:00");
        assert_eq!(text(&[&word]), mask);
    }
    let words = ["--tunnel-id=0x10/0xf0", "--tunnel-tos=4/12"];
    assert!(text(&words).starts_with("tunnel(tun_id=0x10/0xf0,tos=0x4/0xc"));
}

#[test]
fn what_is_not_understood_is_named() {
    assert_eq!(
        error(&["--output=nowhere"]),
        "--output=nowhere: there is no port nowhere in this datapath"
    );
    assert_eq!(
        error(&["--tunnel-id=10"]),
        "--tunnel-id=10: write sixteen hexadecimal digits, or fewer after 0x"
    );
    assert!(error(&["--set-tunnel-id=0x1"]).contains("say --output after it"));
    assert!(error(&["--key=ipv4("]).starts_with("--key=ipv4(: a known field or"));
}

#[test]
fn a_flow_is_written_as_it_is_said() {
    for line in [
        "--in-port=ethx --output=vx",
        "--in-port=vx --eth-src=02:00:00:00:00:01/ff:ff:ff:00:00:00 --eth-dst=02:00:00:00:00:02",
        "--in-port=vx --tunnel-id=000000000000002a --tunnel-ipv4-src=10.0.0.1 --tunnel-df=false --output=ethx",
        "--in-port=ethx --set-tunnel-id=0000000000000007 --set-tunnel-ipv4-dst=10.0.0.1 --set-tunnel-ttl=9 --output=vx,gnv0",
        "--in-port=ethx --actions=pop_vlan --output=vx --actions=ct_clear --output=gnv0",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let options = parse(&words).unwrap();
        assert_eq!(write(&options.matches, &options.actions, &names()), line);
    }
}

#[test]
fn what_has_no_option_is_written_in_the_words_of_dpctl() {
    let words = [
        "--in-port=1",
        "--key=eth_type(0x0806),arp(op=1)",
        "--actions=push_vlan(vid=7,pcp=0)",
    ];
    let options = parse(&words).unwrap();
    let text = write(&options.matches, &options.actions, &names());
    assert_eq!(
        text,
        "--in-port=ethx --key='eth_type(0x0806),arp(op=1)' --actions='push_vlan(vid=7,pcp=0)'"
    );
}
