//! The binary form of the extensions that have many plain arguments.

use super::wire::{extended, nicira, pack, read_short_field, unknown, write_short_field};
use super::{
    Action, Bundle, BundleAlgorithm, Controller, HashFields, Multipath, Observation, Sample,
};
use crate::error::Result;
use crate::port::Port;
use crate::property::{Properties, put_property};
use crate::wire::{Reader, Writer};

pub(super) fn read_dec_ttl(body: &mut Reader<'_>) -> Result<Action> {
    let count = body.u16()?;
    body.skip(4)?;
    (0..count)
        .map(|_| body.u16())
        .collect::<Result<_>>()
        .map(Action::DecTtlTo)
}

pub(super) fn read_sample(body: &mut Reader<'_>, subtype: u16) -> Result<Action> {
    let observation = match subtype {
        nicira::SAMPLE4 => read_observation,
        _ => |body: &mut Reader<'_>| body.u32().map(Observation::Value),
    };
    let mut sample = Sample {
        probability: body.u16()?,
        collector_set: body.u32()?,
        domain: observation(body)?,
        point: observation(body)?,
        port: None,
        direction: 0,
    };
    if subtype != nicira::SAMPLE {
        sample.port = Some(Port::from_u16(body.u16()?)).filter(|port| *port != Port::ANY);
        sample.direction = body.u8()?;
    }
    Ok(Action::Sample(Box::new(sample)))
}

/// Reads a number, or the field that holds it.
fn read_observation(body: &mut Reader<'_>) -> Result<Observation> {
    let mut field = body.sub(4)?;
    if field.rest() == [0; 4] {
        return body.u32().map(Observation::Value);
    }
    let packed = body.u16()?;
    body.skip(2)?;
    read_short_field(&mut field, packed).map(Observation::Field)
}

fn write_observation(out: &mut Writer, observation: Observation) {
    match observation {
        Observation::Value(value) => {
            out.u32(0);
            out.u32(value);
        }
        Observation::Field(field) => {
            write_short_field(out, Some(field));
            out.u16(pack(field));
            out.zeros(2);
        }
    }
}

/// The header that names the 16-bit input port, which is the only kind of member there is.
const MEMBER_IN_PORT: u32 = 0x0000_0002;

pub(super) fn read_bundle(body: &mut Reader<'_>, load: bool) -> Result<Action> {
    let algorithm = match body.u16()? {
        0 => BundleAlgorithm::ActiveBackup,
        1 => BundleAlgorithm::Hrw,
        other => BundleAlgorithm::Unknown(other),
    };
    let fields = HashFields(body.u16()?);
    let basis = body.u16()?;
    let kind = body.u32()?;
    if kind != MEMBER_IN_PORT {
        return Err(unknown("bundle member", kind));
    }
    let count = body.u16()?;
    let packed = body.u16()?;
    let mut place = body.sub(4)?;
    let destination = load
        .then(|| read_short_field(&mut place, packed))
        .transpose()?;
    body.skip(4)?;
    let members = (0..count)
        .map(|_| body.u16().map(Port::from_u16))
        .collect::<Result<_>>()?;
    Ok(Action::Bundle(Box::new(Bundle {
        algorithm,
        fields,
        basis,
        members,
        destination,
    })))
}

pub(super) fn read_multipath(body: &mut Reader<'_>) -> Result<Action> {
    let fields = HashFields(body.u16()?);
    let basis = body.u16()?;
    body.skip(2)?;
    let algorithm = body.u16()?;
    let max_link = body.u16()?;
    let argument = body.u32()?;
    body.skip(2)?;
    let packed = body.u16()?;
    let destination = read_short_field(body, packed)?;
    let multipath = Multipath {
        fields,
        basis,
        algorithm,
        max_link,
        argument,
        destination,
    };
    Ok(Action::Multipath(Box::new(multipath)))
}

pub(super) fn read_controller(body: &mut Reader<'_>) -> Result<Action> {
    let max_len = body.u16()?;
    let controller_id = body.u16()?;
    let reason = body.u8()?;
    let controller = Controller {
        max_len,
        controller_id,
        reason,
        ..Controller::default()
    };
    Ok(Action::Controller(Box::new(controller)))
}

// The properties of the larger controller action.
const MAX_LEN: u16 = 0;
const CONTROLLER_ID: u16 = 1;
const REASON: u16 = 2;
const USERDATA: u16 = 3;
const PAUSE: u16 = 4;
const METER_ID: u16 = 5;

