"""How a password is proven to a server that may ask more than once.

An account of MariaDB with several ways in asks for one after another: PyMySQL follows a single switch of the plugin. And it hands the
password in clear to a server that asks for it so: here that is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pymysql.connections import Connection

MOST = 8
"""Ways in that are tried."""
UNKNOWN_PLUGIN = 2059
"""CR_AUTH_PLUGIN_CANNOT_LOAD, as other clients say it."""


class Exchange:
    """Answers one request after another until the server says yes or no. As PyMySQL's `auth_plugin_map` wants it."""

    def __init__(self, plugin: str, connection: Connection[Any]) -> None:
        self.plugin, self.connection = plugin, connection

    def authenticate(self, packet: Any) -> Any:
        """The server's last word. `packet`: its first request, behind the plugin's name. Raises the driver's errors."""
        plugin, data = self.plugin, packet.read_all()
        for _ in range(MOST):
            self.connection.write_packet(self._answer(plugin, data))
            packet = self.connection._read_packet()  # noqa: SLF001 - what a plugin of the driver has to read by
            if not packet.is_auth_switch_request():
                return packet
            packet.read_uint8()
            plugin, data = (packet.read_string() or b"").decode("ascii", "replace"), packet.read_all()
        raise unknown("the server asks again and again")

    def _answer(self, plugin: str, data: bytes) -> bytes:
        answer = ANSWERS.get(plugin)
        if answer is None:
            raise unknown(f"the server asks for {plugin}")
        return answer(self.connection.password, data)


def _native(password: bytes, scramble: bytes) -> bytes:
    from pymysql._auth import scramble_native_password

    answer: bytes = scramble_native_password(password, scramble)
    return answer


def _ed25519(password: bytes, scramble: bytes) -> bytes:
    from rotator_mysql.curve import sign

    return sign(password, scramble[:32])


ANSWERS: dict[str, Callable[[bytes, bytes], bytes]] = {"mysql_native_password": _native, "client_ed25519": _ed25519}
"""By the names of the clients' plugins."""
LEFT_TO_THE_DRIVER = "caching_sha2_password"
"""It sends a password over TLS or a socket only, or under the server's RSA key."""
REFUSED = ("mysql_clear_password", "dialog", "mysql_old_password", "sha256_password")
"""They hand out the password, or as good as that."""


def unknown(why: str) -> Exception:
    """The driver's error for a plugin that is not there."""
    from pymysql.err import OperationalError

    error: Exception = OperationalError(UNKNOWN_PLUGIN, why)
    return error


def plugin_map() -> dict[str, Callable[[Any], Exchange]]:
    """For the driver."""
    return {name: partial(Exchange, name) for name in (*ANSWERS, *REFUSED)}
