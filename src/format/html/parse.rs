//! The guarded parse.
//!
//! html5ever does the parsing; this file gives it a tree to build and stands between its tokenizer and its
//! tree builder. Standing there does three things that cannot be done afterwards:
//!
//! * tags that no rule knows are dropped **before** the tree is built, so that their absence cannot change how
//!   the output parses again (`<h1><foo><h2>` must become two headings, not one inside the other);
//! * attributes that no rule knows are dropped, so that no later step can forget to;
//! * the doctype is dropped, so that every message is read in the mode in which it is shown (no quirks).
//!
//! Limits (security.md section 6 and S-11). The HTML algorithm walks its stack of open elements at every tag
//! and compares every attribute of a tag with those before it, so depth and attribute count make it quadratic.
//! The input is therefore fed in pieces that end before each `<`, and the counters are looked at between the
//! pieces; nothing is parsed beyond a limit. A parse that ends at a limit gives `None`.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use html5ever::tendril::{SliceExt, StrTendril};
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};
use html5ever::tree_builder::{
    ElementFlags, NodeOrText, QuirksMode, TreeBuilder, TreeBuilderOpts, TreeSink,
};
use html5ever::{Attribute, ExpandedName, LocalName, QualName, TokenizerResult, ns};

use super::rules;
use super::tree::{Element, Id, Kind, Tree};

/// Deepest element of a message that is shown as HTML, counted from the document's own element.
pub const MAX_DEPTH: usize = 512;
/// Most nodes (elements, texts, comments) of a message that is shown as HTML.
pub const MAX_NODES: usize = 100_000;
/// Most attributes in one tag.
pub const MAX_ATTRIBUTES: usize = 500;
/// Sum of the open depth over all tags: the length of the walks that html5ever does.
const MAX_WORK: u64 = 10_000_000;
/// A tag like `b` is compared with the open ones of its kind, attribute by attribute (HTML 13.2.4.3), so it
/// counts this many times.
const FORMATTING_WORK: u64 = 10;
/// Attributes may hold this many times the bytes of the message: a tag like `b` that is opened again brings its
/// attributes along each time.
const ATTRIBUTE_GROWTH: usize = 2;
/// Longest piece fed between two looks at the counters.
const PIECE: usize = 512;

/// Parse a whole message, or `None` when it is beyond [`MAX_DEPTH`], [`MAX_NODES`] or [`MAX_ATTRIBUTES`].
pub(super) fn parse(html: &str) -> Option<Tree> {
    let opts = TreeBuilderOpts {
        scripting_enabled: false,
        iframe_srcdoc: true,
        drop_doctype: true,
        quirks_mode: QuirksMode::NoQuirks,
        ..TreeBuilderOpts::default()
    };
    let gate = Gate {
        builder: TreeBuilder::new(Sink::new(html.len()), opts),
        emitted: Cell::new(false),
        work: Cell::new(0),
    };
    let tokenizer = Tokenizer::new(gate, TokenizerOpts::default());
    let queue = BufferQueue::default();
    let mut scan: Option<TagScan> = None;
    for piece in pieces(html) {
        if scan.is_none() && piece.starts_with('<') {
            scan = Some(TagScan::default());
        }
        if let Some(scan) = &mut scan
            && scan.feed(piece) > MAX_ATTRIBUTES
        {
            return None;
        }
        tokenizer.sink.emitted.set(false);
        queue.push_back(piece.to_tendril());
        feed(&tokenizer, &queue);
        if tokenizer.sink.emitted.get() {
            scan = None;
        }
        let sink = &tokenizer.sink.builder.sink;
        if sink.deepest.get() > MAX_DEPTH
            || sink.tree.borrow().len() > MAX_NODES
            || tokenizer.sink.work.get() > MAX_WORK
            || sink.attribute_room.get().is_none()
        {
            return None;
        }
    }
    feed(&tokenizer, &queue);
    tokenizer.end();
    let tree = tokenizer.sink.builder.sink.finish();
    let fits = tree.len() <= MAX_NODES
        && tree
            .walk(Tree::ROOT)
            .all(|(_, depth)| depth <= MAX_DEPTH + 1);
    fits.then_some(tree)
}

fn feed(tokenizer: &Tokenizer<Gate>, queue: &BufferQueue) {
    // A script or a charset declaration pauses the tokenizer; neither means anything here.
    while !matches!(tokenizer.feed(queue), TokenizerResult::Done) {}
}

/// The input in pieces of at most [`PIECE`] bytes, none of which has a `<` after its first byte.
fn pieces(html: &str) -> impl Iterator<Item = &str> {
    let mut rest = html;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut end = rest
            .bytes()
            .skip(1)
            .take(PIECE)
            .position(|b| b == b'<')
            .map_or_else(|| rest.len().min(PIECE), |at| at + 1);
        while !rest.is_char_boundary(end) {
            end += 1;
        }
        let (piece, tail) = rest.split_at(end);
        rest = tail;
        Some(piece)
    })
}

