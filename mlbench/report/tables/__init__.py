"""Tables of results: their shape, and the forms in which people want them."""
