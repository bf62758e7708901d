"""What is said of a ledger that cannot be used, and of one that is not there."""

import errno
import sqlite3
from pathlib import Path

import pytest

from rotator.errors import LedgerFailed
from rotator.ledgers import place
from rotator.ledgers.trouble import of_sqlite, of_system, troubles_of_reading


def test_every_answer_of_sqlite_and_of_the_system_has_words(tmp_path):
    strange = of_sqlite(sqlite3.Error("the text of the library"), tmp_path)
    assert "the text of the library" not in str(strange)
    assert "it cannot be used (Error)" in str(strange)
    odd = of_system(OSError("no number"), tmp_path)
    assert "the operating system refused (OSError)" in str(odd)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_who_only_reads_is_never_led_to_the_right_to_write(tmp_path, number):
    with pytest.raises(LedgerFailed) as caught, troubles_of_reading(tmp_path):
        raise OSError(number, "x")
    assert caught.value.where == str(tmp_path)
    assert "`--ledger sqlite:///COPY`" in caught.value.fix
    assert "write" not in caught.value.fix


def test_a_ledger_in_a_folder_that_is_closed_to_us_may_be_there(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/ledger.db"
    assert not place.is_there(url)
    (tmp_path / "file").touch()
    assert place.is_there(f"sqlite:///{tmp_path}/file")
    assert not place.is_there(f"sqlite:///{tmp_path}/file/ledger.db")

    def closed(*_args, **_named):
        raise PermissionError(errno.EACCES, "x")

    monkeypatch.setattr(Path, "stat", closed)
    assert place.is_there(url)
