//! The names that are nearest to one that does not exist.

/// How many names a person is told.
const MOST: usize = 3;

/// The names that are nearest to `name`: those that differ least from it, in at most half of its characters; sorted,
/// and three of them at most.
pub fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let furthest = name.chars().count().max(3) / 2;
    let mut near: Vec<(usize, &str)> = names
        .into_iter()
        .filter(|it| !it.is_empty() && it.len().abs_diff(name.len()) <= furthest)
        .map(|it| (distance(name, it), it))
        .filter(|it| it.0 <= furthest)
        .collect();
    near.sort_unstable();
    near.dedup();
    let least = near.first().map_or(0, |it| it.0);
    let best = near.iter().take_while(|it| it.0 == least).take(MOST);
    best.map(|it| it.1).collect()
}

/// The end of an error about a name: `; did you mean ...?`, or nothing when nothing is near.
pub(crate) fn hint<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    // What peers send can be long, and nothing is near to a long name.
    if name.len() > 100 {
        return String::new();
    }
    let near = nearest(name, names);
    if near.is_empty() {
        return String::new();
    }
    let quoted: Vec<String> = near.iter().map(|it| format!("`{it}`")).collect();
    format!("; did you mean {}?", quoted.join(" or "))
}

/// How many characters must be added, removed, replaced or exchanged with their neighbour to make one of the other.
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.chars().collect();
    let other: Vec<char> = other.chars().collect();
    let mut before = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, a) in one.iter().enumerate() {
        let mut next = vec![at + 1];
        for (column, b) in other.iter().enumerate() {
            let replaced = row[column] + usize::from(a != b);
            let mut least = replaced.min(row[column + 1] + 1).min(next[column] + 1);
            if at > 0 && column > 0 && *a == other[column - 1] && one[at - 1] == *b {
                least = least.min(before[column - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_are_found() {
        assert_eq!(distance("vm1", "vm1"), 0);
        assert_eq!(distance("vm1", "vm12"), 1);
        assert_eq!(distance("wbe1", "web1"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("ip4.scr", "ip4.src"), 1);
        let names = ["ip4.src", "ip4.dst", "ip6.src", "tcp.src", ""];
        assert_eq!(nearest("ip4.scr", names), ["ip4.src"]);
        assert_eq!(nearest("ip5.src", names), ["ip4.src", "ip6.src"]);
        assert_eq!(nearest("colour", names), [""; 0]);
        assert_eq!(
            hint("ip5.src", names),
            "; did you mean `ip4.src` or `ip6.src`?"
        );
        assert_eq!(hint(&"x".repeat(10_000), names), "");
    }
}
