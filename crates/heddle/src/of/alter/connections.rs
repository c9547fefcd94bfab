//! `ct-flush`: which tracked connections are meant.

use anyhow::{Context, bail};
use openflow::Message;
use openflow::message::{CtFlush, CtFlushZone, CtTuple};

/// `zone=N`, then the original tuple, then the reply's.
pub(super) fn flush(what: &[String]) -> anyhow::Result<Message> {
    let (mut zone, mut tuples) = (None, Vec::new());
    for text in what {
        match text.strip_prefix("zone=") {
            Some(number) if zone.is_none() && tuples.is_empty() => {
                let number = number.parse();
                zone = Some(number.with_context(|| format!("{text}: expected zone=0 to 65535"))?);
            }
            _ => tuples.push(text.as_str()),
        }
    }
    if let (Some(zone), []) = (zone, tuples.as_slice()) {
        return Ok(Message::CtFlushZone(CtFlushZone { zone }));
    }
    if tuples.len() > 2 {
        bail!("ct-flush: a zone and at most two tuples");
    }
    let mut protocol = 0;
    let mut read = |text: Option<&&str>| match text {
        Some(text) => tuple(text, &mut protocol),
        None => Ok(CtTuple::default()),
    };
    let (original, reply) = (read(tuples.first())?, read(tuples.get(1))?);
    Ok(Message::CtFlush(CtFlush {
        protocol,
        original,
        reply,
        zone,
    }))
}

fn tuple(text: &str, protocol: &mut u8) -> anyhow::Result<CtTuple> {
    let mut out = CtTuple::default();
    for part in text.split([',', ' ']).filter(|part| !part.is_empty()) {
        let good = part.split_once('=').and_then(|(key, value)| {
            match key {
                "ct_nw_src" | "ct_ipv6_src" => out.source = Some(value.parse().ok()?),
                "ct_nw_dst" | "ct_ipv6_dst" => out.destination = Some(value.parse().ok()?),
                "ct_tp_src" => out.source_port = Some(value.parse().ok()?),
                "ct_tp_dst" => out.destination_port = Some(value.parse().ok()?),
                "icmp_id" => out.icmp_id = Some(value.parse().ok()?),
                "icmp_type" => out.icmp_type = Some(value.parse().ok()?),
                "icmp_code" => out.icmp_code = Some(value.parse().ok()?),
                "ct_nw_proto" => *protocol = value.parse().ok()?,
                _ => return None,
            }
            Some(())
        });
        good.with_context(|| {
            format!(
                "`{part}`: expected ct_nw_src, ct_nw_dst, ct_ipv6_src, ct_ipv6_dst, ct_nw_proto, ct_tp_src, \
                 ct_tp_dst, icmp_id, icmp_type or icmp_code with a value"
            )
        })?;
    }
    Ok(out)
}
