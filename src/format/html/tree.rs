//! A small document tree: what the parser fills, the cleaner builds, and the serialiser writes.

use std::borrow::Cow;

use html5ever::LocalName;

use super::rules;

/// The place of a node in its tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Id(usize);

/// What a node is.
#[derive(Debug)]
pub(super) enum Kind {
    Document,
    Element(Element),
    Text(String),
    /// Comments and processing instructions: counted, never kept.
    Other,
}

/// An element with the attributes that the filter let through.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Element {
    pub name: LocalName,
    /// False inside `svg` and `math`.
    pub is_html: bool,
    pub attrs: Vec<(Cow<'static, str>, String)>,
}

impl Element {
    pub fn new(name: &str) -> Self {
        Self {
            name: LocalName::from(name),
            is_html: true,
            attrs: Vec::new(),
        }
    }

    pub fn attr(&self, name: &str) -> Option<&str> {
        self.attrs
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    pub fn set(&mut self, name: &'static str, value: impl Into<String>) {
        match self.attrs.iter_mut().find(|(n, _)| n == name) {
            Some((_, v)) => *v = value.into(),
            None => self.attrs.push((Cow::Borrowed(name), value.into())),
        }
    }
}

#[derive(Debug)]
struct Node {
    kind: Kind,
    depth: usize,
    parent: Option<Id>,
    prev: Option<Id>,
    next: Option<Id>,
    first: Option<Id>,
    last: Option<Id>,
}

/// A document: nodes in one vector, linked by their places. Nothing is ever taken out of the vector.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
}

impl Tree {
    pub const ROOT: Id = Id(0);

    pub fn new() -> Self {
        let mut tree = Self { nodes: Vec::new() };
        tree.create(Kind::Document);
        tree
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "an Id is made by create() of the same tree, and nodes are never removed"
    )]
    fn node(&self, id: Id) -> &Node {
        &self.nodes[id.0]
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "an Id is made by create() of the same tree, and nodes are never removed"
    )]
    fn node_mut(&mut self, id: Id) -> &mut Node {
        &mut self.nodes[id.0]
    }

    pub fn kind(&self, id: Id) -> &Kind {
        &self.node(id).kind
    }

    pub fn element(&self, id: Id) -> Option<&Element> {
        match self.kind(id) {
            Kind::Element(e) => Some(e),
            _ => None,
        }
    }

    pub fn first(&self, id: Id) -> Option<Id> {
        self.node(id).first
    }

    pub fn parent(&self, id: Id) -> Option<Id> {
        self.node(id).parent
    }

    pub fn prev(&self, id: Id) -> Option<Id> {
        self.node(id).prev
    }

    /// The depth at which the node was put in; stale when an ancestor was moved since.
    pub fn depth(&self, id: Id) -> usize {
        self.node(id).depth
    }

    pub fn kind_mut(&mut self, id: Id) -> &mut Kind {
        &mut self.node_mut(id).kind
    }

    pub fn next(&self, id: Id) -> Option<Id> {
        self.node(id).next
    }

    pub fn create(&mut self, kind: Kind) -> Id {
        let id = Id(self.nodes.len());
        self.nodes.push(Node {
            kind,
            depth: 0,
            parent: None,
            prev: None,
            next: None,
            first: None,
            last: None,
        });
        id
    }

    pub fn append(&mut self, parent: Id, child: Id) {
        let last = self.node(parent).last;
        let depth = self.node(parent).depth + 1;
        let node = self.node_mut(child);
        node.parent = Some(parent);
        node.prev = last;
        node.next = None;
        node.depth = depth;
        match last {
            Some(last) => self.node_mut(last).next = Some(child),
            None => self.node_mut(parent).first = Some(child),
        }
        self.node_mut(parent).last = Some(child);
    }

    /// Add text at the end of `parent`, to the text that stands there if there is one.
    pub fn append_text(&mut self, parent: Id, text: &str) {
        if let Some(last) = self.node(parent).last
            && let Kind::Text(old) = &mut self.node_mut(last).kind
        {
            old.push_str(text);
            return;
        }
        let id = self.create(Kind::Text(text.to_owned()));
        self.append(parent, id);
    }

    pub fn insert_before(&mut self, sibling: Id, child: Id) {
        let (parent, prev) = (self.node(sibling).parent, self.node(sibling).prev);
        let depth = self.node(sibling).depth;
        let node = self.node_mut(child);
        node.parent = parent;
        node.prev = prev;
        node.next = Some(sibling);
        node.depth = depth;
        self.node_mut(sibling).prev = Some(child);
        match (prev, parent) {
            (Some(prev), _) => self.node_mut(prev).next = Some(child),
            (None, Some(parent)) => self.node_mut(parent).first = Some(child),
            (None, None) => {}
        }
    }

    pub fn insert_after(&mut self, sibling: Id, child: Id) {
        match (self.next(sibling), self.parent(sibling)) {
            (Some(next), _) => self.insert_before(next, child),
            (None, Some(parent)) => self.append(parent, child),
            (None, None) => {}
        }
    }

    pub fn detach(&mut self, id: Id) {
        let (parent, prev, next) = {
            let node = self.node_mut(id);
            (node.parent.take(), node.prev.take(), node.next.take())
        };
        match (prev, parent) {
            (Some(prev), _) => self.node_mut(prev).next = next,
            (None, Some(parent)) => self.node_mut(parent).first = next,
            (None, None) => {}
        }
        match (next, parent) {
            (Some(next), _) => self.node_mut(next).prev = prev,
            (None, Some(parent)) => self.node_mut(parent).last = prev,
            (None, None) => {}
        }
    }

    /// The `html`, `head` or `body` element of a parsed document.
    fn child_named(&self, parent: Id, name: &str) -> Option<Id> {
        let mut at = self.first(parent);
        while let Some(id) = at {
            if self.element(id).is_some_and(|e| &*e.name == name) {
                return Some(id);
            }
            at = self.next(id);
        }
        None
    }

    pub fn html(&self) -> Option<Id> {
        self.child_named(Self::ROOT, "html")
    }

    pub fn head(&self) -> Option<Id> {
        self.child_named(self.html()?, "head")
    }

    pub fn body(&self) -> Option<Id> {
        self.child_named(self.html()?, "body")
    }

    /// The nodes below `top` in the order of the text, with their true depth (1 for a child of `top`).
    pub fn walk(&self, top: Id) -> Walk<'_> {
        Walk {
            tree: self,
            top,
            at: Some(top),
            depth: 0,
        }
    }

    /// Text of `top` and all below it, at most about `limit` bytes.
    pub fn text_of(&self, top: Id, limit: usize) -> String {
        let mut out = String::new();
        for (id, _) in self.walk(top) {
            if let Kind::Text(t) = self.kind(id) {
                out.push_str(t);
                if out.len() > limit {
                    break;
                }
            }
        }
        out
    }

    /// Whether two trees hold the same elements, attributes and texts below the given nodes.
    pub fn same_below(&self, top: Id, other: &Tree, other_top: Id) -> bool {
        let mut ours = self.walk(top);
        let mut theirs = other.walk(other_top);
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) => return true,
                (Some((mine, depth)), Some((other_id, other_depth))) if depth == other_depth => {
                    let same = match (self.kind(mine), other.kind(other_id)) {
                        (Kind::Element(one), Kind::Element(two)) => one == two,
                        (Kind::Text(one), Kind::Text(two)) => one == two,
                        _ => false,
                    };
                    if !same {
                        return false;
                    }
                }
                _ => return false,
            }
        }
    }
}

