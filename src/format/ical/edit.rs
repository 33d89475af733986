//! Changing single lines of a tree; every other byte stays.
//!
//! A line whose value changes keeps its name, its place and, unless new ones are given, its parameters; it is folded anew at 75
//! octets. A line whose value would not change is left alone, folds and all.

use ical::tree::cst::{IcalCst, IcalItem};
use ical::tree::line::IcalLine;
use ical::tree::param::node::IcalParamNode;

use super::tree::{Component, Property};
use super::value::escape_text;

/// A component to be changed.
#[derive(Debug)]
pub struct ComponentMut<'t, 'a>(&'t mut IcalCst<'a>);

/// A property line as it is written anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProperty {
    name: String,
    parameters: Vec<(String, String)>,
    raw: String,
}

impl NewProperty {
    /// A line with a value that needs no escaping (dates, numbers, addresses, rules).
    ///
    /// Line breaks and other control characters in it become blanks: no value ever begins a line.
    #[must_use]
    pub fn raw(name: &str, raw: &str) -> Self {
        Self {
            name: name.to_owned(),
            parameters: Vec::new(),
            raw: without_controls(raw),
        }
    }

    /// A line with a text value.
    #[must_use]
    pub fn text(name: &str, text: &str) -> Self {
        Self::raw(name, &escape_text(text))
    }

    /// With a parameter; quoted where its value needs it (RFC 5545 3.2, RFC 6868).
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        let mut coded = String::with_capacity(value.len() + 2);
        for c in value.chars() {
            match c {
                '^' => coded.push_str("^^"),
                '"' => coded.push_str("^'"),
                '\n' => coded.push_str("^n"),
                c if c.is_control() => {}
                c => coded.push(c),
            }
        }
        if coded.contains([':', ';', ',', ' ']) || coded.is_empty() {
            coded = format!("\"{coded}\"");
        }
        self.parameters.push((name.to_owned(), coded));
        self
    }

    fn line<'a>(&self, is_lf: bool) -> IcalLine<'a> {
        let mut line = IcalLine::text(self.name.clone(), self.raw.clone());
        line.params = self
            .parameters
            .iter()
            .map(|(name, value)| parameter(name, value))
            .collect();
        if is_lf {
            line.eol.set("\n");
        }
        line
    }
}

/// One parameter; the crate's reader borrows, so its leaves are made owned here.
fn parameter<'a>(name: &str, value: &str) -> IcalParamNode<'a> {
    let mut node = IcalParamNode::parse("X=Y");
    node.name.set(name.to_owned());
    if let Some(first) = node.values.first_mut() {
        first.set(value.to_owned());
    }
    node
}

fn without_controls(raw: &str) -> String {
    raw.chars()
        .map(|c| if c.is_control() && c != '\t' { ' ' } else { c })
        .collect()
}

impl<'t, 'a> ComponentMut<'t, 'a> {
    pub(super) fn new(cst: &'t mut IcalCst<'a>) -> Self {
        Self(cst)
    }

