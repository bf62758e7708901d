"""Histories that go astray: humans who adopt, resolve and change things in mid-run, and backups that are brought back.

`python -m rotator.testing.astray`, a part of `make soak`; a few are told in each `make test`. Who is right nobody can tell there, so
of the laws the oracle asks those that bind us all the same: nobody else's credential and none that a place shows is killed, exit 0 claims
what is true, the record and its chain are whole. And there is always a way out: an operator who types what the messages name comes to rest.
"""
