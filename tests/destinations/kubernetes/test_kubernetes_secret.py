"""What Kubernetes adds to the contract: a guard against other writers, RBAC, and logins that are renewed under us."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cluster_world import KEYS, NAME, PLACE, World

from rotator.destination import Denied, Foreign, Level, Place, Refused, Secret, Unreachable
from rotator.destinations.kubernetes_secret import KubernetesSecret
from rotator.destinations.kubernetes_secret.api import secret_role as role
from rotator.errors import BadInput, PortError
from rotator.model import same_values
from rotator.testing.destination_contract import CANARY, runtime, told_by
from rotator.testing.servers.kubernetes import KubernetesServer
from rotator.testing.servers.raw import Answer, json_answer

VALUES = {"DB_USER": Secret("app"), "DB_PASSWORD": Secret(f"{CANARY}-1")}


def methods(server):
    return [each.method for each in server.requests]


# ---- what is written


def test_one_patch_writes_all_keys_and_says_what_it_wrote(world):
    world.put({"OTHER": "x"})
    del world.server.requests[:]
    world.destination().publish(PLACE, VALUES, "v7", 7)
    assert methods(world.server) == ["GET", "PATCH"]
    assert world.text == {"OTHER": "x", "DB_USER": "app", "DB_PASSWORD": f"{CANARY}-1"}
    meta = world.secret["metadata"]
    assert meta["annotations"] == {"rotator/generation": "7", "rotator/version": "v7", "rotator/fields": "DB_PASSWORD,DB_USER"}
    assert [each["manager"] for each in meta["managedFields"]] == ["rotator"]


def test_what_is_there_already_is_not_written_again(world):
    world.destination().publish(PLACE, VALUES, "v7", 7)
    before = world.secret["metadata"]["resourceVersion"]
    del world.server.requests[:]
    world.destination().publish(PLACE, VALUES, "v7", 7)
    assert methods(world.server) == ["GET"]
    assert world.secret["metadata"]["resourceVersion"] == before


def test_a_value_that_somebody_changed_is_put_right_at_the_same_generation(world):
    world.destination().publish(PLACE, VALUES, "v7", 7)
    kept = world.secret["metadata"]
    world.put({"DB_USER": "app", "DB_PASSWORD": "theirs"}, metadata=kept)
    world.destination().publish(PLACE, VALUES, "v7", 7)
    assert world.text["DB_PASSWORD"] == f"{CANARY}-1"


def meddle(world, times):
    """Another changes the Secret just before each of so many writes of ours."""
    left = iter(range(times))

    def before(request):
        if request.method in ("PATCH", "POST") and next(left, None) is not None:
            world.put({"OTHER": "of another"})

    world.server.before = before


@pytest.mark.parametrize("there", [True, False])
def test_a_secret_that_was_changed_meanwhile_is_read_again_and_nothing_of_the_other_is_lost(world, there):
    if there:
        world.put({"OTHER": "x"})
    meddle(world, 1)
    world.destination().publish(PLACE, VALUES, "v1", 1)
    assert world.text == {"OTHER": "of another", "DB_USER": "app", "DB_PASSWORD": f"{CANARY}-1"}


def test_where_others_write_all_the_time_it_gives_up_and_has_written_nothing(world):
    world.put({"OTHER": "x"})
    meddle(world, 99)
    with pytest.raises(Unreachable, match="others changed the Secret at each of 3 tries"):
        world.destination().publish(PLACE, VALUES, "v1", 1)
    assert world.text == {"OTHER": "of another"}


def test_of_many_writers_at_once_the_highest_generation_stays_and_no_sibling_is_lost(world):
    world.put({"OTHER": "x"})

    def write(generation):
        while True:
            try:
                return world.destination().publish(PLACE, {**VALUES, "DB_USER": Secret(f"app-{generation}")}, f"v{generation}", generation)
            except Unreachable:
                continue
            except Refused:
                return None

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, [4, 1, 6, 2, 5, 3]))
    assert world.text == {"OTHER": "x", "DB_USER": "app-6", "DB_PASSWORD": f"{CANARY}-1"}
    assert world.secret["metadata"]["annotations"]["rotator/generation"] == "6"


def test_a_secret_that_is_removed_before_the_patch_is_made_anew(world):
    world.put({"OTHER": "x"})

    def before(request):
        if request.method == "PATCH":
            del world.server.cluster.secrets[world.namespace, NAME]

    world.server.before = before
    world.destination().publish(PLACE, VALUES, "v1", 1)
    assert world.text == {"DB_USER": "app", "DB_PASSWORD": f"{CANARY}-1"}


def test_an_immutable_secret_is_found_by_check_and_refused_and_the_way_out_is_named(world):
    world.put({"DB_USER": "app"}, immutable=True)
    one = world.destination()
    one.published(PLACE)
    found = one.check()
    assert [(each.level, each.text) for each in found] == [(Level.FAIL, f"{NAME}: the Secret is immutable")]
    with pytest.raises(Refused, match="immutable") as no:
        one.publish(PLACE, VALUES, "v1", 1)
    assert f"kubectl -n {world.namespace} get secret {NAME}" in no.value.fix
    assert found[0].fix == no.value.fix


def test_a_missing_secret_is_refused_unless_it_may_be_made(world):
    for each in (lambda one: one.published(PLACE), lambda one: one.publish(PLACE, VALUES, "v1", 1)):
        with pytest.raises(Refused, match=f"no Secret {NAME}") as no:
            each(world.destination(create=False))
        assert "create secret generic" in no.value.fix
    world.destination().publish(PLACE, VALUES, "v1", 1)
    assert world.secret["type"] == "Opaque"


def test_more_than_a_secret_may_hold_is_refused(world):
    world.put({"OTHER": "x" * ((1 << 20) - 100)})
    with pytest.raises(Refused, match="invalid"):
        world.destination().publish(PLACE, {**VALUES, "DB_PASSWORD": Secret("p" * 200)}, "v1", 1)


@pytest.mark.parametrize("path", ["team/app", "App", "a_b", "-a", "a" * 254])
def test_a_path_that_cannot_be_the_name_of_a_secret_is_refused(world, path):
    with pytest.raises(Refused, match="name of a Secret"):
        world.destination().published(Place("cluster", path, KEYS))


def test_a_key_that_a_secret_cannot_have_is_refused(world):
    with pytest.raises(Refused, match="'a b' cannot be a key"):
        world.destination().publish(Place("cluster", NAME, {"a b": "password"}), {"a b": Secret("x")}, "v1", 1)


@pytest.mark.parametrize("held", ["many", "-1", ""])
def test_a_generation_that_is_none_of_ours_is_seen_before_anything_is_written(world, held):
    world.put({}, metadata={"name": NAME, "annotations": {"rotator/generation": held}})
    for call in (lambda: world.destination().published(PLACE), lambda: world.destination().publish(PLACE, VALUES, "v1", 1)):
        with pytest.raises(Foreign, match="the annotation rotator/generation of the Secret app-db is none of ours") as no:
            call()
        assert f"`kubectl -n {world.namespace} annotate secret {NAME} rotator/generation-`" in no.value.fix


def test_a_key_of_ours_that_is_no_text_is_foreign(world):
    world.put({})["data"]["DB_USER"] = "/w=="
    with pytest.raises(Foreign, match="'DB_USER' of the Secret app-db is no text"):
        world.destination().published(PLACE)


def test_without_keys_what_we_never_wrote_is_shown_whole_and_afterwards_only_our_own(world):
    place = Place("cluster", NAME)
    world.put({"password": "theirs", "OTHER": "x"})
    assert same_values(world.destination().published(place), {"password": Secret("theirs"), "OTHER": Secret("x")})
    world.destination().publish(place, {"password": Secret("ours")}, "v1", 1)
    assert same_values(world.destination().published(place), {"password": Secret("ours")})


# ---- rights


def attempt(world, token):
    """All that the destination is ever asked for; returns the ways out that were named."""
    one = world.destination(token)
    try:
        world.server.cluster.secrets.pop((world.namespace, NAME), None)
        assert one.published(PLACE) == {}
        one.publish(PLACE, VALUES, "v1", 1)
        one.publish(PLACE, {**VALUES, "DB_PASSWORD": Secret("2")}, "v2", 2)
    except Denied as error:
        return [error.fix]
    return [each.fix for each in one.check() if each.level is not Level.OK]


def test_the_printed_role_is_enough(world):
    assert attempt(world, world.role(role(world.namespace, [NAME], create=True))) == []


@pytest.mark.parametrize(("rule", "verb"), [(0, "get"), (0, "patch"), (1, "create"), (2, "get")])
def test_without_any_one_verb_it_is_denied_and_the_role_that_is_printed_mends_it(world, rule, verb):
    less = json.loads(json.dumps(role(world.namespace, [NAME], create=True)))
    less["rules"][rule]["verbs"].remove(verb)
    (fix,) = attempt(world, world.role(less))
    printed = json.loads(fix.partition("(kubectl apply -f -): ")[2])
    assert printed == role(world.namespace, [NAME], create=True)
    assert attempt(world, world.role(printed)) == []


def test_where_nothing_is_to_be_made_no_right_to_make_is_asked_for(world):
    world.put({"OTHER": "x"})
    one = world.destination(world.role(role(world.namespace, [NAME], create=False)), create=False)
    one.publish(PLACE, VALUES, "v1", 1)
    assert one.check() == []


def test_check_names_each_missing_right(world):
    world.put({"OTHER": "x"})
    whole = role(world.namespace, [NAME], create=True)
    token = world.role({**whole, "rules": [whole["rules"][0], whole["rules"][2]]})
    one = world.destination(token)
    assert [each.text for each in one.check()] == [f"no create of any Secret in the namespace {world.namespace}"]
    one.publish(PLACE, VALUES, "v1", 1)
    (found,) = one.check()
    assert (found.level, found.code, found.text) == (Level.FAIL, "privilege.missing", f"no create of the Secret {NAME}")
    assert json.dumps(whole) in found.fix
    world.role(whole)
    assert one.check() == []


def test_check_asks_for_the_secret_that_is_meant(world):
    world.role(role(world.namespace, ["another"], create=True))
    one = world.destination("the-runner")
    assert one.check() == []
    with pytest.raises(Denied):
        one.published(PLACE)
    assert [each.text for each in one.check()] == [f"no get, patch of the Secret {NAME}"]


@pytest.mark.parametrize("status", [{}, {"resourceRules": [], "incomplete": True}, {"resourceRules": []}])
def test_check_says_where_the_cluster_does_not_tell(world, status):
    world.server.before = lambda request: json_answer({"status": status}, 201) if "rulesreview" in request.path else None
    assert [(each.level, each.code) for each in world.destination().check()] == [(Level.WARN, "privilege.unproven")]


def test_a_secret_elsewhere_is_not_covered(world):
    with pytest.raises(Denied, match="refused, or the namespace elsewhere is not there"):
        world.destination(world.role(role(world.namespace, [NAME], create=True)), namespace="elsewhere").published(PLACE)


def test_a_token_that_is_unknown_is_denied(world):
    one = world.destination("expired")
    with pytest.raises(Denied, match="expired, revoked or of another cluster"):
        one.published(PLACE)
    assert [each.code for each in one.check()] == ["place.missing"]


# ---- the pod's own login


def test_in_a_pod_the_token_and_the_ca_are_read_at_each_use(tmp_path):
    with KubernetesServer(tmp_path) as server:
        world = World(server)
        (tmp_path / "token").write_text(f"{world.token}\n")
        pod = {"namespace": world.namespace, "in_cluster": True, "create": True, "service_account": str(tmp_path)}
        settings = world.settings().model_validate({**pod, "api_server": server.url})
        one = KubernetesSecret(settings, runtime())
        one.publish(PLACE, VALUES, "v1", 1)
        server.cluster.roles = {"renewed": None}
        (tmp_path / "token").write_text("renewed")
        assert same_values(one.published(PLACE), VALUES)
        good = (tmp_path / "ca.crt").read_bytes()
        (tmp_path / "other").mkdir()
        with KubernetesServer(tmp_path / "other"):
            (tmp_path / "ca.crt").write_bytes((tmp_path / "other" / "ca.crt").read_bytes())
        with pytest.raises(Denied, match=r"certificate of https://127.0.0.1:\d+ is not trusted"):
            one.published(PLACE)
        (tmp_path / "ca.crt").write_bytes(good)
        assert same_values(one.published(PLACE), VALUES)
        (tmp_path / "ca.crt").write_text("nothing")
        with pytest.raises(Denied, match="cannot be read"):
            one.published(PLACE)
        (tmp_path / "ca.crt").write_bytes(good)
        (tmp_path / "token").unlink()
        with pytest.raises(Denied, match="no service account here"):
            one.published(PLACE)


@pytest.mark.parametrize(
    "wrong",
    [{}, {"in_cluster": True, "token": {"env": "T"}}, {"in_cluster": True, "tls": {"ca": "x"}}, {"api_server": "https://a"},
     {"token": {"env": "T"}}, {"in_cluster": True, "namespace": "Team"}, {"in_cluster": True, "api_server": "http://elsewhere"}],
)  # fmt: skip
def test_settings_that_say_no_login_or_two_are_refused(world, wrong):
    with pytest.raises(ValueError):
        type(world.settings()).model_validate({"namespace": "a", **wrong})
    assert type(world.settings()).model_validate({"namespace": "a", "in_cluster": True}).address == "https://kubernetes.default.svc"


# ---- answers that are none


ODD = {
    "too many": (json_answer({}, 429, Retry_After="7"), Unreachable, "too many requests"),
    "trouble": (json_answer({}, 503), Unreachable, "the server has trouble"),
    "a web page": (Answer(200, {}, [b"<html>"]), Unreachable, "none of the API's"),
    "elsewhere": (Answer(302, {"Location": "https://evil"}, [b""]), Denied, "sends us elsewhere"),
    "nothing": (Answer(drop=True), Unreachable, "no answer from"),
    "another object": (json_answer({"kind": "Pod", "metadata": {"resourceVersion": "1"}}), Denied, "no Secret of Kubernetes"),
    "no version": (json_answer({"kind": "Secret", "metadata": {}}), Denied, "no Secret of Kubernetes"),
    "endless": (Answer(200, {}, [b"x" * 65536] * 100), Unreachable, "larger than"),
}


@pytest.mark.parametrize("which", ODD)
def test_an_answer_that_settles_nothing_is_never_empty_and_carries_nothing(world, which):
    answer, kind, says = ODD[which]
    world.server.before = lambda _: answer
    for act in (lambda one: one.published(PLACE), lambda one: one.publish(PLACE, VALUES, "v1", 1)):
        with pytest.raises(kind, match=says) as error:
            act(world.destination())
        assert CANARY not in told_by(error.value)
        assert world.token not in told_by(error.value)
        assert (getattr(error.value, "retry_after", None) == 7.0) is (which == "too many")


def test_a_lost_answer_to_the_patch_is_unsure_and_the_next_try_finds_it_done(world):
    world.put({"OTHER": "x"})

    def before(request):
        if request.method == "PATCH":
            world.server._handle(request)
            return Answer(drop=True)
        return None

    world.server.before = before
    with pytest.raises(Unreachable) as error:
        world.destination().publish(PLACE, VALUES, "v1", 1)
    assert CANARY not in told_by(error.value)
    assert (error.value.__context__, error.value.__cause__) == (None, None), "httpx's own errors carry the request"
    world.destination().publish(PLACE, VALUES, "v1", 1)
    assert same_values(world.destination().published(PLACE), VALUES)


def test_check_warns_where_the_server_does_not_answer(world):
    world.server.before = lambda _: json_answer({}, 503)
    assert [(each.level, each.code) for each in world.destination().check()] == [(Level.WARN, "privilege.unproven")]


def test_without_httpx_the_way_to_install_it_is_named(world, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "httpx", None)
    with pytest.raises(BadInput, match=r"kubernetes_secret. needs httpx") as error:
        world.destination().published(PLACE)
    assert "-m pip install '/path/to/rotator[http]'" in error.value.fix
    assert not isinstance(error.value, PortError)


def test_the_page_shows_the_role_that_is_proven_here():
    page = (Path(__file__).parents[3] / "docs/destinations.md").read_text()
    shown = page.partition("<!-- role -->\n```json\n")[2].partition("```")[0]
    assert json.loads(shown) == role("orders", ["orders-db"], create=True)
