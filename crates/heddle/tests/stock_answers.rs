//! The same lines for stock clients, over stock programs and over ours: the same answers, errors included.
//!
//! What may differ is left out of the comparison: UUIDs, the folder, the clients' own log lines, and the
//! order of lines, which follows the UUIDs.

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use support::heddle;
use testbed::{Central, Centre, Database, Scratch};

const UUID: usize = 36;

/// What a shell says to each line, with the exit status.
fn answers(kind: Central, lines: &[&str]) -> Result<Vec<String>> {
    let scratch = Scratch::new()?;
    let mut centre = Centre::start(kind, heddle(), &scratch)?;
    Database::open(&centre.northbound(), "OVN_Northbound")?;
    Database::open(&centre.southbound(), "OVN_Southbound")?;
    let answers = lines
        .iter()
        .map(|line| answer(line, &centre, scratch.path()));
    let answers = answers.collect::<Result<Vec<_>>>()?;
    centre.expect_alive()?;
    Ok(answers)
}

fn answer(line: &str, centre: &Centre, folder: &Path) -> Result<String> {
    let output = Command::new("timeout")
        .args(["20", "sh", "-c", line])
        .env("OVN_NB_DB", centre.northbound())
        .env("OVN_SB_DB", centre.southbound())
        .env("LC_ALL", "C")
        .output()
        .context("cannot run a shell")?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said)?.replace(&folder.display().to_string(), "FOLDER");
    let mut lines: Vec<String> = said
        .lines()
        .filter(|line| !line.contains("|WARN|"))
        // What follows tells the two rows in an order that follows their UUIDs.
        .filter_map(|line| line.split(" table to have identical values").next())
        .map(|line| without_uuids(line.trim()))
        .collect();
    lines.sort_unstable();
    Ok(format!(
        "{}\nstatus {:?}",
        lines.join("\n"),
        output.status.code()
    ))
}

fn without_uuids(line: &str) -> String {
    let (mut rest, mut text) = (line, String::new());
    while let Some(first) = rest.chars().next() {
        let found = rest.get(..UUID).is_some_and(is_uuid);
        text += if found {
            "UUID"
        } else {
            &rest[..first.len_utf8()]
        };
        rest = &rest[if found { UUID } else { first.len_utf8() }..];
    }
    text
}

fn is_uuid(text: &str) -> bool {
    text.char_indices().all(|(at, c)| match at {
        8 | 13 | 18 | 23 => c == '-',
        _ => c.is_ascii_hexdigit(),
    })
}

/// Gives both sides the lines; fails with every line to which they answer differently.
fn expect_same(lines: &str) -> Result<()> {
    let lines: Vec<&str> = lines
        .lines()
        .map(str::trim)
        .filter(|it| !it.is_empty())
        .collect();
    let (stock, ours) = std::thread::scope(|scope| {
        let stock = scope.spawn(|| answers(Central::Stock, &lines));
        let ours = answers(Central::Heddle, &lines);
        (stock.join().expect("the other side does not panic"), ours)
    });
    let (stock, ours) = (stock?, ours?);
    let different: BTreeMap<&str, (&String, &String)> = (lines.iter().zip(stock.iter().zip(&ours)))
        .filter(|(_, (stock, ours))| stock != ours)
        .map(|(line, pair)| (*line, pair))
        .collect();
    ensure!(different.is_empty(), "(stock, ours): {different:#?}");
    // Lines that all fail would be the same, too.
    let good = ours.iter().filter(|text| text.ends_with("status Some(0)"));
    ensure!(
        good.count() * 2 > lines.len(),
        "most lines failed: {ours:#?}"
    );
    Ok(())
}

