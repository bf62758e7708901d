"""Each trouble of the server ends as `Unreachable` or `Denied` with the way out, and what comes after it heals."""

import itertools
import logging
import threading
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from vault_world import PATH, PLACE, Scripted, World, fields

from rotator.errors import Denied, PortError, Refused, Unreachable
from rotator.model import Level, Secret, same_values
from rotator.seam import Seam
from rotator.stores.vault.policy import Policy
from rotator.testing.destination_contract import CANARY, told_by
from rotator.testing.records import a_record, same
from rotator.testing.servers.raw import Answer, RawServer, json_answer


def calls(store, record):
    return (lambda: store.read(PATH), lambda: store.write(PATH, record), lambda: store.publish(PLACE, fields(2), "v2", 2),
            lambda: store.published(PLACE), store.paths)  # fmt: skip


def full_policy(world):
    return "\n".join(map(str, Policy(world.settings()).lines([PATH], keeps_versions=False)))


def of_own(server, **more):
    return World(server, server.mount(), server.root, **more)


# ---- the server has trouble


def test_sealed_is_unreachable_with_the_way_out_and_unsealed_it_goes_on(own_bao):
    world = of_own(own_bao)
    store = world.store()
    record = store.write(PATH, a_record(1))
    own_bao.call("PUT", "sys/seal")
    for call in calls(store, a_record(2, before=record)):
        with pytest.raises(Unreachable, match="is sealed") as error:
            call()
        assert "bao operator unseal" in error.value.fix
    store.close()
    own_bao.unseal()
    assert same(store.read(PATH), record)
    store.write(PATH, a_record(2, before=record))


def test_a_server_that_is_down_is_unreachable_at_once(own_bao):
    world = of_own(own_bao)
    store = world.store()
    record = store.write(PATH, a_record(1))
    own_bao.stop()
    begun = time.monotonic()
    for call in calls(store, record):
        with pytest.raises(Unreachable, match="no answer") as error:
            call()
        assert error.value.fix
    assert time.monotonic() - begun < 5


def test_a_frozen_server_is_unreachable_and_later_the_write_is_known_to_have_landed(own_bao):
    world = of_own(own_bao, timeout=2.0)
    store = world.store()
    record = store.write(PATH, a_record(1))
    with own_bao.frozen(), pytest.raises(Unreachable):
        store.write(PATH, a_record(2, before=record))
    store.close()
    again = store.write(PATH, a_record(2, before=record))
    assert same(store.read(PATH), again)
    assert store.read(PATH).revision == again.revision == 2


def test_the_request_rate_limit_is_unreachable_and_not_tried_again_in_here(own_bao):
    world = of_own(own_bao)
    store = world.store()
    store.read(PATH)
    own_bao.call("PUT", "sys/quotas/rate-limit/of-the-test", {"rate": 1, "path": world.mount})
    with pytest.raises(Unreachable, match="rate limit") as error:
        [store.read(PATH) for _ in range(9)]
    assert error.value.code == "429"
    with pytest.raises(Unreachable, match="rate limit"):
        store.write(PATH, a_record(1))


def of_data(status, body=None, **headers):
    """Wrong for whatever touches a document."""
    return lambda request: json_answer(body or {"errors": []}, status, **headers) if "/data/" in request.path else None


@pytest.mark.parametrize("status", [500, 502, 503, 504, 412, 429, 472, 473])
def test_trouble_of_the_server_is_unreachable_for_all_that_touches_documents(world, bao, status):
    world.timeout = 3.0
    with Scripted(bao, of_data(status, {"errors": ["trouble"]}, Retry_After="7")) as raw:
        store = world.store(address=raw.url)
        for call in (lambda: store.read(PATH), lambda: store.published(PLACE), lambda: store.write(PATH, a_record(1))):
            with pytest.raises(Unreachable) as error:
                call()
            assert error.value.code == str(status)
            assert error.value.retry_after == 7
            assert error.value.fix


