"""Logins: each run makes its own and takes it back; a login that is refused is `Denied` with the way out."""

import base64
import json
import time

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from vault_world import PATH, PLACE, Scripted, fields

from rotator.errors import BadInput, Denied, Unreachable
from rotator.model import Secret
from rotator.stores.vault import VaultSettings
from rotator.stores.vault.policy import Policy
from rotator.testing.records import a_record
from rotator.testing.servers.raw import Answer, RawServer, json_answer

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def token_of(**claims):
    """A JWT (RFC 7519) as a CI system signs it."""
    now = int(time.time())
    body = {"iss": "https://ci.internal", "aud": "vault", "sub": "job", "iat": now, "nbf": now - 5, "exp": now + 86_400, **claims}
    parts = [base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=") for each in ({"alg": "RS256", "typ": "JWT"}, body)]
    signature = KEY.sign(b".".join(parts), padding.PKCS1v15(), hashes.SHA256())
    return Secret(b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode())


@pytest.fixture
def policy(world, bao):
    text = "\n".join(map(str, Policy(world.settings()).lines([PATH], keeps_versions=False)))
    bao.call("PUT", f"sys/policies/acl/{world.mount}", {"policy": text})
    return world.mount


@pytest.fixture
def approle(bao, world, policy):
    mount = f"approle-{world.mount}"
    bao.call("POST", f"sys/auth/{mount}", {"type": "approle"})
    bao.call("POST", f"auth/{mount}/role/r", {"token_policies": policy, "token_ttl": "10m"})
    role = bao.call("GET", f"auth/{mount}/role/r/role-id")["data"]["role_id"]

    def auth(**limits):
        secret = Secret(bao.call("POST", f"auth/{mount}/role/r/secret-id", limits)["data"]["secret_id"])
        return {"auth": {"approle": {"role_id": role, "secret_id": {"env": "ID"}, "mount": mount}}, "secrets": {"ID": secret}}

    return auth


@pytest.fixture
def jwt(bao, world, policy):
    mount = f"jwt-{world.mount}"
    bao.call("POST", f"sys/auth/{mount}", {"type": "jwt"})
    bao.call("POST", f"auth/{mount}/config", {"jwt_validation_pubkeys": [PEM], "bound_issuer": "https://ci.internal"})
    role = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], "bound_claims": {"repository": "acme/orders"},
            "token_policies": policy, "token_ttl": "10m"}  # fmt: skip
    bao.call("POST", f"auth/{mount}/role/ci", role)
    return lambda token: {"auth": {"jwt": {"role": "ci", "jwt": {"env": "JWT"}, "mount": mount}}, "secrets": {"JWT": token}}


@pytest.fixture
def kubernetes(bao, world, policy):
    """The real auth method, against an API server that reviews tokens as Kubernetes does (TokenReview v1)."""

    def review(request):
        given = json.loads(request.body)["spec"]["token"]
        user = {"username": "system:serviceaccount:ops:rotator", "uid": "1", "groups": ["system:serviceaccounts"]}
        status = (
            {"authenticated": True, "user": user, "audiences": [AUDIENCE]}
            if given == POD.reveal()
            else {"authenticated": False, "error": "unknown"}
        )
        return json_answer({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status}, 201)

    mount = f"kubernetes-{world.mount}"
    with RawServer(review) as api:
        bao.call("POST", f"sys/auth/{mount}", {"type": "kubernetes"})
        config = {
            "kubernetes_host": api.url,
            "disable_local_ca_jwt": True,
            "token_reviewer_jwt": "reviewer",
            "kubernetes_ca_cert": bao.ca_file.read_text(),
        }
        bao.call("POST", f"auth/{mount}/config", config)
        role = {"bound_service_account_names": "rotator", "bound_service_account_namespaces": "ops", "token_policies": policy}
        bao.call("POST", f"auth/{mount}/role/rotator", role)
        yield mount


