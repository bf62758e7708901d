"""What GitLab adds to the contract: one variable for one credential, masking, and values that nobody can look at."""

import pytest
from gitlab_world import BOTH, KEY, ONE

from rotator.destination import Denied, Foreign, Level, Place, Refused, Secret, Unreachable
from rotator.model import same_values
from rotator.testing.destination_contract import CANARY, told_by
from rotator.testing.servers.gitlab import Token
from rotator.testing.servers.raw import Answer, json_answer

VALUE = {"value": Secret(f"{CANARY}$1-long-enough")}
PAIR = {"user": Secret("app"), "password": Secret(f"{CANARY}$1")}


def methods(world):
    return [each.method for each in world.server.requests if world.project.partition("/")[2] in each.path]


def test_a_variable_is_made_masked_and_raw_and_a_dollar_in_it_means_nothing(world):
    world.destination().publish(ONE, VALUE, "v1", 1)
    made = world.variable
    assert (made["value"], made["masked"], made["raw"], made["protected"]) == (f"{CANARY}$1-long-enough", True, True, False)


def test_one_put_changes_the_value_and_leaves_the_rest_as_it_is(world):
    world.put("old-old-old", protected=True, variable_type="file", description="ours", masked=True)
    world.destination().publish(ONE, VALUE, "v1", 1)
    assert methods(world) == ["GET", "PUT"]
    kept = {"protected": True, "variable_type": "file", "description": "ours", "masked": True}
    assert {**world.variable, **kept} == world.variable


def test_what_is_there_already_is_not_written_again(world):
    for _ in range(2):
        world.destination().publish(ONE, VALUE, "v1", 1)
    assert methods(world) == ["GET", "GET", "POST", "GET"]


@pytest.mark.parametrize("wanted", ["masked", "protected"])
def test_a_variable_that_is_looser_than_wanted_is_made_stricter(world, wanted):
    world.put(f"{CANARY}$1-long-enough", raw=True)
    world.destination(**{"masked": False, wanted: True}).publish(ONE, VALUE, "v1", 1)
    assert {name: world.variable[name] for name in ("masked", "protected")} == {"masked": False, "protected": False, wanted: True}


def test_a_value_that_would_be_expanded_is_made_raw(world):
    world.put(f"{CANARY}$1-long-enough", raw=False)
    world.destination(masked=False).publish(ONE, VALUE, "v1", 1)
    assert world.variable["raw"] is True


def test_several_fields_are_one_json_object_in_one_variable(world):
    world.destination(format="json").publish(BOTH, PAIR, "v1", 1)
    assert world.variable["value"] == f'{{"user":"app","password":"{CANARY}$1"}}'
    assert same_values(world.destination(format="json").published(Place("ci", KEY)), PAIR), "without keys all that stands there"


def test_several_fields_are_never_spread_over_variables(world):
    for place in (BOTH, Place("ci", KEY)):
        with pytest.raises(Refused, match="one value, so one field") as no:
            world.destination().publish(place, PAIR, "v1", 1)
        assert "format: json" in no.value.fix
        with pytest.raises(Refused):
            world.destination().published(place)
    assert world.server.variables[world.holder] == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("plain", "not one JSON object"),
        ('{"user":"a","user":"b"}', "stands twice"),
        ('{"user":5}', "'user' in the variable DB_LOGIN is no text"),
    ],
)
def test_an_object_in_which_nobody_can_tell_what_is_ours_is_foreign(world, text, says):
    world.put(text)
    for act in (lambda one: one.published(BOTH), lambda one: one.publish(BOTH, PAIR, "v1", 1)):
        with pytest.raises(Foreign, match=says):
            act(world.destination(format="json"))
    assert world.variable["value"] == text


def test_a_hidden_variable_is_refused_before_it_is_touched(world):
    world.put("unseen", hidden=True, masked=True)
    for act in (lambda one: one.published(ONE), lambda one: one.publish(ONE, VALUE, "v1", 1)):
        with pytest.raises(Refused, match="masked and hidden") as no:
            act(world.destination())
        assert "nobody can read a hidden one back" in no.value.fix
    assert methods(world) == ["GET", "GET"]


