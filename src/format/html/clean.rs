//! The cleaner: from a parsed message to a tree that holds nothing but what the tables allow.
//!
//! A new tree is built beside the parsed one; nothing is edited in place, so what no rule copies is not there.
//! At the end the text is parsed once more and compared with the tree it was written from (HTML 13.3 warns that
//! the two can differ). Where they differ the second tree, which is what a browser would see, becomes the
//! result; a message that does not settle in a few rounds is shown as text.

use super::attrs::{self, own_name};
use super::css;
use super::link::{self, Target};
use super::parse::{self, MAX_DEPTH, MAX_NODES};
use super::pictures::{self, BLOCKED_CLASS, Pictures, has_picture_shape};
use super::plain::html_to_text;
use super::quotes;
use super::rules::{self, Treatment};
use super::selector::root_class;
use super::text::{TextOptions, text_to_html};
use super::tree::{self, Element, Id, Kind, Tree};

/// What the cleaned HTML is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The body frame: links open outside, a style sheet stays, deceptive links are marked.
    Read,
    /// The editor, in a reply or forward: inline styles only, no marks. A remote picture keeps its address in
    /// `data-pm-src` and a picture of the message its content id in `data-pm-cid`, for [`Purpose::Send`].
    Edit,
    /// What leaves from the editor: as `Edit`, and the kept addresses become `src` again. Addresses of our own
    /// (uploaded pictures) are turned into `cid:` by [`CleanOptions::own`].
    Send,
}

/// Maps one address to another, or refuses it.
pub type Mapper<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What happens to pictures that lie elsewhere on the Internet.
#[derive(Clone, Copy)]
pub enum Remote<'a> {
    /// A placeholder stands in their place.
    Block,
    /// The reader agreed: the function gives the address under which our proxy serves the picture.
    Allow(Mapper<'a>),
}

/// How to clean.
#[derive(Clone, Copy)]
pub struct CleanOptions<'a> {
    /// Goes before every class and id of the message: a letter, then letters, digits and `-`; not `pm-`.
    pub prefix: &'a str,
    pub purpose: Purpose,
    /// The address of the part with this content id.
    pub cid: Mapper<'a>,
    /// For [`Purpose::Send`]: the `cid:` address for an address of our own.
    pub own: Mapper<'a>,
    pub remote: Remote<'a>,
    /// The part of the message that is looked at; the rest is cut off and [`Cleaned::cut`] says so.
    pub max_bytes: usize,
    /// The words on the fold around the message that is answered; empty: nothing is folded. Leave it empty for
    /// a forwarded message (its quotation is what it is about) and for printing.
    pub fold_label: &'a str,
    /// Said after a link whose text names another host; `{host}` is where it leads.
    pub link_warning: &'a str,
}

fn refuse(_: &str) -> Option<String> {
    None
}

impl CleanOptions<'_> {
    /// Options that show nothing from elsewhere: no parts, no remote pictures, 2 MB, English.
    #[must_use]
    pub fn new(purpose: Purpose) -> Self {
        Self {
            prefix: "m-",
            purpose,
            cid: &refuse,
            own: &refuse,
            remote: Remote::Block,
            max_bytes: 2 * 1024 * 1024,
            fold_label: "",
            link_warning: "leads to {host}",
        }
    }
}

/// A cleaned message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// May stand in a page as it is. For reading: a `style` element, if any, and one `div`.
    pub html: String,
    /// The remote pictures it would show, each address once, in their order.
    pub remote_pictures: Vec<String>,
    /// Pictures and backgrounds that were not loaded for want of consent.
    pub blocked_count: usize,
    /// Pictures of 2x2 or smaller from elsewhere; they never load.
    pub trackers: usize,
    /// Deeper, larger or stranger than HTML mail is: `html` is empty, show the text instead.
    pub too_complex: bool,
    /// The message was longer than [`CleanOptions::max_bytes`].
    pub cut: bool,
    /// There is neither text nor a picture in it.
    pub empty: bool,
    /// The language the message says it is in.
    pub lang: Option<String>,
    /// Links whose text names another host than they lead to.
    pub suspicious_links: usize,
}

