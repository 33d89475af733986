//! The parts of one message as documents of their own: the body frame, files, source, print, everything as one archive.
//!
//! The body is cleaned and served under its own policy (security.md 6); files go out by the allow-list, everything else as a
//! download. Every address holds the message's number only: whose it is comes from the session.

use askama::Template;
use async_zip::tokio::write::ZipFileWriter;
use async_zip::{Compression, ZipEntryBuilder};
use axum::body::Body;
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use futures_util::io::AsyncWriteExt;
use serde::Deserialize;

use super::list::with_query;
use super::pictures::{is_consent, proxied};
use super::reader::part_path;
use super::view::{Ctx, subject};
use crate::error::Refusal;
use crate::format::html::{
    self, CleanOptions, FrameOptions, Purpose, Remote, TextOptions, content_disposition, document,
    inline_type, safe_filename, text_document, visible,
};
use crate::format::mime::{self, Part};
use crate::model::EmailId;
use crate::service::mail::EmailRow;
use crate::service::mail::Mail;
use crate::service::mail::deliver::Facts;
use crate::web::error::{Page, WebError};
use crate::web::headers::{attachment, body_frame};
use crate::web::me::Me;
use crate::web::page::Bare;

/// What comes before every class and id of a message, so that they cannot shadow ours.
const PREFIX: &str = "m-";

/// What an address of a body may ask for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct BodyQuery {
    /// Everything, also beyond the shown limit.
    all: String,
    /// Turn the paper dark.
    dark: String,
    /// A file is to be looked at, not saved.
    view: String,
    /// Nothing is folded, for paper.
    open: String,
    /// The reader's consent to remote pictures.
    pictures: String,
}

/// `GET /mail/m/{id}/body`: the document in the body frame.
pub async fn frame(me: Me, Path(id): Path<EmailId>, Query(query): Query<BodyQuery>) -> Page {
    let email = me.app.mail.email(me.account, id).await?;
    let html = body_document(&me, &email, &query).await?;
    Ok((body_frame(), Html(html)).into_response())
}

/// The cleaned document of a message.
///
/// # Errors
/// [`WebError`].
async fn body_document(me: &Me, email: &EmailRow, query: &BodyQuery) -> Result<String, WebError> {
    let (whole, is_dark) = (query.all == "1", query.dark == "1");
    let shown = me.app.mail.shown_body(me.account, email, whole).await?;
    let parts = Mail::parts(&email.parts)?;
    let (id, lang) = (email.email_id, me.lang);
    let title = subject(lang, &email.subject);
    let plain = if shown.html.is_some() {
        me.app.mail.plain_body(me.account, email).await?
    } else {
        shown.text.clone()
    };
    let words = Words {
        link_warning: lang.t("body-link-warning"),
        fold: lang.t("body-quote"),
        empty: lang.t("body-empty"),
    };
    let pictures = is_consent(me, id, &query.pictures).await?;
    let keys = me.app.accounts.keys().await?.clone();
    let account = me.account;
    let lang_tag = lang.as_str();
    let fold = query.open != "1";
    // What a forwarded message quotes is what it is about.
    let fold_html = fold && !is_forward(&email.subject);
    // Cleaning is heavy on large bodies: off the threads that serve everybody else.
    tokio::task::spawn_blocking(move || {
        let frame = FrameOptions {
            lang: lang_tag,
            title: &title,
            dark: is_dark,
        };
        if let Some(source) = &shown.html {
            let cid = |wanted: &str| cid_path(id, &parts, wanted);
            let remote = |address: &str| proxied(&keys, account, id, address);
            let options = CleanOptions {
                prefix: PREFIX,
                cid: &cid,
                max_bytes: if whole {
                    usize::MAX
                } else {
                    crate::service::mail::read::SHOWN_TEXT
                },
                link_warning: &words.link_warning,
                fold_label: if fold_html { &words.fold } else { "" },
                remote: if pictures {
                    Remote::Allow(&remote)
                } else {
                    Remote::Block
                },
                ..CleanOptions::new(Purpose::Read)
            };
            let cleaned = html::clean(source, &options);
            if !cleaned.too_complex && !cleaned.empty {
                return document(&cleaned, &frame);
            }
        }
        let text = plain
            .or_else(|| shown.html.as_deref().map(html::html_to_text))
            .filter(|text| !text.trim().is_empty())
            .unwrap_or(words.empty);
        let options = TextOptions {
            flowed: shown.is_flowed,
            delsp: shown.is_delsp,
            fold,
            fold_label: &words.fold,
        };
        text_document(&text, &options, &frame)
    })
    .await
    .map_err(|_| Refusal::Internal("cleaning panicked").into())
}

