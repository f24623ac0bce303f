"""The commands, one module each, imported when called; what they share stands beside them."""
