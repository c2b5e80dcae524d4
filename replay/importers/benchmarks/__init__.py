"""Trajectories as benchmarks write them."""
