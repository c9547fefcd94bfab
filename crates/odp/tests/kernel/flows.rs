//! Flows: how they are put, found, replaced, cleared and removed.

use anyhow::{Context, Result, ensure};
use odp::{Action, Flow, FlowId, Omit, PortNo, PutMode, Ufid};

use crate::lab::{Lab, dpctl, flow};

fn all(lab: &Lab) -> Result<Vec<Flow>> {
    Ok(lab
        .connection
        .flows(lab.id, Omit::default())?
        .collect::<Result<_, _>>()?)
}

pub(crate) fn a_flow_with_the_same_key_replaces_the_actions() -> Result<()> {
    let lab = Lab::new(0)?;
    let first = lab.put("in_port(1),eth(src=02:00:00:00:00:01)", "2")?;
    lab.put("in_port(1),eth(src=02:00:00:00:00:02)", "3")?;
    lab.put("in_port(1),eth(src=02:00:00:00:00:01)", "4,5")?;
    let flows = all(&lab)?;
    ensure!(flows.len() == 2, "{flows:?}");
    let found = lab.connection.flow(lab.id, &first.id())?;
    let outputs = vec![Action::Output(PortNo(4)), Action::Output(PortNo(5))];
    ensure!(found.actions == Some(outputs), "{found:?}");
    // A flow may also drop, and then lists as such.
    lab.put("in_port(1),eth(src=02:00:00:00:00:01)", "drop")?;
    ensure!(lab.connection.flow(lab.id, &first.id())?.actions == Some(Vec::new()));
    lab.connection.delete_flow(lab.id, &first.id())?;
    let gone = lab.connection.delete_flow(lab.id, &first.id());
    ensure!(gone.as_ref().is_err_and(odp::Error::is_missing), "{gone:?}");
    lab.connection.flush_flows(lab.id)?;
    ensure!(all(&lab)?.is_empty());
    Ok(())
}

pub(crate) fn modes_of_putting_are_kept() -> Result<()> {
    let lab = Lab::new(0)?;
    let put = |mode| {
        lab.connection
            .put_flow(lab.id, &flow("in_port(1),eth()", "2").ok()?.with_mode(mode))
            .err()
    };
    let error = put(PutMode::Modify).context("a flow that is not there was modified")?;
    ensure!(error.is_missing(), "{error}");
    ensure!(put(PutMode::Create).is_none());
    let error = put(PutMode::Create).context("a flow was created twice")?;
    ensure!(error.is_existing(), "{error}");
    ensure!(put(PutMode::Modify).is_none() && put(PutMode::Replace).is_none());
    Ok(())
}

pub(crate) fn counters_are_cleared_and_the_last_are_given_back() -> Result<()> {
    let lab = Lab::new(2)?;
    lab.introduce()?;
    lab.cross()?;
    let id = FlowId::Key(
        flow(&format!("in_port({}),eth()", lab.ports[0]), "drop")?
            .matches
            .key,
    );
    lab.machines[0].command("ping -c 3 -i 0.05 -W 10 10.0.0.2")?;
    let before = lab.connection.flow(lab.id, &id)?;
    ensure!(
        before.stats.packets >= 3 && before.stats.bytes >= 3 * 98,
        "{before:?}"
    );
    let used = before.stats.used.context("it was used")?;
    ensure!(used <= odp::monotonic_milliseconds()?, "{before:?}");
    lab.connection.clear_flow(lab.id, &id)?;
    let cleared = lab.connection.flow(lab.id, &id)?;
    ensure!(cleared.stats == odp::FlowStats::default(), "{cleared:?}");
    ensure!(cleared.actions == before.actions);
    lab.machines[0].command("ping -c 2 -i 0.05 -W 10 10.0.0.2")?;
    let taken = lab.connection.take_flow(lab.id, &id)?;
    ensure!(taken.stats.packets == 2, "{taken:?}");
    ensure!(
        lab.connection.flow(lab.id, &id).is_err(),
        "it is still there"
    );
    // The datapath counted them too.
    let stats = lab.connection.datapath(lab.id)?.stats;
    ensure!(stats.hit >= 10 && stats.lost == 0, "{stats:?}");
    Ok(())
}

pub(crate) fn flows_are_found_by_their_identifier() -> Result<()> {
    let lab = Lab::new(0)?;
    let (one, two) = (Ufid([1; 16]), Ufid([2; 16]));
    for (matches, ufid) in [("in_port(1),eth()", one), ("in_port(2),eth()", two)] {
        lab.connection
            .put_flow(lab.id, &flow(matches, "7")?.with_ufid(ufid))?;
    }
    ensure!(
        lab.connection
            .flow(lab.id, &one.into())?
            .matches
            .key
            .in_port()
            == Some(PortNo(1))
    );
    let terse = lab
        .connection
        .flows(lab.id, Omit::TERSE)?
        .collect::<Result<Vec<_>, _>>()?;
    ensure!(terse.len() == 2, "{terse:?}");
    ensure!(terse.iter().all(|flow| flow.actions.is_none()
        && flow.matches.key.0.is_empty()
        && flow.ufid.is_some()));
    // By the identifier's text, as Debian's program has it.
    let text = dpctl(&["dump-flows", "-m", "dp0"])?;
    ensure!(text.contains(&format!("{one}, ")), "no {one} in {text}");
    dpctl(&["del-flow", "dp0", &one.to_string()])?;
    ensure!(
        lab.connection
            .flow(lab.id, &one.into())
            .is_err_and(|error| error.is_missing())
    );
    lab.connection.delete_flow(lab.id, &two.into())?;
    ensure!(all(&lab)?.is_empty());
    Ok(())
}

pub(crate) fn one_bad_flow_does_not_spoil_a_batch() -> Result<()> {
    let lab = Lab::new(0)?;
    let mut puts = Vec::new();
    for port in 1..=300 {
        // A header without the type that it belongs to.
        let ipv4 = if port % 100 == 7 {
            ",ipv4(proto=6)"
        } else {
            ""
        };
        puts.push(flow(&format!("in_port({port}),eth(){ipv4}"), "1")?);
    }
    let results = lab.connection.put_flows(lab.id, &puts)?;
    let bad: Vec<usize> = results
        .iter()
        .enumerate()
        .filter(|(_, result)| result.is_err())
        .map(|(at, _)| at + 1)
        .collect();
    ensure!(bad == [7, 107, 207], "{bad:?}");
    ensure!(all(&lab)?.len() == 297);
    let ids: Vec<FlowId> = puts.iter().map(odp::FlowPut::id).collect();
    let results = lab.connection.delete_flows(lab.id, &ids)?;
    ensure!(results.iter().filter(|result| result.is_err()).count() == 3);
    ensure!(all(&lab)?.is_empty());
    Ok(())
}
