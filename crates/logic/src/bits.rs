//! Arithmetic on masked values: complements and ranges as few masks as possible.

/// The low `width` bits.
pub(crate) const fn ones(width: u8) -> u128 {
    if width >= 128 {
        u128::MAX
    } else {
        (1 << width) - 1
    }
}

/// Whether `actual` has `value` in the bits of `mask`.
pub(crate) const fn matches(actual: u128, value: u128, mask: u128) -> bool {
    (actual ^ value) & mask == 0
}

/// A value in some bits.
pub(crate) type Masked = (u128, u128);

/// Disjoint masked values that together are everything that none of `set` matches; `None` when
/// there would be more than `limit`. Looks at the bits from the most significant down, so prefixes
/// give prefixes.
pub(crate) fn complement(set: &[Masked], limit: usize) -> Option<Vec<Masked>> {
    let mut result = Vec::new();
    let open: Vec<Masked> = set.to_vec();
    split(&open, 0, 0, limit, &mut result).then_some(result)
}

/// Everything under the bits fixed so far that no element of `open` matches. The masks of `open`
/// hold only bits that are not fixed yet.
fn split(open: &[Masked], value: u128, fixed: u128, limit: usize, out: &mut Vec<Masked>) -> bool {
    if open.is_empty() {
        out.push((value, fixed));
        return out.len() <= limit;
    }
    let union = open.iter().fold(0, |bits, (_, mask)| bits | mask);
    if open.iter().any(|(_, mask)| *mask == 0) {
        return true;
    }
    let bit = 1 << (127 - union.leading_zeros());
    [0, bit].into_iter().all(|wanted| {
        let side: Vec<Masked> = open
            .iter()
            .filter(|(v, m)| m & bit == 0 || v & bit == wanted)
            .map(|(v, m)| (v & !bit, m & !bit))
            .collect();
        split(&side, value | wanted, fixed | bit, limit, out)
    })
}

/// The masks that match exactly the numbers from `low` to `high` in a field of `width` bits.
pub(crate) fn range(low: u128, high: u128, width: u8) -> Vec<Masked> {
    let all = ones(width);
    let mut result = Vec::new();
    let mut next = low;
    while next <= high && next <= all {
        // The largest aligned block that starts here and does not reach past the end.
        let mut size = if next == 0 {
            width.into()
        } else {
            next.trailing_zeros().min(width.into())
        };
        while ones(size as u8) > high - next {
            size -= 1;
        }
        let block = ones(size as u8);
        result.push((next, all & !block));
        match next.checked_add(block).and_then(|last| last.checked_add(1)) {
            Some(after) => next = after,
            None => break,
        }
    }
    result
}
