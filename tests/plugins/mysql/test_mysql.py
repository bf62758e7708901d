"""MySQL's dual passwords. No MySQL was at hand: the server here is scripted after its manual, and takes nothing but what the manual knows.

What is proven: which statements are sent, in which order, and that after each of them alone what must go on working does. What is not:
that a real server answers so.
"""

import contextlib
import json
import re
import socket
import struct
import threading
from datetime import UTC, datetime

import pytest

from rotator.errors import Conflict
from rotator.model import Credential, Secret
from rotator.target import Foreign, Level, Runtime
from rotator.testing.target_contract import raised
from rotator_mysql import MysqlUser
from rotator_mysql.account import Account
from rotator_mysql.connection import MysqlConnection, MysqlUserSettings
from rotator_mysql.hashes import NATIVE, SHA2, Entry, made
from rotator_mysql.mysql import account_of, statements

ALTER = re.compile(
    r"ALTER USER `app`@`%`(?: IDENTIFIED WITH (?P<plugin>\w+) AS 0x(?P<stored>[0-9a-f]+)(?P<retain> RETAIN CURRENT PASSWORD)?"
    r"|(?P<discard> DISCARD OLD PASSWORD))?(?: ATTRIBUTE '(?P<attribute>\{.*\})')?"
)


class Scripted:
    """One account, as the manual says that a server keeps it. Each client is let in."""

    def __init__(self, plugin=SHA2, version="8.0.36"):
        self.version, self.plugin = version, plugin
        self.primary, self.secondary, self.metadata = None, None, {}
        self.asked, self.history, self.lifetime, self.asks = [], [], 0, {}
        self.grants = ["GRANT CREATE USER ON *.* TO `rot`@`%`", "GRANT SELECT ON `mysql`.`user` TO `rot`@`%`"]

    def set(self, primary, secondary=None):
        self.primary, self.secondary = (each and made(self.plugin, Secret(each)).stored for each in (primary, secondary))

    def lives(self, secret):
        return any(Entry(self.plugin, each).holds(Secret(secret)) for each in (self.primary, self.secondary) if each)

    def answer(self, statement):
        """Columns and one row; None: OK; a number: an error."""
        self.asked.append(statement)
        if statement.startswith("SELECT Host, plugin"):
            return self._account()
        if statement.startswith("SELECT @@read_only"):
            return {"r": "0"}
        if statement == "SELECT @@default_password_lifetime AS days":
            return {"days": str(self.lifetime)}
        if statement.startswith("SELECT CURRENT_USER"):
            return {"who": "rot@%"}
        if statement == "SHOW GRANTS":
            return [{"Grants": each} for each in self.grants]
        if statement.startswith("ALTER"):
            return self._alter(statement)
        return None

    def _account(self):
        attributes = {"metadata": self.metadata} if self.metadata else {}
        attributes |= {"additional_password": self.secondary} if self.secondary else {}
        row = {"Host": "%", "plugin": self.plugin, "stored": self.primary.encode().hex().upper(), "attributes": json.dumps(attributes)}
        return (
            row
            | {
                "account_locked": "N",
                "expired": "N",
                "password_lifetime": None,
                "ssl_type": "",
                "cipher": "",
                "names": "0",
                "Super_priv": "N",
            }
            | self.asks
        )

    def _alter(self, statement):
        match = ALTER.fullmatch(statement)
        if not match:
            return 1064
        if match["stored"] and match["retain"] and match["plugin"] != self.plugin:
            return 3894
        if match["stored"]:
            self.secondary = self.primary if match["retain"] else self.secondary
            self.primary, self.plugin = bytes.fromhex(match["stored"]).decode(), match["plugin"]
        if match["discard"]:
            self.secondary = None
        patch = json.loads(match["attribute"] or "{}")
        self.metadata = {key: each for key, each in (self.metadata | patch).items() if each is not None}
        self.history.append((self.primary, self.secondary))
        return None


def packet(sequence, body):
    return struct.pack("<I", len(body))[:3] + bytes([sequence]) + body


def text(value):
    return b"\xfb" if value is None else bytes([0xFC]) + struct.pack("<H", len(value.encode())) + value.encode()


OK, EOF = b"\0\0\0\2\0\0\0", b"\xfe\0\0\2\0"


def result(rows):
    column = b"\3def\0\0\0" + b"%s" + b"\0\x0c\x21\0\0\4\0\0\xfd\0\0\0\0\0"
    names = list(rows[0])
    bodies = [bytes([len(names)])]
    bodies += [column.replace(b"%s", bytes([len(each)]) + each.encode()) for each in names]
    bodies += [EOF, *(b"".join(text(each) for each in row.values()) for row in rows), EOF]
    return b"".join(packet(number, each) for number, each in enumerate(bodies, 1))


