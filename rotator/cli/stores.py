"""The configured stores, for commands that read records."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rotator.load.config import Config
    from rotator.store import Store


@contextmanager
def open_stores(config: Config) -> Iterator[dict[str, Store[Any]]]:
    """Every store by its name; each is closed at the end, so that what it logged in with is given back."""
    from rotator.load.plugins import store_class
    from rotator.load.secrets import Revealer
    from rotator.target import Runtime

    runtime = Runtime(reveal=Revealer(config).reveal, now=lambda: datetime.now(UTC))
    stores = {each.name: store_class(each.type)(each.settings, runtime) for each in config.stores.values()}
    try:
        yield stores
    finally:
        for each in stores.values():
            each.close()
