"""Tensors in, tensors out: towers, losses and the training loop. No ids and no files here."""
