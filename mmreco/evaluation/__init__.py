"""How well models foretell what users did next: one by `evaluate`, several by `compare`, the best of one by `tune`."""

from mmreco.evaluation.benchmark import compare
from mmreco.evaluation.comparison import Comparison, Result
from mmreco.evaluation.context import EvaluationContext
from mmreco.evaluation.hyperparameters import Range, TuningResult, tune
from mmreco.evaluation.measure import evaluate
from mmreco.evaluation.report import Report

__all__ = [
    "Range",
    "Comparison",
    "EvaluationContext",
    "Report",
    "Result",
    "TuningResult",
    "compare",
    "evaluate",
    "tune",
]