def test_a_write_that_landed_under_a_502_is_a_success(world, bao):
    lost = []

    def wrong(request):
        if request.method == "POST" and "/data/rotator/records/" in request.path and not lost:
            lost.append(Scripted.pass_on(good, request))
            return json_answer({"errors": ["bad gateway"]}, 502)
        return None

    with Scripted(bao, lambda _: None) as good, Scripted(bao, wrong) as raw:
        written = world.store(address=raw.url).write(PATH, a_record(1))
    assert lost[0].status == 200
    assert written.revision == world.store().read(PATH).revision == 1


def test_what_the_server_finds_too_large_is_refused(world, bao):
    with Scripted(bao, of_data(500, {"errors": ["put failed due to value being too large"]})) as raw, pytest.raises(Refused):
        world.store(address=raw.url).read(PATH)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, {"Content-Type": "text/html"}, [b"<h1>log in</h1>"]),
        Answer(200, {"Content-Type": "application/json"}, [b"[]"]),
        Answer(404, {"Content-Type": "text/html"}, [b"<h1>not here</h1>"]),
        Answer(404, {"Content-Length": "0"}, [b""]),
        Answer(200, {"Content-Length": "0"}, [b""]),
        json_answer({"message": "no Route matched"}, 404),
        json_answer({"errors": ['no handler for route "x"']}, 404),
        json_answer({"data": {"data": {"a": "1"}}}, 200),
    ],
    ids=["a login page", "a list", "a page", "a proxy without a route", "nothing", "another API", "no mount", "version 1"],
)
def test_what_is_no_answer_of_kv_version_2_is_never_taken_for_empty(world, bao, answer):
    record = world.store().write(PATH, a_record(1))
    world.store().publish(PLACE, fields(1), "v1", 1)
    with Scripted(bao, lambda request: answer if "/data/" in request.path or "/metadata/" in request.path else None) as raw:
        for call in calls(world.store(address=raw.url), a_record(2, before=record)):
            with pytest.raises((Denied, Unreachable)) as error:
                call()
            assert error.value.fix
    assert same(world.store().read(PATH), record)
    assert same_values(world.store().published(PLACE), fields(1))


@pytest.mark.parametrize(
    ("path", "ask"),
    [
        ("/sys/internal/ui/mounts/", lambda store: store.paths()),
        ("/config", lambda store: store.paths()),
        ("/metadata/", lambda store: store.paths()),
        ("/metadata/", lambda store: store.write(PATH, a_record(1))),
        ("/data/", lambda store: store.read(PATH)),
        ("/data/", lambda store: store.published(PLACE)),
    ],
)
def test_a_proxy_that_has_no_route_for_a_moment_is_trouble_that_passes(world, bao, path, ask):
    lost = [True]
    with Scripted(bao, lambda request: Answer(404, {"Content-Length": "0"}, [b""]) if lost and path in request.path else None) as raw:
        store = world.store(address=raw.url)
        with pytest.raises(Unreachable, match="none of Vault's") as error:
            ask(store)
        assert error.value.code == "404"
        lost.clear()
        ask(store)


# ---- redirects


def redirect(to, status=307):
    return lambda request: Answer(status, {"Location": f"{to}{request.path}", "Content-Length": "0"})


def test_a_standby_that_sends_us_to_the_active_node_is_followed(world, bao):
    with RawServer(redirect(bao.url)) as standby:
        store = world.store(address=standby.url)
        record = store.write(PATH, a_record(1))
        store.publish(PLACE, fields(1), "v1", 1)
        assert store.paths() == [PATH]
        assert len(standby.requests) == 1
        store.close()
        assert same(store.read(PATH), record)
        assert len(standby.requests) == 2


@pytest.mark.parametrize(
    "location",
    ["http://vault.example:8200", "https://user:word@127.0.0.1:1", "https://127.0.0.1:1/other?", "//127.0.0.1:1", "ftp://127.0.0.1:1", ""],
)
def test_a_redirect_to_anywhere_else_is_denied_and_gets_no_token(world, location):
    with RawServer(redirect(location)) as standby, pytest.raises(Denied, match="elsewhere") as error:
        world.store(address=standby.url).read(PATH)
    assert "`address`" in error.value.fix


