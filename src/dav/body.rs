//! Request bodies: read under a limit, unpacked once, made XML.

use std::io::Read as _;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::reply::Fault;
use crate::config::Dav;
use crate::format::davxml::{Element, Limits, parse};

/// A whole body of at most `most` octets, as sent and as unpacked.
///
/// # Errors
/// 413, 415, 400 when it breaks off.
pub async fn read(parts: &Parts, body: Body, most: usize) -> Result<Bytes, Fault> {
    let declared = super::headers::text(&parts.headers, header::CONTENT_LENGTH.as_str())
        .and_then(|length| length.parse::<usize>().ok());
    if declared.is_some_and(|length| length > most) {
        return Err(Fault::status(StatusCode::PAYLOAD_TOO_LARGE));
    }
    let octets = match Limited::new(body, most).collect().await {
        Ok(whole) => whole.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Err(Fault::status(StatusCode::PAYLOAD_TOO_LARGE));
        }
        Err(_) => return Err(Fault::bad("the body broke off")),
    };
    match packing(parts)? {
        Packing::None => Ok(octets),
        Packing::Gzip => unpack(&octets, most),
    }
}

/// The XML of a request; none when the body is empty.
///
/// # Errors
/// 413, 415, and 400 for what is not XML within the limits.
pub async fn xml(parts: &Parts, body: Body, limits: &Dav) -> Result<Option<Element>, Fault> {
    let octets = read(parts, body, limits.xml_body).await?;
    if octets.is_empty() {
        return Ok(None);
    }
    if !is_xml(parts) {
        return Err(
            Fault::status(StatusCode::UNSUPPORTED_MEDIA_TYPE).because("the body must be XML")
        );
    }
    let limits = Limits {
        octets: limits.xml_body,
        depth: limits.xml_depth,
        elements: limits.xml_elements,
        attributes: limits.xml_attributes,
    };
    Ok(Some(parse(&octets, limits)?))
}

/// RFC 4918 8.2: `application/xml` or `text/xml`; who says nothing means XML too.
fn is_xml(parts: &Parts) -> bool {
    let Some(value) = super::headers::text(&parts.headers, "content-type") else {
        return true;
    };
    let kind = value.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/xml")
        || kind.eq_ignore_ascii_case("text/xml")
        || kind.to_ascii_lowercase().ends_with("+xml")
        // What curl says when it is told nothing.
        || kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

enum Packing {
    None,
    Gzip,
}

fn packing(parts: &Parts) -> Result<Packing, Fault> {
    let mut found = Packing::None;
    let names = parts
        .headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .flat_map(|value| value.to_str().unwrap_or("?").split(','));
    for name in names.map(str::trim) {
        found = match (name.to_ascii_lowercase().as_str(), found) {
            ("" | "identity", found) => found,
            ("gzip" | "x-gzip", Packing::None) => Packing::Gzip,
            _ => return Err(Fault::status(StatusCode::UNSUPPORTED_MEDIA_TYPE)),
        };
    }
    Ok(found)
}

/// Unpacks to at most `most` octets, and at most twenty times what was sent (`security.md` 2).
fn unpack(octets: &[u8], most: usize) -> Result<Bytes, Fault> {
    let most = most.min(octets.len().saturating_mul(20).saturating_add(65_536));
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let mut out = Vec::new();
    flate2::read::MultiGzDecoder::new(octets)
        .take(limit)
        .read_to_end(&mut out)
        .map_err(|_| Fault::bad("the body is not gzip"))?;
    if out.len() > most {
        return Err(Fault::status(StatusCode::PAYLOAD_TOO_LARGE));
    }
    Ok(out.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use axum::http::Request;

    use super::*;

    fn gzip(octets: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(octets).unwrap();
        packer.finish().unwrap()
    }

    async fn try_it(encoding: &str, octets: Vec<u8>, most: usize) -> Result<Bytes, StatusCode> {
        let request = Request::put("/")
            .header("content-encoding", encoding)
            .body(())
            .unwrap();
        read(&request.into_parts().0, Body::from(octets), most)
            .await
            .map_err(|fault| fault.code())
    }

    #[tokio::test]
    async fn one_layer_of_gzip_is_taken_within_limits() {
        let text = b"BEGIN:VCALENDAR".repeat(20);
        let packed = gzip(&text);
        assert_eq!(try_it("gzip", packed.clone(), 1_000).await.unwrap(), text);
        assert_eq!(
            try_it("gzip", packed.clone(), text.len()).await.unwrap(),
            text
        );
        assert_eq!(
            try_it("gzip", packed.clone(), text.len() - 1).await,
            Err(StatusCode::PAYLOAD_TOO_LARGE)
        );
        assert_eq!(
            try_it("gzip, gzip", gzip(&packed), 1_000).await,
            Err(StatusCode::UNSUPPORTED_MEDIA_TYPE)
        );
        assert_eq!(
            try_it("br", packed, 1_000).await,
            Err(StatusCode::UNSUPPORTED_MEDIA_TYPE)
        );
        assert_eq!(
            try_it("gzip", b"nonsense".to_vec(), 1_000).await,
            Err(StatusCode::BAD_REQUEST)
        );
        let bomb = gzip(&vec![0; 4_000_000]);
        assert_eq!(
            try_it("gzip", bomb, 4_000_000).await,
            Err(StatusCode::PAYLOAD_TOO_LARGE)
        );
    }
}
