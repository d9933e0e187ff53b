//! The labelling of a pixel grid that costs least: every pixel pays for going against its own leaning, every pair of
//! neighbours for differing. Solved exactly as a minimum cut by growing two search trees.
//!
//! Boykov and Kolmogorov, "An Experimental Comparison of Min-Cut/Max-Flow Algorithms for Energy Minimization in Vision"
//! (PAMI 2004). No kept crate does this on grids.

use std::collections::VecDeque;

/// Neighbours of a pixel as (dx, dy); the opposite of direction `d` is `7 - d`.
const AROUND: [(i32, i32); 8] = [(-1, -1), (0, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (0, 1), (1, 1)];
const NOBODY: u32 = u32::MAX;

/// Which pixels lie inside, on a grid of `width` columns.
///
/// `leaning` holds a value for each pixel, row-major: positive for inside; its size is the cost of going against it. A
/// pixel that `is_free` does not accept keeps its side. `difference` is the cost, 0 at least, that two neighbouring pixels
/// (by index; eight neighbours each) pay for lying on different sides. Where two labellings cost the same, the smaller
/// inside is taken.
///
/// # Panics
/// When `width` is 0 and there are pixels.
pub fn least_cost(leaning: &[f32], width: usize, is_free: impl Fn(usize) -> bool, difference: impl Fn(usize, usize) -> f32) -> Vec<bool> {
    let mut labels: Vec<bool> = leaning.iter().map(|&value| value > 0.0).collect();
    let pixels: Vec<usize> = (0..leaning.len()).filter(|&pixel| is_free(pixel)).collect();
    let mut place = vec![NOBODY; leaning.len()];
    for (node, &pixel) in pixels.iter().enumerate() {
        place[pixel] = node as u32;
    }
    let height = leaning.len() / width.max(1);
    let mut graph = Graph::new(pixels.len());
    for (node, &pixel) in pixels.iter().enumerate() {
        graph.surplus[node] += leaning[pixel];
        for (direction, (dx, dy)) in AROUND.into_iter().enumerate() {
            let (x, y) = ((pixel % width) as i32 + dx, (pixel / width) as i32 + dy);
            if x < 0 || y < 0 || x >= width as i32 || y >= height as i32 {
                continue;
            }
            let other = y as usize * width + x as usize;
            let cost = difference(pixel, other).max(0.0);
            if place[other] == NOBODY {
                graph.surplus[node] += if labels[other] { cost } else { -cost };
            } else {
                graph.neighbour[node][direction] = place[other];
                graph.capacity[node][direction] = cost;
            }
        }
    }
    graph.solve();
    for (&pixel, &tree) in pixels.iter().zip(&graph.tree) {
        labels[pixel] = tree == Tree::Inside;
    }
    labels
}

/// The search tree that a node belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tree {
    Free,
    Inside,
    Outside,
}

/// Where a node hangs in its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parent {
    None,
    Terminal,
    /// The neighbour in this direction.
    Node(u8),
}

/// The residual graph with its two trees.
struct Graph {
    neighbour: Vec<[u32; 8]>,
    /// What still fits from a node to its neighbour.
    capacity: Vec<[f32; 8]>,
    /// What still fits from the inside terminal (positive) or to the outside terminal (negative).
    surplus: Vec<f32>,
    tree: Vec<Tree>,
    parent: Vec<Parent>,
    /// When a node was last known to hang on a terminal, and how far from it.
    seen: Vec<u32>,
    distance: Vec<u32>,
    time: u32,
    active: VecDeque<u32>,
    is_active: Vec<bool>,
    orphans: VecDeque<u32>,
}

impl Graph {
    fn new(nodes: usize) -> Self {
        Self {
            neighbour: vec![[NOBODY; 8]; nodes],
            capacity: vec![[0.0; 8]; nodes],
            surplus: vec![0.0; nodes],
            tree: vec![Tree::Free; nodes],
            parent: vec![Parent::None; nodes],
            seen: vec![0; nodes],
            distance: vec![0; nodes],
            time: 0,
            active: VecDeque::new(),
            is_active: vec![false; nodes],
            orphans: VecDeque::new(),
        }
    }

    fn solve(&mut self) {
        for node in 0..self.surplus.len() {
            let surplus = self.surplus[node];
            if surplus.abs() > 0.0 {
                self.tree[node] = if surplus > 0.0 { Tree::Inside } else { Tree::Outside };
                self.parent[node] = Parent::Terminal;
                self.distance[node] = 1;
                self.activate(node);
            }
        }
        while let Some(&node) = self.active.front() {
            let node = node as usize;
            if let Some((from, direction)) = self.meeting(node) {
                self.time += 1;
                self.augment(from, direction);
                while let Some(orphan) = self.orphans.pop_front() {
                    self.adopt(orphan as usize);
                }
            } else {
                self.active.pop_front();
                self.is_active[node] = false;
            }
        }
    }

