//! Threads of messages by REFERENCES and by ORDEREDSUBJECT (RFC 5256 3), and how they are written.
//!
//! Pure and without recursion: a conversation may be as deep as there are messages. A reference that would lead past
//! [`MAX_DEPTH`] ancestors is not followed; real conversations are far from it, and made-up ones cost no more than others.

use std::collections::HashMap;

use super::search::Algorithm;
use super::subject::base_subject;

/// A message as threading sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Threadable {
    /// What is written: its sequence number or UID; also the order of messages sent at one time.
    pub number: u32,
    /// The instant it was sent, in any unit.
    pub sent_at: i128,
    /// Its id, empty without one.
    pub message_id: String,
    /// Ids it refers to, oldest first: `References`, else the first of `In-Reply-To`.
    pub references: Vec<String>,
    /// Decoded subject.
    pub subject: String,
}

/// Threads, each a tree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Forest {
    nodes: Vec<Node>,
    roots: Vec<usize>,
}

/// A place in a tree; without a number only where several messages have an unknown parent in common.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Node {
    number: Option<u32>,
    sent_at: i128,
    children: Vec<usize>,
}

/// Ancestors that are looked at before a reference is left alone.
pub const MAX_DEPTH: usize = 256;

/// Threads messages.
#[must_use]
pub fn threads(algorithm: Algorithm, messages: &[Threadable]) -> Forest {
    match algorithm {
        Algorithm::OrderedSubject => ordered_subject(messages),
        Algorithm::References => references(messages),
    }
}

impl Forest {
    /// How many threads there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.roots.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    /// `(2)(3 6 (4 23)(44 7 96))`: a chain without branches in one list, every branch in a list of its own.
    pub fn write(&self, out: &mut Vec<u8>) {
        for root in &self.roots {
            self.write_thread(*root, out);
        }
    }

    fn write_thread(&self, root: usize, out: &mut Vec<u8>) {
        // What is still to be written, the next at the end; none closes the list of a node with branches.
        let mut todo = vec![Some(root)];
        out.push(b'(');
        let mut is_first = true;
        while let Some(step) = todo.pop() {
            let node = step.and_then(|at| self.nodes.get(at));
            if let Some(number) = node.and_then(|node| node.number) {
                if !is_first {
                    out.push(b' ');
                }
                out.extend_from_slice(number.to_string().as_bytes());
                is_first = false;
            }
            match node.map_or(&[][..], |node| &node.children) {
                [] => {
                    out.push(b')');
                    is_first = true;
                    // What follows an end is another end, or a branch.
                    if let Some(Some(_)) = todo.last() {
                        out.push(b'(');
                    }
                }
                [only] => todo.push(Some(*only)),
                [first, others @ ..] => {
                    todo.push(None);
                    todo.extend(others.iter().rev().map(|at| Some(*at)));
                    todo.push(Some(*first));
                    out.extend_from_slice(if is_first { b"(" } else { b" (" });
                    is_first = true;
                }
            }
        }
    }

    fn sort(&mut self) {
        let order = |nodes: &[Node], at: usize| {
            // An empty node goes by its first child (RFC 5256 3, step 4).
            let node = nodes.get(at);
            let shown = match node {
                Some(node) if node.number.is_none() => {
                    node.children.first().and_then(|child| nodes.get(*child))
                }
                other => other,
            };
            shown.map(|node| (node.sent_at, node.number))
        };
        for at in 0..self.nodes.len() {
            let Some(node) = self.nodes.get_mut(at) else {
                continue;
            };
            if node.children.len() < 2 {
                continue;
            }
            let mut children = std::mem::take(&mut node.children);
            children.sort_by_key(|child| order(&self.nodes, *child));
            if let Some(node) = self.nodes.get_mut(at) {
                node.children = children;
            }
        }
        let mut roots = std::mem::take(&mut self.roots);
        roots.sort_by_key(|root| order(&self.nodes, *root));
        self.roots = roots;
    }
}

