//! Logical flows: parsed once, expanded for each local datapath, claimed by OpenFlow key.
//!
//! What a flow asks of its surroundings decides how much is shared. A match that names no set, group or
//! port has one normal form for all datapaths, and actions that name no port and no group have one
//! encoding; only what is left is made anew for each datapath.

mod encode;
mod environment;
mod field;
mod group;
mod names;
mod number;
mod options;
mod place;
mod template;

use std::num::NonZeroU32;
use std::sync::Arc;

use incremental::{Builder, Collected, Context, Rule};
use logic::{About, Actions, FlowText, Interner, Limits, NormalForm, Slice};
use model::{Uuid, sb};
use openflow::{Field, FlowKey, Match};
use ovsdb::Str;

use crate::emit::Claims;
use crate::output::{Body, Candidate, Claim, cookie};
use crate::world::{Local, World};

pub(crate) use encode::Encoded;
use environment::{Environment, Surroundings};
pub(crate) use number::{Numbered, conjunction_ids};
use place::Place;
use template::Values;

/// Why a logical flow has no OpenFlow flows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    Language(logic::FlowError),
    #[error("{0}")]
    Normal(logic::NormalError),
    #[error("not supported: {0}")]
    NotSupported(Str),
    #[error("there is no table {0} in this pipeline")]
    NoTable(u8),
    #[error("the flow's table or priority is out of range")]
    OutOfRange,
    #[error("option {0} has no valid value")]
    BadOption(Str),
    #[error("the match needs more conjunctions than a flow can have")]
    TooManyConjunctions,
    #[error("too many groups share a number")]
    TooManyGroups,
}

impl Trouble {
    fn field(slice: &Slice) -> Self {
        Self::NotSupported(format!("{slice} in this action").into())
    }

    fn option(option: &logic::OptionValue) -> Self {
        Self::BadOption(option.option.name.into())
    }

    /// Names an action by the first word of its text.
    fn action(action: &logic::Action) -> Self {
        let text = Actions(vec![action.clone()]).to_string();
        let name = text
            .split_once('=')
            .filter(|(left, _)| !left.contains('('))
            .map_or(&*text, |t| t.1);
        let name = name
            .trim()
            .split(['(', ' ', ';', '{'])
            .next()
            .unwrap_or_default();
        Self::NotSupported(name.into())
    }
}

/// A logical flow as typed values.
#[derive(Debug, PartialEq, Eq)]
struct Parsed {
    flow: logic::Flow<()>,
    /// Whether the match means the same in every datapath.
    match_is_shared: bool,
    /// Whether the actions mean the same in every datapath of a kind.
    actions_are_shared: bool,
}

/// What all datapaths of a flow share.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Common {
    form: Option<Arc<NormalForm>>,
    encoded: Option<(Place, openflow::Actions)>,
}

/// A flow in one datapath. The OpenFlow flows are made of it when they are collected, so that each of
/// them is held once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed {
    table: u8,
    priority: u16,
    datapath: u32,
    form: Arc<NormalForm>,
    actions: openflow::Actions,
    first_conjunction: u32,
}

/// What comes out of the logical flows.
#[derive(Clone, Copy)]
pub(crate) struct LogicalFlows {
    pub(crate) claims: Claims,
    pub(crate) groups: Rule<u32, Numbered>,
    /// What is wrong with flows, by flow.
    pub(crate) unparsed: Collected<Uuid, Str>,
    pub(crate) unplaced: Collected<Uuid, Str>,
}

/// The datapath and flow of an instance.
type Instance = (Uuid, Uuid);