    fn activate(&mut self, node: usize) {
        if !self.is_active[node] {
            self.is_active[node] = true;
            self.active.push_back(node as u32);
        }
    }

    /// The neighbour of `node` in `direction`, and what still fits along the edge in the direction in which flow runs in
    /// `tree`: away from the inside terminal, towards the outside terminal.
    fn edge(&self, node: usize, direction: usize, tree: Tree) -> Option<(usize, f32)> {
        let other = self.neighbour[node][direction];
        if other == NOBODY {
            return None;
        }
        let other = other as usize;
        let fits = if tree == Tree::Inside { self.capacity[node][direction] } else { self.capacity[other][7 - direction] };
        Some((other, fits))
    }

    /// Grows the tree of `node` until it touches the other one; gives that edge from the inside tree's end.
    fn meeting(&mut self, node: usize) -> Option<(usize, usize)> {
        let tree = self.tree[node];
        if tree == Tree::Free {
            return None;
        }
        for direction in 0..8 {
            let Some((other, fits)) = self.edge(node, direction, tree) else { continue };
            if fits <= 0.0 {
                continue;
            }
            if self.tree[other] == Tree::Free {
                self.tree[other] = tree;
                self.hang(other, 7 - direction, node);
                self.activate(other);
            } else if self.tree[other] != tree {
                return Some(if tree == Tree::Inside { (node, direction) } else { (other, 7 - direction) });
            } else if self.seen[other] <= self.seen[node] && self.distance[other] > self.distance[node] + 1 {
                self.hang(other, 7 - direction, node);
            }
        }
        None
    }

    fn hang(&mut self, node: usize, direction: usize, parent: usize) {
        self.parent[node] = Parent::Node(direction as u8);
        self.seen[node] = self.seen[parent];
        self.distance[node] = self.distance[parent] + 1;
    }

    /// The node above `node`, with the direction to it.
    fn above(&self, node: usize) -> Option<(usize, usize)> {
        match self.parent[node] {
            Parent::Node(direction) => Some((self.neighbour[node][direction as usize] as usize, direction as usize)),
            _ => None,
        }
    }

    /// Sends as much as fits from terminal to terminal over the edge from `from` in `direction`.
    fn augment(&mut self, from: usize, direction: usize) {
        let to = self.neighbour[from][direction] as usize;
        let mut flow = self.capacity[from][direction];
        let mut node = from;
        while let Some((parent, up)) = self.above(node) {
            flow = flow.min(self.capacity[parent][7 - up]);
            node = parent;
        }
        flow = flow.min(self.surplus[node]);
        node = to;
        while let Some((parent, up)) = self.above(node) {
            flow = flow.min(self.capacity[node][up]);
            node = parent;
        }
        flow = flow.min(-self.surplus[node]);

        self.capacity[from][direction] -= flow;
        self.capacity[to][7 - direction] += flow;
        node = from;
        while let Some((parent, up)) = self.above(node) {
            self.capacity[parent][7 - up] -= flow;
            self.capacity[node][up] += flow;
            if self.capacity[parent][7 - up] <= 0.0 {
                self.orphan(node);
            }
            node = parent;
        }
        self.surplus[node] -= flow;
        if self.surplus[node] <= 0.0 {
            self.orphan(node);
        }
        node = to;
        while let Some((parent, up)) = self.above(node) {
            self.capacity[node][up] -= flow;
            self.capacity[parent][7 - up] += flow;
            if self.capacity[node][up] <= 0.0 {
                self.orphan(node);
            }
            node = parent;
        }
        self.surplus[node] += flow;
        if self.surplus[node] >= 0.0 {
            self.orphan(node);
        }
    }

    fn orphan(&mut self, node: usize) {
        self.orphans.push_front(node as u32);
    }

