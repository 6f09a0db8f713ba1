"""A synthetic shop: facts, texts, pictures and clicks whose truth is known, so that answers can be checked."""

from mmreco.datasets.synthetic.shop import SyntheticShop, synthetic_shop

__all__ = ["SyntheticShop", "synthetic_shop"]
