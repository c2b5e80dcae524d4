"""Small real programs, one a framework, and the model server that they ask."""