#[test]
fn switches_ports_and_rules() -> Result<()> {
    expect_same(
        r#"
        ovn-nbctl --wait=sb ls-add s1
        ovn-nbctl ls-add s1
        ovn-nbctl --may-exist ls-add s1
        ovn-nbctl --bogus show
        ovn-nbctl nosuchcommand
        ovn-nbctl ls-del nosuch
        ovn-nbctl --if-exists ls-del nosuch
        ovn-nbctl lsp-add s1 p1
        ovn-nbctl lsp-add s1 p1
        ovn-nbctl lsp-add nosuch p9
        ovn-nbctl lsp-set-addresses p1 garbage
        ovn-nbctl lsp-set-addresses p1 '00:00:00:00:00:01 192.168.9.2'
        ovn-nbctl lsp-get-addresses p1
        ovn-nbctl lsp-set-port-security p1 '00:00:00:00:00:01 192.168.9.2'
        ovn-nbctl lsp-get-port-security p1
        ovn-nbctl lsp-set-enabled p1 disabled
        ovn-nbctl lsp-get-enabled p1
        ovn-nbctl lsp-set-enabled p1 enabled
        ovn-nbctl lsp-get-up p1
        ovn-nbctl lsp-set-options p1 a=b c=d
        ovn-nbctl lsp-get-options p1
        ovn-nbctl lsp-list s1
        ovn-nbctl acl-add s1 to-lport 1000 'tcp.dst == 80' allow-related
        ovn-nbctl acl-add s1 to-lport 1000 'tcp.dst == 80' allow-related
        ovn-nbctl --may-exist acl-add s1 to-lport 1000 'tcp.dst == 80' allow-related
        ovn-nbctl --log --name=n1 --severity=info acl-add s1 from-lport 1001 ip4 drop
        ovn-nbctl acl-add s1 sideways 1000 ip drop
        ovn-nbctl acl-add s1 to-lport 99999 ip drop
        ovn-nbctl set acl n1 priority=40000
        ovn-nbctl acl-list s1
        ovn-nbctl pg-add g1 p1
        ovn-nbctl pg-add g1 p1
        ovn-nbctl --type=port-group acl-add g1 from-lport 1002 'inport == @g1 && ip6' drop
        ovn-nbctl acl-list g1
        ovn-nbctl pg-set-ports g1 nosuch
        ovn-nbctl pg-get-ports g1
        ovn-nbctl create address_set name=as1 addresses=10.1.1.1,10.1.1.2
        ovn-nbctl create address_set name=as1
        ovn-nbctl --bare --columns=addresses list address_set as1
        ovn-nbctl dhcp-options-create 192.168.9.0/24
        ovn-nbctl dhcp-options-create 192.168.9.0/240
        ovn-nbctl set dhcp_options $(ovn-nbctl dhcp-options-list) options:server_id=192.168.9.1 options:server_mac=00:00:00:00:ff:01 options:lease_time=3600
        ovn-nbctl lsp-set-dhcpv4-options p1 $(ovn-nbctl dhcp-options-list)
        ovn-nbctl lsp-set-dhcpv4-options p1 00000000-0000-0000-0000-000000000000
        ovn-nbctl lsp-get-dhcpv4-options p1
        ovn-nbctl --columns=name,type --format=csv find logical_switch_port 'name{in}p1,p2'
        ovn-nbctl --bare --columns=name find logical_switch_port options:a=b
        ovn-nbctl find nosuch x=y
        ovn-nbctl find logical_switch nosuch=y
        ovn-nbctl get logical_switch s1 nosuch
        ovn-nbctl get logical_switch nosuch name
        ovn-nbctl --if-exists get logical_switch nosuch name
        ovn-nbctl set logical_switch s1 other_config:subnet=192.168.9.0/24
        ovn-nbctl get logical_switch s1 other_config:subnet
        ovn-nbctl remove logical_switch s1 other_config subnet
        ovn-nbctl get logical_switch s1 other_config
        ovn-nbctl set logical_switch_port p1 tag=7000
        ovn-nbctl destroy logical_switch_port p1
        ovn-nbctl destroy logical_switch nosuch
        ovn-nbctl create logical_switch_port name=orphan
        ovn-nbctl --wait=sb sync
        ovn-nbctl --all destroy address_set
        ovn-sbctl --bare --columns=logical_port,type,mac list port_binding
        ovn-sbctl chassis-add c1 geneve 1.2.3.4
        ovn-sbctl chassis-add c1 geneve 1.2.3.4
        ovn-sbctl lsp-bind p1 c1
        ovn-sbctl lsp-bind nosuch c1
        ovn-sbctl show
        ovn-nbctl --wait=sb sync
        ovn-nbctl lsp-get-up p1
        ovn-sbctl lsp-unbind p1
        ovn-sbctl chassis-del c1
        ovn-sbctl chassis-del c1
        ovn-sbctl lflow-list nosuch
        ovn-nbctl show
        ovn-nbctl ls-add s2 -- lsp-add s2 p1
        ovn-nbctl --wait=sb ls-del s1
        ovn-nbctl pg-del g1
        ovn-nbctl show
        ovn-sbctl --bare --columns=logical_port list port_binding
        ovn-nbctl --bare list acl
        "#,
    )
}

