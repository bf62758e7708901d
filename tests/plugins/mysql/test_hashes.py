"""What is stored of a password, as the servers themselves make it."""

import base64
import random

import pytest

from rotator.model import Secret
from rotator_mysql.curve import public_key, sign
from rotator_mysql.hashes import ED25519, NATIVE, SHA2, Entry, made
from rotator_mysql.sha256_crypt import sha256_crypt

SAMPLES = ["x", "secret", "with ü and ' and \\", "y" * 32, "z" * 200]


@pytest.mark.parametrize("password", SAMPLES)
def test_mariadb_makes_the_same(maria, password):
    assert maria.query("SELECT PASSWORD(%s)", (password,)) == [(made(NATIVE, Secret(password)).stored,)]
    maria.query("CREATE OR REPLACE USER sample IDENTIFIED VIA ed25519 USING PASSWORD(%s)", (password,))
    shown = maria.query("SHOW CREATE USER sample")[0][0]
    maria.query("DROP USER sample")
    assert made(ED25519, Secret(password)).stored in shown


def test_a_seed_of_32_bytes_is_plain_ed25519():
    """Where the libraries can follow, they agree: keys and signatures of RFC 8032."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    drawn = random.Random(8032)
    for _ in range(10):
        seed, message = drawn.randbytes(32), drawn.randbytes(32)
        key = Ed25519PrivateKey.from_private_bytes(seed)
        assert public_key(seed) == key.public_key().public_bytes_raw()
        assert sign(seed, message) == key.sign(message)


def test_the_documented_example_of_mariadb():
    """https://mariadb.com/kb/en/authentication-plugin-ed25519/: the password is `secret`."""
    assert base64.b64encode(public_key(b"secret")).decode().rstrip("=") == "ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY"


def test_sha_crypt_as_its_author_has_it():
    """https://www.akkadia.org/drepper/SHA-crypt.txt, test vectors."""
    assert sha256_crypt(b"Hello world!", b"saltstring") == "5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"
    long = b"a very much longer text to encrypt.  This one even stretches over morethan one line."
    assert sha256_crypt(long, b"anotherlongsalts", 1400) == "Rx.j8H.h8HjEDGomFU8bDkXm3XIUnzyxf12oP84Bnq1"


@pytest.mark.parametrize("plugin", [NATIVE, ED25519, SHA2])
@pytest.mark.parametrize("password", SAMPLES)
def test_an_entry_holds_its_own_password_and_no_other(plugin, password):
    entry = made(plugin, Secret(password))
    assert entry.holds(Secret(password))
    assert not any(entry.holds(Secret(each)) for each in (f"{password} ", "", "other", entry.stored))


def test_what_no_password_opens_holds_none():
    dead = [
        Entry(SHA2, "$A$005$THISISACOMBINATIONOFINVALIDSALTANDPASSWORDTHATMUSTNEVERBRBEUSED"),
        Entry("unix_socket", ""),
        Entry(SHA2, ""),
    ]
    assert not any(each.holds(Secret(secret)) for each in dead for secret in ("", "x", each.stored))


def test_a_salt_is_drawn_anew_each_time():
    assert made(SHA2, Secret("same")).stored != made(SHA2, Secret("same")).stored