@pytest.mark.parametrize("status", [301, 302, 303])
def test_only_a_redirect_that_keeps_the_method_is_followed(world, bao, status):
    with RawServer(redirect(bao.url, status)) as standby, pytest.raises(Denied, match="elsewhere"):
        world.store(address=standby.url).read(PATH)


def test_a_second_redirect_is_not_followed(world, bao):
    with RawServer(redirect(bao.url)) as other, RawServer(redirect(other.url)) as standby, pytest.raises(Denied, match="elsewhere"):
        world.store(address=standby.url).read(PATH)


# ---- tokens


def test_a_token_that_expired_in_between_is_denied_and_a_fresh_one_goes_on(world, bao):
    token = bao.token(full_policy(world), ttl="1s")
    store = world.store(token=token)
    record = store.write(PATH, a_record(1))
    time.sleep(1.2)
    for call in calls(store, a_record(2, before=record)):
        with pytest.raises(Denied, match="expired, revoked or unknown") as error:
            call()
        assert "fresh" in error.value.fix
    world.store(token=bao.token(full_policy(world))).write(PATH, a_record(2, before=record))


def test_a_right_taken_away_in_between_is_denied_with_the_line_and_given_back_it_goes_on(world, bao):
    bao.call("PUT", "sys/policies/acl/taken", {"policy": full_policy(world)})
    token = Secret(bao.call("POST", "auth/token/create", {"policies": ["taken"]})["auth"]["client_token"])
    store = world.store(token=token)
    record = store.write(PATH, a_record(1))
    bao.call("PUT", "sys/policies/acl/taken", {"policy": 'path "elsewhere" { capabilities = ["read"] }'})
    for call in calls(store, a_record(2, before=record)):
        with pytest.raises(Denied, match="refused") as error:
            call()
        assert f'path "{world.mount}/' in error.value.fix
    bao.call("PUT", "sys/policies/acl/taken", {"policy": full_policy(world)})
    store.close()
    store.write(PATH, a_record(2, before=record))


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "tök"])
def test_what_is_no_token_is_denied_before_it_is_sent(world, token):
    with pytest.raises(Denied, match="is none") as error:
        world.store(token=Secret(token)).read(PATH)
    assert not token or token not in told_by(error.value)


# ---- TLS and the environment


def test_a_server_whose_certificate_is_not_trusted_is_denied(world, bao):
    with pytest.raises(Denied, match="not trusted") as error:
        world.store(address=bao.tls_url).read(PATH)
    assert "tls.ca" in error.value.fix


def test_with_its_ca_it_is_trusted_for_the_names_in_it_alone(world, bao):
    tls = {"ca": str(bao.ca_file)}
    assert world.store(address=bao.tls_url, tls=tls).read(PATH).revision is None
    assert world.store(address=bao.tls_url.replace("127.0.0.1", "localhost"), tls=tls).read(PATH).revision is None
    with pytest.raises(Denied, match="not trusted"):
        world.store(address=bao.tls_url.replace("127.0.0.1", "127.1"), tls=tls).read(PATH)


def test_a_ca_that_cannot_be_read_is_denied(world, bao):
    with pytest.raises(Denied, match="certificates of `tls"):
        world.store(address=bao.tls_url, tls={"ca": "/nowhere/ca.pem"}).read(PATH)