impl LogicalFlows {
    pub(crate) fn new(build: &mut Builder, world: World) -> Self {
        let flows = world.inputs.logical_flow;
        let surroundings = Surroundings::new(build, world);
        let targets = targets(build, world, surroundings);
        let wanted = build.filter("wanted flow", targets, move |cx, flow| {
            cx.get(targets, flow)
                .filter(|targets| !targets.is_empty())
                .map(|_| ())
        });
        let interner = Interner::default();
        let parsed = build.filter("parsed flow", wanted, move |cx, flow| {
            Some(parse(
                cx.get(flows, flow)?,
                &interner,
                &Values::new(cx, world),
            ))
        });
        let common = build.filter("common parts", parsed, move |cx, flow| {
            let first = cx.get(targets, flow)?.first()?;
            let local = cx.get(world.datapath, first)?;
            Some(common(cx, world, parsed_ok(cx, parsed, flow)?, *local))
        });
        let instances = build.collect("flow instances", targets, |flow, datapaths| {
            datapaths
                .iter()
                .map(|datapath| ((*flow, *datapath), ()))
                .collect::<Vec<_>>()
        });

        // Only for flows whose actions are not shared.
        let encoded = build.filter("encoded actions", instances, move |cx, (flow, datapath)| {
            let parsed = parsed_ok(cx, parsed, flow)?;
            let local = *cx.get(world.datapath, datapath)?;
            let place = place(cx, world, parsed, local)?;
            let shared = cx.get(common, flow)?.as_ref().ok()?.encoded.as_ref();
            if shared.is_some_and(|(common, _)| *common == place) {
                return None;
            }
            let environment = Environment::new(cx, surroundings, *datapath, local.key);
            let port = |name: &str| logic::Environment::port_key(&environment, name);
            Some(encode::encode(place, &parsed.flow.actions, &port).map(Arc::new))
        });
        let groups = number::groups(build, encoded);
        let conjunctions = number::conjunctions(build, common, |common| match common {
            Ok(Common {
                form: Some(form), ..
            }) => !form.conjunctives.is_empty(),
            Ok(Common { form: None, .. }) => true,
            Err(_) => false,
        });
        let placed = build.filter("placed flow", instances, move |cx, instance| {
            let (flow, datapath) = instance;
            let parsed = parsed_ok(cx, parsed, flow)?;
            let local = *cx.get(world.datapath, datapath)?;
            let common = match cx.get(common, flow)? {
                Ok(common) => common,
                Err(trouble) => return Some(Err(trouble.clone())),
            };
            let form = match form(cx, surroundings, parsed, common, *datapath, local) {
                Ok(form) => form,
                Err(trouble) => return Some(Err(trouble)),
            };
            if form.is_never() {
                return None;
            }
            let actions = match (cx.get(encoded, instance), &common.encoded) {
                (Some(Ok(encoded)), _) => number::resolve(cx, groups, encoded),
                (Some(Err(trouble)), _) => Err(trouble.clone()),
                (None, Some((_, actions))) => Ok(actions.clone()),
                (None, None) => return None,
            };
            Some(finish(
                cx,
                conjunctions,
                parsed,
                *flow,
                local,
                form,
                actions,
            ))
        });
        let claims = build.collect("claims of logical flows", placed, |(flow, _), placed| {
            placed
                .as_ref()
                .map_or_else(|_| Vec::new(), |placed| placed.claims(*flow))
        });
        build.watch(claims);
        Self {
            claims,
            groups,
            unparsed: build.collect("unparsed flows", parsed, |flow, parsed| {
                parsed
                    .as_ref()
                    .err()
                    .map(|trouble| (*flow, Str::from(trouble.to_string())))
            }),
            unplaced: build.collect("unplaced flows", placed, |(flow, _), placed| {
                placed
                    .as_ref()
                    .err()
                    .map(|trouble| (*flow, Str::from(trouble.to_string())))
            }),
        }
    }
}

fn parsed_ok<'a>(
    cx: &Context<'a>,
    parsed: Rule<Uuid, Result<Arc<Parsed>, Trouble>>,
    flow: &Uuid,
) -> Option<&'a Parsed> {
    cx.get(parsed, flow)?.as_deref().ok()
}

