"""What goes with an item or a cart, and what would replace it."""

from mmreco.baskets.associations import Associations, baskets, bought_together
from mmreco.baskets.cart import cart_panel
from mmreco.baskets.completion import CartCompletion
from mmreco.baskets.pairs import ItemPairs
from mmreco.baskets.relations import ItemRelations

__all__ = [
    "Associations",
    "CartCompletion",
    "ItemPairs",
    "ItemRelations",
    "baskets",
    "bought_together",
    "cart_panel",
]
