"""What `make bench` measures of a daemon is a daemon that has looked at everything, and sleeps."""

import time
from contextlib import closing

from rotator.testing.bench.commands import asleep, big_site
from rotator.wakes import open_index

DAY = 86_400.0


def test_the_daemon_that_is_measured_asleep_has_nothing_to_look_at_for_a_day(tmp_path, monkeypatch):
    big_site(tmp_path, 6, 2)
    (tmp_path / "var/store.key").touch(mode=0o600)
    (tmp_path / "var/store.key").write_text("a" * 43 + "=")
    monkeypatch.setenv("BENCH_ADMIN_PASSWORD", "unused")
    asleep(tmp_path)
    with closing(open_index(tmp_path / "var")) as wakes:
        assert wakes.due(time.time() + DAY - 60) == []
        assert len(wakes.due(time.time() + DAY + 60)) == 6
