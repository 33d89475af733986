//! Typed settings: every limit with its default, its reason and its RFC minimum.