/// The local datapaths of each flow that some packet of this chassis can meet.
fn targets(
    build: &mut Builder,
    world: World,
    surroundings: Surroundings,
) -> Rule<Uuid, Arc<[Uuid]>> {
    let inputs = world.inputs;
    let of_group = build.filter(
        "local datapaths of a group",
        inputs.datapath_group,
        move |cx, group| {
            let members = cx
                .get(inputs.datapath_group, group)?
                .datapaths
                .iter()
                .map(|d| d.uuid());
            Some(
                members
                    .filter(|d| cx.get(world.datapath, d).is_some())
                    .collect::<Arc<[Uuid]>>(),
            )
        },
    );
    build.filter(
        "local datapaths of a flow",
        inputs.logical_flow,
        move |cx, flow| {
            let row = cx.get(inputs.logical_flow, flow)?;
            // Who wrote the flow says that it is for packets that enter or leave by this port.
            if let Some(port) = row.tags.get("in_out_port")
                && !surroundings.is_present(cx, port)
            {
                return None;
            }
            if let Some(group) = row.logical_dp_group {
                return cx.get(of_group, &group.uuid()).cloned();
            }
            let datapath = row.logical_datapath?.uuid();
            cx.get(world.datapath, &datapath)
                .map(|_| Arc::from([datapath]))
        },
    )
}

fn parse(
    row: &sb::LogicalFlow,
    interner: &Interner,
    variables: &Values<'_, '_>,
) -> Result<Arc<Parsed>, Trouble> {
    let pipeline = match row.pipeline {
        sb::Pipeline::Ingress => logic::Pipeline::Ingress,
        sb::Pipeline::Egress => logic::Pipeline::Egress,
    };
    let table = u8::try_from(row.table_id).map_err(|_| Trouble::OutOfRange)?;
    Place::table(pipeline, table)?;
    let priority = u16::try_from(row.priority).map_err(|_| Trouble::OutOfRange)?;
    let text = FlowText {
        // Who has the flow is for `targets` to say.
        datapaths: (),
        stage: logic::Stage { pipeline, table },
        priority,
        hint: hint(row),
        matches: &row.match_,
        actions: &row.actions,
    };
    let flow = interner
        .read(text, about(row), variables)
        .map_err(Trouble::Language)?;
    let match_is_shared = flow.condition().references() == logic::References::default();
    let actions_are_shared = flow.actions.ports().is_empty() && !uses_groups(&flow.actions);
    Ok(Arc::new(Parsed {
        flow,
        match_is_shared,
        actions_are_shared,
    }))
}

/// The beginning of the UUID of the Northbound row that a flow is for.
fn hint(row: &sb::LogicalFlow) -> Option<NonZeroU32> {
    let hint = row.external_ids.get("stage-hint")?;
    NonZeroU32::new(u32::from_str_radix(hint, 16).ok()?)
}

fn about(row: &sb::LogicalFlow) -> About {
    let text = |text: &Str| text.as_str().into();
    About {
        controller_meter: row.controller_meter.as_ref().map(text),
        source: row.external_ids.get("source").map(text),
        tags: row
            .tags
            .iter()
            .map(|(name, value)| (text(name), text(value)))
            .collect(),
    }
}

fn uses_groups(actions: &Actions) -> bool {
    actions.0.iter().any(|action| match action {
        logic::Action::Select { .. } => true,
        logic::Action::CtLb { backends, .. } => !backends.is_empty(),
        logic::Action::Nested(_, inner) | logic::Action::CtCommit(inner) => uses_groups(inner),
        _ => false,
    })
}

fn place(cx: &Context<'_>, world: World, parsed: &Parsed, local: Local) -> Option<Place> {
    Some(Place {
        pipeline: parsed.flow.stage.pipeline,
        table: parsed.flow.stage.table,
        is_switch: local.is_switch,
        snat_zone_is_common: local.snat_zone_is_common,
        zero_snat: world.settings(cx)?.zero_snat,
    })
}

