//! `heddle trace --live` and `--ovs` on switches that run: real packets, real counters, flows beside flows.

mod support;

use std::collections::BTreeSet;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use support::{cloud, expect_pass, heddle, mixed};
use testbed::{Agent, Central, Cloud, Kind, Responder, Scratch, Wire, run, until};

/// `heddle trace` in the folder of a cloud, as it would be of a demo that was kept.
fn trace(cloud: &Cloud, words: &[&str]) -> Result<Output> {
    let mut command = Command::new(heddle());
    command
        .arg("trace")
        .args(words)
        .arg("--demo")
        .arg(cloud.folder());
    command.output().context("heddle trace")
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Sends a real packet, and expects this to be told of it.
fn expect_live(cloud: &Cloud, words: &[&str], expected: &str) -> Result<()> {
    let words: Vec<&str> = words.iter().copied().chain(["--live"]).collect();
    let output = trace(cloud, &words)?;
    let said = said(&output);
    ensure!(said.contains(expected), "{words:?}: {said}");
    let agrees = expected.ends_with(", as expected");
    ensure!(output.status.success() == agrees, "{words:?}: {said}");
    Ok(())
}

/// What a packet meets on the network that the tests share.
fn expect_ways(cloud: &Cloud) -> Result<()> {
    cloud.nbctl(&[
        "--wait=hv",
        "acl-add",
        "servers",
        "to-lport",
        "1001",
        "outport == @servers && tcp.dst == 80",
        "drop",
    ])?;
    let to = |to: &'static str, what: &'static str| ["a1", "--to", to, what];
    // On the same switch on another host, through the router, in both families.
    expect_live(
        cloud,
        &to("10.0.1.12", "ping"),
        "came out at a2 on hv2, as expected",
    )?;
    expect_live(
        cloud,
        &to("10.0.2.21", "udp/5000"),
        "came out at b1 on hv2, as expected",
    )?;
    expect_live(
        cloud,
        &to("fd00:2::21", "tcp/443"),
        "came out at b1 on hv2, as expected",
    )?;
    // What a filter drops, and what nobody knows a way for.
    expect_live(
        cloud,
        &to("10.0.1.12", "tcp/80"),
        "came out nowhere, as expected",
    )?;
    expect_live(
        cloud,
        &to("192.0.2.1", "ping"),
        "came out nowhere, as expected",
    )?;
    // What is answered on the spot, by flows and by the agent.
    expect_live(
        cloud,
        &to("10.0.1.12", "arp"),
        "came out at a1 on hv1, as expected",
    )?;
    expect_live(
        cloud,
        &to("10.0.1.1", "ping"),
        "came out at a1 on hv1, as expected",
    )?;
    let words = ["a1", "--to", "10.0.2.21", "ping", "--ttl", "1"];
    expect_live(cloud, &words, "came out at a1 on hv1, as expected")?;
    // From now on connections are tracked, on both sides of the router.
    let allow = "outport == @servers && udp";
    cloud.nbctl(&[
        "--wait=hv",
        "acl-add",
        "servers",
        "to-lport",
        "1002",
        allow,
        "allow-related",
    ])?;
    let allow = "inport == @servers && ip";
    cloud.nbctl(&[
        "--wait=hv",
        "acl-add",
        "servers",
        "from-lport",
        "1002",
        allow,
        "allow-related",
    ])?;
    expect_live(
        cloud,
        &to("10.0.2.21", "udp/5001"),
        "came out at b1 on hv2, as expected",
    )
}

#[test]
fn real_packets_go_as_the_interpreter_says() -> Result<()> {
    let cloud = cloud()?;
    expect_ways(&cloud)?;

    // Which flows they were is told, and counted by both switches.
    let output = trace(
        &cloud,
        &["a1", "--to", "10.0.2.21", "ping", "--live", "--json"],
    )?;
    let json: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let live = &json["live"];
    ensure!(live["out"].to_string().contains("\"b1\""), "{live}");
    let expected = live["expected"].as_array().context("flows of its way")?;
    let hit: Vec<_> = expected.iter().filter(|it| it["hit"] == true).collect();
    ensure!(
        hit.len() >= 20,
        "{} of {} flows: {live}",
        hit.len(),
        expected.len()
    );
    let on: BTreeSet<_> = hit.iter().filter_map(|it| it["chassis"].as_str()).collect();
    ensure!(on.len() == 2, "{on:?}");

    // A flow that nobody asked for is found out.
    let bridge = format!("unix:{}/hv2/br-int.mgmt", cloud.folder().display());
    let flow = "table=42,priority=65535,udp,nw_dst=10.0.2.21,actions=drop";
    run(Command::new("ovs-ofctl").args(["-OOpenFlow15", "add-flow", &bridge, flow]))?;
    let words = ["a1", "--to", "10.0.2.21", "udp/5000"];
    expect_live(&cloud, &words, "it did not come out at b1")?;
    Ok(())
}

/// The same network under stock programs. Stock `ovn-controller` now and then ends with a segmentation fault while it
/// starts, so that is tried again a few times.
fn stock_cloud() -> Result<Cloud> {
    for _ in 0..12 {
        match mixed(Central::Stock, [Agent::Stock, Agent::Stock]) {
            Err(error) if format!("{error:#}").contains("SIGSEGV") => {}
            ended => return ended,
        }
    }
    mixed(Central::Stock, [Agent::Stock, Agent::Stock])
}

#[test]
fn real_packets_go_so_under_stock_ovn_as_well() -> Result<()> {
    expect_ways(&stock_cloud()?)
}

/// Waits for a packet with these in its text on a wire, whose frames are kept a little after they went by.
fn expect_packet(wire: &Wire, parts: &[&str]) -> Result<()> {
    let texts = || -> Vec<String> {
        let frames = wire.frames();
        let packets = frames.iter().filter_map(|it| pipeline::from_bytes(it));
        packets.map(|it| pipeline::packet_text(&it)).collect()
    };
    let fits = |text: &String| parts.iter().all(|part| text.contains(part));
    let found = until(std::time::Duration::from_secs(5), "the packet", || {
        Ok(texts().iter().any(fits).then_some(()))
    });
    found.with_context(|| format!("{parts:?}: {:#?}", texts()))
}

#[test]
fn a_balanced_conversation_goes_there_and_back_as_the_interpreter_says() -> Result<()> {
    let cloud = stock_cloud()?;
    cloud.nbctl(&["lb-add", "web", "10.9.9.9:80", "10.0.1.12:8080", "tcp"])?;
    cloud.nbctl(&["--wait=hv", "ls-lb-add", "a", "web"])?;
    let output = trace(
        &cloud,
        &["a1", "--to", "10.9.9.9", "tcp/80", "--both", "--json"],
    )?;
    let text = String::from_utf8(output.stdout)?;
    let ends: Vec<serde_json::Value> = text
        .lines()
        .map(|line| Ok(serde_json::from_str::<serde_json::Value>(line)?["ends"][0].clone()))
        .collect::<Result<_>>()?;
    let ([there, back], parts) = (
        ends.as_slice(),
        [
            [
                "nw_src=10.0.1.11,",
                "nw_dst=10.0.1.12,",
                "tp_dst=8080,",
                "tcp_flags=syn",
            ],
            [
                "nw_src=10.9.9.9,",
                "nw_dst=10.0.1.11,",
                "tp_src=80,",
                "tcp_flags=syn|ack",
            ],
        ],
    ) else {
        anyhow::bail!("a way there and a way back: {text}");
    };
    for (end, port, parts) in [(there, "a2", parts[0]), (back, "a1", parts[1])] {
        let packet = end["packet"].as_str().unwrap_or_default();
        ensure!(end["port"] == port, "{end}");
        ensure!(parts.iter().all(|it| packet.contains(it)), "{end}");
    }

    // And so do real ones.
    let _responder = Responder::start(cloud.vm("a2")?.namespace(), "a2", 8080)?;
    let wires = [
        Wire::open(cloud.vm("a2")?.namespace())?,
        Wire::open(cloud.vm("a1")?.namespace())?,
    ];
    expect_pass(&cloud, "a1", Kind::Tcp(80), "10.9.9.9")?;
    expect_packet(&wires[0], &parts[0])?;
    expect_packet(&wires[1], &parts[1])
}

#[test]
fn what_cannot_be_followed_is_told() -> Result<()> {
    let cloud = cloud()?;
    let question = ["a1", "--to", "10.0.2.21", "ping", "--live"];
    let (southbound, folder) = (
        cloud.southbound_remote(),
        cloud.folder().display().to_string(),
    );
    let ask = |words: &[&str]| -> Result<String> {
        let mut command = Command::new(heddle());
        command
            .arg("trace")
            .args(question)
            .args(["--db", &southbound]);
        Ok(said(&command.args(words).output()?))
    };
    let one = format!("hv1=unix:{folder}/hv1/br-int.mgmt");
    let text = ask(&["--switch", &one])?;
    ensure!(
        text.contains("hv2 was not looked at: name its switch"),
        "{text}"
    );
    let other = format!("hv2=unix:{folder}/hv2/br-int.mgmt");
    let text = ask(&["--switch", &other])?;
    ensure!(
        text.contains("port a1 is on hv1: name its switch"),
        "{text}"
    );
    let text = ask(&["--switch", "hv9=unix:/nowhere"])?;
    ensure!(text.contains("no chassis \"hv9\""), "{text}");
    let text = ask(&["--switch", "hv1"])?;
    ensure!(text.contains("say CHASSIS=REMOTE"), "{text}");
    let text = ask(&["--demo", "/"])?;
    ensure!(text.contains("has no switch of a chassis in it"), "{text}");
    Ok(())
}

/// The lines of OpenFlow flows, without what they have counted.
fn flow_lines(text: &str) -> Vec<String> {
    let counters = [
        "duration=",
        "n_packets=",
        "n_bytes=",
        "idle_age=",
        "hard_age=",
    ];
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|it| it.starts_with("cookie="));
    let bare = lines.map(|line| {
        let parts = line
            .split(", ")
            .filter(|it| !counters.iter().any(|name| it.starts_with(name)));
        parts.collect::<Vec<_>>().join(", ")
    });
    bare.collect()
}

