"""One space of users and items: the model, and how it is trained."""

from mmreco.models.sharedspace.model import SharedSpace

__all__ = ["SharedSpace"]
