"""CHECK finds what would go wrong, and what it prints mends it when it is pasted."""

import re
import subprocess

import pytest

import rotator_redis
from rotator.model import Credential, Secret
from rotator.target import Denied, Foreign, Level, Refused
from rotator.testing.servers.redis import LEAST_RIGHTS
from rotator.testing.target_contract import raised


@pytest.fixture
def bench(make_bench):
    return make_bench()


def found(bench, level=Level.FAIL, known=None, **config):
    return [each for each in bench.make_target(**config).check([bench.current] if known is None else known) if each.level is level]


def pasted(bench, level=Level.FAIL, known=None, **config):
    """The codes of what is found, and of what is left when the fixes are pasted."""
    before = found(bench, level, known, **config)
    for each in before:
        bench.paste(each.fix)
    return [each.code for each in before], [each.code for each in found(bench, level, known, **config)]


def test_all_is_well_once_a_change_was_saved(bench):
    bench.make_target().apply(bench.current, [])
    assert [(each.level, each.code) for each in bench.make_target().check([bench.current])] == [(Level.OK, "login")]


def test_whether_users_are_saved_is_unproven_until_the_first_change_and_no_right_is_asked_for(bench):
    (one,) = found(bench, Level.WARN)
    assert (one.code, one.fix, "the first change tells" in one.text) == ("privilege.unproven", None, True)
    bench.make_target().apply(bench.current, [])
    assert found(bench, Level.WARN) == []


def test_without_a_mark_it_stays_unproven_and_says_that_each_change_tells(make_bench):
    bench = make_bench(fence=False)
    bench.make_target().apply(bench.current, [])
    (one,) = found(bench, Level.WARN)
    assert (one.code, one.fix, "each change tells, and with `fence: false`" in one.text) == ("privilege.unproven", None, True)


def test_an_admin_that_may_see_the_configuration_has_nothing_unproven(make_bench):
    assert found(make_bench(rules=("+config|get",)), Level.WARN) == []


@pytest.mark.parametrize("persist", ["acl_file", "config_file", "none"])
def test_no_finding_prints_the_right_to_see_the_servers_passwords(make_bench, persist):
    bench = make_bench(persist=persist)
    bench.server.alter(bench.admin, "-@all", "+acl|getuser")
    told = bench.make_target(terminate_sessions=True).check([bench.current])
    assert "privilege.missing" in [each.code for each in told]
    assert [each for each in told if "config|get" in f"{each.text} {each.fix}"] == []


@pytest.mark.parametrize("right", LEAST_RIGHTS)
def test_each_right_is_needed_missed_and_mended(bench, right):
    bench.server.alter(bench.admin, f"-{right[1:]}")
    assert [each.code for each in found(bench)] == ["privilege.missing"]
    calls = (
        [lambda: bench.make_target().apply(bench.make_credential(), [bench.current])] if right != "+info" else [bench.make_target().clock]
    )
    before = bench.state()
    assert [type(raised(each)) for each in calls] == [Denied]
    assert bench.state() == before
    assert pasted(bench) == (["privilege.missing"], [])
    calls[0]()


def test_the_rights_for_ending_connections_and_for_the_configuration_file(make_bench):
    bench = make_bench(user="app{}", persist="config_file")
    assert pasted(bench, terminate_sessions=True) == (["privilege.missing", "privilege.missing"], [])


def test_a_name_that_a_configuration_file_cannot_hold_is_found_and_refused(make_bench):
    """Redis 7.0 writes it as it is, and does not start again: "Unbalanced quotes in configuration line"."""
    bench = make_bench(persist="config_file", rules=("+config|rewrite",))
    assert [(each.code, "does not start" in each.text) for each in found(bench)] == [("fitness", True)]
    before = bench.state()
    assert isinstance(raised(lambda: bench.make_target().apply(bench.make_credential(), [bench.current])), Refused)
    assert bench.state() == before


def test_the_least_rights_of_the_manual_are_these():
    given = re.findall(r"ACL SETUSER rotator on >\.\.\. (.*)", rotator_redis.__doc__)
    assert [tuple(each.split()) for each in given] == [LEAST_RIGHTS]


