"""Embedding a catalogue: sources, one run over them, and the store that survives a kill."""
