"""Failures that a small real model made by itself, with the exact effect of every step."""
