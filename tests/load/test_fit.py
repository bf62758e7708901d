"""What the destinations that come with rotator cannot show is an error at load, and of a stranger's nothing is asked."""

from pathlib import Path

import pytest
from load_kit import POSTGRES, write_config
from load_kit import TEAM as TOY_TEAM

from rotator.destinations.file import FileSettings
from rotator.load import Invalid, fit, load, plugins
from rotator.load.config import Connection

OWNER = (
    POSTGRES
    + """  local: {type: file, path: var/store, key: {file: var/store.key}, allow: {schedules: ["*"]}}
destinations:
  place: {SETTINGS, allow: {schedules: ["*"]}}
"""
)
TEAM = """version: 1
rotations:
  orders-db:
    owner: team
    target: {type: postgres, connection: pg, dbname: orders, USERS}
    store: {name: local, path: orders/db}
    when: {every: 30d}
    grace: GRACE
    publish:
      - {destination: place, PUBLISH}
"""
RAW = "type: file, format: raw, path: out/pw"
SLOTS = {
    "gitlab_variable": "type: gitlab_variable, api_url: https://gitlab.internal/api/v4, project: team/orders, token: {env: T}",
    "github_actions": "type: github_actions, repository: team/orders, token: {env: T}",
    "aws_ssm": "type: aws_ssm, region: eu-west-1",
    "aws_secrets_manager": "type: aws_secrets_manager, region: eu-west-1, whole: true",
}
ONE, TWO = "username: orders", "usernames: [orders_a, orders_b]"


def told(folder, settings, publish, users=ONE, owner=OWNER):
    """All that `validate --strict` says of one spec that publishes at one place. Grace is as long as any place is stale."""
    team = TEAM.replace("USERS", users).replace("PUBLISH", publish).replace("GRACE", "2h" if users == TWO else "0s")
    try:
        load(write_config(folder, owner.replace("SETTINGS", settings), orders=team), strict=True)
    except Invalid as error:
        return [f"{Path(each.file).name}:{each.line}: {each.text}" for each in error.problems]
    return []


# ---- one value and nothing else


@pytest.mark.parametrize(
    "keys", ["keys: {pw: password}", "keys: {value: password, user: username}", "keys: {a: username, b: password}", "keys: {}"]
)
def test_keys_that_a_raw_file_cannot_hold_are_an_error_at_load_with_the_one_that_fits(keys, tmp_path):
    wrong = told(tmp_path, RAW, keys)
    assert len(wrong) == 1
    assert wrong[0].startswith(
        "orders.yaml:10: this place has `format: raw`, which holds one value: name it `value`, `keys: {value: password}`"
    )


@pytest.mark.parametrize("keys", ["{value: password}", "{value: password, user: username}"])
def test_of_two_users_a_raw_file_never_asks_for_a_second_key_and_says_what_to_take(keys, tmp_path):
    wrong = told(tmp_path, RAW, f"keys: {keys}", TWO)
    assert wrong == [
        "orders.yaml:10: this place has `format: raw`, which holds one value: with two users use json, yaml or env_file",
    ]


@pytest.mark.parametrize("settings", [RAW, RAW.replace("raw", "json")])
def test_a_raw_file_takes_its_one_value_and_a_json_file_any_key(settings, tmp_path):
    assert told(tmp_path / "a", settings, "keys: {value: password}") == []
    assert told(tmp_path / "b", RAW.replace("raw", "json"), "keys: {user: username, pw: password}", TWO) == []


