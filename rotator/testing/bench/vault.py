"""What a read and a check-and-set write of a record cost beside the same two calls by bare hvac, in one run on one OpenBao."""

from __future__ import annotations

import json
import secrets
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from rotator.model import Credential, Secret
from rotator.record import Record, Tombstone, Version, to_document
from rotator.store import Runtime
from rotator.stores.vault import VaultSettings, VaultStore
from rotator.testing.servers.openbao import OpenBaoServer

PATH = "bench/app"


def _record() -> Record:
    """As large as one in the middle of a rotation."""
    versions = [Version(f"v{n}", Credential(name=f"app_{n}", secret=Secret(secrets.token_urlsafe(32))), float(n)) for n in range(4)]
    stones = tuple(Tombstone(each.id, each.credential, 1.0) for each in versions[1:])
    return Record(name="app", current=versions[0], tombstones=stones, writes=tuple(f"{n:036d}" for n in range(16)))


def _store(server: OpenBaoServer) -> VaultStore:
    settings = VaultSettings.model_validate({"address": server.url, "auth": {"token": {"env": "TOKEN"}}})
    return VaultStore(settings, Runtime(reveal=lambda _: server.root, now=lambda: datetime.now(UTC)))


def _ms(call: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    call()
    return (time.perf_counter() - begun) * 1000


def store_calls(count: int = 400) -> dict[str, Any]:
    """Medians over so many pairs of a read and a write, ours and the bare ones in turn; and what opening costs once per run."""
    import hvac

    with OpenBaoServer() as server:
        client, store = hvac.Client(url=server.url, token=server.root.reveal()), _store(server)
        bare, text = client.secrets.kv.v2, json.dumps(to_document(_record()))
        bare.create_or_update_secret(path="bare/app", secret={"record": text}, cas=0)
        store.write(PATH, _record())

        def ours() -> None:
            store.write(PATH, store.read(PATH))

        def theirs() -> None:
            found = bare.read_secret_version(path="bare/app", raise_on_deleted_version=True)["data"]
            bare.create_or_update_secret(path="bare/app", secret=found["data"], cas=found["metadata"]["version"])

        times = [(_ms(ours), _ms(theirs)) for _ in range(count)]
        opening = statistics.median(_ms(lambda: _store(server).read(PATH)) for _ in range(20))
    mine, hvac_ms = (statistics.median(each) for each in zip(*times, strict=True))
    return {
        "name": "vault store",
        "count": count,
        "ours_ms": round(mine, 2),
        "bare_ms": round(hvac_ms, 2),
        "ratio": round(mine / hvac_ms, 2),
        "open_and_read_ms": round(opening, 2),
    }