/// Whether a subject says, in the ways of the common programs, that the message is forwarded.
fn is_forward(subject: &str) -> bool {
    const MARKS: &[&str] = &[
        "fwd", "fw", "wg", "wtrlt", "tr", "rv", "vb", "doorst", "enc", "pd",
    ];
    subject
        .trim_start()
        .split_once(':')
        .is_some_and(|(mark, _)| MARKS.contains(&mark.trim().to_lowercase().as_str()))
}

struct Words {
    link_warning: String,
    fold: String,
    empty: String,
}

/// The address of the part a `cid:` names.
fn cid_path(id: EmailId, parts: &[Part], wanted: &str) -> Option<String> {
    parts
        .iter()
        .find(|p| p.content_id.as_deref() == Some(wanted))
        .map(|p| format!("/mail/m/{id}/part/{}?view=1", part_path(&p.section)))
}

/// `GET /mail/m/{id}/part/{section}`: one file, for saving or (with `view=1`, by the allow-list) for looking at.
pub async fn part(
    me: Me,
    Path((id, section)): Path<(EmailId, String)>,
    Query(query): Query<BodyQuery>,
) -> Page {
    let section = if section == "0" { "" } else { &section };
    let found = me.app.mail.part(me.account, id, section).await?;
    let inline = (query.view == "1")
        .then(|| inline_type(&found.part.content_type, &found.bytes))
        .flatten();
    let name = found
        .part
        .name
        .clone()
        .unwrap_or_else(|| unnamed(&found.part));
    Ok(file(inline, &name, Body::from(found.bytes)))
}

fn unnamed(part: &Part) -> String {
    let extension = match part.content_type.as_str() {
        "message/rfc822" => "eml",
        "text/plain" => "txt",
        "text/html" => "html",
        "text/calendar" => "ics",
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/gif" => "gif",
        "application/pdf" => "pdf",
        _ => "bin",
    };
    format!("part-{}.{extension}", part_path(&part.section))
}

/// A file by the rules of security.md 6: inline only with a type from the allow-list, else as a download.
pub fn file(inline: Option<&'static str>, name: &str, body: Body) -> Response {
    let kind = inline.unwrap_or("application/octet-stream");
    let mut headers: HeaderMap = attachment(kind);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(value) = HeaderValue::from_str(&content_disposition(name, inline.is_some())) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, max-age=3600"),
    );
    headers.insert(
        header::X_FRAME_OPTIONS,
        HeaderValue::from_static("SAMEORIGIN"),
    );
    (headers, body).into_response()
}

/// `GET /mail/m/{id}/raw`: the source as text.
pub async fn raw(me: Me, Path(id): Path<EmailId>) -> Page {
    let email = me.app.mail.email(me.account, id).await?;
    let body = Body::from_stream(me.app.mail.raw_stream(me.account, &email));
    Ok(file(Some("text/plain; charset=utf-8"), "source.txt", body))
}

/// `GET /mail/m/{id}/eml`: the message as a file.
pub async fn eml(me: Me, Path(id): Path<EmailId>) -> Page {
    let email = me.app.mail.email(me.account, id).await?;
    let name = format!("{}.eml", safe_filename(&subject(me.lang, &email.subject)));
    let body = Body::from_stream(me.app.mail.raw_stream(me.account, &email));
    Ok(file(None, &name, body))
}

/// `GET /mail/m/{id}/headers`: the header block as text.
pub async fn headers(me: Me, Path(id): Path<EmailId>) -> Page {
    let email = me.app.mail.email(me.account, id).await?;
    let head = me.app.mail.header_block(me.account, &email).await?;
    Ok(file(
        Some("text/plain; charset=utf-8"),
        "headers.txt",
        Body::from(head),
    ))
}

#[derive(Template)]
#[template(path = "mail/print.html")]
struct PrintPage {
    layout: Bare,
    c: Ctx,
    subject: String,
    lines: Vec<(String, String)>,
    body: String,
    body_title: String,
    files: Vec<(String, String)>,
}

