"""How much draws show: evidence that holds at every moment, its exact limits, and where a boundary lies."""
