"""What the environment says of a login (PG* variables, the service of PGSERVICE), set back to what libpq has without it.

What a login's parameters leave open, libpq takes from there (https://www.postgresql.org/docs/current/libpq-envars.html and
https://www.postgresql.org/docs/current/libpq-pgservice.html), and a plugin does not change the environment of its process. Not set back by
parameters, so left to who starts rotator: PGSERVICE itself, PGTZ, PGDATESTYLE and PGGEQO.
"""

from __future__ import annotations

from collections.abc import Mapping

SCRAM_KEYS = frozenset({"scram_client_key", "scram_server_key"})
"""Taken in place of a password, and no value says none."""
_NOT_OF_A_LOGIN = frozenset({"service", "servicefile", "password", "passfile"})
"""A password that is found elsewhere is asked for only where we gave none: for a login by keys."""
_UNSET = {
    "connect_timeout": "0", "keepalives": "1", "keepalives_idle": "0", "keepalives_interval": "0", "keepalives_count": "0",
    "tcp_user_timeout": "0", "sslcertmode": "allow", "min_protocol_version": "3.0", "max_protocol_version": "3.0",
}  # fmt: skip
"""Keywords that take no empty value, with what they are where nothing is said
(https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS)."""


def set_back(parameters: Mapping[str, str]) -> dict[str, str]:
    """Every other keyword of which the environment says something; empty: as if it did not."""
    from psycopg import pq

    told = [each for each in pq.Conninfo.get_defaults() if each.val != each.compiled]
    names = {each.keyword.decode(): (each.compiled or b"").decode() for each in told}
    return {name: value or _UNSET.get(name, "") for name, value in names.items() if name not in parameters.keys() | _NOT_OF_A_LOGIN}
