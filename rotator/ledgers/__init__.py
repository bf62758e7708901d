"""Ledgers: where events are kept, how they are read back, and how their chain is proven.

`sqlite` writes, `reading` reads a file or a copy and touches nothing, `verify` proves the chains against the heads that the stores hold,
`heads` collects those, `show` puts events into words.
"""
