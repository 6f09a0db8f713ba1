"""The whole job on a synthetic shop: drawn, embedded, trained on, asked and reported."""

from mmreco.demo.job import run

__all__ = ["run"]
