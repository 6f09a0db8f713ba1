"""Experiments: variants that share the shoppers, what each was shown, and what became of it."""
