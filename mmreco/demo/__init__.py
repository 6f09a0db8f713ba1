"""The whole job on a shop that is planted, drawn, embedded, trained on and reported."""

from mmreco.demo.job import run

__all__ = ["run"]