@pytest.mark.parametrize(
    ("text", "masked", "found"),
    [('{"host": "db"}', True, 1), ('{"host":"db"}\n', True, 1), ('{"host":"db"}', True, 0), ('{"host": "db"}', False, 0)],
)
def test_an_object_that_no_write_of_ours_could_mask_is_found_by_check(world, text, masked, found):
    world.put(text, masked=False)
    one = world.destination(masked=masked, format="json")
    one.published(BOTH)
    told = [(each.level, each.text) for each in one.check()]
    assert told == [(Level.FAIL, f"the object in {KEY} holds a blank: GitLab cannot mask it")] * found
    if found:
        with pytest.raises(Refused, match="GitLab cannot mask it"):
            one.publish(BOTH, {"user": Secret("app"), "password": Secret("long-enough")}, "v1", 1)


@pytest.mark.parametrize("value", ["short", "with a blank"])
@pytest.mark.parametrize("masked", [True, False])
def test_a_value_that_cannot_be_masked_is_refused_where_it_must_be(world, value, masked):
    world.put("old-old-old", masked=not masked)
    with pytest.raises(Refused, match="GitLab cannot mask it"):
        world.destination(masked=masked).publish(ONE, {"value": Secret(value)}, "v1", 1)
    world.put("old-old-old", masked=False)
    world.destination(masked=False).publish(ONE, {"value": Secret(value)}, "v1", 1)
    assert world.variable["value"] == value


def test_a_value_longer_than_gitlab_takes_is_refused(world):
    with pytest.raises(Refused, match="longer than 10000"):
        world.destination().publish(ONE, {"value": Secret("x" * 10_001)}, "v1", 1)


def test_a_missing_variable_is_refused_unless_it_may_be_made(world):
    for act in (lambda one: one.published(ONE), lambda one: one.publish(ONE, VALUE, "v1", 1)):
        with pytest.raises(Refused, match=f"no variable {KEY}") as no:
            act(world.destination(create=False))
        assert "create: true" in no.value.fix


def test_a_variable_that_is_removed_before_the_put_is_made_anew(world):
    world.put("old-old-old")

    def before(request):
        if request.method == "PUT":
            world.server.variables[world.holder].clear()

    world.server.before = before
    world.destination().publish(ONE, VALUE, "v1", 1)
    assert same_values(world.destination().published(ONE), VALUE)


def test_a_variable_that_another_makes_before_us_is_refused_now_and_written_by_the_next_try(world):
    def before(request):
        if request.method == "POST":
            world.put("theirs-theirs")

    world.server.before = before
    with pytest.raises(Refused, match="calls it invalid"):
        world.destination().publish(ONE, VALUE, "v1", 1)
    world.destination().publish(ONE, VALUE, "v1", 1)
    assert same_values(world.destination().published(ONE), VALUE)


@pytest.mark.parametrize("path", ["orders/db", "a-b", "", "a" * 256])
def test_a_path_that_cannot_be_a_key_is_refused(world, path):
    with pytest.raises(Refused, match="key of a variable"):
        world.destination().published(Place("ci", path, {"value": "password"}))


def test_only_the_variable_of_our_scope_is_read_and_written(world):
    world.server.put(world.holder, KEY, "of all")
    one = world.destination(environment_scope="prod")
    assert one.published(ONE) == {}
    one.publish(ONE, VALUE, "v1", 1)
    assert world.server.value(world.holder, KEY) == "of all"
    assert world.server.value(world.holder, KEY, "prod") == f"{CANARY}$1-long-enough"


def test_a_gitlab_that_does_not_know_our_scope_is_denied(world):
    world.put("old-old-old")
    world.server.before = lambda request: json_answer(world.variable)
    for act in (lambda one: one.published(ONE), lambda one: one.publish(ONE, VALUE, "v1", 1)):
        with pytest.raises(Denied, match="another scope"):
            act(world.destination(environment_scope="prod"))


