"""Wrong solutions that the hidden checks must catch, and honest variants that they must accept, one module a topic."""
