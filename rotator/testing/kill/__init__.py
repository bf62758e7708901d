"""Proofs by real kills."""
