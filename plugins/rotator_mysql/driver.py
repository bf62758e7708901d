"""The driver's connection, but for what it would do with a password unasked."""

from __future__ import annotations

from pymysql.connections import Connection

from rotator_mysql.exchange import LEFT_TO_THE_DRIVER
from rotator_mysql.hashes import NATIVE


class Greeted(Connection):  # type: ignore[misc]  # the driver has no types
    """PyMySQL answers a greeting before it asks a plugin of ours: one that names `sha256_password` gets the password in clear, over TLS.

    Whatever else is named is answered as `mysql_native_password`; a server that wants another one then asks for it.
    """

    _auth_plugin_name: str

    def _get_server_information(self) -> None:
        super()._get_server_information()
        if self._auth_plugin_name not in (NATIVE, LEFT_TO_THE_DRIVER):
            self._auth_plugin_name = NATIVE