/// ORDEREDSUBJECT: one thread a base subject, all others below the first.
fn ordered_subject(messages: &[Threadable]) -> Forest {
    let mut by_subject: HashMap<String, Vec<usize>> = HashMap::new();
    let mut forest = Forest::default();
    for message in messages {
        let key = super::sort::subject_key(&message.subject);
        by_subject.entry(key).or_default().push(forest.add(message));
    }
    for mut thread in by_subject.into_values() {
        thread.sort_by_key(|at| {
            forest
                .nodes
                .get(*at)
                .map(|node| (node.sent_at, node.number))
        });
        let Some((first, others)) = thread.split_first() else {
            continue;
        };
        forest.roots.push(*first);
        if let Some(node) = forest.nodes.get_mut(*first) {
            node.children = others.to_vec();
        }
    }
    forest.sort();
    forest
}

impl Forest {
    fn add(&mut self, message: &Threadable) -> usize {
        self.nodes.push(Node {
            number: Some(message.number),
            sent_at: message.sent_at,
            children: Vec::new(),
        });
        self.nodes.len() - 1
    }
}

/// REFERENCES, in the six steps of the RFC.
fn references(messages: &[Threadable]) -> Forest {
    let mut linked = Linked::new(messages);
    for (at, message) in messages.iter().enumerate() {
        linked.refer(at, message);
    }
    let mut forest = linked.pruned(messages);
    forest.sort();
    gather_subjects(&mut forest, messages);
    forest.sort();
    forest
}

/// Who is whose parent; the first places are the messages, behind them ids that only references name.
struct Linked<'a> {
    parents: Vec<Option<usize>>,
    by_id: HashMap<&'a str, usize>,
}

impl<'a> Linked<'a> {
    fn new(messages: &'a [Threadable]) -> Self {
        let mut by_id = HashMap::new();
        for (at, message) in messages.iter().enumerate() {
            if !message.message_id.is_empty() {
                // Of several messages with one id, the first has it; the others count as without.
                by_id.entry(message.message_id.as_str()).or_insert(at);
            }
        }
        Self {
            parents: vec![None; messages.len()],
            by_id,
        }
    }

    /// Step 1: the references in a chain, the last of them the parent.
    fn refer(&mut self, at: usize, message: &'a Threadable) {
        let mut before: Option<usize> = None;
        for id in message.references.iter().filter(|id| !id.is_empty()) {
            let parents = &mut self.parents;
            let here = *self.by_id.entry(id.as_str()).or_insert_with(|| {
                parents.push(None);
                parents.len() - 1
            });
            if let Some(parent) = before
                && self.parent(here).is_none()
                && !self.leads_to(parent, here)
            {
                self.set_parent(here, parent);
            }
            before = Some(here);
        }
        // What others guessed from their references gives way to what the message itself says.
        if let Some(parent) = before
            && self.parent(at) != Some(parent)
            && !self.leads_to(parent, at)
        {
            self.set_parent(at, parent);
        }
    }

    fn parent(&self, at: usize) -> Option<usize> {
        self.parents.get(at).copied().flatten()
    }

    fn set_parent(&mut self, at: usize, parent: usize) {
        if let Some(slot) = self.parents.get_mut(at) {
            *slot = Some(parent);
        }
    }

    /// Whether `ancestor` is `from` or above it, or too far up to know.
    fn leads_to(&self, from: usize, ancestor: usize) -> bool {
        let mut at = from;
        for _ in 0..MAX_DEPTH {
            if at == ancestor {
                return true;
            }
            match self.parent(at) {
                Some(parent) => at = parent,
                None => return false,
            }
        }
        true
    }

