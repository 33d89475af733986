//! The real source behind a proxy: PROXY protocol version 2 for the mail ports, `X-Forwarded-For` for the web.
//!
//! Both are believed from configured networks only. From a trusted proxy the PROXY header is demanded: a connection
//! without it would count as the proxy itself, and one bad client would lock the whole host out.
//! Version 1 (a text line) is not read.
//!
//! Source: "The PROXY protocol", section 2.2.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::config::Network;

/// What stands at the beginning of a proxied connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// The connection of a client, with its address.
    Client(SocketAddr),
    /// The proxy's own connection (a health check), or one whose family is unknown.
    Local,
}

/// The octets are no PROXY header of version 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no PROXY header of version 2")]
pub struct NoHeader;

/// Reads a header from the first octets of a connection.
///
/// # Errors
/// [`NoHeader`] when something else stands there; the stream is unusable then.
pub async fn read_header(stream: &mut (impl AsyncRead + Unpin)) -> Result<Header, NoHeader> {
    let mut fixed = [0; FIXED];
    stream.read_exact(&mut fixed).await.map_err(|_| NoHeader)?;
    let length = check_fixed(&fixed)?;
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await.map_err(|_| NoHeader)?;
    parse(&fixed, &rest)
}

/// Checks the signature and gives the length of what follows.
fn check_fixed(fixed: &[u8; FIXED]) -> Result<usize, NoHeader> {
    let [signature @ .., version, _family, high, low] = fixed;
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if signature != SIGNATURE || version >> 4 != 2 || length > MOST_OCTETS {
        return Err(NoHeader);
    }
    Ok(length)
}

/// Decodes a whole header: its fixed part, and the addresses with any extensions after them.
fn parse(fixed: &[u8; FIXED], rest: &[u8]) -> Result<Header, NoHeader> {
    let [.., version, family, _, _] = fixed;
    match (version & 0x0f, family) {
        // TCP over IPv4: two addresses of 4 octets, two ports.
        (1, 0x11) => {
            let (addresses, _) = rest.split_first_chunk::<12>().ok_or(NoHeader)?;
            let [a, b, c, d, _, _, _, _, high, low, _, _] = *addresses;
            let port = u16::from_be_bytes([high, low]);
            Ok(Header::Client((Ipv4Addr::new(a, b, c, d), port).into()))
        }
        // TCP over IPv6: two addresses of 16 octets, two ports.
        (1, 0x21) => {
            let (client, rest) = rest.split_first_chunk::<16>().ok_or(NoHeader)?;
            let (_ours, rest) = rest.split_first_chunk::<16>().ok_or(NoHeader)?;
            let ([high, low, _, _], _) = rest.split_first_chunk::<4>().ok_or(NoHeader)?;
            let port = u16::from_be_bytes([*high, *low]);
            Ok(Header::Client((Ipv6Addr::from(*client), port).into()))
        }
        (0 | 1, _) => Ok(Header::Local),
        _ => Err(NoHeader),
    }
}

/// The client's address of a web request: the last address of `X-Forwarded-For` that is not a trusted proxy's,
/// when the connection comes from one; else the peer.
///
/// `forwarded` holds the values of all such fields in their order. What stands further left is the client's own
/// claim and proves nothing.
#[must_use]
pub fn forwarded_client<'a>(
    peer: IpAddr,
    trusted: &[Network],
    forwarded: impl DoubleEndedIterator<Item = &'a str>,
) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    if !is_trusted(client) {
        return client;
    }
    for hop in forwarded.rev().flat_map(|field| field.rsplit(',')) {
        let Ok(address) = hop.trim().trim_matches(['[', ']']).parse::<IpAddr>() else {
            break;
        };
        client = address.to_canonical();
        if !is_trusted(client) {
            break;
        }
    }
    client
}

const FIXED: usize = 16;
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Addresses and extensions; real ones stay far below.
const MOST_OCTETS: usize = 2_048;

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut octets = SIGNATURE.to_vec();
        octets.extend([0x20 | command, family]);
        octets.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
        octets.extend(rest);
        octets
    }

    async fn read(octets: &[u8]) -> Result<Header, NoHeader> {
        read_header(&mut &octets[..]).await
    }

    #[tokio::test]
    async fn addresses_of_both_families_are_read() {
        let v4 = [203, 0, 113, 9, 192, 0, 2, 1, 0x30, 0x39, 0, 25];
        assert_eq!(
            read(&header(1, 0x11, &v4)).await,
            Ok(Header::Client("203.0.113.9:12345".parse().unwrap()))
        );
        let mut v6 = "2001:db8::7".parse::<Ipv6Addr>().unwrap().octets().to_vec();
        v6.extend([0; 16]);
        v6.extend([0x30, 0x39, 0, 25, 4, 0, 1, 0]);
        assert_eq!(
            read(&header(1, 0x21, &v6)).await,
            Ok(Header::Client("[2001:db8::7]:12345".parse().unwrap()))
        );
        assert_eq!(read(&header(0, 0, &[])).await, Ok(Header::Local));
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        for octets in [
            b"".to_vec(),
            b"EHLO client.example\r\n".to_vec(),
            b"PROXY TCP4 203.0.113.9 192.0.2.1 12345 25\r\n".to_vec(),
            header(2, 0x11, &[0; 12]),
            header(1, 0x11, &[0; 11]),
            header(1, 0x21, &[0; 35]),
            header(1, 0x11, &[0; 3_000]),
        ] {
            assert_eq!(read(&octets).await, Err(NoHeader), "{octets:?}");
        }
    }

    #[test]
    fn any_octets_are_read_without_a_panic() {
        bolero::check!().for_each(|octets: &[u8]| {
            if let Some((fixed, rest)) = octets.split_first_chunk::<FIXED>() {
                let _ = check_fixed(fixed);
                let _ = parse(fixed, rest);
            }
        });
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let client = |peer: &str, fields: &[&str]| {
            forwarded_client(peer.parse().unwrap(), &trusted, fields.iter().copied()).to_string()
        };
        assert_eq!(client("198.51.100.1", &["203.0.113.9"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(
            client("10.0.0.1", &["1.2.3.4, 203.0.113.9, 10.0.0.2"]),
            "203.0.113.9"
        );
        assert_eq!(
            client("10.0.0.1", &["1.2.3.4", "203.0.113.9"]),
            "203.0.113.9"
        );
        assert_eq!(client("10.0.0.1", &["203.0.113.9, nonsense"]), "10.0.0.1");
    }
}
