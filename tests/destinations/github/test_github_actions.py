"""What GitHub adds to the contract: a seal, who may use a secret of an organization, rights, and throttling that looks like a no."""

import base64
import builtins
import json

import pytest
from github_world import BOTH, ENVIRONMENT, NAME, ONE, ORGANIZATION, REPOSITORY, World
from nacl.public import PrivateKey

from rotator.destination import Denied, Level, Place, Refused, Secret, Unreachable
from rotator.errors import BadInput
from rotator.testing.destination_contract import CANARY, told_by
from rotator.testing.servers.github import Token
from rotator.testing.servers.raw import Answer, json_answer

VALUE = {"value": Secret(f"{CANARY}$1 ü")}
PAIR = {"user": Secret("app"), "password": Secret(f"{CANARY}$1")}
ACTS = (lambda one: one.mark(ONE), lambda one: one.publish(ONE, VALUE, "v1", 1))


def only(method, answer):
    return lambda request: answer if request.method == method else None


def test_a_value_is_sealed_with_the_key_of_the_moment_and_replaces_the_secret_in_one_put(world):
    one = world.destination()
    assert world.asked == []
    one.publish(ONE, VALUE, "v1", 1)
    assert world.asked == [("GET", NAME), ("GET", "public-key"), ("GET", "public-key"), ("PUT", NAME)]
    world.server.holders[world.holder].keys.append(PrivateKey.generate())
    one.publish(ONE, VALUE, "v1", 1)
    assert world.held() == f"{CANARY}$1 ü"
    assert all(CANARY.encode() not in each.body for each in world.server.requests)


def test_no_two_seals_of_one_value_are_alike(world):
    seals = []
    for _ in range(2):
        world.destination().publish(ONE, VALUE, "v1", 1)
        seals.append(world.secrets[NAME].sealed)
    assert seals[0] != seals[1]


def test_a_key_that_changes_between_look_and_write_is_refused_and_the_next_try_takes_the_new_one(world):
    def before(request):
        if request.method == "PUT":
            world.server.before = lambda _: None
            world.server.holders[world.holder].keys.append(PrivateKey.generate())

    world.server.before = before
    with pytest.raises(Refused, match="calls it invalid") as no:
        world.destination().publish(ONE, VALUE, "v1", 1)
    assert "public key" in no.value.fix
    world.destination().publish(ONE, VALUE, "v1", 1)
    assert world.held() == f"{CANARY}$1 ü"


@pytest.mark.parametrize("key", ["no base64", "c2hvcnQ=", base64.b64encode(b"x" * 33).decode(), "ü"])
def test_what_is_no_public_key_is_denied_and_nothing_is_sent(world, key):
    world.put()
    world.server.before = lambda request: json_answer({"key": key, "key_id": "1"}) if "public-key" in request.path else None
    with pytest.raises(Denied, match="no public key") as no:
        world.destination().publish(ONE, VALUE, "v1", 1)
    assert CANARY not in told_by(no.value)
    assert world.held() == "theirs"


def test_a_mark_is_the_time_of_the_last_write_whoever_wrote(world):
    one = world.destination()
    one.publish(ONE, VALUE, "v1", 1)
    ours = one.mark(ONE)
    assert ours == world.secrets[NAME].about["updated_at"]
    world.put("of somebody else")
    assert one.mark(ONE) not in (None, ours)


def test_several_fields_are_one_json_object_and_all_of_it_is_ours(world):
    world.put('{"port":5432}')
    world.destination(format="json").publish(BOTH, PAIR, "v1", 1)
    assert json.loads(world.held()) == {"user": "app", "password": f"{CANARY}$1"}


def test_several_fields_are_never_spread_over_secrets(world):
    for place in (BOTH, Place("ci", NAME)):
        for act in (lambda place: world.destination().publish(place, PAIR, "v1", 1), world.destination().mark):
            with pytest.raises(Refused, match="one value, so one field"):
                act(place)
    assert world.secrets == {}


def test_a_value_longer_than_github_takes_is_refused_before_anything_is_asked(world):
    with pytest.raises(Refused, match="longer than 48000 bytes"):
        world.destination().publish(ONE, {"value": Secret("ü" * 24_001)}, "v1", 1)
    assert world.asked == []
    world.destination().publish(ONE, {"value": Secret("ü" * 24_000)}, "v1", 1)


@pytest.mark.parametrize("path", ["db_login", "1DB", "GITHUB_TOKEN", "DB-LOGIN", "orders/DB", "", "public-key"])
def test_a_path_that_cannot_be_the_name_of_a_secret_is_refused_before_anything_is_asked(world, path):
    for act in (lambda one, place: one.mark(place), lambda one, place: one.publish(place, VALUE, "v1", 1)):
        with pytest.raises(Refused, match="name of a secret"):
            act(world.destination(), Place("ci", path, {"value": "password"}))
    assert world.asked == []


