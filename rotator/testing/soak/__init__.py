"""The long proofs, and the one writer of RELIABILITY.md."""
