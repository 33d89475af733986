//! The private `PostgreSQL` cluster of a start without `DATABASE_URL`.
