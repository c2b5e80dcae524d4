"""Stores that many machines share, and the opening of any store by its address."""