@pytest.mark.parametrize("type", SLOTS)
@pytest.mark.parametrize(
    ("users", "keys", "says"),
    [(ONE, "", "name one"), (ONE, ", keys: {a: username, b: password}", "name one"), (TWO, ", keys: {pw: password}", "with two users")],
)
def test_a_place_of_one_value_is_given_one_field_or_refused_at_load(type, users, keys, says, tmp_path):
    accept = ", accept: attested" if type == "github_actions" else ""
    wrong = [each for each in told(tmp_path / "bad", SLOTS[type], f"path: PW{keys}{accept}", users) if "consumers may read" not in each]
    assert len(wrong) == 1
    assert "holds one value" in wrong[0]
    assert says in wrong[0]
    fitting = told(tmp_path / "good", SLOTS[type], f"path: PW, keys: {{pw: password}}{accept}")
    assert [each for each in fitting if "consumers may read" not in each] == []


def test_several_fields_fit_where_a_place_of_one_value_holds_an_object(tmp_path):
    settings = SLOTS["gitlab_variable"] + ", format: json"
    assert told(tmp_path, settings, "path: PW, keys: {user: username, pw: password}", TWO) == []


def test_a_store_that_shows_one_field_as_the_whole_secret_is_an_error_at_load(tmp_path):
    owner = OWNER.replace("type: file, path: var/store, key: {file: var/store.key}", SLOTS["aws_secrets_manager"])
    wrong = told(tmp_path, "type: env_file, path: out/env", "keys: {PW: password}", owner=owner)
    assert any("store `local` has `whole: true`, which holds one value, and a store shows all fields" in each for each in wrong)


def test_every_destination_of_ours_that_may_hold_one_value_is_known_to():
    choices = {"format": ("raw", "value"), "whole": (True,)}
    ours = [each.name for each in plugins.found(plugins.DESTINATIONS) if each.origin == "rotator"]
    fields = {each: plugins.destination_class(each).settings.model_fields for each in ours}
    assert {each for each in ours if choices.keys() & fields[each].keys()} == set(fit._ONE_VALUE)
    assert all(each.value in choices[each.key] for each in fit._ONE_VALUE.values())


def test_a_destination_of_somebody_else_is_asked_nothing():
    settings = FileSettings(path="x", format="raw")
    assert fit.one_value(Connection("ours", "file", settings)) is not None
    assert fit.one_value(Connection("theirs", "theirs", settings)) is None


# ---- what may be made, and could not be written