/// Clean the HTML of a message (security.md section 6).
///
/// Linear in the size of the input; run it in the blocking pool all the same.
#[must_use]
pub fn clean(html: &str, opts: &CleanOptions<'_>) -> Cleaned {
    let shown = head_of(html, opts.max_bytes);
    let cut = shown.len() < html.len();
    let mut cleaned = parse::parse(shown)
        .and_then(|parsed| Cleaner::new(opts).run(&parsed))
        .unwrap_or_else(|| Cleaned {
            too_complex: true,
            ..Cleaned::default()
        });
    cleaned.cut = cut;
    cleaned
}

/// A message's HTML as a quotation for the editor. What cannot be shown as HTML is quoted as text.
#[must_use]
pub fn quote_html(html: &str, opts: &CleanOptions<'_>) -> String {
    let opts = CleanOptions {
        purpose: Purpose::Edit,
        ..*opts
    };
    let cleaned = clean(html, &opts);
    let inner = if cleaned.too_complex {
        let plain = TextOptions {
            fold: false,
            ..TextOptions::default()
        };
        text_to_html(&html_to_text(html), &plain)
    } else {
        cleaned.html
    };
    format!("<blockquote type=\"cite\">{inner}</blockquote>")
}

/// The first `max` bytes of a text, cut between two characters.
pub(super) fn head_of(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or(text)
}

/// Rounds of writing and parsing until both agree.
const SETTLING_ROUNDS: usize = 4;
/// The class of our mark behind a link.
pub(super) const WARNING_CLASS: &str = "pm-link-warning";
/// The class of a picture that may be scaled down in both directions at once.
const FIT_CLASS: &str = "pm-fit";
/// Only an important inline style is beyond the reach of a message's own sheet.
const WARNING_STYLE: &str = "all:initial!important;display:inline!important;margin:0 4px!important;\
padding:1px 6px!important;border-radius:4px!important;background:#fdf3dc!important;color:#6f4a00!important;\
font:500 12px/1.4 system-ui,sans-serif!important";

struct Frame {
    /// The next node to look at, and where its copy goes.
    next: Option<Id>,
    into: Id,
}

struct Cleaner<'o> {
    opts: &'o CleanOptions<'o>,
    out: Tree,
    sheet: String,
    sheet_room: usize,
    pictures: Pictures<'o>,
    cleaned: Cleaned,
}

impl<'o> Cleaner<'o> {
    fn new(opts: &'o CleanOptions<'o>) -> Self {
        Self {
            opts,
            out: Tree::new(),
            sheet: String::new(),
            sheet_room: css::MAX_SHEET,
            pictures: Pictures::new(opts),
            cleaned: Cleaned::default(),
        }
    }

    fn run(mut self, parsed: &Tree) -> Option<Cleaned> {
        let body = parsed.body()?;
        if let Some(head) = parsed.head() {
            let nowhere = self.out.create(Kind::Other);
            self.copy(parsed, head, nowhere);
        }
        let (top, wrapper) = self.wrapper(parsed, body);
        let into = match wrapper {
            Some(element) => {
                let id = self.out.create(Kind::Element(element));
                self.out.append(Tree::ROOT, id);
                id
            }
            None => Tree::ROOT,
        };
        self.copy(parsed, top, into);

        let (tree, top) = settle(self.out, Tree::ROOT)?;
        let (mut tree, top) = if self.opts.purpose == Purpose::Read {
            let enclosed = enclose(tree, top, &root_class(self.opts.prefix))?;
            folded(enclosed, self.opts)?
        } else {
            (tree, top)
        };
        let mut cleaned = self.cleaned;
        cleaned.empty = !tree.walk(top).any(|(id, _)| match tree.kind(id) {
            Kind::Text(text) => !text.trim().is_empty(),
            Kind::Element(e) => &*e.name == "img" || is_placeholder(e),
            _ => false,
        });
        if self.opts.purpose == Purpose::Read {
            cleaned.suspicious_links = mark_links(&mut tree, top, self.opts.link_warning);
        }
        let content = tree::serialise(&tree, top);
        cleaned.html = if self.sheet.is_empty() {
            content
        } else {
            format!("<style>{}</style>{content}", self.sheet)
        };
        cleaned.remote_pictures = self.pictures.list;
        cleaned.blocked_count = self.pictures.blocked;
        cleaned.trackers = self.pictures.trackers;
        Some(cleaned)
    }

