"""The interactive page: a market with dials, in a browser on the same machine."""
