//! The compose form as it is posted: url-encoded or multipart, its token checked before a byte of a file is taken.

use std::collections::HashMap;

use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};

use crate::error::Refusal;
use crate::model::EmailId;
use crate::service::drafts::files::Upload;
use crate::service::drafts::{Content, Fields, Kind};
use crate::web::error::WebError;
use crate::web::form::{TOKEN_HEADER, token_is};
use crate::web::me::Me;

/// What was posted.
pub struct Posted {
    fields: HashMap<String, Vec<String>>,
    /// Files, in their order.
    pub files: Vec<Upload>,
}

impl Posted {
    /// The first value of a field; empty when it is not there.
    pub fn text(&self, name: &str) -> &str {
        self.fields
            .get(name)
            .and_then(|values| values.first())
            .map_or("", String::as_str)
    }

    /// The draft's fields.
    pub fn draft(&self) -> Fields {
        let text = |name| self.text(name).to_owned();
        let origin = [
            ("reply", Kind::Reply),
            ("forward", Kind::Forward),
            ("edit", Kind::Edit),
        ]
        .into_iter()
        .find_map(|(name, kind)| Some((kind, EmailId(self.text(name).parse().ok()?))));
        Fields {
            content: Content {
                from: text("from"),
                to: text("to"),
                cc: text("cc"),
                bcc: text("bcc"),
                subject: text("subject"),
                text: text("text"),
                html: text("html"),
                is_html: self.text("format") == "html",
                is_important: self.text("important") == "1",
                wants_receipt: self.text("receipt") == "1",
                send_at: text("send_at"),
                page: text("page"),
                message_id: String::new(),
            },
            rev: self.text("rev").parse().unwrap_or(0),
            origin,
            keep: self.fields.get("keep").cloned().unwrap_or_default(),
            leaves: self.text("close") == "1",
        }
    }
}

/// Reads a posted form. Files are spooled as they come.
///
/// # Errors
/// [`WebError::Forbidden`] without the session's token, [`Refusal::TooLarge`] beyond a limit.
pub async fn read(me: &Me, request: Request) -> Result<Posted, WebError> {
    let limit = me.app.config.web.compose_body;
    let headers = request.headers().clone();
    let kind = text_of(&headers, header::CONTENT_TYPE.as_str());
    let mut posted = Posted {
        fields: HashMap::new(),
        files: Vec::new(),
    };
    if !kind.starts_with("multipart/form-data") {
        let body = axum::body::to_bytes(request.into_body(), limit)
            .await
            .map_err(|_| too_large(limit))?;
        let pairs: Vec<(String, String)> =
            serde_html_form::from_bytes(&body).map_err(|_| WebError::Bad("error-bad-request"))?;
        for (name, value) in pairs {
            posted.fields.entry(name).or_default().push(value);
        }
        allow(me, &headers, &posted)?;
        return Ok(posted);
    }
    let mut multipart = Multipart::from_request(request, &())
        .await
        .map_err(|_| WebError::Bad("error-bad-request"))?;
    let mut count = 0;
    let mut bytes = 0;
    while let Some(mut field) = multipart.next_field().await.map_err(|e| broken(me, &e))? {
        count += 1;
        if count > me.app.config.web.multipart_fields {
            return Err(WebError::Bad("error-bad-request"));
        }
        let name = field.name().unwrap_or_default().to_owned();
        if name == "file" {
            allow(me, &headers, &posted)?;
            if let Some(upload) = take_file(me, field).await? {
                posted.files.push(upload);
            }
            continue;
        }
        let mut value = Vec::new();
        while let Some(chunk) = field.chunk().await.map_err(|e| broken(me, &e))? {
            bytes += chunk.len();
            if bytes > limit {
                return Err(too_large(limit));
            }
            value.extend_from_slice(&chunk);
        }
        let value = String::from_utf8(value).map_err(|_| WebError::Bad("error-bad-request"))?;
        posted.fields.entry(name).or_default().push(value);
    }
    allow(me, &headers, &posted)?;
    Ok(posted)
}

/// One file; none when the field was left empty.
async fn take_file(me: &Me, mut field: Field<'_>) -> Result<Option<Upload>, WebError> {
    let name = field.file_name().unwrap_or_default().to_owned();
    if name.is_empty() {
        return Ok(None);
    }
    let kind = field.content_type().unwrap_or_default().to_owned();
    let mut upload = me.app.drafts().upload(&name, &kind);
    while let Some(chunk) = field.chunk().await.map_err(|e| broken(me, &e))? {
        upload.push(&chunk).await?;
    }
    Ok(Some(upload))
}

fn allow(me: &Me, headers: &HeaderMap, posted: &Posted) -> Result<(), WebError> {
    let in_header = text_of(headers, TOKEN_HEADER);
    let given = if in_header.is_empty() {
        posted.text("_t")
    } else {
        in_header
    };
    if token_is(given, &me.csrf) {
        Ok(())
    } else {
        Err(WebError::Forbidden)
    }
}

fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// The body broke off or is longer than allowed.
fn broken(me: &Me, e: &MultipartError) -> WebError {
    if e.status() == StatusCode::PAYLOAD_TOO_LARGE {
        WebError::Refused(Refusal::TooLarge {
            limit_bytes: me.app.config.smtp.message_size,
        })
    } else {
        WebError::Bad("error-bad-request")
    }
}

fn too_large(limit: usize) -> WebError {
    WebError::Refused(Refusal::TooLarge {
        limit_bytes: limit.try_into().unwrap_or(u64::MAX),
    })
}

/// Whether a script of ours asks and wants to read the answer itself.
#[must_use]
pub fn wants_json(headers: &HeaderMap) -> bool {
    text_of(headers, header::ACCEPT.as_str()).contains("application/json")
}
