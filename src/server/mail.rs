//! The mail listeners: one gate for each protocol. Among the SMTP doors places are kept free for our own users, so that a
//! flood from outside never stops them (`security.md` 2).

use std::net::SocketAddr;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Parts, StartError, bind};
use crate::config::{Config, Network};
use crate::imap::session::Imap;
use crate::net::gate::{Gate, Limits};
use crate::net::listener::{Accepted, Door, Listener};
use crate::net::tls::Tls;
use crate::pop3::session::Pop3;
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
        let door = |name, kept_free, refusal| Door {
            kept_free,
            ..door(config, &gate, name, refusal)
        };
        let kept = config.smtp.connections_kept_for_submission;
        let (mx, submission) = (&config.smtp, &config.submission);
        Ok(Self {
            mx: bind(&mx.listen, &door("mx", kept, SMTP_BUSY))?,
            submission: bind(&submission.listen, &door("submission", 0, SMTP_BUSY))?,
            submissions: bind(&submission.listen_tls, &door("submissions", 0, b""))?,
        })
    }

    /// Addresses of the MX, of submission, and of submission with TLS first.
    pub(super) fn addresses(&self) -> [Vec<SocketAddr>; 3] {
        [&self.mx, &self.submission, &self.submissions].map(|listeners| of(listeners))
    }
}

/// Bound sockets of a protocol that users read their mail by: in clear until STARTTLS, and with TLS first.
pub(super) struct ReadingDoors {
    clear: Vec<Listener>,
    tls_first: Vec<Listener>,
}

impl ReadingDoors {
    pub(super) fn imap(config: &Config) -> Result<Self, StartError> {
        let imap = &config.imap;
        let gate = Gate::new(Limits {
            connections: imap.connections,
            per_source: imap.connections_per_source,
            new_per_minute: imap.new_connections_per_minute,
        });
        Ok(Self {
            clear: bind(&imap.listen, &door(config, &gate, "imap", IMAP_BUSY))?,
            tls_first: bind(&imap.listen_tls, &door(config, &gate, "imaps", b""))?,
        })
    }

    pub(super) fn pop3(config: &Config) -> Result<Self, StartError> {
        let pop3 = &config.pop3;
        let gate = Gate::new(Limits {
            connections: pop3.connections,
            per_source: pop3.connections_per_source,
            new_per_minute: pop3.new_connections_per_minute,
        });
        Ok(Self {
            clear: bind(&pop3.listen, &door(config, &gate, "pop3", POP3_BUSY))?,
            tls_first: bind(&pop3.listen_tls, &door(config, &gate, "pop3s", b""))?,
        })
    }

    /// Addresses in clear, and with TLS first.
    pub(super) fn addresses(&self) -> [Vec<SocketAddr>; 2] {
        [&self.clear, &self.tls_first].map(|listeners| of(listeners))
    }

    /// The listeners, and whether TLS comes first.
    fn each(self) -> [(Vec<Listener>, bool); 2] {
        [(self.clear, false), (self.tls_first, true)]
    }
}

/// A door that trusted proxies may speak PROXY v2 to, if they do so at the mail ports.
fn door(config: &Config, gate: &Gate, name: &'static str, refusal: &'static [u8]) -> Door {
    let proxies: Arc<[Network]> = if config.proxy.mail_protocol {
        config.proxy.trusted.clone().into()
    } else {
        Arc::new([])
    };
    Door {
        name,
        gate: gate.clone(),
        kept_free: 0,
        proxies,
        refusal,
    }
}

fn of(listeners: &[Listener]) -> Vec<SocketAddr> {
    listeners.iter().map(Listener::address).collect()
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
            let smtp = Arc::clone(&smtp);
            self.serve_mail(listeners, move |accepted, stop| {
                let smtp = Arc::clone(&smtp);
                async move { smtp.serve(speaks, accepted, &stop).await }
            });
        }
    }

    pub(super) fn serve_imap(&mut self, doors: ReadingDoors, app: &App, tls: &Tls) {
        let imap = Arc::new(Imap::new(app.clone(), tls.clone()));
        for (listeners, tls_first) in doors.each() {
            let imap = Arc::clone(&imap);
            self.serve_mail(listeners, move |accepted, stop| {
                let imap = Arc::clone(&imap);
                async move { imap.serve(tls_first, accepted, &stop).await }
            });
        }
    }

    pub(super) fn serve_pop3(&mut self, doors: ReadingDoors, app: &App, tls: &Tls) {
        let pop3 = Arc::new(Pop3::new(app.clone(), tls.clone()));
        for (listeners, tls_first) in doors.each() {
            let pop3 = Arc::clone(&pop3);
            self.serve_mail(listeners, move |accepted, stop| {
                let pop3 = Arc::clone(&pop3);
                async move { pop3.serve(tls_first, accepted, &stop).await }
            });
        }
    }

    fn serve_mail<F, W>(&mut self, listeners: Vec<Listener>, session: F)
    where
        F: Fn(Accepted, CancellationToken) -> W + Clone + Send + Sync + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        for listener in listeners {
            let (session, stop) = (session.clone(), self.accepting.clone());
            self.listen(listener, move |accepted| session(accepted, stop.clone()));
        }
    }
}

const SMTP_BUSY: &[u8] = b"421 4.7.0 Too many connections, try again later\r\n";
const IMAP_BUSY: &[u8] = b"* BYE Too many connections, try again later\r\n";
const POP3_BUSY: &[u8] = b"-ERR [SYS/TEMP] Too many connections, try again later\r\n";