# ---- rights


@pytest.mark.parametrize(
    ("token", "says"),
    [(Token({}), "no project"), (Token({"*": "developer"}), "refused"), (Token({"*": "maintainer"}, ("read_user",)), "refused")],
)
def test_a_token_with_too_little_is_denied_and_what_it_lacks_is_named(world, token, says):
    token.roles = dict.fromkeys([world.holder] * len(token.roles), *token.roles.values()) if token.roles else {}
    world.server.tokens["small"] = token
    for act in (lambda one: one.published(ONE), lambda one: one.publish(ONE, VALUE, "v1", 1)):
        with pytest.raises(Denied, match=says) as no:
            act(world.destination("small"))
        assert "Maintainer" in no.value.fix or "members" in no.value.fix
    (found,) = world.destination("small").check()
    assert (found.level, found.code) == (Level.FAIL, "place.missing")


def test_a_token_that_may_only_read_is_found_by_check_before_anything_is_written(world):
    world.server.tokens["reader"] = Token({world.holder: "maintainer"}, ("read_api",))
    one = world.destination("reader")
    assert one.published(ONE) == {}
    assert [(each.level, each.code) for each in one.check()] == [(Level.FAIL, "privilege.missing")]
    with pytest.raises(Denied, match="refused"):
        one.publish(ONE, VALUE, "v1", 1)


def test_check_warns_of_a_token_that_ends_soon(world):
    now = world.destination().runtime.now()
    world.server.tokens["ending"] = Token({world.holder: "maintainer"}, expires_at=str(now.date()))
    (found,) = world.destination("ending").check()
    assert (found.level, found.code, found.text) == (Level.WARN, "principal.expired", f"the token ends on {now.date()}")


def test_check_says_where_gitlab_does_not_tell(world):
    world.server.before = lambda request: json_answer({}, 404) if "personal" in request.path else None
    assert [(each.level, each.code) for each in world.destination().check()] == [(Level.WARN, "privilege.unproven")]
    world.server.before = lambda _: json_answer({}, 502)
    assert [(each.level, each.code) for each in world.destination().check()] == [(Level.WARN, "privilege.unproven")]


def test_a_token_that_is_unknown_is_denied(world):
    with pytest.raises(Denied, match="expired, revoked or of another GitLab"):
        world.destination("gone").published(ONE)


# ---- answers that are none


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        (json_answer({}, 500), Unreachable, "trouble"),
        (json_answer({}), Denied, "none of GitLab's"),
        (json_answer([]), Denied, "none of GitLab's"),
        (json_answer({"key": "OTHER", "value": "x"}), Denied, "none of GitLab's"),
        (json_answer({"message": "x"}, 409), Refused, "several variables"),
        (Answer(drop=True), Unreachable, "no answer"),
    ],
)
def test_an_answer_that_settles_nothing_is_never_empty_and_carries_nothing(world, answer, kind, says):
    world.server.before = lambda _: answer
    for act in (lambda one: one.published(ONE), lambda one: one.publish(ONE, VALUE, "v1", 1)):
        with pytest.raises(kind, match=says) as error:
            act(world.destination())
        assert CANARY not in told_by(error.value)
        assert "the-token" not in told_by(error.value)


def test_a_project_that_answers_as_a_web_page_is_not_empty(world):
    world.server.before = lambda request: json_answer({"message": "404"}, 404) if KEY in request.path else json_answer({})
    with pytest.raises(Denied, match="none of GitLab's"):
        world.destination().published(ONE)


# ---- settings


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"hidden": True}, "nobody can read a hidden variable back"),
        ({"group": "team"}, "exactly one of `project` and `group`"),
        ({"project": None}, "exactly one of `project` and `group`"),
        ({"project": "team/../admin?x"}, "pattern"),
        ({"api_url": "http://gitlab.internal/api/v4"}, "clear"),
    ],
)
def test_settings_that_cannot_work_are_refused(world, wrong, says):
    with pytest.raises(ValueError, match=says):
        world.settings(**wrong)