    /// Steps 2 and 3: the roots, and no empty places but where they hold several threads together.
    fn pruned(&self, messages: &[Threadable]) -> Forest {
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); self.parents.len()];
        let mut roots = Vec::new();
        for (at, parent) in self.parents.iter().enumerate() {
            match parent.and_then(|parent| children.get_mut(parent)) {
                Some(children) => children.push(at),
                None => roots.push(at),
            }
        }
        let mut order = roots.clone();
        let mut next = 0;
        while let Some(at) = order.get(next).copied() {
            order.extend(children.get(at).into_iter().flatten());
            next += 1;
        }
        // From the leaves up: an empty place is replaced by what is below it.
        for at in order.into_iter().rev() {
            let below = children.get(at).cloned().unwrap_or_default();
            let mut kept = Vec::with_capacity(below.len());
            for child in below {
                if child < messages.len() {
                    kept.push(child);
                } else if let Some(list) = children.get_mut(child) {
                    kept.append(list);
                }
            }
            if let Some(list) = children.get_mut(at) {
                *list = kept;
            }
        }
        let mut forest = Forest::default();
        for (at, list) in children.iter_mut().enumerate() {
            let message = messages.get(at);
            forest.nodes.push(Node {
                number: message.map(|m| m.number),
                sent_at: message.map_or(0, |m| m.sent_at),
                children: std::mem::take(list),
            });
        }
        for root in roots {
            match forest.nodes.get(root) {
                Some(node) if node.number.is_none() && node.children.is_empty() => {}
                Some(node) if node.number.is_none() && node.children.len() == 1 => {
                    forest.roots.extend(node.children.clone());
                }
                _ => forest.roots.push(root),
            }
        }
        forest
    }
}

/// Step 5: threads of one base subject are put together, the replies below what they seem to answer.
fn gather_subjects(forest: &mut Forest, messages: &[Threadable]) {
    let mut marks: HashMap<usize, (String, bool)> = HashMap::new();
    let mut table: HashMap<String, usize> = HashMap::new();
    for root in &forest.roots {
        let Some(message) = forest.first_message(*root).and_then(|at| messages.get(at)) else {
            continue;
        };
        let base = base_subject(&message.subject);
        if base.text.is_empty() {
            continue;
        }
        let key = super::sort::casemap(&base.text);
        marks.insert(*root, (key.clone(), base.is_reply_or_forward));
        let is_reply = base.is_reply_or_forward;
        match table.get(&key).copied() {
            None => {
                table.insert(key, *root);
            }
            Some(other) if !forest.is_empty_node(other) => {
                let other_is_reply = marks.get(&other).is_some_and(|(_, is)| *is);
                if forest.is_empty_node(*root) || (other_is_reply && !is_reply) {
                    table.insert(key, *root);
                }
            }
            Some(_) => {}
        }
    }
    let mut kept = Vec::with_capacity(forest.roots.len());
    let roots = std::mem::take(&mut forest.roots);
    // A node made here stands where the first of its two stood.
    let mut replaced: HashMap<usize, usize> = HashMap::new();
    for root in roots {
        let Some((key, is_reply)) = marks.get(&root) else {
            kept.push(root);
            continue;
        };
        let Some(head) = table.get(key).copied() else {
            kept.push(root);
            continue;
        };
        if head == root || replaced.contains_key(&root) {
            kept.push(root);
            continue;
        }
        let head_is_reply = marks.get(&head).is_some_and(|(_, is)| *is);
        match (forest.is_empty_node(head), forest.is_empty_node(root)) {
            (true, true) => {
                let below = forest
                    .nodes
                    .get_mut(root)
                    .map(|n| std::mem::take(&mut n.children));
                forest.adopt(head, below.unwrap_or_default());
            }
            (true, false) => forest.adopt(head, vec![root]),
            (false, _) if *is_reply && !head_is_reply => forest.adopt(head, vec![root]),
            (false, _) => {
                forest.nodes.push(Node {
                    children: vec![head, root],
                    ..Node::default()
                });
                let made = forest.nodes.len() - 1;
                table.insert(key.clone(), made);
                replaced.insert(head, made);
                kept.push(made);
            }
        }
    }
    kept.retain(|root| !replaced.contains_key(root));
    forest.roots = kept;
}

