"""The `where=` language over a catalogue's columns: parsed in `parser`, evaluated in `evaluation`."""

from mmreco.filters.parser import mask

__all__ = ["mask"]
