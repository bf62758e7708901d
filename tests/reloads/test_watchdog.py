"""The watchdog behind a call that may take longer than others."""

import faulthandler

from rotator.worker import SLACK, WATCHDOG, WorkerSeam


def test_it_is_armed_anew_for_a_longer_call_and_for_the_shorter_one_after_it(monkeypatch):
    armed = []
    monkeypatch.setattr(faulthandler, "dump_traceback_later", lambda seconds, **how: armed.append((seconds, how["exit"])))
    seam = WorkerSeam()
    for seconds in (11, 11, 61, 61, 11):
        with seam.deadline(seconds):
            pass
    assert armed == [(each + WATCHDOG + SLACK, True) for each in (11, 61, 11)]
    seam.disarm()
