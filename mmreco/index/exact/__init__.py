"""Exact search on the CPU."""