/// Walks a subtree without recursion.
pub(super) struct Walk<'a> {
    tree: &'a Tree,
    top: Id,
    at: Option<Id>,
    depth: usize,
}

impl Iterator for Walk<'_> {
    type Item = (Id, usize);

    fn next(&mut self) -> Option<Self::Item> {
        let mut at = self.at?;
        if let Some(child) = self.tree.first(at) {
            self.at = Some(child);
            self.depth += 1;
            return Some((child, self.depth));
        }
        loop {
            if at == self.top {
                self.at = None;
                return None;
            }
            if let Some(next) = self.tree.next(at) {
                self.at = Some(next);
                return Some((next, self.depth));
            }
            self.depth = self.depth.saturating_sub(1);
            at = self.tree.node(at).parent?;
        }
    }
}

/// Write what is below `top` as HTML.
///
/// Text is always escaped: a raw-text element never reaches a cleaned tree. A first line feed inside `pre` is
/// doubled because the parser eats one (HTML 13.2.6.4.7).
pub(super) fn serialise(tree: &Tree, top: Id) -> String {
    let mut out = String::new();
    let mut open: Vec<(usize, &str)> = Vec::new();
    for (id, depth) in tree.walk(top) {
        while let Some((d, name)) = open.last()
            && *d >= depth
        {
            end_tag(&mut out, name);
            open.pop();
        }
        match tree.kind(id) {
            Kind::Text(text) => {
                escape_text(text, &mut out);
            }
            Kind::Element(element) => {
                start_tag(&mut out, element);
                if !rules::is_void(&element.name) {
                    let leading_line_feed = &*element.name == "pre"
                        && tree.first(id).is_some_and(
                            |c| matches!(tree.kind(c), Kind::Text(t) if t.starts_with('\n')),
                        );
                    if leading_line_feed {
                        out.push('\n');
                    }
                    open.push((depth, &element.name));
                }
            }
            Kind::Document | Kind::Other => {}
        }
    }
    while let Some((_, name)) = open.pop() {
        end_tag(&mut out, name);
    }
    out
}

pub(super) fn start_tag(out: &mut String, element: &Element) {
    out.push('<');
    out.push_str(&element.name);
    for (name, value) in &element.attrs {
        out.push(' ');
        out.push_str(name);
        out.push_str("=\"");
        escape_text(value, out);
        out.push('"');
    }
    out.push('>');
}

fn end_tag(out: &mut String, name: &str) {
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

/// Escape for text and for attribute values in double quotes alike.
pub(super) fn escape_text(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{a0}' => out.push_str("&nbsp;"),
            '\r' => out.push_str("&#13;"),
            c => out.push(c),
        }
    }
}

/// [`escape_text`] into a string of its own.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    escape_text(text, &mut out);
    out
}