fn common(
    cx: &Context<'_>,
    world: World,
    parsed: &Parsed,
    local: Local,
) -> Result<Common, Trouble> {
    let form = if parsed.match_is_shared {
        Some(normalise(parsed, &environment::Nowhere)?)
    } else {
        None
    };
    let place = place(cx, world, parsed, local).filter(|_| parsed.actions_are_shared);
    let encode = |place| {
        let encoded = encode::encode(place, &parsed.flow.actions, &|_| None)?;
        Ok((place, encoded.actions.into()))
    };
    Ok(Common {
        form,
        encoded: place.map(encode).transpose()?,
    })
}

fn normalise(
    parsed: &Parsed,
    environment: &dyn logic::Environment,
) -> Result<Arc<NormalForm>, Trouble> {
    let form = parsed
        .flow
        .condition()
        .normalise(environment, Limits::default())
        .map_err(Trouble::Normal)?;
    let members = form
        .conjunctives
        .iter()
        .flat_map(|c| c.dimensions.iter().flatten());
    form.conjuncts
        .iter()
        .chain(members)
        .try_for_each(field::check)?;
    Ok(Arc::new(form))
}

fn form(
    cx: &Context<'_>,
    surroundings: Surroundings,
    parsed: &Parsed,
    common: &Common,
    datapath: Uuid,
    local: Local,
) -> Result<Arc<NormalForm>, Trouble> {
    if let Some(form) = &common.form {
        return Ok(form.clone());
    }
    let environment = Environment::new(cx, surroundings, datapath, local.key);
    let form = normalise(parsed, &environment)?;
    Ok(if local.is_switch {
        environment.prune(parsed.flow.stage.pipeline, form)
    } else {
        form
    })
}

fn finish(
    cx: &Context<'_>,
    conjunctions: Collected<u32, Uuid>,
    parsed: &Parsed,
    flow: Uuid,
    local: Local,
    form: Arc<NormalForm>,
    actions: Result<openflow::Actions, Trouble>,
) -> Result<Placed, Trouble> {
    let first_conjunction = match form.conjunctives.len() {
        0 => 0,
        count => conjunction_ids(cx, conjunctions, flow, count)?,
    };
    Ok(Placed {
        table: Place::table(parsed.flow.stage.pipeline, parsed.flow.stage.table)?,
        priority: parsed.flow.priority,
        datapath: local.key,
        form,
        actions: actions?,
        first_conjunction,
    })
}

impl Placed {
    fn key(&self, matches: Match) -> FlowKey {
        let matches = matches.metadata(self.datapath.into());
        FlowKey {
            table: self.table,
            priority: self.priority,
            matches,
        }
    }

    /// The OpenFlow flows: one a conjunct; for a product, one a member of each dimension, and one for
    /// the packets that have met a member of every dimension.
    fn claims(&self, owner: Uuid) -> Vec<(FlowKey, Candidate)> {
        let body = Body {
            cookie: cookie(owner),
            actions: self.actions.clone(),
        };
        let whole = Candidate {
            owner,
            claim: Claim::Flow(body),
        };
        let mut claims = Vec::with_capacity(self.form.len());
        for conjunct in &self.form.conjuncts {
            claims.push((self.key(field::matches(conjunct)), whole.clone()));
        }
        for (id, conjunctive) in (self.first_conjunction..).zip(&self.form.conjunctives) {
            let met = field::matches(&conjunctive.common).with(Field::ConjId, id);
            claims.push((self.key(met), whole.clone()));
            let clauses = u8::try_from(conjunctive.dimensions.len()).unwrap_or(u8::MAX);
            for (clause, members) in (0..).zip(&conjunctive.dimensions) {
                let claim = Claim::Clause {
                    id,
                    clause,
                    clauses,
                };
                let candidate = Candidate { owner, claim };
                let key = |member| self.key(field::matches(member));
                claims.extend(
                    members
                        .iter()
                        .map(|member| (key(member), candidate.clone())),
                );
            }
        }
        claims
    }
}
