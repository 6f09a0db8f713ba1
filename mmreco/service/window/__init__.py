"""The shop window: a web shop over any artefact, rendered here, without a line of script."""

from mmreco.service.window.app import shop_window

__all__ = ["shop_window"]
