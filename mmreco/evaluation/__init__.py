"""How well models foretell what users did next: one by `evaluate`, several by `compare`, the best of one by `tune`."""

from mmreco.evaluation.comparison import Comparison, Result
from mmreco.evaluation.contest import compare
from mmreco.evaluation.known import Known
from mmreco.evaluation.measure import evaluate
from mmreco.evaluation.report import Report
from mmreco.evaluation.trials import Between, Tuned, tune

__all__ = ["Between", "Comparison", "Known", "Report", "Result", "Tuned", "compare", "evaluate", "tune"]
