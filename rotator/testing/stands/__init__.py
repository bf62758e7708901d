"""The seven shapes at real servers, and a world with one spec at one of them: what proofs by kills and proxies stand on."""

from rotator.testing.stands.base import ADMIN_FILE, Stand
from rotator.testing.stands.mysql import MysqlStand
from rotator.testing.stands.postgres import Alternating, InPlace
from rotator.testing.stands.redis import RedisStand
from rotator.testing.stands.stores import STORES, StoreStand
from rotator.testing.stands.twin import Overlapping
from rotator.testing.stands.web import HttpToken, IamKey
from rotator.testing.stands.world import NAME, World

STANDS: dict[str, type[Stand]] = {
    each.shape: each for each in (InPlace, Alternating, IamKey, HttpToken, MysqlStand, RedisStand, Overlapping)
}
"""By their shapes."""

__all__ = [
    "ADMIN_FILE",
    "NAME",
    "STANDS",
    "STORES",
    "Alternating",
    "HttpToken",
    "IamKey",
    "InPlace",
    "MysqlStand",
    "Overlapping",
    "RedisStand",
    "Stand",
    "StoreStand",
    "World",
]
