//! What all socket doors share: listeners with limits, TLS, the line reader, deadlines, PROXY headers.
//!
//! ```text
//! Listener  accepts, knows the real source (PROXY v2), asks the Gate, gives each connection a task with an owner
//!    \-> Accepted { stream, peer, source, .. } -> the door's session
//!           \-> Wire   lines and blocks in, replies out, every one with a deadline; start_tls() changes it in place
//! ```
//!
//! [`fetch`] is the other direction: the one guarded way to get what lies at an address somebody wrote.
//!
//! Not here: any word of a protocol. HTTP takes the accepted stream to hyper instead of a [`line::Wire`].

pub mod certificate;
pub mod deadline;
pub mod deflate;
pub mod fetch;
pub mod gate;
pub mod http1;
pub mod line;
pub mod listener;
pub mod outbound;
pub mod proxy;
pub mod public;
pub mod tls;

/// An error with all its causes in one line, for the log.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |cause| cause.source())
        .fold(error.to_string(), |text, cause| {
            text + ": " + &cause.to_string()
        })
}
