"""What an operator is told of an env file before the first publish."""

import os

import pytest
from env_world import make, names_in, publish, root

from rotator.destination import Denied, Level


def test_check_changes_nothing_and_is_silent_where_all_is_well(env):
    before = names_in(env.parent)
    assert make(env).check() == []
    assert names_in(env.parent) == before


def test_check_warns_of_files_and_directories_that_everybody_reaches(env):
    env.chmod(0o644)
    env.parent.chmod(0o777)
    found = make(env).check()
    assert [each.level for each in found] == [Level.WARN, Level.WARN]
    env.parent.chmod(0o1777)
    assert make(env, mode="0640").check() == []


def test_check_says_to_mend_the_mode_where_the_settings_hold_it_and_the_file_where_it_alone_does(env):
    env.chmod(0o644)
    (by_settings,) = make(env, mode="0664").check()
    assert by_settings.text == f"{env} can be read by every user of this machine"
    assert by_settings.fix == 'write `mode: "0640"` at this destination in rotator.yaml'
    env.chmod(0o666)
    (by_itself,) = make(env).check()
    assert by_itself.text == f"{env} can be read and changed by every user of this machine"
    assert by_itself.fix == f"chmod o= {env}"


@root
def test_a_runner_that_may_not_write_there_is_told_so_and_denied(tmp_path):
    """In a child, as a user without rights."""
    tmp_path.chmod(0o755)
    (tmp_path / "env").write_text("API_TOKEN=old\n")
    (tmp_path / "closed").mkdir(mode=0o700)
    pid = os.fork()
    if pid == 0:
        try:
            for each in (tmp_path, *tmp_path.parents):
                if not each.stat().st_mode & 0o001:
                    each.chmod(0o711)
            os.setgid(65534)
            os.setuid(65534)
            found = [each for each in make(tmp_path / "env").check() if each.level is Level.FAIL]
            assert [each.code for each in found] == ["privilege.missing"] * 3
            assert any("is not writable for us" in each.text for each in found)
            for path in (tmp_path / "env", tmp_path / "closed" / "env"):
                with pytest.raises(Denied) as no:
                    publish(path)
                assert no.value.code == "EACCES"
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
    assert (tmp_path / "env").read_text() == "API_TOKEN=old\n"


NOBODY = 65534


def as_nobody(there, does, *, group=NOBODY, mode=0o700):
    """Do it in a child, as a user without rights whose own this directory is. Whether nothing was raised there."""
    os.chown(there, NOBODY, group)
    there.chmod(mode)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            for each in (there, *there.parents):
                if each.stat().st_uid == 0 and not each.stat().st_mode & 0o001:
                    each.chmod(0o711)
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            does()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1] == 0


@root
@pytest.mark.parametrize(
    ("made", "settings", "says"),
    [
        ((0, NOBODY), {}, ["to the user 0: only root could"]),
        ((NOBODY, 0), {}, ["to the group 0: we are not in it"]),
        ((0, 0), {}, ["to the user 0: only root could", "to the group 0: we are not in it"]),
        ((NOBODY, NOBODY), {"owner": "root"}, ["to the user 0: only root could"]),
        ((NOBODY, NOBODY), {"group": "0"}, ["to the group 0: we are not in it"]),
        ((0, 0), {"owner": str(NOBODY), "group": str(NOBODY)}, []),
        (None, {"group": "0"}, ["to the group 0: we are not in it"]),
        (None, {}, []),
        ((NOBODY, NOBODY), {}, []),
    ],
)
def test_check_finds_a_file_that_we_may_not_give_to_whose_it_is_before_publish_is_denied(tmp_path, made, settings, says):
    env = tmp_path / "own" / "env"
    env.parent.mkdir()
    if made:
        env.write_text("API_TOKEN=old\n")
        os.chown(env, *made)
        env.chmod(0o644)

    def look():
        found = [each for each in make(env, **settings).check() if each.level is Level.FAIL]
        assert [each.text.partition(f"{env} ")[2] for each in found] == says
        assert all(each.code == "privilege.missing" and each.fix for each in found)
        if not says:
            publish(env, **settings)
            return
        with pytest.raises(Denied) as no:
            publish(env, **settings)
        assert no.value.code == "EPERM"

    assert as_nobody(env.parent, look)


@root
def test_to_the_group_that_a_directory_hands_on_a_file_can_be_given(tmp_path):
    env = tmp_path / "own" / "env"
    env.parent.mkdir()

    def look():
        assert make(env, group="0").check() == []
        publish(env, group="0")

    assert as_nobody(env.parent, look, group=0, mode=0o2700)
    assert (env.stat().st_uid, env.stat().st_gid) == (NOBODY, 0)
