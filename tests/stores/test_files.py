import errno
import grp
import os
import pwd

import pytest

from rotator.errors import BadInput, Denied, Refused, Unreachable
from rotator.files import (
    Disk,
    Folder,
    file_system,
    is_remote,
    port_error,
    read_secret_file,
    refuse_loose,
    refuse_writable,
    replace_atomically,
)
from rotator.seam import Seam
from rotator.testing.fake_seam import FakeSeam

root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to other users")


def a_file(path, mode=0o600, content="s3cret-canary\n"):
    path.write_text(content, newline="")
    path.chmod(mode)
    return str(path)


def names_in(path):
    return sorted(each.name for each in path.iterdir())


# ---- who may read and write


def test_a_file_of_ours_alone_is_taken(tmp_path):
    path = a_file(tmp_path / "key")
    refuse_loose(path, "store key")
    assert read_secret_file(path, "store key").reveal() == "s3cret-canary"


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o604, 0o602, 0o666])
def test_a_secret_file_that_others_may_read_or_write_is_refused_with_the_way_out(tmp_path, mode):
    path = a_file(tmp_path / "key", mode)
    for check in (refuse_loose, read_secret_file):
        with pytest.raises(BadInput) as no:
            check(path, "store key")
        assert f"chmod 600 {path}" in str(no.value)
        assert f"{mode:04o}" in str(no.value)
        assert "canary" not in str(no.value)


@root
@pytest.mark.parametrize("check", [refuse_loose, refuse_writable, read_secret_file])
def test_a_file_of_another_user_is_refused(tmp_path, check):
    path = a_file(tmp_path / "key")
    os.chown(path, 12345, 0)
    with pytest.raises(BadInput, match="belongs to user 12345"):
        check(path, "file")


@pytest.mark.parametrize("check", [refuse_loose, read_secret_file])
def test_a_secret_file_is_no_symbolic_link_and_no_pipe_and_is_there(tmp_path, check):
    (tmp_path / "link").symlink_to(a_file(tmp_path / "key"))
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("link", "pipe", "nowhere"):
        with pytest.raises(BadInput):
            check(str(tmp_path / name), "store key")


