//! TLS, STARTTLS, line reader, deadlines: what all socket doors share.
