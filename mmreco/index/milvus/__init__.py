"""Search on Milvus, for catalogues beyond one machine."""

from mmreco.index.milvus.index import MilvusIndex

__all__ = ["MilvusIndex"]