    /// Looks for another parent for a node that lost its own; without one it leaves the tree, and its children with it.
    fn adopt(&mut self, node: usize) {
        let tree = self.tree[node];
        let towards = if tree == Tree::Inside { Tree::Outside } else { Tree::Inside };
        self.parent[node] = Parent::None;
        let mut nearest: Option<(u32, usize, usize)> = None;
        for direction in 0..8 {
            // Flow runs from parent to child in the inside tree, the other way in the outside tree.
            let Some((other, fits)) = self.edge(node, direction, towards) else { continue };
            if self.tree[other] == tree
                && fits > 0.0
                && let Some(distance) = self.rooted(other)
                && nearest.is_none_or(|(least, ..)| distance < least)
            {
                nearest = Some((distance, direction, other));
            }
        }
        if let Some((_, direction, parent)) = nearest {
            self.hang(node, direction, parent);
            return;
        }
        self.tree[node] = Tree::Free;
        for direction in 0..8 {
            let Some((other, fits)) = self.edge(node, direction, towards) else { continue };
            if self.tree[other] != tree {
                continue;
            }
            if fits > 0.0 {
                self.activate(other);
            }
            if self.parent[other] == Parent::Node(7 - direction as u8) {
                self.parent[other] = Parent::None;
                self.orphans.push_back(other as u32);
            }
        }
    }

    /// How far `node` lies from its terminal; `None` where it hangs on an orphan.
    fn rooted(&mut self, node: usize) -> Option<u32> {
        let (mut at, mut steps) = (node, 0);
        let beyond = loop {
            if self.seen[at] == self.time {
                break self.distance[at];
            }
            match self.parent[at] {
                Parent::Terminal => {
                    self.seen[at] = self.time;
                    self.distance[at] = 1;
                    break 1;
                }
                Parent::None => return None,
                Parent::Node(direction) => {
                    at = self.neighbour[at][direction as usize] as usize;
                    steps += 1;
                }
            }
        };
        let distance = beyond + steps;
        let (mut at, mut left) = (node, distance);
        while self.seen[at] != self.time {
            self.seen[at] = self.time;
            self.distance[at] = left;
            left -= 1;
            let Some((parent, _)) = self.above(at) else { break };
            at = parent;
        }
        Some(distance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cost(labels: &[bool], leaning: &[f32], width: usize, difference: &impl Fn(usize, usize) -> f32) -> f32 {
        let height = leaning.len() / width;
        let mut sum: f32 =
            labels.iter().zip(leaning).map(|(&inside, &value)| if inside == (value > 0.0) { 0.0 } else { value.abs() }).sum();
        for pixel in 0..leaning.len() {
            for (dx, dy) in &AROUND[4..] {
                let (x, y) = ((pixel % width) as i32 + dx, (pixel / width) as i32 + dy);
                if x >= 0 && y >= 0 && x < width as i32 && y < height as i32 {
                    let other = y as usize * width + x as usize;
                    sum += if labels[pixel] == labels[other] { 0.0 } else { difference(pixel, other) };
                }
            }
        }
        sum
    }

    proptest! {
        /// Against all labellings of small grids, some pixels of which are not free.
        #[test]
        fn no_labelling_costs_less(
            leaning in prop::collection::vec(-4.0_f32..4.0, 12),
            weights in prop::collection::vec(0.0_f32..3.0, 144),
            fixed in prop::collection::vec(prop::bool::weighted(0.2), 12),
            width in prop::sample::select(vec![1_usize, 3, 4, 12]),
        ) {
            let difference = |a: usize, b: usize| weights[a.min(b) * 12 + a.max(b)];
            let found = least_cost(&leaning, width, |pixel| !fixed[pixel], difference);
            let least = (0..1_u32 << 12)
                .map(|bits| (0..12).map(|pixel| bits >> pixel & 1 == 1).collect::<Vec<bool>>())
                .filter(|labels| (0..12).all(|pixel| !fixed[pixel] || labels[pixel] == (leaning[pixel] > 0.0)))
                .map(|labels| cost(&labels, &leaning, width, &difference))
                .fold(f32::INFINITY, f32::min);
            prop_assert!((cost(&found, &leaning, width, &difference) - least).abs() < 1e-3);
            prop_assert!((0..12).all(|pixel| !fixed[pixel] || found[pixel] == (leaning[pixel] > 0.0)));
        }
    }

    #[test]
    fn a_large_grid_follows_the_cheap_edge() {
        // Two halves of a picture; the leaning is right only near the left and right ends.
        let (width, height) = (200, 150);
        let leaning: Vec<f32> = (0..width * height)
            .map(|pixel| {
                if pixel % width < 20 {
                    3.0
                } else if pixel % width >= 180 {
                    -3.0
                } else {
                    0.01
                }
            })
            .collect();
        let half = |pixel: usize| pixel % width < 120;
        let labels = least_cost(&leaning, width, |_| true, |a, b| if half(a) == half(b) { 1.0 } else { 0.01 });
        assert!((0..width * height).all(|pixel| labels[pixel] == half(pixel)));
        assert!(least_cost(&[], 0, |_| true, |_, _| 1.0).is_empty());
    }
}
