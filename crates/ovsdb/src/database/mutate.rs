//! The mutators (RFC 7047 section 5.1).

use crate::operation::Mutator;
use crate::value::{Atom, Real};
use crate::{ColumnType, Datum, Error, ErrorKind};

/// What the mutation makes of `field`, checked against the type of the column.
pub(crate) fn mutate(
    column: &ColumnType,
    field: &Datum,
    mutator: Mutator,
    value: &Datum,
) -> Result<Datum, Error> {
    let result = match mutator {
        Mutator::Insert => field.union(value),
        Mutator::Delete => field.without(value),
        _ => {
            let operand = value
                .as_one()
                .ok_or_else(|| Error::syntax("expected one number"))?;
            let numbers = field
                .atoms()
                .iter()
                .map(|atom| calculate(atom, mutator, operand));
            let numbers: Vec<Atom> = numbers.collect::<Result<_, _>>()?;
            let count = numbers.len();
            let result = Datum::set(numbers);
            if result.len() != count {
                return Err(Error::constraint("Result of mutation contains duplicates."));
            }
            result
        }
    };
    if result.len() < column.min as usize || result.len() > column.max as usize {
        return Err(Error::constraint(format!(
            "Attempted to store {} elements in a column of {} to {} elements.",
            result.len(),
            column.min,
            column.max
        )));
    }
    column.check(&result)?;
    Ok(result)
}

fn calculate(atom: &Atom, mutator: Mutator, operand: &Atom) -> Result<Atom, Error> {
    match (atom, operand) {
        (Atom::Integer(a), Atom::Integer(b)) => integer(*a, mutator, *b).map(Atom::Integer),
        (Atom::Real(a), Atom::Real(b)) => real(a.value(), mutator, b.value()).map(Atom::Real),
        _ => Err(Error::syntax("expected one number of the column's type")),
    }
}

fn integer(a: i64, mutator: Mutator, b: i64) -> Result<i64, Error> {
    if b == 0 && matches!(mutator, Mutator::Divide | Mutator::Remainder) {
        return Err(division_by_zero());
    }
    let result = match mutator {
        Mutator::Add => a.checked_add(b),
        Mutator::Subtract => a.checked_sub(b),
        Mutator::Multiply => a.checked_mul(b),
        Mutator::Divide => a.checked_div(b),
        // The only overflow is that of the least number by -1, whose remainder is zero.
        Mutator::Remainder => Some(a.checked_rem(b).unwrap_or(0)),
        Mutator::Insert | Mutator::Delete => Some(a),
    };
    result.ok_or_else(|| out_of_range(mutator))
}

fn real(a: f64, mutator: Mutator, b: f64) -> Result<Real, Error> {
    if b == 0.0 && mutator == Mutator::Divide {
        return Err(division_by_zero());
    }
    let result = match mutator {
        Mutator::Add => a + b,
        Mutator::Subtract => a - b,
        Mutator::Multiply => a * b,
        Mutator::Divide => a / b,
        Mutator::Remainder | Mutator::Insert | Mutator::Delete => a,
    };
    Real::new(result).ok_or_else(|| out_of_range(mutator))
}

fn division_by_zero() -> Error {
    Error::new(ErrorKind::Domain, "Division by zero.")
}

fn out_of_range(mutator: Mutator) -> Error {
    let text = format!(
        "Result of \"{}\" operation is out of range.",
        mutator.name()
    );
    Error::new(ErrorKind::Range, text)
}