def test_nothing_is_taken_from_the_environment(world, bao, monkeypatch, tmp_path):
    (tmp_path / ".vault-token").write_text(bao.root.reveal())
    nowhere = "http://127.0.0.1:1"
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "VAULT_ADDR", "BAO_ADDR"):
        monkeypatch.setenv(name, nowhere)
    for name in ("VAULT_TOKEN", "BAO_TOKEN"):
        monkeypatch.setenv(name, bao.root.reveal())
    for name in ("VAULT_CACERT", "VAULT_CLIENT_CERT", "VAULT_CLIENT_KEY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(tmp_path / "nothing"))
    for name, value in {"SSL_CERT_FILE": bao.ca_file, "SSL_CERT_DIR": bao.ca_file.parent, "SSLKEYLOGFILE": tmp_path / "keys"}.items():
        monkeypatch.setenv(name, str(value))
    with pytest.raises(Denied, match="not trusted"):
        world.store(address=bao.tls_url).read(PATH)
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    monkeypatch.setenv("VAULT_NAMESPACE", "nowhere")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    assert world.store(address=bao.tls_url, tls={"ca": str(bao.ca_file)}).read(PATH).revision is None
    assert not (tmp_path / "keys").exists()
    with pytest.raises(Denied):
        world.store(token=Secret("hvs.unknown")).read(PATH)


class Tunnel(BaseHTTPRequestHandler):
    """The CONNECT of an HTTP proxy."""

    def do_CONNECT(self):
        self.server.asked.append(self.path)
        self.send_error(502)

    def log_message(self, *_arguments):
        pass


def test_a_proxy_that_is_written_is_used_as_a_tunnel(world, bao):
    with ThreadingHTTPServer(("127.0.0.1", 0), Tunnel) as proxy:
        proxy.asked = []
        threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            store = world.store(address=bao.tls_url, tls={"ca": str(bao.ca_file)}, proxy=f"http://127.0.0.1:{proxy.server_address[1]}")
            with pytest.raises(Unreachable):
                store.read(PATH)
        finally:
            proxy.shutdown()
    assert proxy.asked[0] == f"127.0.0.1:{bao.tls_port}"


# ---- secrets and the clock


def test_no_error_and_no_log_carries_a_secret(own_bao, caplog):
    caplog.set_level(logging.DEBUG)
    for name in ("urllib3", "hvac", "requests"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    world, told = of_own(own_bao, timeout=2.0), ""
    store = world.store()
    record = store.write(PATH, a_record(1, secret=CANARY * 3))
    sealed, stopped = (lambda: nullcontext(own_bao.call("PUT", "sys/seal"))), (lambda: nullcontext(own_bao.stop()))
    for spoilt in (sealed, own_bao.frozen, stopped):
        with spoilt():
            for call in calls(store, a_record(2, secret=CANARY * 4, before=record))[1:3]:
                with pytest.raises(PortError) as error:
                    call()
                told += told_by(error.value)
    told += "".join(f"{each.getMessage()} {vars(each)}" for each in caplog.records)
    assert "Unreachable" in told
    assert CANARY not in told
    assert own_bao.root.reveal() not in told


def test_the_clock_is_the_servers(world):
    store = world.store()
    assert store.clock() is None
    store.read(PATH)
    assert abs((store.clock() - datetime.now(UTC)).total_seconds()) < 3
    assert store.clock().tzinfo is not None


def test_check_of_a_store_that_is_all_right_finds_nothing(world, bao):
    store = world.store(token=bao.token(full_policy(world)))
    store.read(PATH)
    assert [each for each in store.check() if each.level is not Level.OK] == []
    store.publish(PLACE, fields(1), "v1", 1)
    assert same_values(store.published(PLACE), fields(1))


def test_an_answer_without_a_date_tells_no_time(world):
    store = world.store()
    for each in (None, "yesterday"):
        store._wire._note_date(each)
    assert store.clock() is None


class Late(Seam):
    """Each look at this clock is a minute later."""

    minutes = itertools.count()

    def ticks(self):
        return 60.0 * next(self.minutes)


def test_what_has_no_time_left_is_unreachable_and_not_sent(world, bao):
    asked = []
    with Scripted(bao, asked.append) as server:
        world.seam = Late()
        with pytest.raises(Unreachable, match="in time"):
            world.store(address=server.url).read(PATH)
    assert asked == []