def serve(client, script):
    greeting = b"\x0a" + script.version.encode() + b"\0\1\0\0\0" + b"s" * 8 + b"\0" + b"\x0d\xa2" + b"\x21\2\0" + b"\x0a\0" + b"\x15"
    greeting += bytes(10) + b"s" * 12 + b"\0mysql_native_password\0"
    client.sendall(packet(0, greeting))
    client.recv(65536)
    client.sendall(packet(2, OK))
    while data := client.recv(65536):
        answer = script.answer(data[5:].decode())
        if isinstance(answer, int):
            client.sendall(packet(1, b"\xff" + struct.pack("<H", answer) + b"#HY000no"))
        else:
            client.sendall(packet(1, OK) if answer is None else result(answer if isinstance(answer, list) else [answer]))


@contextlib.contextmanager
def listening(script):
    listener = socket.create_server(("127.0.0.1", 0))

    def one(client):
        with client, contextlib.suppress(OSError):
            serve(client, script)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.fixture
def script():
    made = Scripted()
    made.set("current")
    return made


@pytest.fixture
def make(script):
    with listening(script) as port:

        def target(fence=1, **config):
            admin = {"username": "rot", "password": {"env": "X"}}
            connection = MysqlConnection.model_validate({"host": "127.0.0.1", "port": port, "tls": "off", "admin": admin})
            runtime = Runtime(reveal=lambda _: Secret("x"), now=lambda: datetime.now(UTC), timeout=5.0, fence=fence)
            return MysqlUser(connection, MysqlUserSettings.model_validate({"username": "app", **config}), runtime)

        yield target


def credential(secret):
    return Credential(name="app", secret=Secret(secret))


CURRENT, NEW = credential("current"), credential("new")


@pytest.mark.parametrize("plugin", [SHA2, NATIVE])
def test_a_rotation_keeps_both_and_then_discards_the_old_one(script, make, plugin):
    script.plugin = plugin
    script.set("current")
    for _ in range(3):
        make().apply(NEW, [CURRENT])
        assert (script.lives("current"), script.lives("new")) == (True, True)
    assert len(script.history) == 1
    for _ in range(2):
        make().revoke(CURRENT, [NEW])
        assert (script.lives("current"), script.lives("new")) == (False, True)
    assert len(script.history) == 2
    assert script.plugin == plugin


def test_a_new_one_is_taken_back_and_current_works_after_each_statement(script, make):
    make().apply(NEW, [CURRENT])
    make().revoke(NEW, [CURRENT])
    assert (script.lives("current"), script.lives("new"), script.secondary) == (True, False, None)
    assert all(any(each and Entry(SHA2, each).holds(Secret("current")) for each in state) for state in script.history)
    make().apply(NEW, [CURRENT])
    assert (script.lives("current"), script.lives("new")) == (True, True)


def test_cut_off_between_its_two_statements_it_is_finished_by_the_next_call(script, make):
    script.set("current", "current")
    make().revoke(NEW, [CURRENT])
    make().apply(NEW, [CURRENT])
    assert (script.lives("current"), script.lives("new")) == (True, True)
    make().revoke(CURRENT, [NEW])
    assert (script.lives("current"), script.lives("new")) == (False, True)


def test_retain_is_never_sent_twice(script, make):
    make().apply(NEW, [CURRENT])
    assert isinstance(raised(lambda: make().apply(credential("third"), [CURRENT])), Foreign)
    assert (script.lives("current"), script.lives("new")) == (True, True)
    assert sum("RETAIN" in each for each in script.asked) == 1


def test_with_nothing_to_keep_the_new_one_becomes_the_only_one(script, make):
    script.set("current", "a stranger's")
    make().apply(NEW, [])
    assert (script.lives("current"), script.lives("a stranger's"), script.lives("new")) == (False, False, True)


def test_of_the_name_alone_nobody_is_left(script, make):
    script.set("current", "second")
    make().revoke(Credential(name="app", secret=None), [])
    assert not any(script.lives(each) for each in ("current", "second", ""))


def test_the_fence_is_in_the_same_statement_and_a_lower_one_is_refused(script, make):
    script.metadata = {"team": "shop"}
    make(fence=7).apply(NEW, [CURRENT])
    assert script.metadata == {"team": "shop", "rotator_fence": 7}
    late = [lambda: make(fence=6).apply(NEW, [CURRENT]), lambda: make(fence=6).revoke(NEW, [CURRENT])]
    errors = [raised(each) for each in late]
    assert [type(each) for each in errors] == [Conflict, Conflict]
    assert script.answer(errors[0].fix.partition(": ")[2].rstrip(";")) is None
    assert script.metadata == {"team": "shop"}
    make(fence=6).revoke(CURRENT, [NEW])
    assert script.metadata["rotator_fence"] == 6


