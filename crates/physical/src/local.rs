//! Which datapaths this chassis must hold: those with a port here, and all that packets get to from there.
//!
//! Datapaths are joined by patch ports (a switch and a router), each of which leads one way: a switch leads to its
//! router, but a router whose port belongs to a gateway elsewhere does not lead to the switch behind it.
//! Reachability has cycles, so it is not a rule of the engine but this: a graph with counted edges and counted roots,
//! and a breadth-first search that is run again over the connected component that an edit touches. The result depends
//! on the edges and roots alone, not on the order in which they came.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How often one node leads to another.
type Edges<N> = BTreeMap<N, BTreeMap<N, usize>>;

/// The set of nodes reachable from roots, kept current under edits.
#[derive(Debug, Clone)]
pub struct Locality<N> {
    edges: Edges<N>,
    /// The same edges the other way round.
    back: Edges<N>,
    roots: BTreeMap<N, usize>,
    local: BTreeSet<N>,
    /// What was touched since the last [`Locality::update`].
    touched: BTreeSet<N>,
}

impl<N: Ord + Clone> Default for Locality<N> {
    fn default() -> Self {
        Self {
            edges: BTreeMap::new(),
            back: BTreeMap::new(),
            roots: BTreeMap::new(),
            local: BTreeSet::new(),
            touched: BTreeSet::new(),
        }
    }
}

impl<N: Ord + Clone> Locality<N> {
    /// Adds one reason why `from` leads to `to`.
    pub fn join(&mut self, from: &N, to: &N) {
        for (edges, from, to) in [(&mut self.edges, from, to), (&mut self.back, to, from)] {
            let peers = edges.entry(from.clone()).or_default();
            *peers.entry(to.clone()).or_default() += 1;
        }
        self.touch(from, to);
    }

    /// Takes back one [`Locality::join`].
    pub fn part(&mut self, from: &N, to: &N) {
        for (edges, from, to) in [(&mut self.edges, from, to), (&mut self.back, to, from)] {
            if let Some(peers) = edges.get_mut(from) {
                release(peers, to);
                if peers.is_empty() {
                    edges.remove(from);
                }
            }
        }
        self.touch(from, to);
    }

    /// Adds one reason for a node to be local by itself.
    pub fn root(&mut self, node: &N) {
        *self.roots.entry(node.clone()).or_default() += 1;
        self.touched.insert(node.clone());
    }

    /// Takes back one [`Locality::root`].
    pub fn unroot(&mut self, node: &N) {
        release(&mut self.roots, node);
        self.touched.insert(node.clone());
    }

    fn touch(&mut self, a: &N, b: &N) {
        self.touched.extend([a.clone(), b.clone()]);
    }

    /// The nodes that are local, as of the last [`Locality::update`].
    pub fn local(&self) -> &BTreeSet<N> {
        &self.local
    }

    /// Brings the result up to date; returns what became local (`true`) or ceased to be (`false`).
    ///
    /// An edge that was parted leaves both its ends touched, so the components that the touched nodes are
    /// in now hold every node whose answer can differ.
    #[must_use]
    pub fn update(&mut self) -> Vec<(N, bool)> {
        let touched = std::mem::take(&mut self.touched);
        let component = reach(&[&self.edges, &self.back], touched);
        let roots = component
            .iter()
            .filter(|node| self.roots.contains_key(node))
            .cloned()
            .collect();
        let reached = reach(&[&self.edges], roots);
        let mut changes = Vec::new();
        for node in component {
            let now = reached.contains(&node);
            let before = self.local.contains(&node);
            if now && !before {
                self.local.insert(node.clone());
                changes.push((node, true));
            } else if before && !now {
                self.local.remove(&node);
                changes.push((node, false));
            }
        }
        changes
    }
}