pub(super) fn read_controller2(body: &mut Reader<'_>) -> Result<Action> {
    body.skip(6)?;
    let mut controller = Controller::default();
    for property in Properties::new(body) {
        let (kind, mut value) = property?;
        match kind {
            MAX_LEN => controller.max_len = value.u16()?,
            CONTROLLER_ID => controller.controller_id = value.u16()?,
            REASON => controller.reason = value.u8()?,
            USERDATA => controller.userdata = value.rest().into(),
            PAUSE => controller.pause = true,
            METER_ID => controller.meter_id = Some(value.u32()?),
            _ => return Err(unknown("controller property", kind.into())),
        }
    }
    Ok(Action::Controller(Box::new(controller)))
}

fn write_controller(out: &mut Writer, controller: &Controller) {
    let default = Controller::default();
    extended(out, nicira::CONTROLLER2, |out| {
        out.zeros(6);
        if controller.max_len != default.max_len {
            // A property of 16 bits is four bytes long, in all of OpenFlow.
            put_property(out, MAX_LEN, |out| {
                out.u32(u32::from(controller.max_len) << 16);
            });
        }
        if controller.controller_id != default.controller_id {
            put_property(out, CONTROLLER_ID, |out| {
                out.u32(u32::from(controller.controller_id) << 16);
            });
        }
        if controller.reason != default.reason {
            put_property(out, REASON, |out| out.u8(controller.reason));
        }
        if !controller.userdata.is_empty() {
            put_property(out, USERDATA, |out| out.bytes(&controller.userdata));
        }
        if controller.pause {
            put_property(out, PAUSE, |_| {});
        }
        if let Some(meter) = controller.meter_id {
            put_property(out, METER_ID, |out| out.u32(meter));
        }
    });
}

fn write_sample(out: &mut Writer, sample: &Sample) {
    // Newer switches alone know the last form, so that it is written only where it says more.
    let (subtype, domain, point) = match (sample.domain, sample.point) {
        (Observation::Value(domain), Observation::Value(point)) => {
            let subtype = match (sample.direction, sample.port) {
                (0, None) => nicira::SAMPLE,
                (0, Some(_)) => nicira::SAMPLE2,
                _ => nicira::SAMPLE3,
            };
            (subtype, domain, point)
        }
        _ => (nicira::SAMPLE4, 0, 0),
    };
    extended(out, subtype, |out| {
        out.u16(sample.probability);
        out.u32(sample.collector_set);
        if subtype == nicira::SAMPLE4 {
            write_observation(out, sample.domain);
            write_observation(out, sample.point);
        } else {
            out.u32(domain);
            out.u32(point);
        }
        if subtype != nicira::SAMPLE {
            out.port16(sample.port.unwrap_or(Port::ANY));
            out.u8(sample.direction);
            out.zeros(5);
        }
    });
}

fn write_bundle(out: &mut Writer, bundle: &Bundle) {
    let load = bundle.destination.is_some();
    extended(
        out,
        if load {
            nicira::BUNDLE_LOAD
        } else {
            nicira::BUNDLE
        },
        |out| {
            out.u16(match bundle.algorithm {
                BundleAlgorithm::ActiveBackup => 0,
                BundleAlgorithm::Hrw => 1,
                BundleAlgorithm::Unknown(other) => other,
            });
            out.u16(bundle.fields.0);
            out.u16(bundle.basis);
            out.u32(MEMBER_IN_PORT);
            out.u16(u16::try_from(bundle.members.len()).unwrap_or(u16::MAX));
            out.u16(bundle.destination.map_or(0, pack));
            write_short_field(out, bundle.destination);
            out.zeros(4);
            for member in &bundle.members {
                out.port16(*member);
            }
        },
    );
}

fn write_multipath(out: &mut Writer, multipath: &Multipath) {
    extended(out, nicira::MULTIPATH, |out| {
        out.u16(multipath.fields.0);
        out.u16(multipath.basis);
        out.zeros(2);
        out.u16(multipath.algorithm);
        out.u16(multipath.max_link);
        out.u32(multipath.argument);
        out.zeros(2);
        out.u16(pack(multipath.destination));
        write_short_field(out, Some(multipath.destination));
    });
}

/// Writes one of the actions of this file.
pub(super) fn write(out: &mut Writer, action: &Action) {
    match action {
        Action::Controller(controller) => write_controller(out, controller),
        Action::Sample(sample) => write_sample(out, sample),
        Action::Bundle(bundle) => write_bundle(out, bundle),
        Action::Multipath(multipath) => write_multipath(out, multipath),
        Action::DecTtlTo(ids) => extended(out, nicira::DEC_TTL_TO, |out| {
            out.u16(u16::try_from(ids.len()).unwrap_or(u16::MAX));
            out.zeros(4);
            ids.iter().for_each(|id| out.u16(*id));
        }),
        _ => {}
    }
}
