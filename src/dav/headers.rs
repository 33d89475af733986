//! Request header fields of `WebDAV`: Depth, Destination, Overwrite, Prefer, and the conditional ones.
//!
//! An ETag is `"<modseq>"`. Departure: a weak one (`W/"5"`) counts as the strong one, since proxies that compress an answer
//! weaken its ETag, and a client that sends it back must not be told that its object changed.

use axum::http::{HeaderMap, header};

use super::reply::Fault;
use crate::model::ModSeq;

/// How far below a resource a request reaches (RFC 4918 10.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The resource alone.
    Zero,
    /// It and its members.
    One,
    /// Everything below.
    Infinity,
}

/// The Depth of a request; `default` when there is none.
///
/// # Errors
/// 400.
pub fn depth(headers: &HeaderMap, default: Depth) -> Result<Depth, Fault> {
    match text(headers, "depth") {
        None => Ok(default),
        Some(depth) => match depth.trim() {
            "0" => Ok(Depth::Zero),
            "1" => Ok(Depth::One),
            depth if depth.eq_ignore_ascii_case("infinity") => Ok(Depth::Infinity),
            _ => Err(Fault::bad("Depth is 0, 1 or infinity")),
        },
    }
}

/// Whether COPY and MOVE may replace what is there (RFC 4918 10.6).
///
/// # Errors
/// 400.
pub fn overwrite(headers: &HeaderMap) -> Result<bool, Fault> {
    match text(headers, "overwrite").map(str::trim) {
        None | Some("T" | "t") => Ok(true),
        Some("F" | "f") => Ok(false),
        Some(_) => Err(Fault::bad("Overwrite is T or F")),
    }
}

/// Whether the client wants short answers (RFC 7240, RFC 8144; `Brief` is what Microsoft had before).
#[must_use]
pub fn wants_minimal(headers: &HeaderMap) -> bool {
    let prefers = headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|word| word.trim().eq_ignore_ascii_case("return=minimal"));
    prefers || text(headers, "brief").is_some_and(|brief| brief.trim().eq_ignore_ascii_case("t"))
}

/// Whether the client wants the object it has just written back (RFC 8144 3).
#[must_use]
pub fn wants_representation(headers: &HeaderMap) -> bool {
    headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|word| word.trim().eq_ignore_ascii_case("return=representation"))
}

/// The conditions of a request (RFC 9110 13.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conditions {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
}

/// A list of entity tags.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tags {
    /// `*`
    Any,
    /// These; one that we never gave is none.
    These(Vec<Option<ModSeq>>),
}

/// What the conditions say to a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Holds,
    /// 304, for GET and HEAD.
    NotModified,
    /// 412.
    Failed,
}