/// Everything that these edges lead to from `start`, itself included.
fn reach<N: Ord + Clone>(edges: &[&Edges<N>], start: BTreeSet<N>) -> BTreeSet<N> {
    let mut queue: VecDeque<N> = start.iter().cloned().collect();
    let mut seen = start;
    while let Some(node) = queue.pop_front() {
        let peers = edges.iter().filter_map(|edges| edges.get(&node));
        for peer in peers.flat_map(BTreeMap::keys) {
            if seen.insert(peer.clone()) {
                queue.push_back(peer.clone());
            }
        }
    }
    seen
}

fn release<N: Ord>(counts: &mut BTreeMap<N, usize>, key: &N) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Edit {
        Join(u8, u8),
        Part(u8, u8),
        Root(u8),
        Unroot(u8),
    }

    fn edit() -> impl Strategy<Value = Edit> {
        let node = || 0u8..7;
        prop_oneof![
            (node(), node()).prop_map(|(a, b)| Edit::Join(a, b)),
            (node(), node()).prop_map(|(a, b)| Edit::Part(a, b)),
            node().prop_map(Edit::Root),
            node().prop_map(Edit::Unroot),
        ]
    }

    fn both(locality: &mut Locality<&'static str>, a: &'static str, b: &'static str) {
        locality.join(&a, &b);
        locality.join(&b, &a);
    }

    #[test]
    fn a_router_joins_what_it_serves() {
        let mut locality = Locality::default();
        both(&mut locality, "sw0", "lr");
        both(&mut locality, "sw1", "lr");
        both(&mut locality, "sw2", "other");
        assert!(locality.update().is_empty());
        locality.root(&"sw0");
        assert_eq!(
            locality.update(),
            [("lr", true), ("sw0", true), ("sw1", true)]
        );
        locality.part(&"lr", &"sw1");
        assert_eq!(locality.update(), [("sw1", false)]);
        locality.unroot(&"sw0");
        assert_eq!(locality.update(), [("lr", false), ("sw0", false)]);
    }

    #[test]
    fn what_a_gateway_serves_is_local_from_its_own_side_only() {
        let mut locality = Locality::default();
        both(&mut locality, "sw0", "lr");
        locality.join(&"sw1", &"lr");
        locality.root(&"sw0");
        assert_eq!(locality.update(), [("lr", true), ("sw0", true)]);
        locality.unroot(&"sw0");
        locality.root(&"sw1");
        assert_eq!(locality.update(), [("sw1", true)]);
        assert_eq!(locality.local().len(), 3);
        locality.part(&"lr", &"sw0");
        assert_eq!(locality.update(), [("sw0", false)]);
    }

    proptest! {
        #[test]
        fn incremental_equals_fresh(edits in proptest::collection::vec((edit(), any::<bool>()), 0..60)) {
            let mut locality = Locality::default();
            let mut edges: BTreeMap<(u8, u8), usize> = BTreeMap::new();
            let mut roots: BTreeMap<u8, usize> = BTreeMap::new();
            for (edit, update) in edits {
                match edit {
                    Edit::Join(a, b) => {
                        locality.join(&a, &b);
                        *edges.entry((a, b)).or_default() += 1;
                    }
                    Edit::Part(a, b) if edges.contains_key(&(a, b)) => {
                        locality.part(&a, &b);
                        release(&mut edges, &(a, b));
                    }
                    Edit::Root(a) => {
                        locality.root(&a);
                        *roots.entry(a).or_default() += 1;
                    }
                    Edit::Unroot(a) if roots.contains_key(&a) => {
                        locality.unroot(&a);
                        release(&mut roots, &a);
                    }
                    Edit::Part(..) | Edit::Unroot(_) => {}
                }
                if update {
                    let _ = locality.update();
                }
            }
            let _ = locality.update();
            let mut fresh = Locality::default();
            for ((a, b), _) in edges {
                fresh.join(&a, &b);
            }
            for (root, _) in roots {
                fresh.root(&root);
            }
            let _ = fresh.update();
            prop_assert_eq!(locality.local(), fresh.local());
        }
    }
}
