//! Datapaths, and what they and the kernel can do.

use anyhow::{Result, ensure};
use odp::{
    Band, Connection, CtLimits, Features, Meter, MeterId, MeterUnit, NewDatapath, SetDatapath,
    Zone, ZoneLimit,
};

use crate::lab::{Lab, NAME, dpctl};

pub(crate) fn a_datapath_is_made_found_and_removed() -> Result<()> {
    let connection = Connection::open()?;
    ensure!(connection.datapaths()?.is_empty());
    let made = connection.create_datapath(&NewDatapath::new(NAME))?;
    ensure!(made.name == NAME && made.unknown.is_empty(), "{made:?}");
    ensure!(connection.datapath(NAME)?.id == made.id);
    ensure!(connection.datapath(made.id)?.name == NAME);
    let names: Vec<String> = connection
        .datapaths()?
        .into_iter()
        .map(|dp| dp.name)
        .collect();
    ensure!(names == [NAME], "{names:?}");
    ensure!(dpctl(&["dump-dps"])?.trim() == "system@dp0");
    let again = connection.create_datapath(&NewDatapath::new(NAME));
    ensure!(
        again.as_ref().is_err_and(odp::Error::is_existing),
        "{again:?}"
    );
    connection.delete_datapath(made.id)?;
    let gone = connection.datapath(NAME);
    ensure!(gone.as_ref().is_err_and(odp::Error::is_missing), "{gone:?}");
    let gone = connection.delete_datapath(NAME);
    ensure!(gone.as_ref().is_err_and(odp::Error::is_missing), "{gone:?}");
    Ok(())
}

pub(crate) fn a_datapath_of_ovs_dpctl_is_ours_too() -> Result<()> {
    dpctl(&["add-dp", "other"])?;
    let connection = Connection::open()?;
    let found = connection.datapath("other")?;
    ensure!(found.unknown.is_empty(), "{found:?}");
    connection.delete_datapath("other")?;
    ensure!(dpctl(&["dump-dps"])?.trim().is_empty());
    Ok(())
}

pub(crate) fn features_and_the_cache_of_masks_can_be_set() -> Result<()> {
    let lab = Lab::new(0)?;
    let change = SetDatapath {
        features: Some(Features::UNALIGNED.with(Features::PER_CPU_UPCALLS)),
        masks_cache_size: Some(1024),
        ..SetDatapath::default()
    };
    lab.connection.set_datapath(NAME, &change)?;
    let changed = lab.connection.datapath(NAME)?;
    ensure!(
        changed.features.has(Features::PER_CPU_UPCALLS),
        "{changed:?}"
    );
    ensure!(changed.masks_cache_size == Some(1024), "{changed:?}");
    ensure!(dpctl(&["show", NAME])?.contains("masks-cache: size:1024"));
    let wrong = SetDatapath {
        masks_cache_size: Some(1000),
        ..SetDatapath::default()
    };
    let refused = lab.connection.set_datapath(NAME, &wrong);
    ensure!(refused.is_err(), "a cache of 1000 masks is no power of two");
    Ok(())
}

pub(crate) fn errors_say_what_and_why() -> Result<()> {
    let lab = Lab::new(0)?;
    let said = |error: Result<_, odp::Error>| error.map(drop).map_err(|error| error.to_string());
    let error = said(lab.connection.create_datapath(&NewDatapath::new(NAME)));
    ensure!(
        error
            .as_ref()
            .is_err_and(|said| said.contains(NAME) && said.contains("EEXIST")),
        "{error:?}"
    );
    let error = said(lab.connection.datapath("absent"));
    ensure!(
        error
            .as_ref()
            .is_err_and(|said| said.contains("absent") && said.contains("list")),
        "{error:?}"
    );
    let error = lab.put("in_port(1),eth(),ipv4(proto=6)", "drop").map(drop);
    let said = error.map_err(|error| format!("{error:#}"));
    ensure!(
        said.as_ref()
            .is_err_and(|said| said.contains("ipv4") && said.contains("EINVAL")),
        "{said:?}"
    );
    Ok(())
}

pub(crate) fn probes_say_what_this_kernel_has() -> Result<()> {
    let connection = Connection::open()?;
    let support = connection.probe()?;
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let newer = !release.starts_with("6.1.");
    // Linux 6.7 and 6.11 have these; 6.1 has all others that are tried.
    for (name, there) in support.flows() {
        let expected = newer || !["drop_reason", "psample"].contains(&name);
        ensure!(there == expected, "{name} on {release}: {there}");
    }
    ensure!(
        support.ufid && support.per_cpu_upcalls && support.masks_cache && support.ct_limits,
        "{support:?}"
    );
    ensure!(
        support.mpls_depth == 3 && support.vlan_depth == 2,
        "{support:?}"
    );
    ensure!(
        support.meters.is_some_and(|meters| meters.max_bands == 1),
        "{support:?}"
    );
    ensure!(
        connection.datapaths()?.is_empty(),
        "the probe left its datapath behind"
    );
    Ok(())
}

pub(crate) fn meters_are_set_read_and_removed() -> Result<()> {
    let lab = Lab::new(2)?;
    let meter = Meter {
        id: MeterId(3),
        unit: MeterUnit::Pps,
        bands: vec![Band { rate: 1, burst: 2 }],
        clear: false,
    };
    lab.connection.set_meter(lab.id, &meter)?;
    lab.introduce()?;
    lab.put(
        &format!("in_port({}),eth()", lab.ports[0]),
        &format!("meter(3),{}", lab.ports[1]),
    )?;
    lab.put(
        &format!("in_port({}),eth()", lab.ports[1]),
        &lab.ports[0].to_string(),
    )?;
    // Some are lost, by the meter's will.
    let _ = lab.machines[0].command("ping -c 20 -i 0.02 -W 1 10.0.0.2");
    let Some(counted) = lab.connection.meter(lab.id, MeterId(3))? else {
        anyhow::bail!("the meter is not there");
    };
    ensure!(
        counted.packets >= 20 && counted.used.is_some(),
        "{counted:?}"
    );
    ensure!(
        counted.bands.len() == 1 && counted.bands[0].packets > 0,
        "{counted:?}"
    );
    ensure!(counted.unknown.is_empty(), "{counted:?}");
    lab.connection.delete_meter(lab.id, MeterId(3))?;
    ensure!(lab.connection.meter(lab.id, MeterId(3))?.is_none());
    Ok(())
}

pub(crate) fn limits_of_connections_are_set_read_and_removed() -> Result<()> {
    let lab = Lab::new(0)?;
    let zone = |zone, limit| ZoneLimit {
        zone: Zone(zone),
        limit,
        count: 0,
    };
    let limits = CtLimits {
        default: Some(9),
        zones: vec![zone(4, 10), zone(5, 11)],
    };
    lab.connection.set_ct_limits(lab.id, &limits)?;
    let mut found = lab.connection.ct_limits(lab.id, &[])?;
    found.zones.sort_by_key(|limit| limit.zone);
    ensure!(found == limits, "{found:?}");
    let text = dpctl(&["ct-get-limits", "system@dp0", "zone=4,5"])?;
    ensure!(text.contains("zone=4,limit=10,count=0"), "{text}");
    lab.connection.delete_ct_limits(lab.id, false, &[Zone(4)])?;
    let found = lab.connection.ct_limits(lab.id, &[])?;
    ensure!(found.zones == [zone(5, 11)], "{found:?}");
    lab.connection.delete_ct_limits(lab.id, true, &[Zone(5)])?;
    Ok(())
}
