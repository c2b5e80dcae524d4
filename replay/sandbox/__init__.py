"""A log's own code, run locked down."""
