"""Benchmarks: figures as JSON lines, each as a ratio to the bare client doing the same work in the same run. Never asserted in a test."""
