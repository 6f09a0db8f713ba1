"""One space of users and items: the model, and how it is trained."""

from mmreco.space.model import SharedSpace

__all__ = ["SharedSpace"]
