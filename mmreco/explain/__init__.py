"""Explanations: what carries an answer, measured by asking the model without it."""

from mmreco.explain.explain import explain, why_above
from mmreco.explain.explanation import CarryingEvent, Explanation, OrderExplanation
from mmreco.explain.facts import Fact

__all__ = ["CarryingEvent", "Explanation", "Fact", "OrderExplanation", "explain", "why_above"]
