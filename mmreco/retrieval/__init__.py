"""Searching a catalogue: words, meanings, their fusion, facets, suggestions and the shopper's taste."""
