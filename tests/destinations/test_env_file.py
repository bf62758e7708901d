import errno
import grp
import multiprocessing
import os
import pwd
import struct

import pytest
from env_world import PLACE, make, names_in, publish, root
from pydantic import ValidationError

from rotator.destination import Denied, Foreign, Level, Place, Refused, Secret, Unreachable
from rotator.destinations.env_file import EnvFileSettings
from rotator.destinations.local import MOST
from rotator.files import Disk, Folder
from rotator.testing.broken_disk import ShortDisk, each_fault
from rotator.testing.fake_seam import FakeSeam

# ---- what stays


def test_a_new_file_is_for_us_alone_unless_a_mode_is_given(tmp_path):
    publish(tmp_path / "one")
    publish(tmp_path / "two", mode="0644")
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("one", "two")] == [0o600, 0o644]
    assert (tmp_path / "one").read_text() == "API_TOKEN=new-token\n"


def test_siblings_mode_and_nothing_else_are_left(env):
    publish(env)
    assert env.read_text() == "A=1\nAPI_TOKEN=new-token\nB=2\n"
    assert env.stat().st_mode & 0o777 == 0o640
    assert names_in(env.parent) == [".env.lock", "env"]
    assert (env.parent / ".env.lock").stat().st_mode & 0o777 == 0o600


def test_bytes_that_are_no_text_are_kept(env):
    env.write_bytes(b"A=\xff\xfe\nAPI_TOKEN=old\n")
    publish(env)
    assert env.read_bytes() == b"A=\xff\xfe\nAPI_TOKEN=new-token\n"


def test_what_is_already_so_is_not_written_again_but_a_wrong_mode_is_mended(env):
    publish(env)
    before = env.stat().st_ino
    publish(env)
    assert env.stat().st_ino == before
    publish(env, mode="600")
    assert (env.stat().st_mode & 0o777, env.stat().st_ino == before) == (0o600, False)


@root
def test_the_owner_and_group_of_the_file_stay_or_become_what_settings_say(env):
    os.chown(env, 1234, 2345)
    publish(env)
    assert (env.stat().st_uid, env.stat().st_gid, env.stat().st_mode & 0o777) == (1234, 2345, 0o640)
    publish(env, owner="daemon", group="77")
    assert (env.stat().st_uid, env.stat().st_gid) == (pwd.getpwnam("daemon").pw_uid, 77)
    publish(env, owner="0", group=grp.getgrgid(0).gr_name)
    assert (env.stat().st_uid, env.stat().st_gid) == (0, 0)


def test_access_control_lists_and_user_attributes_stay(env):
    acl = struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", *each)
        for each in [(1, 6, 0xFFFFFFFF), (2, 4, 1234), (4, 4, 0xFFFFFFFF), (16, 4, 0xFFFFFFFF), (32, 0, 0xFFFFFFFF)]
    )
    try:
        os.setxattr(env, "system.posix_acl_access", acl)
        os.setxattr(env, "user.note", b"kept")
    except OSError as error:
        pytest.skip(f"this file system has no attributes: {error}")
    publish(env)
    assert os.getxattr(env, "system.posix_acl_access") == acl
    assert os.getxattr(env, "user.note") == b"kept"
    assert env.stat().st_mode & 0o777 == 0o640


def test_two_specs_in_one_file_do_not_undo_each_other(tmp_path):
    context = multiprocessing.get_context("fork")

    def child(name):
        for n in range(20):
            make(tmp_path / "env").publish(Place("p", "", {name: "secret"}), {name: Secret(f"{name}-{n}")}, "v", n)

    children = [context.Process(target=child, args=(f"KEY_{n}",)) for n in range(4)]
    for each in children:
        each.start()
    for each in children:
        each.join(30)
        assert each.exitcode == 0
    assert sorted((tmp_path / "env").read_text().split()) == [f"KEY_{n}=KEY_{n}-19" for n in range(4)]


# ---- what is refused


def test_a_symbolic_link_is_refused_unless_it_may_be_followed(env):
    link = env.parent / "link"
    link.symlink_to("env")
    for call in (publish, lambda path: make(path).published(PLACE)):
        with pytest.raises(Denied, match="follow: true"):
            call(link)
    assert make(link).check()[0].level is Level.FAIL
    publish(link, follow=True)
    assert link.is_symlink()
    assert "new-token" in env.read_text()
    assert make(link, follow=True).published(PLACE)["API_TOKEN"].reveal() == "new-token"


def test_a_file_with_two_names_is_denied(env):
    os.link(env, env.parent / "other")
    with pytest.raises(Denied, match="hard links"):
        publish(env)
    assert "old" in env.read_text()


def test_what_is_no_file_is_denied(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "pipe"):
        with pytest.raises(Denied):
            make(tmp_path / name).published(PLACE)


def test_a_file_that_is_too_large_is_refused(env):
    env.write_bytes(b"#" * (MOST + 1))
    with pytest.raises(Refused):
        publish(env)


def test_a_key_that_stands_twice_is_foreign_and_the_line_is_named(env):
    env.write_text("API_TOKEN=a\nB=1\nexport API_TOKEN=b\n")
    for call in (publish, lambda path: make(path).published(PLACE)):
        with pytest.raises(Foreign, match=rf"{env}, line 3: API_TOKEN is set here and in line 1"):
            call(env)
    assert env.read_text() == "API_TOKEN=a\nB=1\nexport API_TOKEN=b\n"