    /// To be read.
    #[must_use]
    pub fn read(&self) -> Component<'_> {
        Component::over(self.0)
    }

    /// Components directly inside, to be changed.
    pub fn children_mut(&mut self) -> impl Iterator<Item = ComponentMut<'_, 'a>> {
        self.0.items.iter_mut().filter_map(|item| match item {
            IcalItem::Component(child) => Some(ComponentMut(child)),
            IcalItem::Prop(_) | IcalItem::Opaque(_) => None,
        })
    }

    /// Sets the text of a property, keeping its parameters; adds the line where there is none.
    pub fn set_text(&mut self, name: &str, text: &str) {
        self.set_value(name, &escape_text(text));
    }

    /// Sets the value of the first property of a name as it is written, keeping its parameters; adds the line where there is
    /// none.
    pub fn set_value(&mut self, name: &str, raw: &str) {
        let raw = without_controls(raw);
        if let Some(line) = self.line_mut(name) {
            if line.raw_value_str() != raw {
                line.value = IcalLine::text("X", raw).value;
            }
            return;
        }
        self.add(&NewProperty::raw(name, &raw));
    }

    /// Puts a property in the place of the first of its name, parameters and all, and removes the others of the name.
    pub fn replace(&mut self, property: &NewProperty) {
        let is_lf = self.is_lf();
        let new = property.line(is_lf);
        let mut is_set = false;
        let name = property.name.clone();
        self.0.items.retain_mut(|item| match item {
            IcalItem::Prop(line) if is_named(line, &name) => {
                if is_set {
                    return false;
                }
                is_set = true;
                if !is_same(line, &new) {
                    *line = new.clone();
                }
                true
            }
            _ => true,
        });
        if !is_set {
            self.add(property);
        }
    }

    /// Adds a property behind the others, before the components inside.
    pub fn add(&mut self, property: &NewProperty) {
        let is_lf = self.is_lf();
        self.0.push_line(property.line(is_lf));
    }

    /// Removes every property of a name; says whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        self.remove_where(|p| is_named(p, name))
    }

    /// Removes the properties of a name whose value `gone` says yes to.
    pub fn remove_values(&mut self, name: &str, mut gone: impl FnMut(&str) -> bool) -> bool {
        self.remove_where(|p| is_named(p, name) && gone(&p.raw_value_str()))
    }

    /// Keeps only the properties whose name `kept` says yes to.
    pub fn retain(&mut self, mut kept: impl FnMut(&str) -> bool) {
        self.remove_where(|line| !kept(line.name.get()));
    }

    fn remove_where(&mut self, mut gone: impl FnMut(&IcalLine<'a>) -> bool) -> bool {
        let before = self.0.items.len();
        self.0.items.retain(|item| match item {
            IcalItem::Prop(line) => !gone(line),
            IcalItem::Component(_) | IcalItem::Opaque(_) => true,
        });
        self.0.items.len() != before
    }

    /// Sets a parameter of the first property of `name` whose value `this` says yes to; says whether there was one.
    pub fn set_parameter(
        &mut self,
        name: &str,
        mut this: impl FnMut(&str) -> bool,
        key: &str,
        value: Option<&str>,
    ) -> bool {
        let made = value.map(|v| NewProperty::raw("X", "").with(key, v));
        for item in &mut self.0.items {
            let IcalItem::Prop(line) = item else { continue };
            if !is_named(line, name) || !this(&line.raw_value_str()) {
                continue;
            }
            let place = line
                .params
                .iter()
                .position(|p| p.name.get().eq_ignore_ascii_case(key));
            let new = made
                .as_ref()
                .and_then(|m| m.parameters.first())
                .map(|(k, v)| parameter(k, v));
            match (place, new) {
                (Some(at), Some(new)) => {
                    if let Some(old) = line.params.get_mut(at) {
                        *old = new;
                    }
                }
                (Some(at), None) => {
                    line.params.remove(at);
                }
                (None, Some(new)) => line.params.push(new),
                (None, None) => {}
            }
            return true;
        }
        false
    }

    /// Takes a parameter off the first property of a name that has it; says whether there was one.
    pub fn clear_parameter(&mut self, name: &str, key: &str) -> bool {
        for item in &mut self.0.items {
            let IcalItem::Prop(line) = item else { continue };
            if !is_named(line, name) {
                continue;
            }
            let before = line.params.len();
            line.params
                .retain(|p| !p.name.get().eq_ignore_ascii_case(key));
            if line.params.len() != before {
                return true;
            }
        }
        false
    }

    /// Adds a copy of a property of another tree behind the others.
    pub fn add_property(&mut self, of: Property<'_>) {
        // The crate makes whole components independent of their text, not single lines.
        let holder = IcalCst {
            begin: None,
            items: vec![IcalItem::Prop(of.line().clone())],
            end: None,
            trailing: std::borrow::Cow::Borrowed(""),
        };
        for item in holder.into_static().items {
            if let IcalItem::Prop(line) = item {
                self.0.push_line(line);
            }
        }
    }

    /// Adds a component inside, filled by `fill`.
    pub fn add_child(&mut self, name: &str, fill: impl FnOnce(&mut ComponentMut<'_, 'a>)) {
        let mut child = IcalCst::empty(name.to_owned());
        if self.is_lf() {
            for line in child.begin.iter_mut().chain(child.end.iter_mut()) {
                line.eol.set("\n");
            }
        }
        fill(&mut ComponentMut(&mut child));
        self.0.items.push(IcalItem::Component(Box::new(child)));
    }

    /// Adds a copy of a component of another tree inside, changed by `change`.
    pub fn add_copy(&mut self, of: Component<'_>, change: impl FnOnce(&mut ComponentMut<'_, 'a>)) {
        let mut copy = of.cst().clone().into_static();
        change(&mut ComponentMut(&mut copy));
        self.0.items.push(IcalItem::Component(Box::new(copy)));
    }

    /// Removes the components inside that `gone` says yes to; says whether there was one.
    pub fn remove_children(&mut self, mut gone: impl FnMut(Component<'_>) -> bool) -> bool {
        let before = self.0.items.len();
        self.0.items.retain(|item| match item {
            IcalItem::Component(child) => !gone(Component::over(child)),
            IcalItem::Prop(_) | IcalItem::Opaque(_) => true,
        });
        self.0.items.len() != before
    }

    fn line_mut(&mut self, name: &str) -> Option<&mut IcalLine<'a>> {
        self.0.items.iter_mut().find_map(|item| match item {
            IcalItem::Prop(line) if is_named(line, name) => Some(line),
            _ => None,
        })
    }

    /// Whether lines of this object end in a bare LF.
    fn is_lf(&self) -> bool {
        self.0
            .begin
            .as_ref()
            .is_some_and(|line| line.eol.get() == "\n")
    }
}

fn is_named(line: &IcalLine<'_>, name: &str) -> bool {
    line.name.get().eq_ignore_ascii_case(name)
}

fn is_same(one: &IcalLine<'_>, other: &IcalLine<'_>) -> bool {
    one.raw_value_str() == other.raw_value_str()
        && one.params.len() == other.params.len()
        && one
            .params
            .iter()
            .zip(&other.params)
            .all(|(a, b)| a.to_string() == b.to_string())
}
