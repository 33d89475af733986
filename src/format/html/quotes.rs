//! Where an answer ends and the message it answers begins, so that the reader sees the answer first.
//!
//! Every program marks the quotation in its own way. Only a quotation at the very end is folded: between the
//! parts of an answer it is what the answer is about. A message that begins with its quotation (a forward
//! without a word, an answer below) is not folded at all.

use std::collections::HashSet;

use super::clean::{WARNING_CLASS, is_placeholder};
use super::rules::{self, Treatment};
use super::tree::{Element, Id, Kind, Tree};

/// The class of our fold and of the words on it.
pub(super) const FOLD_CLASS: &str = "pm-fold";
pub(super) const LABEL_CLASS: &str = "pm-fold-label";

/// What belongs to the quotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fold {
    /// This element.
    This,
    /// This element and all that stands beside it from here on.
    Rest,
}

/// Put the quotation at the end of a cleaned message into a closed fold; whether there was one.
pub(super) fn fold(tree: &mut Tree, top: Id, label: &str, prefix: &str) -> bool {
    let Some((id, fold)) = first_quotation(tree, top, prefix) else {
        return false;
    };
    let mut details = Element::new("details");
    details.set("class", FOLD_CLASS);
    let details = tree.create(Kind::Element(details));
    tree.insert_before(id, details);
    let mut summary = Element::new("summary");
    summary.set("class", LABEL_CLASS);
    let summary = tree.create(Kind::Element(summary));
    tree.append(details, summary);
    tree.append_text(summary, label);
    let mut at = Some(id);
    while let Some(id) = at {
        at = tree.next(id).filter(|_| fold == Fold::Rest);
        tree.detach(id);
        tree.append(details, id);
    }
    true
}

/// The first quotation after words of the writer's own.
fn first_quotation(tree: &Tree, top: Id, prefix: &str) -> Option<(Id, Fold)> {
    let mut around_the_end = HashSet::new();
    let mut at = last_text(tree, top);
    while let Some(id) = at {
        around_the_end.insert(id);
        at = tree.parent(id).filter(|parent| *parent != top);
    }
    let mut has_words = false;
    for (id, _) in tree.walk(top) {
        match tree.kind(id) {
            Kind::Text(text) => {
                let described = tree
                    .parent(id)
                    .and_then(|parent| tree.element(parent))
                    .is_some_and(is_placeholder);
                has_words |= !described && !text.trim().is_empty();
            }
            Kind::Element(element) if has_words => {
                if let Some(fold) = begins(tree, id, element, prefix, &around_the_end) {
                    return Some((id, fold));
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether a quotation begins with this element.
fn begins(
    tree: &Tree,
    id: Id,
    element: &Element,
    prefix: &str,
    around_the_end: &HashSet<Id>,
) -> Option<Fold> {
    let quoted = match &*element.name {
        "blockquote" => element.attr("type").is_some() || has_name(element, prefix),
        "div" => has_name(element, prefix),
        _ => return None,
    };
    if quoted && around_the_end.contains(&id) {
        return Some(Fold::This);
    }
    let head =
        is_outlook_head(element, prefix) || first_element(tree, id).is_some_and(is_outlook_line);
    (head && &*element.name == "div").then_some(Fold::Rest)
}

fn has_name(element: &Element, prefix: &str) -> bool {
    const NAMES: &[&str] = &[
        "gmail_quote",
        "gmail_quote_container",
        "moz-cite",
        "yahoo_quoted",
        "protonmail_quote",
        "tutanota_quote",
        "zmail_extra",
        "pm-quote",
    ];
    element
        .attr("class")
        .unwrap_or_default()
        .split_ascii_whitespace()
        .any(|name| NAMES.contains(&name.strip_prefix(prefix).unwrap_or(name)))
}

/// Outlook on the web and on phones: the lines "From, Sent, To" stand in a `div` of this name.
fn is_outlook_head(element: &Element, prefix: &str) -> bool {
    let id = element.attr("id").unwrap_or_default();
    id.strip_prefix(prefix).unwrap_or(id) == "divRplyFwdMsg" || is_outlook_line(element)
}

/// Outlook on the desktop: a thin grey line above the lines "From, Sent, To".
fn is_outlook_line(element: &Element) -> bool {
    let style = element.attr("style").unwrap_or_default();
    let style: String = style
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_ascii_lowercase())
        .take(200)
        .collect();
    &*element.name == "div"
        && style.starts_with("border:none;border-top:solid#")
        && ["#e1e1e11", "#b5c4df1"].iter().any(|c| style.contains(c))
}

fn first_element(tree: &Tree, id: Id) -> Option<&Element> {
    let mut at = tree.first(id);
    while let Some(child) = at {
        match tree.kind(child) {
            Kind::Element(element) => return Some(element),
            Kind::Text(text) if text.trim().is_empty() => at = tree.next(child),
            _ => return None,
        }
    }
    None
}

/// The last text that is shown, marks of ours aside.
fn last_text(tree: &Tree, top: Id) -> Option<Id> {
    let mut last = None;
    let mut skipped: Option<usize> = None;
    for (id, depth) in tree.walk(top) {
        if skipped.is_some_and(|from| depth > from) {
            continue;
        }
        skipped = None;
        match tree.kind(id) {
            Kind::Text(text) if !text.trim().is_empty() => last = Some(id),
            Kind::Element(element) if !is_shown(element) => skipped = Some(depth),
            _ => {}
        }
    }
    last
}

fn is_shown(element: &Element) -> bool {
    element.is_html
        && rules::treatment(&element.name) != Treatment::Drop
        && !is_mark(element)
        && !is_placeholder(element)
}

/// Whether an earlier cleaning put this element there, with what is inside it.
pub(super) fn is_mark(element: &Element) -> bool {
    match &*element.name {
        "span" => has_class(element, WARNING_CLASS),
        "summary" => has_class(element, LABEL_CLASS),
        _ => false,
    }
}

pub(super) fn has_class(element: &Element, name: &str) -> bool {
    element
        .attr("class")
        .is_some_and(|v| v.split_ascii_whitespace().any(|c| c == name))
}
