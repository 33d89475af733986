//! The IMAP listeners: one gate for both.

use std::net::SocketAddr;
use std::sync::Arc;

use super::{Parts, StartError, bind};
use crate::config::{Config, Network};
use crate::imap::session::Imap;
use crate::net::gate::{Gate, Limits};
use crate::net::listener::{Door, Listener};
use crate::net::tls::Tls;
use crate::service::App;

/// Bound IMAP sockets that nobody serves yet.
pub(super) struct ImapDoors {
    imap: Vec<Listener>,
    imaps: Vec<Listener>,
}

impl ImapDoors {
    pub(super) fn bind(config: &Config) -> Result<Self, StartError> {
        let gate = Gate::new(Limits {
            connections: config.imap.connections,
            per_source: config.imap.connections_per_source,
            new_per_minute: config.imap.new_connections_per_minute,
        });
        let proxies: Arc<[Network]> = if config.proxy.mail_protocol {
            config.proxy.trusted.clone().into()
        } else {
            Arc::new([])
        };
        let door = |name, refusal| Door {
            name,
            gate: gate.clone(),
            kept_free: 0,
            proxies: Arc::clone(&proxies),
            refusal,
        };
        Ok(Self {
            imap: bind(&config.imap.listen, &door("imap", BUSY))?,
            imaps: bind(&config.imap.listen_tls, &door("imaps", b""))?,
        })
    }

    /// Addresses with STARTTLS, and with TLS first.
    pub(super) fn addresses(&self) -> [Vec<SocketAddr>; 2] {
        [&self.imap, &self.imaps].map(|listeners| listeners.iter().map(Listener::address).collect())
    }
}

impl Parts {
    pub(super) fn serve_imap(&mut self, doors: ImapDoors, app: &App, tls: &Tls) {
        let imap = Arc::new(Imap::new(app.clone(), tls.clone()));
        for (listeners, tls_first) in [(doors.imap, false), (doors.imaps, true)] {
            for listener in listeners {
                let (imap, stop) = (Arc::clone(&imap), self.accepting.clone());
                self.listen(listener, move |accepted| {
                    let (imap, stop) = (Arc::clone(&imap), stop.clone());
                    async move { imap.serve(tls_first, accepted, &stop).await }
                });
            }
        }
    }
}

const BUSY: &[u8] = b"* BYE Too many connections, try again later\r\n";
