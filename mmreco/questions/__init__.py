"""Questions on an item, answered from its reviews; what its reviews praise and complain of."""
