"""Settings of applications in SQLite: the destination and the store `shelf`."""

from .place import Shelf as Shelf
from .store import ShelfStore as ShelfStore