AUDIENCE = "https://kubernetes.default.svc"
POD = token_of(
    iss="https://kubernetes.default.svc",
    sub="system:serviceaccount:ops:rotator",
    aud=[AUDIENCE],
    **{"kubernetes.io": {"namespace": "ops", "serviceaccount": {"name": "rotator", "uid": "1"}}},
)


def live_tokens(bao):
    return set(bao.call("LIST", "auth/token/accessors")["data"]["keys"])


def test_with_an_approle_each_run_logs_in_and_takes_its_token_back(world, bao, approle):
    before, given = live_tokens(bao), approle()
    store = world.store(**given)
    store.write(PATH, a_record(1))
    store.read(PATH)
    assert len(live_tokens(bao) - before) == 1
    store.close()
    store.close()
    assert live_tokens(bao) - before == set()


@pytest.mark.parametrize(
    "lost",
    [Answer(drop=True), Answer(200, {"Content-Length": "100"}, [b"{"]), json_answer({"errors": ["bad gateway"]}, 502)],
    ids=["no answer", "half an answer", "a gateway's"],
)
@pytest.mark.parametrize("call", ["read", "write", "publish"])
def test_a_login_whose_answer_is_lost_is_not_sent_again_for_its_token_would_live_on(world, bao, approle, lost, call):
    """Nobody holds that token, so that nobody can take it back: one at most, never one for each try."""
    logins = []

    def lose(request):
        if request.path.endswith("/login"):
            logins.append(Scripted.pass_on(good, request))
            return lost if len(logins) == 1 else logins[-1]
        return None

    before = live_tokens(bao)
    with Scripted(bao, lambda _: None) as good, Scripted(bao, lose) as raw:
        store = world.store(address=raw.url, **approle())
        calls = {
            "read": lambda: store.read(PATH),
            "write": lambda: store.write(PATH, a_record(1)),
            "publish": lambda: store.publish(PLACE, fields(1), "v1", 1),
        }
        with pytest.raises(Unreachable, match="log in by approle"):
            calls[call]()
        assert len(logins) == 1
        assert logins[0].status == 200
        assert store.read(PATH).revision is None, "the next call logs in anew"
        store.close()
    assert len(live_tokens(bao) - before) == 1


def test_a_token_that_was_given_is_not_revoked(world, bao):
    store = world.store(token=bao.token('path "elsewhere" { capabilities = ["read"] }'))
    with pytest.raises(Denied):
        store.read(PATH)
    before = live_tokens(bao)
    store.close()
    assert before - live_tokens(bao) == set()


def test_a_login_that_would_end_soon_is_made_anew_in_time(world, bao, approle):
    given = approle()
    bao.call("POST", f"auth/{given['auth']['approle']['mount']}/role/r", {"token_ttl": "1s", "token_max_ttl": "1s"})
    store = world.store(**given)
    record = store.write(PATH, a_record(1))
    for n in range(2, 5):
        time.sleep(0.5)
        record = store.write(PATH, a_record(n, before=record))
    assert store.read(PATH).revision == record.revision == 4
    store.close()


def test_a_secret_id_that_is_used_up_or_wrong_is_denied_with_the_way_out(world, approle):
    once = approle(num_uses=1)
    world.store(**once).read(PATH)
    for given in (once, {**once, "secrets": {"ID": Secret("00000000-0000-0000-0000-000000000000")}}):
        with pytest.raises(Denied, match="log in by approle at auth/approle-kv") as error:
            world.store(**given).read(PATH)
        assert "secret_id_num_uses" in error.value.fix
        assert [each.fix for each in world.store(**given).check()] == [error.value.fix]


def test_a_ci_job_logs_in_with_the_token_of_its_ci_system_and_stores_no_secret(world, jwt):
    store = world.store(**jwt(token_of(repository="acme/orders")))
    store.write(PATH, a_record(1))
    assert store.read(PATH).revision == 1
    store.close()