    /// The element that stands for the message's `body`, and the node whose children go into it.
    fn wrapper(&mut self, parsed: &Tree, body: Id) -> (Id, Option<Element>) {
        let root = root_class(self.opts.prefix);
        let reading = self.opts.purpose == Purpose::Read;
        let inner = reading
            .then(|| existing_wrapper(parsed, body, &root))
            .flatten();
        let top = inner.unwrap_or(body);
        let source = parsed
            .element(top)
            .cloned()
            .unwrap_or_else(|| Element::new("body"));
        let html = parsed.html().and_then(|id| parsed.element(id));

        let mut div = Element::new("div");
        let mut classes = Vec::new();
        if reading {
            classes.push(root);
            classes.extend(self.classes(&source));
            if let Some(id) = source
                .attr("id")
                .and_then(|v| own_name(v, self.opts.prefix))
            {
                div.set("id", id);
            }
        }
        if !classes.is_empty() {
            div.set("class", classes.join(" "));
        }
        for name in ["dir", "lang"] {
            let value = source
                .attr(name)
                .or_else(|| html.and_then(|e| e.attr(name)))
                .and_then(|v| attrs::plain_value("div", name, v));
            if let Some(value) = value {
                if name == "lang" {
                    self.cleaned.lang = Some(value.clone());
                }
                div.set(name, value);
            }
        }
        let mut style = self.style(&source);
        if let Some(colour) = source.attr("bgcolor").and_then(attrs::colour) {
            let own = css::attribute(&format!("background-color:{colour}"), &mut |_| None);
            style = join_styles(own, style);
        }
        if !style.is_empty() {
            div.set("style", style);
        }
        div.attrs.sort();
        let needed = reading || !div.attrs.is_empty();
        (top, needed.then_some(div))
    }

    /// Copy what is below `from` of the parsed tree into `into` of the new one.
    fn copy(&mut self, parsed: &Tree, from: Id, into: Id) {
        let mut open = vec![Frame {
            next: parsed.first(from),
            into,
        }];
        while let Some(frame) = open.last_mut() {
            let Some(id) = frame.next else {
                open.pop();
                continue;
            };
            frame.next = parsed.next(id);
            let into = frame.into;
            match parsed.kind(id) {
                Kind::Text(text) => self.out.append_text(into, text),
                Kind::Element(element) => {
                    if let Some(frame) = self.element(parsed, id, element, into) {
                        open.push(frame);
                    }
                }
                Kind::Document | Kind::Other => {}
            }
        }
    }

    /// Copy one element; the frame to go on with when its children are wanted.
    fn element(&mut self, parsed: &Tree, id: Id, source: &Element, into: Id) -> Option<Frame> {
        let name = &*source.name;
        if name == "style" && source.is_html {
            self.style_element(parsed, id, source);
            return None;
        }
        let treatment = if !source.is_html || quotes::is_mark(source) {
            Treatment::Drop
        } else if name == "details" && quotes::has_class(source, quotes::FOLD_CLASS) {
            Treatment::Unwrap
        } else {
            rules::treatment(name)
        };
        match treatment {
            Treatment::Drop => return None,
            Treatment::Unwrap => {
                return Some(Frame {
                    next: parsed.first(id),
                    into,
                });
            }
            Treatment::Keep => {}
        }
        let mut element = self.common(source);
        if name == "img" {
            self.pictures.picture(source, &mut element)?;
        } else if name == "a" {
            self.anchor(source, &mut element);
        }
        let reading = self.opts.purpose == Purpose::Read;
        if reading && name == "img" {
            if element.attr("src").is_none() {
                self.placeholder(&element, into);
                return None;
            }
            if has_picture_shape(&element) {
                add_class(&mut element, FIT_CLASS);
            }
        } else if reading && is_placeholder(source) {
            add_class(&mut element, BLOCKED_CLASS);
        }
        element.attrs.sort();
        let copy = self.out.create(Kind::Element(element));
        self.out.append(into, copy);
        Some(Frame {
            next: parsed.first(id),
            into: copy,
        })
    }

    fn placeholder(&mut self, picture: &Element, into: Id) {
        let (mut span, description) = pictures::placeholder(picture);
        span.attrs.sort();
        let span = self.out.create(Kind::Element(span));
        self.out.append(into, span);
        if !description.is_empty() {
            self.out.append_text(span, &description);
        }
    }

