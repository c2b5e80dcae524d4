"""Scripts that run every framework in an environment of its own."""
