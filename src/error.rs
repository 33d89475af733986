//! Refusal: why a service said no.
