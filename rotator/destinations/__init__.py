"""Destinations, one file or folder each. They import their contract, never the core."""
