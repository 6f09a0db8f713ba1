"""Searching a catalogue by words and pictures."""
