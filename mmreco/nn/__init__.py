"""Tensors in, tensors out: towers, losses and the training loop. No ids and no files here."""

import os

import torch

if hasattr(os, "register_at_fork"):
    # a forked child has none of its parent's threads, and would wait for them for ever
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))
