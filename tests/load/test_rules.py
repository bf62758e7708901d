# ruff: noqa: E501 - a configuration of one spec reads best on one line
"""What is warned of, who may ask for what, what is accepted, and what never happens, whatever the files hold."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from load_corpus import CANARY
from load_kit import OWNER, TEAM, spec_of, write_config

from rotator.load import Invalid, load, refuse_unready
from rotator.load.globs import matches
from rotator.load.yaml import parse

# ---- warnings


def test_a_connection_without_allow_is_a_warning_and_an_error_when_strict(plugin_dir, tmp_path):
    file = write_config(tmp_path, OWNER.replace('    allow: {schedules: ["*"], principals: ["*"], stores: ["local:**", "slow:**"]}\n', ""))
    assert [each.path for each in load(file, plugin_dirs=[plugin_dir]).warnings] == ["connections.sys"]
    with pytest.raises(Invalid, match=r"rotator.yaml:4: connections.sys: there is no `allow`"):
        load(file, plugin_dirs=[plugin_dir], strict=True)


def test_files_that_others_may_write_are_a_warning_and_stop_whatever_acts(plugin_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_ADMIN", "x")
    file = write_config(tmp_path)
    loaded = load(file, plugin_dirs=[plugin_dir])
    refuse_unready(loaded)
    (tmp_path / "schedules" / "orders.yaml").chmod(0o666)
    assert "0666" in load(file, plugin_dirs=[plugin_dir]).warnings[0].text
    with pytest.raises(Invalid, match="0666"):
        refuse_unready(loaded)


def test_a_stale_place_of_one_user_is_a_warning(plugin_dir, tmp_path):
    text = TEAM.replace("{path: orders/solo}", "{name: slow, path: orders/solo}")
    loaded = load(write_config(tmp_path, orders=text), plugin_dirs=[plugin_dir])
    assert "dead secret for 1m" in loaded.warnings[0].text
    assert loaded.spec("in-place").backoff_least == 3600


# ---- who may ask for what


@pytest.mark.parametrize(
    ("patterns", "text", "fits"),
    [
        (("orders_*",), "orders_a", True),
        (("orders_*",), "borders_a", False),
        (("orders_*",), "orders_", True),
        (("local:orders/**",), "local:orders/a/b", True),
        (("local:orders/**",), "local:ordersx/a", False),
        (("local:orders/*",), "local:orders/a/b", False),
        (("local:orders/*",), "local:orders/a", True),
        (("a.c",), "abc", False),
        (("a?c",), "abc", True),
        (("a?c",), "a/c", False),
        (("[ab]",), "a", False),
        (("*",), "a\n", True),
        (None, "anything", True),
        ((), "anything", False),
    ],
)
def test_patterns_of_allow(patterns, text, fits):
    assert matches(patterns, text) is fits


def test_a_schedule_that_a_connection_does_not_name_may_not_use_it(plugin_dir, tmp_path):
    body = "version: 1\nrotations:\n  one:\n    owner: me\n    target: {type: toy_one, connection: strict, username: orders_x}\n    store: {name: local, path: orders/x}\n    when: {every: 1d}\n"
    load(write_config(tmp_path / "a", orders=body), plugin_dirs=[plugin_dir])
    with pytest.raises(Invalid, match=r"billing.yaml:5: rotations.one.target.connection: connection `strict` is not for this schedule"):
        load(write_config(tmp_path / "b", billing=body), plugin_dirs=[plugin_dir])


@pytest.mark.parametrize(
    ("old", "says"),
    [('path: out/env, allow: {schedules: ["*"]}', "destination `env` is not"), ("{type: toy, path: var/store}", "store `local` is not")],
)
def test_a_place_may_be_kept_for_other_schedules(old, says, plugin_dir, tmp_path):
    new = old.replace('["*"]', '["other.yaml"]') if "allow" in old else '{type: toy, path: var/store, allow: {schedules: ["other.yaml"]}}'
    with pytest.raises(Invalid, match=says):
        load(write_config(tmp_path, OWNER.replace(old, new)), plugin_dirs=[plugin_dir])


def test_a_target_type_that_the_owner_does_not_allow_is_refused(plugin_dir, tmp_path):
    with pytest.raises(Invalid, match=r"`toy_one` is not in `plugins\.allow`") as caught:
        load(write_config(tmp_path, OWNER + "plugins: {allow: [toy_issue]}\n"), plugin_dirs=[plugin_dir])
    assert {each.spec for each in caught.value.problems} == {"alternating", "in-place"}


def test_what_belongs_to_no_allowed_target_is_not_loaded_either(plugin_dir, tmp_path):
    with pytest.raises(Invalid, match=r"connection type `toy` is not in `plugins\.allow`"):
        load(write_config(tmp_path, OWNER + "plugins: {allow: [postgres]}\n"), plugin_dirs=[plugin_dir])


# ---- what is accepted


def test_two_specs_may_share_a_file_of_variables_under_different_names(plugin_dir, tmp_path):
    text = TEAM.replace("    grace: 0s", "    grace: 0s\n    publish: [{destination: env, keys: {DB_PASSWORD: password}}]")
    assert len(load(write_config(tmp_path, orders=text), plugin_dirs=[plugin_dir]).specs) == 3


def test_an_attested_place_is_used_where_that_was_accepted(plugin_dir, tmp_path):
    body = "    target: {type: toy_issue, connection: sys, principal: p}\n    store: {path: a}\n    when: {every: 1d}\n    publish: [{destination: ci, keys: {A: secret}, accept: attested}]\n"
    assert spec_of(plugin_dir, tmp_path, body).places[1].attested


def test_a_place_with_paths_takes_the_specs_own_or_another(plugin_dir, tmp_path):
    body = "    target: {type: toy_issue, connection: sys, principal: p}\n    store: {path: a/b}\n    when: {every: 1d}\n    grace: 10m\n    publish: [{destination: second%s}]\n"
    assert spec_of(plugin_dir, tmp_path / "a", body % "").places[1].place.path == "a/b"
    assert spec_of(plugin_dir, tmp_path / "b", body % ", path: c").places[1].place.path == "c"


def test_principals_of_two_accounts_behind_one_endpoint_are_told_apart():
    from rotator.load.config import Connection
    from rotator.load.specs import _account
    from rotator_aws_iam_key import AwsConnection

    one = Connection("one", "aws", AwsConnection(region="eu-west-1"))
    named = Connection("two", "aws", AwsConnection(region="eu-west-1", account="123456789012"))
    assert (_account(one), _account(named)) == ("one", "")


# ---- never


def problems_of(file, plugin_dir):
    """What is wrong with it; nothing but `Invalid` may be raised."""
    try:
        load(file, plugin_dirs=[plugin_dir])
    except Invalid as error:
        return error.problems
    return []


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300))
def test_no_bytes_make_the_parser_raise(data):
    parsed = parse(data)
    assert parsed.root is not None or parsed.flaws


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    line=st.integers(0, 20),
    text=st.sampled_from(["", ": ", "- ", "  ", "{", "}", "[", '"', "'", "!", "&a ", "*a ", "? ", "|", "#", "\t", "x: ", "%", "@"]),
    column=st.integers(0, 60),
)
def test_no_slip_of_the_hand_does_more_than_name_problems(line, text, column, plugin_dir, tmp_path):
    lines = TEAM.replace("solo", CANARY).removeprefix("\n").split("\n")
    at = min(line, len(lines) - 1)
    lines[at] = lines[at][:column] + text + lines[at][column:]
    file = write_config(tmp_path, orders="\n".join(lines))
    problems = problems_of(file, plugin_dir)
    assert all(each.line >= 1 for each in problems)
    assert CANARY not in "".join(map(str, problems))


def test_a_thousand_specs_need_little_memory(plugin_dir, tmp_path):
    spec = "  s{0}:\n    target: {{type: toy_one, connection: sys, usernames: [a{0}, b{0}]}}\n    store: {{path: s/{0}}}\n    when: {{cron: '{1} {2} 1 * *', timezone: Europe/Berlin}}\n"
    head = "version: 1\ndefaults: {owner: team, policy: usual, store: {name: local}}\nrotations:\n"
    teams = {f"f{n}": head + "".join(spec.format(i, i % 60, i % 24) for i in range(n * 100, n * 100 + 100)) for n in range(10)}
    file = write_config(tmp_path, **teams)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert len(load(file, plugin_dirs=[plugin_dir]).specs) == 1000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