#[test]
fn openflow_flows_stand_beside_logical_ones_as_stock_has_them() -> Result<()> {
    let cloud = stock_cloud()?;
    let scratch = Scratch::new()?;
    let ours = scratch.path().join("ovn-trace");
    std::os::unix::fs::symlink(heddle(), &ours)?;
    let mac = &cloud.vm("a1")?.spec().mac;
    let packet = &format!(
        "inport == \"a1\" && eth.src == {mac} && eth.dst == ff:ff:ff:ff:ff:ff && arp.op == 1 && \
         arp.sha == {mac} && arp.spa == 10.0.1.11 && arp.tpa == 10.0.1.12"
    );
    let ovs = format!("--ovs=unix:{}/hv1/br-int.mgmt", cloud.folder().display());
    let lines = |program: &std::path::Path| -> Result<Vec<String>> {
        let db = format!("--db={}", cloud.southbound_remote());
        let text = run(Command::new(program).args([&db, &ovs, "-vconsole:off", packet]))?;
        Ok(flow_lines(&text))
    };
    let (stock, ours) = (lines("ovn-trace".as_ref())?, lines(&ours)?);
    ensure!(stock.len() >= 5, "{stock:?}");
    ensure!(stock == ours, "stock: {stock:#?}\nours: {ours:#?}");
    // Each chassis has its own.
    let text = said(&trace(
        &cloud,
        &["a1", "--to", "10.0.1.12", "ping", "--ovs"],
    )?);
    ensure!(text.contains("tunnel from hv1 to hv2"), "{text}");
    ensure!(
        flow_lines(&text).len() >= 5 && !text.contains("***"),
        "{text}"
    );
    Ok(())
}