def test_a_missing_secret_is_refused_unless_it_may_be_made(world):
    for act in ACTS:
        with pytest.raises(Refused, match=f"no secret {NAME} in repository") as no:
            act(world.destination(create=False))
        assert "create: true" in no.value.fix
    world.put()
    world.destination(create=False).publish(ONE, VALUE, "v1", 1)
    assert world.held() == f"{CANARY}$1 ü"


# ---- organizations


@pytest.fixture
def team(github):
    return World(github, ORGANIZATION)


@pytest.mark.parametrize("count", [0, 1, 100, 201])
def test_the_repositories_that_may_use_a_secret_of_an_organization_stay_all_of_them(team, count):
    numbers = tuple(range(7, 7 + count))
    team.put(visibility="selected", repositories=numbers)
    team.destination().publish(ONE, VALUE, "v1", 1)
    kept = team.secrets[NAME]
    assert (team.held(), kept.about["visibility"], tuple(kept.repositories)) == (f"{CANARY}$1 ü", "selected", numbers)


@pytest.mark.parametrize("visibility", ["all", "private"])
def test_the_visibility_of_a_secret_that_is_there_stays_whatever_we_would_make_one_with(team, visibility):
    team.put(visibility=visibility)
    team.destination(visibility={"all": "private", "private": "all"}[visibility]).publish(ONE, VALUE, "v1", 1)
    assert team.secrets[NAME].about["visibility"] == visibility


def test_a_secret_that_is_made_has_the_visibility_that_was_asked_for(team):
    team.destination(visibility="all").publish(ONE, VALUE, "v1", 1)
    assert team.secrets[NAME].about["visibility"] == "all"


@pytest.mark.parametrize(
    ("listed", "kind"),
    [
        ({"total_count": 3, "repositories": [{"id": 7}]}, Unreachable),
        ({"total_count": 1, "repositories": [{"name": "x"}]}, Denied),
        ({"repositories": []}, Denied),
        ({}, Denied),
    ],
)
def test_a_list_of_repositories_that_is_not_whole_is_not_written_back(team, listed, kind):
    team.put(visibility="selected", repositories=(7, 8, 9))
    team.server.before = lambda request: json_answer(listed) if "/repositories?" in request.path else None
    with pytest.raises(kind):
        team.destination().publish(ONE, VALUE, "v1", 1)
    assert team.secrets[NAME].repositories == [7, 8, 9]
    assert team.held() == "theirs"


@pytest.mark.parametrize("given", [False, True], ids=["taken from one", "and given to another"])
def test_a_list_of_repositories_that_shifts_between_two_pages_is_not_written_back(team, given):
    team.put(visibility="selected", repositories=tuple(range(150)))
    pages = []

    def shifts(request):
        if "/repositories?" in request.path:
            pages.append(request.path)
            if len(pages) == 2:
                team.secrets[NAME].repositories[:] = [each for each in range(150 + given) if each != 5]

    team.server.before = shifts
    with pytest.raises(Unreachable):
        team.destination().publish(ONE, VALUE, "v1", 1)
    assert 101 in team.secrets[NAME].repositories
    assert team.held() == "theirs"
    team.destination().publish(ONE, VALUE, "v1", 1)
    assert team.secrets[NAME].repositories == [each for each in range(150 + given) if each != 5]


def test_an_organization_that_does_not_tell_who_may_use_a_secret_is_denied(team):
    team.put()
    with pytest.raises(Denied, match="none of GitHub's"):
        team.destination().publish(ONE, VALUE, "v1", 1)
    assert team.held() == "theirs"


# ---- rights


@pytest.mark.parametrize(
    ("kind", "permission"),
    [
        (REPOSITORY, 'the repository permission "Secrets": read and write'),
        (ENVIRONMENT, 'the repository permissions "Secrets" and "Environments": read and write'),
        (ORGANIZATION, 'the organization permission "Secrets": read and write'),
    ],
)
def test_a_token_with_too_little_is_denied_and_the_permission_is_named(github, kind, permission):
    world = World(github, kind)
    for rights, says in (({world.holder: "none"}, "refused"), ({}, "for this token")):
        world.server.tokens["small"] = Token(rights)
        for act in ACTS:
            with pytest.raises(Denied, match=says) as no:
                act(world.destination("small"))
            assert permission in no.value.fix
        (found,) = world.destination("small").check()
        assert (found.level, found.code) == (Level.FAIL, "place.missing")
    world.server.tokens["reader"] = Token({world.holder: "read"})
    assert world.destination("reader").mark(ONE) is None
    with pytest.raises(Denied, match="refused") as no:
        world.destination("reader").publish(ONE, VALUE, "v1", 1)
    assert permission in no.value.fix
    assert world.secrets == {}