@pytest.mark.parametrize(
    ("quote", "alphabet", "bad"),
    [
        ("none", "A-Za-z0-9!#", "! #"), ("dotenv", "A-Za-z0-9${", "$ {"), ("dotenv", "A-Za-z0-9!#", ""), ("shell", "A-Za-z0-9!#${", ""),
        ("none", "A-Za-z0-9_.~-", ""),
    ],
)  # fmt: skip
def test_a_password_that_an_env_file_would_refuse_once_the_old_one_is_dead_is_an_error_at_load(quote, alphabet, bad, tmp_path):
    letters = alphabet.replace("A-Za-z0-9", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
    owner = OWNER + f"policies:\n  odd: {{password: {{alphabet: '{letters}'}}}}\n"
    publish = "keys: {PW: password}}\n    policy: odd\n    #"
    wrong = told(tmp_path, f"type: env_file, path: out/env, quote: {quote}", publish, owner=owner)
    way = "set `quote: shell` or `quote: dotenv` there, as its reader has it" if quote == "none" else "use others"
    says = f"orders.yaml:10: `password` may hold {bad}, with which `place` (`quote: {quote}`) refuses it: {way}"
    assert wrong == [says] * bool(bad)


def test_a_user_that_an_env_file_would_refuse_is_an_error_at_load(tmp_path):
    wrong = told(tmp_path, "type: env_file, path: out/env", "keys: {WHO: username, PW: password}", users="username: 'app@host'")
    assert len(wrong) == 1
    assert wrong[0].startswith("orders.yaml:10: `username` may hold @, with which `place` (`quote: none`) refuses it")


def test_the_secret_keys_of_aws_ask_for_quotes(tmp_path):
    owner = OWNER.replace("  pg:", "  cloud: {type: aws, region: eu-west-1, allow: {schedules: ['*']}}\n  pg:")
    for quote, found in (("none", 1), ("shell", 0)):
        team = TEAM.replace(
            "{type: postgres, connection: pg, dbname: orders, USERS}", "{type: aws_iam_key, connection: cloud, username: up}"
        )
        team = team.replace("PUBLISH", "keys: {KEY: secret_access_key}").replace("GRACE", "0s")
        settings = f"type: env_file, path: out/env, quote: {quote}"
        try:
            load(write_config(tmp_path / quote, owner.replace("SETTINGS", settings), orders=team))
            wrong = []
        except Invalid as error:
            wrong = [each.text for each in error.problems]
        assert [each.startswith("`secret_access_key` may hold / +, with which `place`") for each in wrong] == [True] * found


# ---- what can never be a name there

CLUSTER = "type: kubernetes_secret, in_cluster: true, namespace: billing"


@pytest.mark.parametrize(
    ("settings", "publish", "says"),
    [
        (SLOTS["github_actions"], "", "'orders/db' cannot be the name of a secret: write `path:` beside the destination: capitals"),
        (SLOTS["github_actions"], "path: github_token, ", "'github_token' cannot be the name of a secret: write `path:`"),
        (SLOTS["github_actions"], "path: GITHUB_TOKEN, ", "'GITHUB_TOKEN' cannot be the name of a secret: write `path:`"),
        (SLOTS["gitlab_variable"], "", "'orders/db' cannot be the key of a variable: write `path:` beside the destination: letters"),
        (SLOTS["aws_ssm"], "path: aws/pw, ", "'aws/pw' cannot be the name of a parameter: write `path:` beside the destination"),
        (CLUSTER, "", "'orders/db' cannot be the name of a Secret: write `path:` beside the destination: small letters"),
        (CLUSTER, "path: Orders, ", "'Orders' cannot be the name of a Secret: write `path:` beside the destination: small letters"),
    ],
)
def test_a_name_that_the_system_never_takes_is_an_error_at_its_line(settings, publish, says, tmp_path):
    accept = ", accept: attested" if "github" in settings else ""
    wrong = [each for each in told(tmp_path, settings, f"{publish}keys: {{PW: password}}{accept}") if "consumers may read" not in each]
    assert len(wrong) == 1
    assert wrong[0].startswith(f"orders.yaml:10: {says}")


def test_a_key_that_no_secret_of_a_cluster_has_is_an_error_at_its_line(tmp_path):
    key = "k" * 254
    wrong = [each for each in told(tmp_path, CLUSTER, f"path: orders, keys: {{{key}: password}}") if "consumers may read" not in each]
    assert wrong == [f"orders.yaml:10: '{key}' cannot be a key of a Secret: use at most 253 letters, digits and . _ -"]


def test_every_destination_of_ours_that_knows_its_systems_names_is_asked_for_them():
    ours = [each.name for each in plugins.found(plugins.DESTINATIONS) if each.origin == "rotator"]
    assert {each for each in ours if hasattr(plugins.destination_class(each).settings, "misnamed")} == fit._NAMED


def test_a_store_that_is_a_replica_is_an_error_at_load(tmp_path):
    store = SLOTS["aws_secrets_manager"].replace("whole", "replica")
    owner = OWNER.replace("type: file, path: var/store, key: {file: var/store.key}", store)
    wrong = told(tmp_path, "type: env_file, path: out/env", "keys: {PW: password}", owner=owner)
    assert "orders.yaml:6: store `local` is a replica, which keeps no records: name one in the primary's region" in wrong


def test_the_folder_of_a_service_account_is_refused_where_nobody_reads_it(tmp_path):
    outside = CLUSTER.replace("in_cluster: true", "api_server: https://cluster.internal, token: {env: T}, service_account: /run/sa")
    wrong = told(tmp_path, outside, "path: orders, keys: {PW: password}")
    assert wrong == ["rotator.yaml:12: `service_account` is read with `in_cluster: true` alone; leave it out"]
    assert not any("service_account" in each for each in told(tmp_path, f"{CLUSTER}, service_account: /run/sa", "path: orders"))


# ---- what nothing reads


@pytest.mark.parametrize("settings", ["type: env_file, path: out/env", "type: file, format: json, path: out/it", RAW])
def test_a_path_for_a_destination_that_is_one_file_is_an_error_at_its_line(settings, tmp_path):
    wrong = told(tmp_path, settings, "path: foo, keys: {value: password}")
    assert wrong == ["orders.yaml:10: nothing reads this: the file is what `place` in rotator.yaml names; leave it out"]


def test_every_destination_of_ours_either_reads_a_path_or_refuses_it():
    ours = [each.name for each in plugins.found(plugins.DESTINATIONS) if each.origin == "rotator"]
    settings = FileSettings(path="x", format="raw")
    for each in ours:
        assert fit.reads_path(Connection("place", each, settings)) is plugins.destination_class(each).by_path


def test_a_path_for_a_destination_of_somebody_else_is_left_to_it(plugin_dir, tmp_path):
    team = TOY_TEAM.replace("{destination: env, keys", "{destination: env, path: foo, keys")
    made = load(write_config(tmp_path, orders=team), plugin_dirs=[plugin_dir]).spec("keys")
    assert [each.place.path for each in made.places if each.by.name == "env"] == ["foo"]


@pytest.mark.parametrize("format", ["json", "yaml"])
def test_a_newline_of_a_file_that_is_no_raw_value_is_an_error_at_its_line(format, tmp_path):
    wrong = told(tmp_path, f"type: file, format: {format}, path: out/it, newline: true", "keys: {pw: password}")
    assert wrong == ["rotator.yaml:12: nothing reads this but `format: raw`: leave it out"]


@pytest.mark.parametrize("newline", ["true", "false"])
def test_a_newline_of_a_raw_value_is_taken(newline, tmp_path):
    assert told(tmp_path, f"{RAW}, newline: {newline}", "keys: {value: password}") == []


# ---- who else the mode of a file lets in

FILES = ["type: env_file, path: out/env", "type: file, format: json, path: out/it"]


@pytest.mark.parametrize("settings", FILES)
@pytest.mark.parametrize("mode", ["0600", "0640", "440", "0750"])
def test_a_mode_that_lets_nobody_else_in_is_valid_when_strict(settings, mode, tmp_path):
    assert told(tmp_path, f'{settings}, mode: "{mode}"', "keys: {PW: password}") == []


@pytest.mark.parametrize("settings", FILES)
@pytest.mark.parametrize(
    ("mode", "says"),
    [
        ("0644", 'every user of this machine may read the secret: write `mode: "0640"`'),
        ("0660", 'the group may change the secret: write `mode: "0640"`'),
        ("0664", 'every user of this machine may read the secret and the group may change the secret: write `mode: "0640"`'),
    ],
)
def test_a_mode_by_which_everybody_reads_or_the_group_writes_is_a_warning_at_its_line(settings, mode, says, tmp_path):
    entry, publish = f'{settings}, mode: "{mode}"', "keys: {PW: password}"
    assert told(tmp_path, entry, publish) == [f"rotator.yaml:12: {says}"]
    loaded = load(tmp_path / "rotator.yaml")
    assert [(each.path, each.text) for each in loaded.warnings] == [("destinations.place.mode", says)]


@pytest.mark.parametrize("settings", FILES)
def test_a_mode_by_which_everybody_writes_is_an_error_also_when_not_strict(settings, tmp_path):
    told(tmp_path, f'{settings}, mode: "0666"', "keys: {PW: password}")
    with pytest.raises(Invalid, match=r"rotator.yaml:12: destinations.place.mode: every user of this machine could change the secret"):
        load(tmp_path / "rotator.yaml")
