"""Conformance suites, in-memory twins and fault injection, for everyone who writes a target, a store or a destination.

A suite is a class of pytest tests: derive from it, give its fixtures, and every law of the contract is a test of yours. Needs pytest.
"""
