"""Data sets: public formats, and a synthetic shop whose truth is known."""