#[test]
fn a_trace_in_the_background_follows_the_database() -> Result<()> {
    let cloud = cloud()?;
    let scratch = Scratch::new()?;
    let program = scratch.path().join("ovn-trace");
    std::os::unix::fs::symlink(heddle(), &program)?;
    let socket = scratch.path().join("trace.ctl");
    let pidfile = scratch.path().join("trace.pid");
    let mut start = Command::new(&program);
    start
        .arg("--detach")
        .arg(format!("--db={}", cloud.southbound_remote()));
    start.arg(format!("--unixctl={}", socket.display()));
    run(start.arg(format!("--pidfile={}", pidfile.display())))?;
    let call = |words: &[&str]| {
        run(Command::new("ovs-appctl")
            .arg("-t")
            .arg(&socket)
            .args(words))
    };
    let mac = &cloud.vm("a1")?.spec().mac;
    let packet = &format!(
        "inport == \"a1\" && eth.src == {mac} && ip.ttl == 64 && ip4.src == 10.0.1.11 && \
         eth.dst == 0a:00:00:00:00:77 && ip4.dst == 10.0.1.77 && udp.dst == 1"
    );
    let minimal = call(&["trace", "--minimal", packet])?;
    ensure!(!minimal.contains("output("), "{minimal}");
    ensure!(call(&["trace", "--all", "a", packet])?.contains("# Summary trace."));
    for (words, expected) in [
        (&["trace", "--fast", packet][..], "unknown option"),
        (
            &["trace", "a", "b", packet],
            "one or two non-option arguments are required",
        ),
        (&["trace", "inport == \"nobody\""], "unknown port"),
    ] {
        let error = call(words)
            .err()
            .map(|it| format!("{it:#}"))
            .unwrap_or_default();
        ensure!(error.contains(expected), "{words:?}: {error}");
    }
    // What changes in the database is part of the next answer.
    let address = "0a:00:00:00:00:77 10.0.1.77";
    cloud.nbctl(&[
        "--wait=sb",
        "lsp-add",
        "a",
        "a7",
        "--",
        "lsp-set-addresses",
        "a7",
        address,
    ])?;
    until(std::time::Duration::from_secs(10), "the new port", || {
        let text = call(&["trace", "--minimal", packet])?;
        Ok(text.contains("output(\"a7\")").then_some(()))
    })?;
    call(&["exit"])?;
    until(
        std::time::Duration::from_secs(10),
        "the daemon to end",
        || Ok((!pidfile.exists()).then_some(())),
    )
}
