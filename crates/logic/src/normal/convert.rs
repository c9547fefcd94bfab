//! Trees of terms to normal forms.

use super::conjunct::simplify;
use super::lower::{Alternatives, Lowering, Tree};
use super::product;
use crate::normal::{Conjunct, Conjunctive, Environment, Limits, NormalForm};
use crate::{Expr, NormalError};

pub(super) fn normalise(
    expr: &Expr,
    environment: &dyn Environment,
    limits: Limits,
) -> Result<NormalForm, NormalError> {
    let tree = Lowering {
        environment,
        limits,
    }
    .lower(expr, true)?;
    let mut form = NormalForm::default();
    branches(tree, limits, &mut form)?;
    form.conjuncts = simplify(form.conjuncts);
    if let [always] = form.conjuncts.as_slice()
        && always.terms().is_empty()
    {
        form.conjunctives.clear();
    }
    form.conjunctives.dedup();
    check(&form, limits)?;
    Ok(form)
}

fn check(form: &NormalForm, limits: Limits) -> Result<(), NormalError> {
    if form.len() > limits.conjuncts {
        return Err(NormalError::TooLarge {
            limit: limits.conjuncts,
        });
    }
    Ok(())
}

/// Each branch of the topmost disjunctions by itself, so that only a conjunction inside one branch
/// can become a [`Conjunctive`].
fn branches(tree: Tree, limits: Limits, form: &mut NormalForm) -> Result<(), NormalError> {
    match tree {
        Tree::Any(conjuncts) => form.conjuncts.extend(conjuncts.into_owned()),
        Tree::Or(parts) => {
            for part in parts {
                branches(part, limits, form)?;
            }
        }
        Tree::And(parts) => {
            let mut factors = Vec::new();
            for part in parts {
                collect_factors(part, limits, &mut factors)?;
            }
            product::conjunctive(factors, limits, form)?;
        }
    }
    check(form, limits)
}

/// The factors of nested conjunctions, each multiplied out.
fn collect_factors(
    tree: Tree,
    limits: Limits,
    factors: &mut Vec<Alternatives>,
) -> Result<(), NormalError> {
    match tree {
        Tree::And(parts) => parts
            .into_iter()
            .try_for_each(|part| collect_factors(part, limits, factors)),
        Tree::Any(conjuncts) => {
            factors.push(conjuncts);
            Ok(())
        }
        other => {
            factors.push(simplify(alternatives(other, limits)?).into());
            Ok(())
        }
    }
}

/// A tree multiplied out.
fn alternatives(tree: Tree, limits: Limits) -> Result<Vec<Conjunct>, NormalError> {
    match tree {
        Tree::Any(conjuncts) => Ok(conjuncts.into_owned()),
        Tree::Or(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(alternatives(part, limits)?);
                if all.len() > limits.conjuncts {
                    return Err(NormalError::TooLarge {
                        limit: limits.conjuncts,
                    });
                }
            }
            Ok(all)
        }
        Tree::And(parts) => {
            let mut factors = Vec::new();
            for part in parts {
                collect_factors(part, limits, &mut factors)?;
            }
            product::flat(factors, limits)
        }
    }
}

impl Conjunctive {
    /// The product as plain conjuncts, for data planes without conjunctions.
    ///
    /// # Errors
    ///
    /// When it would be more than `limits` allow.
    pub fn multiply_out(&self, limits: Limits) -> Result<Vec<Conjunct>, NormalError> {
        let dimensions = self.dimensions.iter().map(|it| it.clone().into());
        product::flat(dimensions.collect(), limits)
    }
}
