//! Products of alternatives: all factors must hold, each being a list of conjuncts. Small products
//! are multiplied out; big ones stay products.

use std::borrow::Cow;

use rustc_hash::FxHashMap;

use super::conjunct::simplify;
use super::lower::Alternatives;
use crate::normal::{Conjunct, Conjunctive, Limits, NormalForm};
use crate::{Field, NormalError};

/// Pairs of conjuncts that are tried at most to multiply two factors.
const MAX_WORK: usize = 10_000_000;

/// Products up to this size need no plan.
const SMALL: usize = 64;

/// One way to satisfy the protocol part of a product, and what remains to be satisfied then.
struct Case {
    /// Protocols, and every factor that has only one alternative.
    common: Conjunct,
    /// Factors with several alternatives, without what is in `common`.
    factors: Vec<Vec<Conjunct>>,
}

/// Multiplies out. Errors when there are more than `limits.conjuncts` on the way.
pub(super) fn flat(
    factors: Vec<Alternatives>,
    limits: Limits,
) -> Result<Vec<Conjunct>, NormalError> {
    let too_large = NormalError::TooLarge {
        limit: limits.conjuncts,
    };
    let mut factors = by_size(factors).into_iter();
    let Some(first) = factors.next() else {
        return Ok(vec![Conjunct::always()]);
    };
    if first.len() > limits.conjuncts {
        return Err(too_large);
    }
    let mut product = first.into_owned();
    for factor in factors {
        if product.len().saturating_mul(factor.len()) > MAX_WORK {
            return Err(too_large);
        }
        let mut next = Vec::with_capacity(product.len());
        for left in &product {
            for right in factor.iter() {
                next.extend(left.and(right));
                if next.len() > limits.conjuncts {
                    return Err(too_large);
                }
            }
        }
        product = next;
        // What is superfluous would be multiplied again and again.
        if product.len() > SMALL {
            product = simplify(product);
        }
    }
    Ok(simplify(product))
}

/// Small factors first, so that contradictions show before anything has grown.
fn by_size(mut factors: Vec<Alternatives>) -> Vec<Alternatives> {
    factors.sort_by_key(|factor| factor.len());
    factors
}

/// Adds the product of `factors` to `form`, big ones as [`Conjunctive`]s.
pub(super) fn conjunctive(
    factors: Vec<Alternatives>,
    limits: Limits,
    form: &mut NormalForm,
) -> Result<(), NormalError> {
    // Most matches: what would be multiplied out in the end is multiplied out at once.
    if size(factors.iter().map(|factor| factor.len())) <= limits.flat.min(SMALL) {
        form.conjuncts.extend(flat(factors, limits)?);
        return Ok(());
    }
    for case in cases(factors, limits)? {
        add_case(case, limits, form)?;
        if form.len() > limits.conjuncts {
            return Err(NormalError::TooLarge {
                limit: limits.conjuncts,
            });
        }
    }
    Ok(())
}

/// Splits a product by protocol, so that what remains in the factors is addresses, ports and other
/// values that have nothing to do with each other.
fn cases(factors: Vec<Alternatives>, limits: Limits) -> Result<Vec<Case>, NormalError> {
    let start = Case {
        common: Conjunct::always(),
        factors: Vec::new(),
    };
    let mut cases = vec![start];
    for factor in by_size(factors) {
        let groups = by_protocol(&factor);
        let mut next = Vec::new();
        for case in &cases {
            for (protocol, members) in &groups {
                if let Some(common) = case.common.and(protocol) {
                    let mut factors = case.factors.clone();
                    factors.push(members.clone());
                    next.push(Case { common, factors });
                }
                if next.len() > limits.conjuncts {
                    return Err(NormalError::TooLarge {
                        limit: limits.conjuncts,
                    });
                }
            }
        }
        cases = next;
    }
    Ok(cases)
}

