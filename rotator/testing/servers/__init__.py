"""Throwaway servers for tests and the demo: real ones, on 127.0.0.1 only, gone with their data when the `with` ends."""