def test_a_token_that_is_unknown_is_denied(world):
    for act in ACTS:
        with pytest.raises(Denied, match="expired, revoked or of another GitHub"):
            act(world.destination("gone"))


def test_a_holder_that_is_lost_between_look_and_write_is_denied(world):
    world.server.before = only("PUT", json_answer({"message": "Not Found"}, 404))
    with pytest.raises(Denied, match="there is no repository"):
        world.destination().publish(ONE, VALUE, "v1", 1)


# ---- throttled


@pytest.mark.parametrize("status", [403, 429])
@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        ({"Retry_After": "17"}, "You have exceeded a secondary rate limit", 17),
        ({"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "99999999999"}, "API rate limit exceeded", None),
        ({"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "1"}, "", 1),
        ({"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "soon"}, "", 60),
        ({"X_RateLimit_Remaining": "14"}, "You have exceeded a secondary rate limit.", 60),
    ],
)
def test_throttling_is_no_missing_permission_and_says_when_to_come_again(world, status, headers, message, seconds):
    world.server.before = lambda _: json_answer({"message": message}, status, **headers)
    for act in ACTS:
        with pytest.raises(Unreachable, match="too many requests") as error:
            act(world.destination())
        assert error.value.retry_after == seconds or (seconds is None and error.value.retry_after > 1e9)
        assert (CANARY in told_by(error.value), error.value.__context__) == (False, None)


def test_a_403_with_requests_left_is_a_missing_permission(world):
    world.server.before = lambda _: json_answer({"message": "Resource not accessible"}, 403, X_RateLimit_Remaining="4999")
    with pytest.raises(Denied):
        world.destination().mark(ONE)


def test_check_is_not_sure_while_github_throttles(world):
    world.server.before = lambda _: json_answer({"message": ""}, 429)
    assert [(each.level, each.code) for each in world.destination().check()] == [(Level.WARN, "privilege.unproven")]


# ---- answers that are none


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (json_answer({}, 500), Unreachable),
        (json_answer({}), Denied),
        (json_answer([]), Denied),
        (json_answer({"name": "OTHER", "updated_at": "x"}), Denied),
        (json_answer({"name": NAME}), Denied),
        (Answer(301, {"Location": "/elsewhere"}, [b"{}"]), Denied),
        (Answer(204), Denied),
        (Answer(drop=True), Unreachable),
    ],
)
def test_an_answer_that_settles_nothing_is_never_empty_and_carries_nothing(world, answer, kind):
    world.server.before = lambda _: answer
    for act in ACTS:
        with pytest.raises(kind) as error:
            act(world.destination())
        assert CANARY not in told_by(error.value)
        assert "the-token" not in told_by(error.value)


@pytest.mark.parametrize("answer", [json_answer({}), Answer(202, {}, [b"{}"]), json_answer({}, 502), Answer(drop=True), Answer(200)])
def test_a_write_that_is_answered_by_anything_but_done_may_have_happened(world, answer):
    world.server.before = only("PUT", answer)
    with pytest.raises(Unreachable) as error:
        world.destination().publish(ONE, VALUE, "v1", 1)
    assert CANARY not in told_by(error.value)


def test_a_missing_secret_of_a_repository_that_does_not_answer_is_not_empty(world):
    world.server.before = lambda request: json_answer({"x": 1}) if "public-key" in request.path else None
    with pytest.raises(Denied, match="none of GitHub's"):
        world.destination().mark(ONE)


# ---- settings


def test_without_pynacl_it_says_what_to_install(world, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("nacl"):
            raise ModuleNotFoundError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    for act in (*ACTS, lambda one: one.check()):
        with pytest.raises(BadInput, match="needs PyNaCl") as error:
            act(world.destination())
        assert "-m pip install '/path/to/rotator[github]'" in error.value.fix


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"organization": "team"}, "exactly one of `repository` and `organization`"),
        ({"repository": None}, "exactly one of `repository` and `organization`"),
        ({"repository": None, "organization": "team", "environment": "prod", "visibility": "all"}, "an environment is one of"),
        ({"repository": None, "organization": "team"}, "must be given there"),
        ({"visibility": "all"}, "is for `organization`"),
        ({"repository": None, "organization": "team", "visibility": "selected"}, "'all' or 'private'"),
        ({"repository": "team/.."}, "repository"),
        ({"repository": "team"}, "pattern"),
        ({"environment": ".."}, "environment"),
        ({"api_url": "http://github.internal/api/v3"}, "clear"),
    ],
)
def test_settings_that_cannot_work_are_refused(world, wrong, says):
    with pytest.raises(ValueError, match=says):
        world.settings(**wrong)


def test_the_api_is_github_s_own_unless_another_is_named(world):
    given = {"token": {"env": "TOKEN"}, "repository": "team/app"}
    assert type(world.settings()).model_validate(given).api_url == "https://api.github.com"
