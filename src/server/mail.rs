//! The mail listeners: one gate for all SMTP doors, in which places are kept free for our own users, so that
//! a flood from outside never stops them (`security.md` 2).

use std::net::SocketAddr;
use std::sync::Arc;

use super::{Parts, StartError, bind};
use crate::config::{Config, Network};
use crate::net::gate::{Gate, Limits};
use crate::net::listener::{Door, Listener};
use crate::net::tls::Tls;
use crate::service::App;
use crate::smtp::session::{Smtp, Speaks};
use crate::smtp::state;

/// Bound SMTP sockets that nobody serves yet.
pub(super) struct SmtpDoors {
    mx: Vec<Listener>,
    submission: Vec<Listener>,
    submissions: Vec<Listener>,
}

impl SmtpDoors {
    pub(super) fn bind(config: &Config) -> Result<Self, StartError> {
        let gate = Gate::new(Limits {
            connections: config.smtp.connections,
            per_source: config.smtp.connections_per_source,
            new_per_minute: config.smtp.new_connections_per_minute,
        });
        let proxies: Arc<[Network]> = if config.proxy.mail_protocol {
            config.proxy.trusted.clone().into()
        } else {
            Arc::new([])
        };
        let door = |name, kept_free, refusal| Door {
            name,
            gate: gate.clone(),
            kept_free,
            proxies: Arc::clone(&proxies),
            refusal,
        };
        let kept = config.smtp.connections_kept_for_submission;
        let (mx, submission) = (&config.smtp, &config.submission);
        Ok(Self {
            mx: bind(&mx.listen, &door("mx", kept, BUSY))?,
            submission: bind(&submission.listen, &door("submission", 0, BUSY))?,
            submissions: bind(&submission.listen_tls, &door("submissions", 0, b""))?,
        })
    }

    /// Addresses of the MX, of submission, and of submission with TLS first.
    pub(super) fn addresses(&self) -> [Vec<SocketAddr>; 3] {
        [&self.mx, &self.submission, &self.submissions]
            .map(|listeners| listeners.iter().map(Listener::address).collect())
    }
}

impl Parts {
    pub(super) fn serve_smtp(&mut self, doors: SmtpDoors, app: &App, tls: &Tls) {
        let smtp = Arc::new(Smtp::new(app.clone(), tls.clone()));
        let speaks = |door, tls_first| Speaks { door, tls_first };
        for (listeners, speaks) in [
            (doors.mx, speaks(state::Door::Mx, false)),
            (doors.submission, speaks(state::Door::Submission, false)),
            (doors.submissions, speaks(state::Door::Submission, true)),
        ] {
            for listener in listeners {
                let (smtp, stop) = (Arc::clone(&smtp), self.accepting.clone());
                self.listen(listener, move |accepted| {
                    let (smtp, stop) = (Arc::clone(&smtp), stop.clone());
                    async move { smtp.serve(speaks, accepted, &stop).await }
                });
            }
        }
    }
}

const BUSY: &[u8] = b"421 4.7.0 Too many connections, try again later\r\n";
