"""Reloads, one file each. They import their contract, never the core."""
