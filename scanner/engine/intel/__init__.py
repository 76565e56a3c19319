"""Facts about products and trust that come from files, not from the network."""
