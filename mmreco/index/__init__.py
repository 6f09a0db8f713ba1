"""Search in vector space: exact or by a graph, filtered, on CPU and GPU."""

from mmreco.index.vector import VectorIndex

__all__ = ["VectorIndex"]