impl Conditions {
    /// Reads them.
    ///
    /// # Errors
    /// 400 for what is no list of entity tags.
    pub fn read(headers: &HeaderMap) -> Result<Self, Fault> {
        Ok(Self {
            if_match: tags(headers, &header::IF_MATCH)?,
            if_none_match: tags(headers, &header::IF_NONE_MATCH)?,
        })
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether all they say is that nothing is there.
    #[must_use]
    pub fn is_only_absent(&self) -> bool {
        self.if_match.is_none() && self.if_none_match == Some(Tags::Any)
    }

    /// The one ETag, where all they say is that it is this one.
    #[must_use]
    pub fn only(&self) -> Option<ModSeq> {
        match (&self.if_match, &self.if_none_match) {
            (Some(Tags::These(tags)), None) => match tags.as_slice() {
                [one] => *one,
                _ => None,
            },
            _ => None,
        }
    }

    /// What they say to what is there (RFC 9110 13.2.2).
    #[must_use]
    pub fn verdict(&self, there: Option<ModSeq>, is_reading: bool) -> Verdict {
        let is_in = |tags: &Tags| match (tags, there) {
            (_, None) => false,
            (Tags::Any, Some(_)) => true,
            (Tags::These(tags), there) => tags.contains(&there),
        };
        if self.if_match.as_ref().is_some_and(|tags| !is_in(tags)) {
            return Verdict::Failed;
        }
        match &self.if_none_match {
            Some(tags) if is_in(tags) && is_reading => Verdict::NotModified,
            Some(tags) if is_in(tags) => Verdict::Failed,
            _ => Verdict::Holds,
        }
    }
}

fn tags(headers: &HeaderMap, name: &header::HeaderName) -> Result<Option<Tags>, Fault> {
    let mut found: Option<Tags> = None;
    for value in headers.get_all(name) {
        let line = value.to_str().map_err(|_| Fault::bad("an ETag is ASCII"))?;
        if line.trim() == "*" {
            found = Some(Tags::Any);
            continue;
        }
        let list = line
            .split(',')
            .map(str::trim)
            .filter(|tag| !tag.is_empty())
            .map(etag)
            .collect::<Result<Vec<_>, _>>()?;
        match &mut found {
            Some(Tags::These(all)) => all.extend(list),
            Some(Tags::Any) => {}
            None => found = Some(Tags::These(list)),
        }
    }
    Ok(found)
}

/// One ETag. A bare number is taken too: a few clients lose the quotes.
fn etag(tag: &str) -> Result<Option<ModSeq>, Fault> {
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    let inner = match tag.strip_prefix('"') {
        Some(rest) => rest
            .strip_suffix('"')
            .ok_or_else(|| Fault::bad("an ETag stands in quotes"))?,
        None => tag,
    };
    let is_plain = !inner.is_empty() && inner.bytes().all(|b| b.is_ascii_digit());
    Ok(is_plain.then(|| inner.parse().ok()).flatten().map(ModSeq))
}

/// An ETag as it is written.
#[must_use]
pub fn write_etag(modseq: ModSeq) -> String {
    format!("\"{modseq}\"")
}

/// A header field as text; none when it is missing or no ASCII.
#[must_use]
pub fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn with(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    header::HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn conditions_are_judged_as_http_says() {
        let five = Some(ModSeq(5));
        let verdict = |pairs: &[(&'static str, &'static str)], there, is_reading| {
            Conditions::read(&with(pairs))
                .unwrap()
                .verdict(there, is_reading)
        };
        for (pairs, there, is_reading, said) in [
            (&[][..], None, false, Verdict::Holds),
            (&[("if-match", "\"5\"")], five, false, Verdict::Holds),
            (&[("if-match", "W/\"5\"")], five, false, Verdict::Holds),
            (&[("if-match", "\"4\", \"5\"")], five, false, Verdict::Holds),
            (&[("if-match", "\"4\"")], five, false, Verdict::Failed),
            (&[("if-match", "\"x\"")], five, false, Verdict::Failed),
            (&[("if-match", "\"x\"")], None, false, Verdict::Failed),
            (&[("if-match", "*")], five, false, Verdict::Holds),
            (&[("if-match", "*")], None, false, Verdict::Failed),
            (&[("if-none-match", "*")], None, false, Verdict::Holds),
            (&[("if-none-match", "*")], five, false, Verdict::Failed),
            (
                &[("if-none-match", "\"5\"")],
                five,
                true,
                Verdict::NotModified,
            ),
            (&[("if-none-match", "\"5\"")], five, false, Verdict::Failed),
            (&[("if-none-match", "\"4\"")], five, true, Verdict::Holds),
        ] {
            assert_eq!(
                verdict(pairs, there, is_reading),
                said,
                "{pairs:?} {there:?}"
            );
        }
        assert!(Conditions::read(&with(&[("if-match", "\"5")])).is_err());
    }

    #[test]
    fn preferences_are_found_in_any_order() {
        assert!(wants_minimal(&with(&[(
            "prefer",
            "depth-noroot, return=minimal"
        )])));
        assert!(wants_minimal(&with(&[("brief", "t")])));
        assert!(!wants_minimal(&with(&[(
            "prefer",
            "return=representation"
        )])));
        assert!(wants_representation(&with(&[(
            "prefer",
            "return=representation"
        )])));
    }

    #[test]
    fn depth_and_overwrite_have_few_words() {
        assert_eq!(depth(&with(&[]), Depth::Zero).unwrap(), Depth::Zero);
        assert_eq!(
            depth(&with(&[("depth", "Infinity")]), Depth::Zero).unwrap(),
            Depth::Infinity
        );
        assert!(depth(&with(&[("depth", "2")]), Depth::Zero).is_err());
        assert!(!overwrite(&with(&[("overwrite", "F")])).unwrap());
        assert!(overwrite(&with(&[("overwrite", "no")])).is_err());
    }
}