@pytest.mark.parametrize(("content", "secret"), [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a ", "a "), ("", "")])
def test_one_line_break_at_the_end_is_left_out(tmp_path, content, secret):
    assert read_secret_file(a_file(tmp_path / "key", content=content), "key").reveal() == secret


def test_bytes_that_are_no_text_and_files_without_end_are_refused(tmp_path):
    (tmp_path / "raw").write_bytes(b"\xff\x00")
    (tmp_path / "long").write_bytes(b"x" * ((1 << 20) + 1))
    for name in ("raw", "long"):
        (tmp_path / name).chmod(0o600)
        with pytest.raises(BadInput):
            read_secret_file(str(tmp_path / name), "key")


@pytest.mark.parametrize(("mode", "good"), [(0o644, True), (0o600, True), (0o646, False), (0o602, False)])
def test_configuration_may_be_read_by_all_and_written_by_no_other(tmp_path, mode, good):
    path = a_file(tmp_path / "rotator.yaml", mode)
    if good:
        return refuse_writable(path, "configuration")
    with pytest.raises(BadInput, match="chmod go-w"):
        refuse_writable(path, "configuration")
    return None


@root
def test_only_the_owners_private_group_may_write_configuration(tmp_path):
    path, me = a_file(tmp_path / "rotator.yaml", 0o664), pwd.getpwuid(0)
    private = grp.getgrgid(me.pw_gid)
    assert (private.gr_name, private.gr_mem) == (me.pw_name, [])
    refuse_writable(path, "configuration")
    os.chown(path, 0, grp.getgrnam("daemon").gr_gid)
    with pytest.raises(BadInput):
        refuse_writable(path, "configuration")
    os.chown(path, 0, 54321)
    with pytest.raises(BadInput):
        refuse_writable(path, "configuration")


# ---- replacing, locking


def test_a_file_is_replaced_with_its_mode_and_nothing_is_left_beside_it(tmp_path):
    for content in (b"one", b"two"):
        replace_atomically(str(tmp_path / "f"), content, mode=0o640)
        assert (tmp_path / "f").read_bytes() == content
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o640
    assert names_in(tmp_path) == ["f"]


def test_the_mode_does_not_hang_on_the_umask_and_a_link_is_replaced_not_followed(tmp_path):
    (tmp_path / "real").write_text("kept")
    (tmp_path / "f").symlink_to("real")
    before = os.umask(0o777)
    try:
        replace_atomically(str(tmp_path / "f"), b"new", mode=0o604)
    finally:
        os.umask(before)
    assert (tmp_path / "f").lstat().st_mode & 0o777 == 0o604
    assert (tmp_path / "real").read_text() == "kept"


class Interrupting(Disk):
    def rename(self, old, new, folder):
        assert os.stat(old, dir_fd=folder).st_mode & 0o777 == 0o600
        raise KeyboardInterrupt


def test_an_interrupted_replacement_leaves_the_old_file_and_no_other(tmp_path):
    replace_atomically(str(tmp_path / "f"), b"old")
    with pytest.raises(KeyboardInterrupt):
        replace_atomically(str(tmp_path / "f"), b"new", disk=Interrupting())
    assert (tmp_path / "f").read_bytes() == b"old"
    assert names_in(tmp_path) == ["f"]


def test_a_sweep_takes_what_killed_writers_left_and_nothing_else(tmp_path):
    names = [".f.0123abcd.tmp", ".f.0123abcd.tmp2", ".f.xyz.tmp", ".g.0123abcd.tmp", "f", "f.lock"]
    for name in names:
        (tmp_path / name).touch()
    with Folder.open(str(tmp_path)) as folder:
        folder.sweep("f")
    assert names_in(tmp_path) == sorted(names[1:])


def test_a_lock_is_waited_for_until_the_deadline_and_never_removed(tmp_path):
    seam = FakeSeam()
    with Folder.open(str(tmp_path)) as one, one.lock("f.lock", 1, Seam()), Folder.open(str(tmp_path)) as other:
        begun = seam.ticks()
        with pytest.raises(TimeoutError, match=r"f\.lock for 5 s"), other.lock("f.lock", 5, seam):
            pass
        assert 5 <= seam.ticks() - begun < 5.1
    with Folder.open(str(tmp_path)) as other, other.lock("f.lock", 0, seam):
        assert names_in(tmp_path) == ["f.lock"]


def test_a_lock_file_is_no_symbolic_link(tmp_path):
    (tmp_path / "f.lock").symlink_to("elsewhere")
    with Folder.open(str(tmp_path)) as folder, pytest.raises(OSError, match="symbolic"), folder.lock("f.lock", 1, Seam()):
        pass
    assert not (tmp_path / "elsewhere").exists()


# ---- where, and in words


def test_the_file_system_is_told_and_network_ones_are_known(tmp_path):
    with Folder.open(str(tmp_path)) as folder, Folder.open("/proc") as proc:
        assert file_system(folder.fd) not in (None, "proc")
        assert file_system(proc.fd) == "proc"
    assert file_system(1 << 20) is None
    assert [each for each in ("nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse", "fuse.sshfs", "virtiofs") if not is_remote(each)] == []
    assert [each for each in ("ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "fuseblk", None) if is_remote(each)] == []


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOSPC, Unreachable), (errno.EIO, Unreachable), (errno.EROFS, Unreachable), (errno.EDQUOT, Unreachable),
        (errno.EMFILE, Unreachable), (errno.EACCES, Denied), (errno.EPERM, Denied), (errno.ELOOP, Denied), (errno.EBUSY, Denied),
        (errno.ENOENT, Denied), (errno.ENAMETOOLONG, Refused), (errno.EFBIG, Refused),
    ],
)  # fmt: skip
def test_each_answer_of_the_system_has_its_class_and_its_code(code, kind):
    error = port_error(OSError(code, os.strerror(code)), "write x")
    assert type(error) is kind
    assert error.code == errno.errorcode[code]
    assert str(error).startswith("write x: ")
    assert port_error(OSError("odd"), "write x").code is None
