"""Search in vector space: exact or approximate, filtered, changing, on CPU and GPU, or in Milvus."""

from mmreco.index.batching import BatchingIndex
from mmreco.index.forget import forget
from mmreco.index.vector import VectorIndex

__all__ = ["BatchingIndex", "VectorIndex", "forget"]
