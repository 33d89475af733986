//! The POP3 listeners: one gate for both.

use std::net::SocketAddr;
use std::sync::Arc;

use super::{Parts, StartError, bind};
use crate::config::{Config, Network};
use crate::net::gate::{Gate, Limits};
use crate::net::listener::{Door, Listener};
use crate::net::tls::Tls;
use crate::pop3::session::Pop3;
use crate::service::App;

/// Bound POP3 sockets that nobody serves yet.
pub(super) struct Pop3Doors {
    pop3: Vec<Listener>,
    pop3s: Vec<Listener>,
}

impl Pop3Doors {
    pub(super) fn bind(config: &Config) -> Result<Self, StartError> {
        let gate = Gate::new(Limits {
            connections: config.pop3.connections,
            per_source: config.pop3.connections_per_source,
            new_per_minute: config.pop3.new_connections_per_minute,
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
            pop3: bind(&config.pop3.listen, &door("pop3", BUSY))?,
            pop3s: bind(&config.pop3.listen_tls, &door("pop3s", b""))?,
        })
    }

    /// Addresses with STLS, and with TLS first.
    pub(super) fn addresses(&self) -> [Vec<SocketAddr>; 2] {
        [&self.pop3, &self.pop3s].map(|listeners| listeners.iter().map(Listener::address).collect())
    }
}

impl Parts {
    pub(super) fn serve_pop3(&mut self, doors: Pop3Doors, app: &App, tls: &Tls) {
        let pop3 = Arc::new(Pop3::new(app.clone(), tls.clone()));
        for (listeners, tls_first) in [(doors.pop3, false), (doors.pop3s, true)] {
            for listener in listeners {
                let (pop3, stop) = (Arc::clone(&pop3), self.accepting.clone());
                self.listen(listener, move |accepted| {
                    let (pop3, stop) = (Arc::clone(&pop3), stop.clone());
                    async move { pop3.serve(tls_first, accepted, &stop).await }
                });
            }
        }
    }
}

const BUSY: &[u8] = b"-ERR [SYS/TEMP] Too many connections, try again later\r\n";