impl Forest {
    fn is_empty_node(&self, at: usize) -> bool {
        self.nodes.get(at).is_none_or(|node| node.number.is_none())
    }

    /// The message of a node, or of its first child when it is empty. Messages have the first places.
    fn first_message(&self, at: usize) -> Option<usize> {
        if !self.is_empty_node(at) {
            return Some(at);
        }
        self.nodes.get(at)?.children.first().copied()
    }

    fn adopt(&mut self, parent: usize, children: Vec<usize>) {
        if let Some(node) = self.nodes.get_mut(parent) {
            node.children.extend(children);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(number: u32, id: &str, references: &str, subject: &str) -> Threadable {
        Threadable {
            number,
            sent_at: i128::from(number),
            message_id: id.to_owned(),
            references: references.split_whitespace().map(str::to_owned).collect(),
            subject: subject.to_owned(),
        }
    }

    fn written(algorithm: Algorithm, messages: &[Threadable]) -> String {
        let mut out = Vec::new();
        threads(algorithm, messages).write(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn by_references(messages: &[Threadable]) -> String {
        written(Algorithm::References, messages)
    }

    #[test]
    fn the_example_of_rfc_5256() {
        // 4, "(2)(3 6 (4 23)(44 7 96))"
        let messages = [
            message(2, "b", "", "two"),
            message(3, "c", "", "s"),
            message(6, "f", "c", "Re: s"),
            message(4, "d", "c f", "Re: s"),
            message(23, "w", "c f d", "Re: s"),
            message(44, "x", "c f", "Re: s"),
            message(7, "g", "c f x", "Re: s"),
            message(96, "y", "c f x g", "Re: s"),
        ];
        assert_eq!(by_references(&messages), "(2)(3 6 (4 23)(44 7 96))");
    }

    #[test]
    fn an_unknown_parent_holds_its_children_together() {
        // RFC 5256 4: "((3)(5))"
        let both = [message(3, "c", "lost", "a"), message(5, "e", "lost", "b")];
        assert_eq!(by_references(&both), "((3)(5))");
        assert_eq!(by_references(&both[..1]), "(3)");
        let deep = [
            message(1, "a", "", "x"),
            message(2, "b", "a lost1 lost2", "y"),
        ];
        assert_eq!(by_references(&deep), "(1 2)");
        let three = [
            message(3, "c", "lost", "a"),
            message(5, "e", "lost", "b"),
            message(6, "f", "lost e", "c"),
        ];
        assert_eq!(by_references(&three), "((3)(5 6))");
    }

    #[test]
    fn subjects_join_what_references_do_not() {
        for (messages, threads) in [
            (
                vec![message(1, "a", "", "s"), message(2, "b", "", "Re: s")],
                "(1 2)",
            ),
            (
                vec![message(1, "a", "", "Re: s"), message(2, "b", "", "S")],
                "(2 1)",
            ),
            (
                vec![message(1, "a", "", "s"), message(2, "b", "", "s")],
                "((1)(2))",
            ),
            (
                vec![message(1, "a", "", "Re: s"), message(2, "b", "", "Re: s")],
                "((1)(2))",
            ),
            (
                vec![
                    message(1, "a", "", "s"),
                    message(2, "b", "", "s"),
                    message(3, "c", "", "Re: s"),
                ],
                "((1)(2)(3))",
            ),
            (
                vec![message(1, "a", "", ""), message(2, "b", "", "")],
                "(1)(2)",
            ),
            (
                vec![message(1, "a", "", "s"), message(2, "b", "", "t")],
                "(1)(2)",
            ),
            (
                vec![
                    message(1, "a", "lost", "s"),
                    message(2, "b", "lost", "s"),
                    message(3, "c", "", "s"),
                    message(4, "d", "gone", "Re: s"),
                    message(5, "e", "gone", "Re: s"),
                ],
                "((1)(2)(3)(4)(5))",
            ),
        ] {
            assert_eq!(by_references(&messages), threads, "{messages:?}");
        }
    }

    #[test]
    fn dates_order_and_numbers_settle() {
        let mut messages = [
            message(1, "a", "", "x"),
            message(2, "b", "a", "y"),
            message(3, "c", "a", "z"),
            message(4, "d", "", "first"),
        ];
        messages[1].sent_at = 9;
        messages[3].sent_at = 0;
        assert_eq!(by_references(&messages), "(4)(1 (3)(2))");
        messages[1].sent_at = 3;
        assert_eq!(by_references(&messages), "(4)(1 (2)(3))");
    }

    #[test]
    fn loops_and_copies_do_no_harm() {
        let circle = [message(1, "a", "b", "x"), message(2, "b", "a", "y")];
        assert_eq!(by_references(&circle), "(2 1)");
        assert_eq!(by_references(&[message(1, "a", "a", "x")]), "(1)");
        assert_eq!(by_references(&[message(1, "a", "b a b a", "x")]), "(1)");
        let twins = [
            message(1, "a", "", "x"),
            message(2, "a", "", "y"),
            message(3, "c", "a", "z"),
        ];
        assert_eq!(by_references(&twins), "(1 3)(2)");
        assert_eq!(by_references(&[]), "");
    }

    #[test]
    fn what_a_message_says_itself_counts_more() {
        let messages = [
            message(1, "a", "", "x"),
            message(2, "b", "", "y"),
            message(3, "d", "a c", "z"),
            message(4, "c", "b", "q"),
        ];
        assert_eq!(by_references(&messages), "(1)(2 4 3)");
    }

    #[test]
    fn ordered_subjects() {
        let messages = [
            message(1, "", "", "b"),
            message(2, "", "", "a"),
            message(3, "", "", "Re: B"),
            message(4, "", "", "Fwd: b"),
            message(5, "", "", "Re: a"),
        ];
        assert_eq!(
            written(Algorithm::OrderedSubject, &messages),
            "(1 (3)(4))(2 5)"
        );
    }

    #[test]
    fn a_chain_of_100_000_is_written() {
        let messages: Vec<Threadable> = (1..=100_000_u32)
            .map(|n| message(n, &n.to_string(), &(n - 1).to_string(), "s"))
            .collect();
        let text = by_references(&messages);
        assert!(text.starts_with("((1 2 3 4 "));
        // In pieces of some hundred, held together by their subject.
        assert_eq!(text.matches(|c: char| c.is_ascii_digit()).count(), 488_895);
    }

    proptest! {
        #[test]
        fn every_message_once(
            refs in proptest::collection::vec((0_u32..14, proptest::collection::vec(0_u32..14, 0..4), "(Re: )?[st]?"), 0..14),
        ) {
            let messages: Vec<Threadable> = (1_u32..)
                .zip(refs)
                .map(|(n, (id, refs, subject))| Threadable {
                    number: n,
                    sent_at: i128::from(id),
                    message_id: id.to_string(),
                    references: refs.iter().map(ToString::to_string).collect(),
                    subject,
                })
                .collect();
            for algorithm in [Algorithm::References, Algorithm::OrderedSubject] {
                let text = written(algorithm, &messages);
                let mut numbers: Vec<u32> = text
                    .split(|c: char| !c.is_ascii_digit())
                    .filter_map(|n| n.parse().ok())
                    .collect();
                numbers.sort_unstable();
                prop_assert_eq!(numbers, (1..=u32::try_from(messages.len()).unwrap()).collect::<Vec<_>>(), "{}", text);
                let mut depth = 0_i32;
                for c in text.chars() {
                    depth += match c { '(' => 1, ')' => -1, _ => 0 };
                    prop_assert!(depth >= 0);
                }
                prop_assert_eq!(depth, 0);
                prop_assert!(!text.contains("()") && !text.contains("( ") && !text.contains(" )"), "{}", text);
            }
        }
    }
}