/// Counts the attributes of the tag that the tokenizer is inside of (HTML 13.2.5.32 to 13.2.5.39).
///
/// It starts at a `<` at which the tokenizer is known to be between two tokens, and is thrown away as soon as
/// the tokenizer has given out a token, so it cannot be led astray by comments or quotes.
#[derive(Default)]
struct TagScan {
    state: TagState,
    attributes: usize,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum TagState {
    #[default]
    Less,
    AfterLess,
    EndOpen,
    TagName,
    BeforeName,
    Name,
    AfterName,
    BeforeValue,
    DoubleQuoted,
    SingleQuoted,
    Unquoted,
    /// Past the tag, or never in one (comment, text).
    Done,
}

impl TagScan {
    fn feed(&mut self, piece: &str) -> usize {
        for byte in piece.bytes() {
            if self.state == TagState::Done {
                break;
            }
            self.state = self.step(byte);
        }
        self.attributes
    }

    fn step(&mut self, b: u8) -> TagState {
        use TagState as S;
        let space = matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0c);
        match self.state {
            S::Less => S::AfterLess,
            S::AfterLess if b == b'/' => S::EndOpen,
            S::AfterLess | S::EndOpen if b.is_ascii_alphabetic() => S::TagName,
            S::AfterLess | S::EndOpen | S::Done => S::Done,
            S::DoubleQuoted if b == b'"' => S::BeforeName,
            S::SingleQuoted if b == b'\'' => S::BeforeName,
            S::DoubleQuoted | S::SingleQuoted => self.state,
            _ if b == b'>' => S::Done,
            S::BeforeValue if space => S::BeforeValue,
            S::BeforeValue => match b {
                b'"' => S::DoubleQuoted,
                b'\'' => S::SingleQuoted,
                _ => S::Unquoted,
            },
            S::Name | S::AfterName if b == b'=' => S::BeforeValue,
            S::Name | S::AfterName if space => S::AfterName,
            S::TagName | S::Unquoted | S::BeforeName if space => S::BeforeName,
            S::TagName | S::BeforeName | S::Name | S::AfterName if b == b'/' => S::BeforeName,
            S::BeforeName | S::AfterName => {
                self.attributes += 1;
                S::Name
            }
            S::TagName | S::Name | S::Unquoted => self.state,
        }
    }
}

/// Stands between tokenizer and tree builder; see the head of this file.
struct Gate {
    builder: TreeBuilder<Handle, Sink>,
    emitted: Cell<bool>,
    work: Cell<u64>,
}

impl TokenSink for Gate {
    type Handle = Handle;

    fn process_token(&self, token: Token, line: u64) -> TokenSinkResult<Handle> {
        match token {
            Token::ParseError(_) => TokenSinkResult::Continue,
            Token::DoctypeToken(_) => {
                self.emitted.set(true);
                TokenSinkResult::Continue
            }
            Token::TagToken(mut tag) => {
                self.emitted.set(true);
                if !rules::reaches_the_tree(&tag.name) {
                    return TokenSinkResult::Continue;
                }
                keep_known_attributes(&mut tag);
                self.count_work(&tag);
                self.builder.process_token(Token::TagToken(tag), line)
            }
            other => {
                self.emitted.set(true);
                self.builder.process_token(other, line)
            }
        }
    }

    fn end(&self) {
        self.builder.end();
    }

    fn adjusted_current_node_present_but_not_in_html_namespace(&self) -> bool {
        self.builder
            .adjusted_current_node_present_but_not_in_html_namespace()
    }
}

impl Gate {
    fn count_work(&self, tag: &Tag) {
        let depth = u64::try_from(self.builder.sink.depth.get()).unwrap_or(u64::MAX);
        let formatting = tag.kind == TagKind::StartTag && rules::is_formatting(&tag.name);
        let times = if formatting { FORMATTING_WORK } else { 1 };
        let work = depth.saturating_add(1).saturating_mul(times);
        self.work.set(self.work.get().saturating_add(work));
    }
}

fn keep_known_attributes(tag: &mut Tag) {
    if tag.kind == TagKind::EndTag {
        tag.attrs.clear();
    } else {
        let name = tag.name.clone();
        tag.attrs
            .retain(|a| rules::attribute_reaches_the_tree(&name, &a.name.local));
    }
}

#[derive(Clone)]
struct Handle {
    id: Id,
    name: Rc<QualName>,
}

struct Sink {
    tree: RefCell<Tree>,
    no_name: Rc<QualName>,
    /// Depth of the latest insertion, and the greatest depth seen.
    depth: Cell<usize>,
    deepest: Cell<usize>,
    /// Bytes that attributes may still take; `None` when they wanted more.
    attribute_room: Cell<Option<usize>>,
}

