//! Wires the pieces together: listeners, workers, graceful stop.
