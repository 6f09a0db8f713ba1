"""From a ranking to the items of a page: varied, calibrated, within the shop's rules, with logged exploration."""

from mmreco.rerank.options import Calibration, Exploration, RerankOptions
from mmreco.rerank.rerank import rerank
from mmreco.rerank.result import Reranked

__all__ = ["Calibration", "Exploration", "RerankOptions", "Reranked", "rerank"]
