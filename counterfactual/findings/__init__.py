"""What trials show: a verdict in one word, and the sets of steps that only repair a run together."""