@pytest.mark.parametrize(
    "rules", ["+@all", "allcommands", "+@admin +info", "+acl +@dangerous -@write", "-@all (+acl) +info", "+@all -@dangerous +@admin +info"]
)
def test_wider_rights_do_as_well(bench, rules):
    bench.server.alter(bench.admin, "-@all", *re.findall(r"\([^)]*\)|\S+", rules))
    assert found(bench) == []
    new = bench.make_credential()
    bench.make_target().apply(new, [bench.current])
    assert bench.logs_in(new)


@pytest.mark.parametrize("rules", ["+@all -@admin", "+@all -acl|setuser", "+acl -acl|save +info", "nocommands"])
def test_what_is_taken_away_again_is_missing(bench, rules):
    bench.server.alter(bench.admin, "-@all", *rules.split())
    assert {each.code for each in found(bench)} == {"privilege.missing"}


def test_a_user_that_does_not_exist(bench):
    bench.remove(bench.current)
    assert pasted(bench) == (["principal.missing"], [])
    new = bench.make_credential()
    bench.make_target().apply(new, [])
    assert bench.logs_in(new)


def test_a_user_that_is_off(bench):
    bench.alter("off")
    assert pasted(bench) == (["lockout"], [])


@pytest.mark.parametrize("told", ["check", "apply"])
def test_what_ends_an_open_door_keeps_consumers_in_and_puts_no_password_into_a_history(bench, told):
    """As typed into a shell: the password is read from the terminal, here from a pipe."""
    bench.alter("resetpass", "nopass")
    (one,) = found(bench)
    error = raised(lambda: bench.make_target().apply(bench.make_credential(), [bench.current]))
    assert (one.code, type(error), error.fix) == ("stray", Foreign, one.fix)
    first, *commands = re.split("`(?=IFS)|`(?=ACL)|`(?:, |$)", one.fix if told == "check" else error.fix)
    assert first.startswith("Find out who comes in")
    shows, sets = [each for each in commands if each]
    shown = subprocess.run(["bash", "-c", shows], input=bench.current.secret.reveal(), capture_output=True, text=True, check=True).stdout
    bench.paste(sets.replace("HASH", shown.split()[0]))
    assert found(bench) == []
    assert (bench.logs_in(bench.current), bench.logs_in(bench.make_credential())) == (True, False)


def test_a_user_that_may_change_users_is_a_warning(bench):
    bench.make_target().apply(bench.current, [])
    bench.alter("+@all")
    assert pasted(bench, Level.WARN) == (["principal.superuser"], [])


def test_a_second_password_of_a_stranger_is_told_by_where_it_stands(bench):
    from rotator.testing.servers.redis import sha256

    bench.meddle(bench.current)
    stranger = sha256(Secret("set by another hand"))
    (one,) = found(bench)
    place = bench.server.hashes(bench.user).index(stranger) + 1
    assert (one.code, f"counted from 1, number {place};" in one.fix) == ("stray", True)
    bench.alter(f"!{stranger}")
    assert found(bench) == []


def test_in_place_it_is_a_warning(make_bench):
    bench = make_bench(max_live=1)
    bench.make_target().apply(bench.current, [])
    bench.meddle(bench.current)
    assert [each.code for each in found(bench, Level.WARN)] == ["stray"]
    assert found(bench) == []


def test_two_that_are_known_are_no_strangers_nor_is_a_single_one_before_adoption(bench):
    new = bench.make_credential()
    assert found(bench, known=[]) == []
    bench.make_target().apply(new, [bench.current])
    assert found(bench, known=[new, bench.current]) == []
    assert [each.code for each in found(bench, known=[])] == ["stray"]


def test_the_default_user_can_be_rotated_and_is_a_warning(make_bench):
    from rotator.testing.servers.redis import RedisServer

    with RedisServer() as server:
        bench = make_bench(server)
        bench.user = "default"
        server.create_user("default", bench.current.secret, "~*", "+@read")
        bench.current = Credential(name="default", secret=bench.current.secret)
        new = bench.make_credential()
        bench.make_target(username="default").apply(new, [bench.current])
        assert bench.make_target(username="default").verify(new) == "default"
        told = bench.make_target(username="default").check([bench.current, new])
        assert [each.level for each in told if "user default is whom" in each.text] == [Level.WARN]


def test_several_troubles_are_all_told_at_once(bench):
    bench.alter("off")
    bench.meddle(bench.current)
    bench.server.alter(bench.admin, "-acl|save", "-info")
    assert sorted(each.code for each in found(bench)) == ["lockout", "privilege.missing", "privilege.missing", "stray"]