    /// The attributes that any element may have.
    fn common(&mut self, source: &Element) -> Element {
        let name = &*source.name;
        let mut element = Element::new(name);
        for (attr, value) in &source.attrs {
            if let Some(value) = attrs::plain_value(name, attr, value) {
                element.attrs.push((attr.clone(), value));
            }
        }
        if self.opts.purpose == Purpose::Read {
            let classes = self.classes(source);
            if !classes.is_empty() {
                element.set("class", classes.join(" "));
            }
            // The name of an old-fashioned anchor is what a link inside the message leads to.
            let id = source.attr("id").or_else(|| source.attr("name"));
            if let Some(id) = id.and_then(|v| own_name(v, self.opts.prefix)) {
                element.set("id", id);
            }
        }
        let style = self.style(source);
        if !style.is_empty() {
            element.set("style", style);
        }
        element
    }

    /// Prefixed class names. Names of ours are not a message's to have.
    fn classes(&self, source: &Element) -> Vec<String> {
        let ours = |name: &str| name.starts_with("pm-");
        source
            .attr("class")
            .map(|v| {
                let theirs: Vec<&str> = v
                    .split_ascii_whitespace()
                    .filter(|name| !ours(name))
                    .collect();
                attrs::classes(&theirs.join(" "), self.opts.prefix)
            })
            .unwrap_or_default()
            .into_iter()
            .collect()
    }

    /// The cleaned `style`, with the picture of an old `background` attribute before it.
    fn style(&mut self, source: &Element) -> String {
        let pictures = &mut self.pictures;
        let mut background = String::new();
        if let Some(raw) = source.attr("background")
            && let Some(address) = pictures.background(raw)
        {
            background.push_str("background-image:url(");
            // Writing to a string does not fail.
            let _ = cssparser::serialize_string(&address, &mut background);
            background.push(')');
        }
        let own = source
            .attr("style")
            .map(|v| css::attribute(v, &mut |a| pictures.background(a)))
            .unwrap_or_default();
        join_styles(background, own)
    }

    fn style_element(&mut self, parsed: &Tree, id: Id, source: &Element) {
        let kind = source.attr("type").unwrap_or("text/css").trim();
        if self.opts.purpose != Purpose::Read || !kind.eq_ignore_ascii_case("text/css") {
            return;
        }
        let text = parsed.text_of(id, css::MAX_SHEET);
        if text.len() > self.sheet_room {
            return;
        }
        self.sheet_room -= text.len();
        let pictures = &mut self.pictures;
        let rules = css::sheet(&text, source.attr("media"), self.opts.prefix, &mut |a| {
            pictures.background(a)
        });
        if self.sheet.len() + rules.len() <= css::MAX_SHEET {
            self.sheet.push_str(&rules);
        }
    }

    /// Set the attributes of a link, or `None`: it leads nowhere.
    fn anchor(&mut self, source: &Element, element: &mut Element) -> Option<()> {
        let reading = self.opts.purpose == Purpose::Read;
        match link::target(source.attr("href")?)? {
            Target::Fragment(name) => {
                // It stays in the frame: a new window would show the bare frame.
                if reading {
                    element.set("href", format!("#{}", own_name(&name, self.opts.prefix)?));
                }
                return Some(());
            }
            Target::Part(id) if reading => element.set("href", (self.opts.cid)(&id)?),
            Target::Part(_) => return None,
            Target::Address(address) => element.set("href", address),
        }
        if reading {
            element.set("target", "_blank");
            element.set("rel", "noopener noreferrer nofollow");
        }
        Some(())
    }
}

/// Put a mark behind every link whose text names another host; how many there were.
fn mark_links(tree: &mut Tree, top: Id, warning: &str) -> usize {
    let found: Vec<(Id, String)> = tree
        .walk(top)
        .filter_map(|(id, _)| {
            let link = tree.element(id).filter(|e| &*e.name == "a")?;
            let target = link.attr("href")?;
            let text = tree.text_of(id, 500);
            Some((id, link::other_host(head_of(&text, 500), target)?))
        })
        .collect();
    for (link, host) in &found {
        let mut mark = Element::new("span");
        mark.set("class", WARNING_CLASS);
        mark.set("style", WARNING_STYLE);
        let mark = tree.create(Kind::Element(mark));
        tree.insert_after(*link, mark);
        tree.append_text(mark, &warning.replace("{host}", host));
    }
    found.len()
}