@pytest.mark.parametrize(
    "claims",
    [{"repository": "acme/other"}, {"aud": "someone"}, {"exp": 1}, {"iss": "https://elsewhere"}],
    ids=lambda each: next(iter(each)),
)
def test_a_job_of_another_repository_audience_issuer_or_time_is_denied(world, jwt, claims):
    token = token_of(**{"repository": "acme/orders", **claims})
    with pytest.raises(Denied, match="log in by jwt") as error:
        world.store(**jwt(token)).read(PATH)
    assert "bound_claims" in error.value.fix
    assert token.reveal() not in str(error.value)


def test_a_pod_logs_in_with_its_service_account(world, kubernetes, tmp_path):
    (tmp_path / "token").write_text(POD.reveal() + "\n")
    (tmp_path / "link").symlink_to(tmp_path / "token")  # as the kubelet writes it, readable by others
    auth = {"kubernetes": {"role": "rotator", "token": str(tmp_path / "link"), "mount": kubernetes}}
    store = world.store(auth=auth)
    written = store.write(PATH, a_record(1))
    assert store.read(PATH).revision == written.revision == 1
    store.close()


def test_another_service_account_and_a_pod_without_one_are_denied(world, kubernetes, tmp_path):
    (tmp_path / "token").write_text(token_of(sub="system:serviceaccount:ops:other", aud=["x"]).reveal())
    for file, says in ((tmp_path / "token", "log in by kubernetes"), (tmp_path / "none", "cannot be read")):
        with pytest.raises(Denied, match=says) as error:
            world.store(auth={"kubernetes": {"role": "rotator", "token": str(file), "mount": kubernetes}}).read(PATH)
        assert error.value.fix


@pytest.mark.parametrize("method", ["approle", "jwt", "kubernetes"])
def test_an_auth_method_that_is_not_mounted_is_denied(world, method, tmp_path):
    (tmp_path / "token").write_text("x.y.z")
    auth = {
        "approle": {"role_id": "r", "secret_id": {"env": "X"}, "mount": "nowhere"},
        "jwt": {"role": "r", "jwt": {"env": "X"}, "mount": "nowhere"},
        "kubernetes": {"role": "r", "token": str(tmp_path / "token"), "mount": "nowhere"},
    }[method]
    with pytest.raises(Denied) as error:
        world.store(auth={method: auth}, secrets={"X": Secret("x.y.z")}).read(PATH)
    assert error.value.fix


def test_a_reference_that_cannot_be_read_is_bad_input(world):
    def nothing(_):
        raise BadInput("the environment variable X is not set")

    store = world.store()
    object.__setattr__(store.runtime, "reveal", nothing)
    with pytest.raises(BadInput):
        store.read(PATH)


# ---- settings


GOOD = {"address": "https://vault.internal:8200", "auth": {"token": {"env": "T"}}}


@pytest.mark.parametrize(
    "change",
    [
        {"address": "http://vault.internal:8200"},
        {"address": "https://user:word@vault.internal"},
        {"auth": {}},
        {"auth": {"token": {"env": "T"}, "jwt": {"jwt": {"env": "J"}}}},
        {"auth": {"token": "hvs.written-out"}},
        {"auth": {"approle": {"role_id": "r"}}},
        {"mount": "a/../b"},
        {"mount": ""},
        {"prefix": "."},
        {"namespace": "a b"},
        {"tls": {"cert": "c.pem"}},
        {"proxy": "http://user:word@proxy:3128"},
        {"address": "http://127.0.0.1:8200", "proxy": "http://proxy:3128"},
        {"unknown": 1},
    ],
    ids=str,
)
def test_wrong_settings_are_refused(change):
    VaultSettings.model_validate(GOOD)
    with pytest.raises(ValueError) as error:
        VaultSettings.model_validate({**GOOD, **change})
    assert "written-out" not in str(error.value)


def test_slashes_around_a_mount_do_not_count():
    assert VaultSettings.model_validate({**GOOD, "mount": "/kv/team/"}).mount == "kv/team"
