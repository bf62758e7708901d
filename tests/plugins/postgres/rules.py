"""pg_hba.conf of a running server, changed for a while."""

import time
from contextlib import contextmanager


@contextmanager
def host_rules(server, first, *, alone=False):
    """pg_hba.conf begins with these lines, or has no others."""
    file = server.base / "data" / "pg_hba.conf"
    before = file.read_text()

    def loaded():
        return server.query("SELECT pg_conf_load_time()")

    def put(text):
        file.write_text(text)
        old, end = loaded(), time.monotonic() + 10
        server.query("SELECT pg_reload_conf()")
        while loaded() == old:  # this session is told by the postmaster, which takes no login before it has read the rules as well
            assert time.monotonic() < end, "the rules are not read anew"
            time.sleep(0.01)

    try:
        put(first if alone else f"{first}\n{before}")
        yield
    finally:
        put(before)