def test_no_password_is_in_a_statement(script, make):
    make().apply(credential("a-canary-of-the-tests"), [CURRENT])
    assert not any("a-canary-of-the-tests" in each or b"a-canary-of-the-tests".hex() in each for each in script.asked)


def test_check_knows_a_stranger_and_prints_what_removes_it(script, make):
    assert [each.code for each in make().check([CURRENT])] == ["login"]
    script.set("current", "a stranger's")
    stray = [each for each in make().check([CURRENT]) if each.code == "stray"]
    warning, statements = stray[0].fix.split("\n")
    assert warning.startswith("-- first find out who logs in with it")
    for each in statements.rstrip(";").split("; "):
        assert script.answer(each) is None
    assert (script.lives("current"), script.lives("a stranger's")) == (True, False)


@pytest.mark.parametrize("plugin", [SHA2, NATIVE])
def test_a_stranger_in_the_first_place_is_removed_by_what_the_server_itself_shows_and_no_hash_is_printed(script, make, plugin):
    script.plugin = plugin
    script.set("a stranger's", "current")
    stray = [each for each in make().check([CURRENT]) if each.code == "stray"]
    shows, discard = stray[0].fix.split("\n")[1].split("; -- send what it shows, then: ")
    assert shows.endswith("HEX(User_attributes->>'$.additional_password')) AS fix FROM mysql.user WHERE User = 'app' AND Host = '%'")
    assert discard == "ALTER USER `app`@`%` DISCARD OLD PASSWORD;"
    assert not re.search("[0-9A-Fa-f]{16}", stray[0].fix)


def test_a_lifetime_by_the_servers_default_is_a_warning_with_the_statement_that_ends_it(script, make):
    script.lifetime = 30
    (one,) = [each for each in make().check([CURRENT]) if each.level is Level.WARN]
    assert (one.code, one.fix) == ("principal.expired", "ALTER USER `app`@`%` PASSWORD EXPIRE NEVER;")
    assert "30 days" in one.text


@pytest.mark.parametrize(
    ("asks", "codes", "fix"),
    [
        ({"ssl_type": "SPECIFIED", "cipher": "AES"}, ["fitness"], "Switch `tls` of the connection on"),
        ({"ssl_type": "SPECIFIED", "names": "9"}, ["fitness"], "ALTER USER `app`@`%` REQUIRE SSL;"),
        ({"ssl_type": "SPECIFIED", "cipher": "AES", "names": "9"}, ["fitness"], "ALTER USER `app`@`%` REQUIRE CIPHER 'AES';"),
        ({"ssl_type": "X509"}, ["fitness"], "ALTER USER `app`@`%` REQUIRE SSL;"),
    ],
)
def test_what_an_account_asks_of_tls_is_a_certificate_only_where_one_is_named(script, make, asks, codes, fix):
    script.asks = asks
    failing = [each for each in make().check([CURRENT]) if each.level is Level.FAIL]
    assert [each.code for each in failing] == codes
    assert failing[0].fix == fix


def test_check_tells_an_old_server_missing_rights_and_a_plugin_of_the_other_server(script, make):
    script.version, script.grants = "8.0.13", ["GRANT USAGE ON *.* TO `rot`@`%`"]
    failing = [each for each in make(plugin="ed25519").check([CURRENT]) if each.level is Level.FAIL]
    assert [each.code for each in failing] == ["privilege.missing", "privilege.missing", "fitness", "fitness"]
    assert "GRANT SELECT ON mysql.user TO `rot`@`%`;" in [each.fix for each in failing]


def test_a_salt_with_control_characters_is_read_and_written_back_whole():
    salt = "\x1b\x1b\x06<`qFRU\tNRxT Z\x03Ya"
    old = Entry(SHA2, f"$A$005${salt}{made(SHA2, Secret('x')).stored[-43:]}")
    account = Account("app", "%", (old, Entry(SHA2, "other")))
    one, discard = statements(account, (account.entries[1],), 0)
    assert discard.endswith("DISCARD OLD PASSWORD")
    back, _ = statements(Account("app", "%", (Entry(SHA2, "other"), old)), (old,), 0)
    assert bytes.fromhex(back.rpartition("0x")[2]).decode() == old.stored
    assert one.startswith("ALTER USER `app`@`%` IDENTIFIED WITH caching_sha2_password AS 0x")
    row = {"Host": "%", "plugin": SHA2, "stored": old.stored.encode().hex(), "attributes": None, "account_locked": "N", "expired": "N"}
    assert account_of("app", row | {"password_lifetime": None, "ssl_type": "", "cipher": "", "names": "0", "Super_priv": "N"}).entries == (
        old,
    )