/// Groups alternatives by their protocol fields, which are taken out of the members.
fn by_protocol(factor: &[Conjunct]) -> Vec<(Conjunct, Vec<Conjunct>)> {
    let mut groups: FxHashMap<Conjunct, Vec<Conjunct>> = FxHashMap::default();
    for conjunct in factor {
        let protocol = conjunct.project(Field::is_protocol);
        let rest = conjunct.project(|field| !field.is_protocol());
        groups.entry(protocol).or_default().push(rest);
    }
    let mut groups: Vec<_> = groups
        .into_iter()
        .map(|(p, rest)| (p, simplify(rest)))
        .collect();
    groups.sort_unstable();
    groups
}

/// How many conjuncts a product of so many alternatives has at most.
fn size(mut lengths: impl Iterator<Item = usize>) -> usize {
    lengths
        .try_fold(1, usize::checked_mul)
        .unwrap_or(usize::MAX)
}

fn add_case(case: Case, limits: Limits, form: &mut NormalForm) -> Result<(), NormalError> {
    let Some(case) = fold(case, limits)? else {
        return Ok(());
    };
    let sizes = || case.factors.iter().map(Vec::len);
    let product = size(sizes());
    if case.factors.len() < 2 || product <= limits.flat || product <= sizes().sum() {
        let mut factors: Vec<Alternatives> = case.factors.into_iter().map(Cow::Owned).collect();
        factors.push(vec![case.common].into());
        form.conjuncts.extend(flat(factors, limits)?);
        return Ok(());
    }
    let dimensions = case
        .factors
        .into_iter()
        .map(|factor| factor.iter().filter_map(|c| c.and(&case.common)).collect())
        .collect();
    form.conjunctives.push(Conjunctive {
        common: case.common,
        dimensions,
    });
    Ok(())
}

/// Moves single alternatives into the common part, multiplies factors that look at the same fields,
/// and drops what contradicts the common part; `None` when nothing is left that can hold.
fn fold(case: Case, limits: Limits) -> Result<Option<Case>, NormalError> {
    let Case {
        mut common,
        factors,
    } = case;
    let mut open = join_overlapping(factors, limits)?;
    loop {
        let mut rest = Vec::new();
        let before = common.clone();
        for factor in open {
            let possible: Vec<Conjunct> = factor
                .into_iter()
                .filter(|c| c.and(&common).is_some())
                .collect();
            match possible.as_slice() {
                [] => return Ok(None),
                [single] => match common.and(single) {
                    Some(both) => common = both,
                    None => return Ok(None),
                },
                several if several.iter().any(|c| c.terms().is_empty()) => {}
                _ => rest.push(possible),
            }
        }
        if common == before {
            return Ok(Some(Case {
                common,
                factors: rest,
            }));
        }
        open = rest;
    }
}

/// Factors that share a field are multiplied with each other until none do.
fn join_overlapping(
    factors: Vec<Vec<Conjunct>>,
    limits: Limits,
) -> Result<Vec<Vec<Conjunct>>, NormalError> {
    let mut done: Vec<(Vec<Field>, Vec<Conjunct>)> = Vec::new();
    for factor in factors {
        let mut fields = fields_of(&factor);
        let mut joined = vec![factor];
        while let Some(i) = done
            .iter()
            .position(|(f, _)| f.iter().any(|x| fields.contains(x)))
        {
            let (other_fields, other) = done.swap_remove(i);
            fields.extend(other_fields);
            joined.push(other);
        }
        let product = if joined.len() == 1 {
            joined.remove(0)
        } else {
            flat(joined.into_iter().map(Cow::Owned).collect(), limits)?
        };
        done.push((fields, product));
    }
    Ok(done.into_iter().map(|(_, factor)| factor).collect())
}

fn fields_of(factor: &[Conjunct]) -> Vec<Field> {
    let mut fields: Vec<Field> = factor
        .iter()
        .flat_map(|c| c.terms().iter().map(|term| term.field))
        .collect();
    fields.sort_unstable();
    fields.dedup();
    fields
}