/// The `div` that an earlier cleaning put around everything, when there is nothing beside it.
fn existing_wrapper(parsed: &Tree, body: Id, root: &str) -> Option<Id> {
    let mut found = None;
    let mut at = parsed.first(body);
    while let Some(id) = at {
        match parsed.kind(id) {
            Kind::Element(e) => {
                let is_root = &*e.name == "div"
                    && e.attr("class")
                        .is_some_and(|c| c.split_ascii_whitespace().next() == Some(root));
                if !is_root || found.is_some() {
                    return None;
                }
                found = Some(id);
            }
            Kind::Text(text) if !text.trim().is_empty() => return None,
            _ => {}
        }
        at = parsed.next(id);
    }
    found
}

/// The tree as it parses from its own text, or `None` when it does not come to rest or is too large.
fn settle(out: Tree, top: Id) -> Option<(Tree, Id)> {
    // The shown document has `html` and `body` above, and a few nodes beside.
    let fits = out.len() + 16 <= MAX_NODES
        && out
            .walk(Tree::ROOT)
            .all(|(_, depth)| depth + 2 <= MAX_DEPTH);
    if !fits {
        return None;
    }
    let (mut tree, mut top) = (out, top);
    for _ in 0..SETTLING_ROUNDS {
        let again = parse::parse(&tree::serialise(&tree, top))?;
        let body = again.body()?;
        if again.same_below(body, &tree, top) {
            return Some((tree, top));
        }
        (tree, top) = (again, body);
    }
    None
}

/// Make sure that one element holds the whole message, and settle again if it did not.
///
/// Markup like `<li><table><div><li>` closes more than it opens when it is parsed from its own text, the
/// message's element among it; then a new one goes around everything.
fn enclose(tree: Tree, top: Id, root: &str) -> Option<(Tree, Id)> {
    let (mut tree, mut top) = (tree, top);
    for _ in 0..SETTLING_ROUNDS {
        if existing_wrapper(&tree, top, root).is_some() {
            return Some((tree, top));
        }
        let mut div = Element::new("div");
        div.set("class", root);
        let div = tree.create(Kind::Element(div));
        while let Some(child) = tree.first(top).filter(|child| *child != div) {
            tree.detach(child);
            tree.append(div, child);
            if let Kind::Element(element) = tree.kind_mut(child) {
                remove_class(element, root);
            }
        }
        tree.append(top, div);
        (tree, top) = settle(tree, top)?;
    }
    None
}

/// Fold the message that is answered. Where the fold would not stay where it is put, there is none.
fn folded((mut tree, top): (Tree, Id), opts: &CleanOptions<'_>) -> Option<(Tree, Id)> {
    let open = tree::serialise(&tree, top);
    if opts.fold_label.is_empty() || !quotes::fold(&mut tree, top, opts.fold_label, opts.prefix) {
        return Some((tree, top));
    }
    let again = parse::parse(&tree::serialise(&tree, top));
    let stays = again.is_some_and(|a| a.body().is_some_and(|b| a.same_below(b, &tree, top)));
    if stays {
        return Some((tree, top));
    }
    let tree = parse::parse(&open)?;
    let top = tree.body()?;
    Some((tree, top))
}

fn join_styles(first: String, second: String) -> String {
    match (first.is_empty(), second.is_empty()) {
        (true, _) => second,
        (_, true) => first,
        _ => format!("{first};{second}"),
    }
}

/// Whether an earlier cleaning put this in the place of a picture.
pub(super) fn is_placeholder(element: &Element) -> bool {
    &*element.name == "span" && quotes::has_class(element, BLOCKED_CLASS)
}

fn remove_class(element: &mut Element, name: &str) {
    let left = element.attr("class").map(|class| {
        class
            .split_ascii_whitespace()
            .filter(|c| *c != name)
            .collect::<Vec<_>>()
            .join(" ")
    });
    match left {
        Some(left) if left.is_empty() => element.attrs.retain(|(attr, _)| attr != "class"),
        Some(left) => element.set("class", left),
        None => {}
    }
}

pub(super) fn add_class(element: &mut Element, name: &str) {
    let class = match element.attr("class") {
        Some(theirs) => format!("{theirs} {name}"),
        None => name.to_owned(),
    };
    element.set("class", class);
}
