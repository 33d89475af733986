//! What is true at every door: accounts, mail, outgoing, changes.