impl Sink {
    fn new(size: usize) -> Self {
        let room = size
            .saturating_mul(ATTRIBUTE_GROWTH)
            .saturating_add(64 * 1024);
        Self {
            attribute_room: Cell::new(Some(room)),
            tree: RefCell::new(Tree::new()),
            no_name: Rc::new(QualName::new(None, ns!(), LocalName::from(""))),
            depth: Cell::new(0),
            deepest: Cell::new(0),
        }
    }

    fn nameless(&self, kind: Kind) -> Handle {
        Handle {
            id: self.tree.borrow_mut().create(kind),
            name: Rc::clone(&self.no_name),
        }
    }

    fn note_depth(&self, depth: usize) {
        self.depth.set(depth);
        self.deepest.set(self.deepest.get().max(depth));
    }
}

impl TreeSink for Sink {
    type Handle = Handle;
    type Output = Tree;
    type ElemName<'a> = ExpandedName<'a>;

    fn finish(self) -> Tree {
        self.tree.into_inner()
    }

    fn parse_error(&self, _: Cow<'static, str>) {}

    fn get_document(&self) -> Handle {
        Handle {
            id: Tree::ROOT,
            name: Rc::clone(&self.no_name),
        }
    }

    fn elem_name<'a>(&'a self, target: &'a Handle) -> ExpandedName<'a> {
        target.name.expanded()
    }

    fn create_element(&self, name: QualName, attrs: Vec<Attribute>, _: ElementFlags) -> Handle {
        let size: usize = attrs.iter().map(|a| a.value.len()).sum();
        let room = self.attribute_room.get().and_then(|r| r.checked_sub(size));
        self.attribute_room.set(room);
        let attrs = attrs
            .into_iter()
            .filter(|a| room.is_some() && a.name.ns == ns!())
            .map(|a| (Cow::Owned(a.name.local.to_string()), a.value.to_string()))
            .collect();
        let element = Element {
            name: name.local.clone(),
            is_html: name.ns == ns!(html),
            attrs,
        };
        Handle {
            id: self.tree.borrow_mut().create(Kind::Element(element)),
            name: Rc::new(name),
        }
    }

    fn create_comment(&self, _: StrTendril) -> Handle {
        self.nameless(Kind::Other)
    }

    fn create_pi(&self, _: StrTendril, _: StrTendril) -> Handle {
        self.nameless(Kind::Other)
    }

    fn append(&self, parent: &Handle, child: NodeOrText<Handle>) {
        let mut tree = self.tree.borrow_mut();
        match child {
            NodeOrText::AppendNode(node) => {
                tree.detach(node.id);
                tree.append(parent.id, node.id);
                self.note_depth(tree.depth(node.id));
            }
            NodeOrText::AppendText(text) => tree.append_text(parent.id, &text),
        }
    }

    fn append_based_on_parent_node(
        &self,
        element: &Handle,
        prev_element: &Handle,
        child: NodeOrText<Handle>,
    ) {
        let has_parent = self.tree.borrow().parent(element.id).is_some();
        if has_parent {
            self.append_before_sibling(element, child);
        } else {
            self.append(prev_element, child);
        }
    }

    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {}

    /// The content of a `template` hangs below the element itself: all of it is dropped together.
    fn get_template_contents(&self, target: &Handle) -> Handle {
        target.clone()
    }

    fn same_node(&self, x: &Handle, y: &Handle) -> bool {
        x.id == y.id
    }

    fn set_quirks_mode(&self, _: QuirksMode) {}

    fn append_before_sibling(&self, sibling: &Handle, child: NodeOrText<Handle>) {
        let mut tree = self.tree.borrow_mut();
        match child {
            NodeOrText::AppendNode(node) => {
                tree.detach(node.id);
                tree.insert_before(sibling.id, node.id);
                self.note_depth(tree.depth(node.id));
            }
            NodeOrText::AppendText(text) => {
                if let Some(prev) = tree.prev(sibling.id)
                    && let Kind::Text(old) = tree.kind_mut(prev)
                {
                    old.push_str(&text);
                    return;
                }
                let id = tree.create(Kind::Text(text.to_string()));
                tree.insert_before(sibling.id, id);
            }
        }
    }

    fn add_attrs_if_missing(&self, target: &Handle, attrs: Vec<Attribute>) {
        let mut tree = self.tree.borrow_mut();
        if let Kind::Element(element) = tree.kind_mut(target.id) {
            for attr in attrs {
                if element.attr(&attr.name.local).is_none() {
                    element.attrs.push((
                        Cow::Owned(attr.name.local.to_string()),
                        attr.value.to_string(),
                    ));
                }
            }
        }
    }

    fn remove_from_parent(&self, target: &Handle) {
        self.tree.borrow_mut().detach(target.id);
    }

    fn reparent_children(&self, node: &Handle, new_parent: &Handle) {
        let mut tree = self.tree.borrow_mut();
        while let Some(child) = tree.first(node.id) {
            tree.detach(child);
            tree.append(new_parent.id, child);
        }
    }
}
