//! What this server can do, by what the connection has reached (RFC 9051 6.1.1), and ENABLE (6.3.1).

use super::reply::Reply;
use super::session::Session;

/// Before the sign-in, under TLS or not.
const ALWAYS: &str = "IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ENABLE ID";

/// After the sign-in.
const SIGNED_IN: &str = "IDLE NAMESPACE UNSELECT UIDPLUS MOVE MULTIAPPEND CHILDREN SPECIAL-USE CREATE-SPECIAL-USE \
     LIST-EXTENDED LIST-STATUS STATUS=SIZE CONDSTORE QRESYNC QUOTA QUOTA=RES-STORAGE BINARY OBJECTID PREVIEW \
     SAVEDATE REPLACE UTF8=ACCEPT UIDONLY ESEARCH SEARCHRES PARTIAL WITHIN INPROGRESS METADATA SORT SORT=DISPLAY THREAD=REFERENCES \
     THREAD=ORDEREDSUBJECT";

impl Session<'_> {
    /// The list for this moment.
    pub(super) fn capabilities(&self) -> String {
        let mut all = ALWAYS.to_owned();
        if self.user.is_some() {
            all.push(' ');
            all.push_str(SIGNED_IN);
            let limit = self.imap.app.config.smtp.message_size;
            all.push_str(" APPENDLIMIT=");
            all.push_str(&limit.to_string());
            if !self.is_compressed {
                all.push_str(" COMPRESS=DEFLATE");
            }
        } else if self.is_secure {
            all.push_str(" AUTH=PLAIN AUTH=LOGIN");
        } else {
            all.push_str(" STARTTLS LOGINDISABLED");
        }
        all
    }

    /// `ENABLE` — turns on what changes answers; unknown names are passed over.
    pub(super) fn enable(&mut self, names: &[String]) -> Reply {
        let mut line = "* ENABLED".to_owned();
        for name in names {
            let on = &mut self.enabled;
            let (slot, spelling) = match name.as_str() {
                "CONDSTORE" => (&mut on.condstore, "CONDSTORE"),
                "QRESYNC" => {
                    on.condstore = true;
                    (&mut on.qresync, "QRESYNC")
                }
                "UTF8=ACCEPT" => (&mut on.utf8, "UTF8=ACCEPT"),
                "IMAP4REV2" => (&mut on.rev2, "IMAP4rev2"),
                "UIDONLY" => (&mut on.uid_only, "UIDONLY"),
                _ => continue,
            };
            // RFC 9051 6.3.1: only what this command turned on is named.
            if !std::mem::replace(slot, true) {
                line.push(' ');
                line.push_str(spelling);
            }
        }
        self.say(&format!("{line}\r\n"));
        Reply::ok("Enabled")
    }
}
