"""Answers to calls: what a call is, who answers it, and where answers are kept."""
