"""A report on results: one page that opens offline, says how to read it and where it comes from."""
