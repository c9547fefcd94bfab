//! Which datapaths this chassis must hold: those with a port here, and all that they reach.
//!
//! Datapaths are joined by patch ports (a switch and a router). Reachability has cycles, so it is not a
//! rule of the engine but this: a graph with counted edges and counted roots, and a breadth-first search
//! that is run again over the connected component that an edit touches. The result depends on the edges
//! and roots alone, not on the order in which they came.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The set of nodes reachable from roots, kept current under edits.
#[derive(Debug, Clone)]
pub struct Locality<N> {
    edges: BTreeMap<N, BTreeMap<N, usize>>,
    roots: BTreeMap<N, usize>,
    local: BTreeSet<N>,
    /// What was touched since the last [`Locality::update`].
    touched: BTreeSet<N>,
}

impl<N: Ord + Clone> Default for Locality<N> {
    fn default() -> Self {
        Self {
            edges: BTreeMap::new(),
            roots: BTreeMap::new(),
            local: BTreeSet::new(),
            touched: BTreeSet::new(),
        }
    }
}

impl<N: Ord + Clone> Locality<N> {
    /// Adds one reason for two nodes to be joined, in both directions.
    pub fn join(&mut self, a: &N, b: &N) {
        for (from, to) in [(a, b), (b, a)] {
            *self
                .edges
                .entry(from.clone())
                .or_default()
                .entry(to.clone())
                .or_default() += 1;
            self.touched.insert(from.clone());
        }
    }

    /// Takes back one [`Locality::join`].
    pub fn part(&mut self, a: &N, b: &N) {
        for (from, to) in [(a, b), (b, a)] {
            if let Some(peers) = self.edges.get_mut(from) {
                release(peers, to);
                if peers.is_empty() {
                    self.edges.remove(from);
                }
            }
            self.touched.insert(from.clone());
        }
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
        let component = self.reach(touched);
        let roots = component
            .iter()
            .filter(|node| self.roots.contains_key(node))
            .cloned()
            .collect();
        let reached = self.reach(roots);
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

    /// Everything reachable from `start`, itself included.
    fn reach(&self, start: BTreeSet<N>) -> BTreeSet<N> {
        let mut queue: VecDeque<N> = start.iter().cloned().collect();
        let mut seen = start;
        while let Some(node) = queue.pop_front() {
            for peer in self.edges.get(&node).into_iter().flat_map(BTreeMap::keys) {
                if seen.insert(peer.clone()) {
                    queue.push_back(peer.clone());
                }
            }
        }
        seen
    }
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

    #[test]
    fn a_router_joins_what_it_serves() {
        let mut locality = Locality::default();
        locality.join(&"sw0", &"lr");
        locality.join(&"sw1", &"lr");
        locality.join(&"sw2", &"other");
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
                        *edges.entry((a.min(b), a.max(b))).or_default() += 1;
                    }
                    Edit::Part(a, b) if edges.contains_key(&(a.min(b), a.max(b))) => {
                        locality.part(&a, &b);
                        release(&mut edges, &(a.min(b), a.max(b)));
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
