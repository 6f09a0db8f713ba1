"""Where in a photo the products are: a detector by name, or one taught by the shop's own pictures."""
