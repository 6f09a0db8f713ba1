"""The values: frozen, their arrays read-only; and the readers that make them."""
