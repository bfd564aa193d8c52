"""A run: the CoRe method and the loop that drives it."""
