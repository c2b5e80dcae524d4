"""Change one step, run what follows again, judge, and blame."""