#[test]
fn routers_and_their_routes() -> Result<()> {
    expect_same(
        r"
        ovn-nbctl ls-add s1 -- lr-add r1
        ovn-nbctl lr-add r1
        ovn-nbctl lrp-add r1 r1-s1 00:00:00:00:ff:01 192.168.9.1/24 fd09::1/64
        ovn-nbctl lrp-add r1 r1-s1 00:00:00:00:ff:01 192.168.9.1/24
        ovn-nbctl --may-exist lrp-add r1 r1-s1 00:00:00:00:ff:01 192.168.9.1/24 fd09::1/64
        ovn-nbctl lrp-add r1 bad zz 192.168.9.9/24
        ovn-nbctl lsp-add s1 s1-r1 -- set logical_switch_port s1-r1 type=router options:router-port=r1-s1 addresses=router
        ovn-nbctl lrp-list r1
        ovn-nbctl lrp-set-enabled r1-s1 disabled
        ovn-nbctl lrp-get-enabled r1-s1
        ovn-nbctl lrp-set-enabled r1-s1 enabled
        ovn-nbctl lr-route-add r1 10.9.0.0/16 192.168.9.254
        ovn-nbctl lr-route-add r1 10.9.0.0/16 192.168.9.254
        ovn-nbctl --may-exist lr-route-add r1 10.9.0.0/16 192.168.9.253
        ovn-nbctl --ecmp lr-route-add r1 10.8.0.0/16 192.168.9.250
        ovn-nbctl --ecmp lr-route-add r1 10.8.0.0/16 192.168.9.251
        ovn-nbctl lr-route-add r1 fd99::/64 fd09::9 r1-s1
        ovn-nbctl lr-route-add r1 10.7.0.1/33 192.168.9.1
        ovn-nbctl lr-route-add r1 10.7.0.0/24 discard
        ovn-nbctl lr-route-list r1
        ovn-nbctl lr-route-del r1 10.8.0.0/16
        ovn-nbctl lr-route-del r1 10.88.0.0/16
        ovn-nbctl lr-policy-add r1 100 'ip4.src == 10.0.0.0/8' drop
        ovn-nbctl lr-policy-list r1
        ovn-nbctl set logical_router_port r1-s1 gateway_chassis=nosuch
        ovn-nbctl lrp-set-gateway-chassis r1-s1 gw1 10
        ovn-nbctl lrp-get-gateway-chassis r1-s1
        ovn-nbctl --wait=sb sync
        ovn-sbctl --bare --columns=logical_port,type list port_binding
        ovn-nbctl show r1
        ovn-nbctl lsp-del s1-r1
        ovn-nbctl --wait=sb lr-del r1
        ovn-nbctl show
        ovn-sbctl --bare --columns=logical_port list port_binding
        ovn-sbctl --bare --columns=external_ids list datapath_binding | sed s/name=/x/
        ",
    )
}
