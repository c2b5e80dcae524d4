"""Failing runs with a known cause, and the benchmarks over them."""