/// `GET /mail/m/{id}/print`: black on white, without controls.
pub async fn print(me: Me, Path(id): Path<EmailId>, Query(query): Query<BodyQuery>) -> Page {
    let email = me.app.mail.email(me.account, id).await?;
    let c = me.ctx().await?;
    let facts = Facts::read(&email.facts);
    let people = |list: &[crate::format::address::Mailbox]| {
        list.iter()
            .map(|m| {
                if m.name.is_empty() {
                    visible(&m.address)
                } else {
                    format!("{} <{}>", visible(&m.name), visible(&m.address))
                }
            })
            .collect::<Vec<_>>()
            .join(", ")
    };
    let lines = [
        (c.lang.t("from"), people(&facts.from)),
        (c.lang.t("to"), people(&facts.to)),
        (c.lang.t("cc"), people(&facts.cc)),
        (c.lang.t("date"), c.dates.full(email.sent_at)),
    ]
    .into_iter()
    .filter(|(_, text)| !text.is_empty())
    .collect();
    let parts = Mail::parts(&email.parts)?;
    let page = PrintPage {
        layout: Bare {
            lang: me.lang,
            look: me.look,
            title: subject(me.lang, &email.subject),
            csrf: String::new(),
            host: me.app.config.server.hostname.clone(),
            path: me.path.clone(),
            imprint: None,
            privacy: None,
        },
        subject: subject(me.lang, &email.subject),
        lines,
        body: with_query(
            &format!("/mail/m/{id}/body"),
            &[("all", "1"), ("open", "1"), ("pictures", &query.pictures)],
        ),
        body_title: c.lang.t("reader"),
        files: mime::attachments(&parts)
            .into_iter()
            .map(|p| {
                (
                    visible(p.name.as_deref().unwrap_or_default()),
                    c.lang.size(p.decoded_size),
                )
            })
            .collect(),
        c,
    };
    Ok(Html(page.render()?).into_response())
}

/// `GET /mail/m/{id}/zip`: all files in one archive, written while it is sent; one file is held at a time.
pub async fn zip(me: Me, Path(id): Path<EmailId>) -> Page {
    let email = me.app.mail.email(me.account, id).await?;
    let parts = Mail::parts(&email.parts)?;
    let files: Vec<(String, String)> = names(mime::attachments(&parts));
    if files.is_empty() {
        return Err(Refusal::NoMessage.into());
    }
    let (writer, reader) = tokio::io::duplex(64 * 1024);
    let name = format!("{}.zip", safe_filename(&subject(me.lang, &email.subject)));
    tokio::spawn(async move {
        if let Err(e) = write_zip(&me, id, files, writer).await {
            tracing::debug!(protocol = "web", account = me.account.0, error = %e, "an archive was not finished");
        }
    });
    let mut response = file(
        None,
        &name,
        Body::from_stream(tokio_util::io::ReaderStream::new(reader)),
    );
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/zip"),
    );
    *response.status_mut() = StatusCode::OK;
    Ok(response)
}

async fn write_zip(
    me: &Me,
    id: EmailId,
    files: Vec<(String, String)>,
    to: tokio::io::DuplexStream,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut zip = ZipFileWriter::with_tokio(to);
    for (section, name) in files {
        let found = me.app.mail.part(me.account, id, &section).await?;
        let entry = ZipEntryBuilder::new(name.into(), Compression::Deflate);
        let mut open = zip.write_entry_stream(entry).await?;
        open.write_all(&found.bytes).await?;
        open.close().await?;
    }
    zip.close().await?;
    Ok(())
}

/// Section and file name of each; flat, safe, and numbered where two are alike.
fn names(files: Vec<&Part>) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::with_capacity(files.len());
    for part in files {
        let name = safe_filename(&part.name.clone().unwrap_or_else(|| unnamed(part)));
        let mut unique = name.clone();
        let mut n = 2;
        while out.iter().any(|(_, taken)| *taken == unique) {
            unique = match name.rsplit_once('.') {
                Some((stem, extension)) => format!("{stem} ({n}).{extension}"),
                None => format!("{name} ({n})"),
            };
            n += 1;
        }
        out.push((part.section.clone(), unique));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(section: &str, name: &str) -> Part {
        Part {
            section: section.to_owned(),
            name: Some(name.to_owned()),
            ..Part::default()
        }
    }

    #[test]
    fn names_in_an_archive_are_flat_and_unlike() {
        let parts = [
            part("1", "a.pdf"),
            part("2", "a.pdf"),
            part("3", "../../a.pdf"),
            part("4", "b"),
        ];
        let got: Vec<String> = names(parts.iter().collect())
            .into_iter()
            .map(|(_, name)| name)
            .collect();
        assert_eq!(got[0], "a.pdf");
        assert_eq!(got[1], "a (2).pdf");
        assert!(!got[2].contains('/') && got[2] != got[0]);
        assert_eq!(got[3], "b");
    }

    #[test]
    fn a_forward_is_told_by_its_subject() {
        for subject in ["Fwd: x", "WG: Re: x", " fw : x"] {
            assert!(is_forward(subject), "{subject}");
        }
        for subject in ["Re: Fwd: x", "AW: x", "x", "Wgs: x"] {
            assert!(!is_forward(subject), "{subject}");
        }
    }

    #[test]
    fn cid_finds_its_part() {
        let mut p = part("1.2", "x.png");
        p.content_id = Some("pic@x".to_owned());
        assert_eq!(
            cid_path(EmailId(7), &[p], "pic@x").as_deref(),
            Some("/mail/m/7/part/1.2?view=1")
        );
    }
}
