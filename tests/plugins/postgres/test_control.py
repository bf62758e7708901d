"""Control logins: by the keys that were derived when the password was set, never weaker than the password itself."""

import base64
import random
import string

import pytest

from rotator.model import Credential, Secret
from rotator.target import Rejected
from rotator.testing.target_contract import raised
from rotator_postgres import session, target
from rotator_postgres.scram import derive, plain
from tests.plugins.postgres.both import SERVERS


@pytest.fixture
def logins(monkeypatch):
    """Whether each login was by keys, in their order."""
    seen = []
    real = target.log_in

    def log_in(login, until):
        seen.append(login.keys is not None)
        return real(login, until)

    monkeypatch.setattr(target, "log_in", log_in)
    return seen


@SERVERS
class TestControl:
    @pytest.fixture
    def bench(self, make_bench, server):
        return make_bench(server, shape="in place")

    @pytest.fixture
    def set_one(self, bench):
        """A target that has set a password, and what it set."""
        one, new = bench.make_target(), Credential(name=bench.a, secret=Secret("a-new_one.of~printable-characters"))
        one.apply(new, [])
        return one, new

    def test_a_proof_derives_from_the_password_and_a_control_login_does_not(self, bench, set_one, logins):
        one, new = set_one
        assert one.verify(new) == one.control(new) == bench.a
        assert logins == [False, True]

    def test_keys_log_in_whatever_password_the_environment_holds(self, set_one, logins, monkeypatch):
        one, new = set_one
        monkeypatch.setenv("PGPASSWORD", "of somebody else")
        assert one.control(new) == new.name
        assert logins == [True]

    def test_a_password_that_somebody_changed_is_rejected(self, bench, set_one):
        one, new = set_one
        bench.server.query(f"ALTER ROLE {bench.a} PASSWORD 'of somebody else'")
        assert isinstance(raised(lambda: one.control(new)), Rejected)

    def test_the_same_password_set_anew_by_another_hand_is_no_rejection(self, bench, set_one, logins):
        one, new = set_one
        bench.server.query(f"ALTER ROLE {bench.a} PASSWORD '{new.secret.reveal()}'")
        assert one.control(new) == bench.a
        assert logins == [True, False]

    def test_another_credential_is_asked_by_its_password(self, bench, set_one, logins):
        one, _ = set_one
        other = Credential(name=bench.a, secret=Secret("never set"))
        assert isinstance(raised(lambda: one.control(other)), Rejected)
        assert logins == [False]

    def test_what_was_derived_goes_with_the_connection(self, set_one, logins):
        one, new = set_one
        one.close()
        assert one.control(new) == new.name
        assert logins == [False]

    def test_a_password_that_saslprep_could_change_is_left_to_libpq(self, bench, logins):
        one, new = bench.make_target(), Credential(name=bench.a, secret=Secret("ünlike ﬁne ascii"))
        one.apply(new, [])
        assert one.control(new) == bench.a
        assert logins[-1:] == [False]

    def test_a_libpq_without_keys_asks_by_the_password(self, set_one, logins, monkeypatch):
        one, new = set_one
        monkeypatch.setattr(session, "KEYS_SINCE", 10**9)
        assert one.control(new) == new.name
        assert logins == [False]


def test_what_we_derive_is_what_libpq_derives(newest):
    generator, alphabet = random.Random(1), [each for each in map(chr, range(32, 127)) if plain(each)]
    assert set(string.printable.strip()) < set(alphabet) | {" "}
    with newest.connect(newest.superuser, newest.password) as one:
        for _ in range(20):
            password = "".join(generator.choices(alphabet, k=40))
            theirs = one.pgconn.encrypt_password(password.encode(), b"app", b"scram-sha-256").decode()
            iterations, salt = theirs.split("$")[1].split(":")
            ours = derive(password, int(iterations), base64.b64decode(salt))
            assert ours.verifier == theirs


@SERVERS
def test_iterations_are_the_servers(make_bench, server):
    bench = make_bench(server, shape="in place", admin_is="superuser")
    if int(bench.server.query("SHOW server_version_num")[0][0]) < 160000:
        pytest.skip("servers before 16 know 4096 alone")
    bench.server.query(f"ALTER ROLE {bench.admin} SET scram_iterations = 5000")
    one, new = bench.make_target(), Credential(name=bench.a, secret=Secret("a-new_one.of~printable-characters"))
    one.apply(new, [])
    stored = bench.server.query(f"SELECT rolpassword FROM pg_authid WHERE rolname = '{bench.a}'")[0][0]
    assert stored.startswith("SCRAM-SHA-256$5000:")
    assert one.verify(new) == one.control(new) == bench.a