@pytest.mark.parametrize("quote", ["none", "shell"])
@pytest.mark.parametrize(
    "line", ["API_TOKEN=old; export API_TOKEN", "API_TOKEN=old HOST=db1", "API_TOKEN='old' && export API_TOKEN HOST=db1"]
)
def test_a_line_that_says_more_than_our_value_is_foreign_and_stays_whole(env, line, quote):
    env.write_text(f"A=1\n{line}\n")
    for call in (lambda: publish(env, quote=quote), lambda: make(env, quote=quote).published(PLACE)):
        with pytest.raises(Foreign, match=rf"{env}, line 2: more than a value stands behind API_TOKEN"):
            call()
    assert env.read_text() == f"A=1\n{line}\n"


@pytest.mark.parametrize(
    ("content", "quote"),
    [
        ("A=1\nAPI_TOKEN=old # why\n", "none"),
        ("A=1\n# C:\\\nAPI_TOKEN=old\n", "none"),
        ("A=1\n# C:\\\n", "none"),
        ("LAST=C:\\data\\\n", "none"),
        ("LAST=C:\\data\\\n", "shell"),
        ("# windows\r\n", "none"),
        ("# windows\r\n", "shell"),
    ],
)
def test_a_file_that_some_reader_would_read_differently_is_foreign_and_stays_as_it_is(env, content, quote):
    env.write_text(content, newline="")
    with pytest.raises(Foreign, match="edit the file by hand"):
        publish(env, quote=quote)
    assert env.read_bytes().decode() == content


@pytest.mark.parametrize("keys", [{}, {"1A": "secret"}, {"A B": "secret"}, {"A-B": "secret"}, {"": "secret"}, {"A\n": "secret"}])
def test_a_place_needs_keys_that_an_env_file_can_hold(env, keys):
    before = env.read_text()
    for call in (
        lambda one, place: one.publish(place, place.values({"secret": Secret("x")}), "v", 1),
        lambda one, place: one.published(place),
    ):
        with pytest.raises(Refused):
            call(make(env), Place("p", "", keys))
    assert env.read_text() == before


def test_a_value_that_needs_quotes_is_refused_and_the_old_one_stays(env):
    with pytest.raises(Refused, match="quote: shell") as no:
        make(env).publish(PLACE, {"API_TOKEN": Secret("a$canary")}, "v1", 1)
    assert "canary" not in str(no.value)
    assert "API_TOKEN=old" in env.read_text()


@pytest.mark.parametrize("who", [{"owner": "no-such-user"}, {"group": "no-such-group"}])
def test_a_user_that_is_not_there_is_denied(env, who):
    with pytest.raises(Denied, match="no-such"):
        publish(env, **who)
    assert make(env, **who).check()[0].level is Level.FAIL
    assert "old" in env.read_text()


class Busy(Disk):
    def rename(self, old, new, folder):
        raise OSError(errno.EBUSY, "Device or resource busy")


def test_a_file_that_is_a_mount_point_is_denied_with_the_way_out(env):
    with pytest.raises(Denied, match="mount its directory"):
        publish(env, disk=Busy())
    assert names_in(env.parent) == [".env.lock", "env"]


@pytest.mark.parametrize("mode", ["9", "rw", "0999", "640 ", "", "04755"])
def test_a_mode_is_what_chmod_takes(mode):
    with pytest.raises(ValidationError, match="chmod"):
        EnvFileSettings(path="x", mode=mode)


@pytest.mark.parametrize(("mode", "instead"), [("0666", "0640"), ("602", "0600"), ("0777", "0750")])
def test_a_mode_by_which_everybody_could_change_the_secret_is_refused_with_one_to_write(mode, instead):
    with pytest.raises(ValidationError, match=f'every user of this machine could change the secret: write `mode: "{instead}"`'):
        EnvFileSettings(path="x", mode=mode)


def test_a_lock_that_another_holds_is_unreachable(env):
    with Folder.open(str(env.parent)) as folder, folder.lock(".env.lock", 1, FakeSeam()), pytest.raises(Unreachable, match="held"):
        publish(env, seam=FakeSeam())


# ---- faults


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_fault_at_any_call_leaves_the_old_file_or_the_new_and_no_part_of_it(tmp_path, code):
    failed, contents = [], ("A=1\nAPI_TOKEN=old\n", "A=1\nAPI_TOKEN=new-token\n")
    for n, disk in each_fault(code):
        env = tmp_path / str(n) / "env"
        env.parent.mkdir()
        env.write_text(contents[0])
        try:
            publish(env, disk=disk)
        except Unreachable:
            failed.append(disk.failed)
        assert env.read_text() in contents
        assert names_in(env.parent) == [".env.lock", "env"]
        publish(env)
        assert env.read_text() == contents[1]
    assert failed == ["create", "write", "fsync", "rename", "fsync"]


def test_a_disk_that_takes_a_few_bytes_at_a_time_gets_them_all(env):
    publish(env, disk=ShortDisk())
    assert env.read_text() == "A=1\nAPI_TOKEN=new-token\nB=2\n"


def test_what_a_killed_writer_left_is_swept(env):
    (env.parent / ".env.0123abcd.tmp").write_text("API_TOKEN=secret")
    publish(env)
    assert names_in(env.parent) == [".env.lock", "env"]
