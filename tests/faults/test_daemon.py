"""The daemon goes on."""

import signal
import time

from field import end

PATIENCE = 60.0


def test_a_ledger_deleted_under_a_daemon_is_begun_anew_and_the_loss_is_found(new_field):
    field = new_field()
    field.rotations = {each: field.rotations[each] for each in ("solo", "duo")}
    for each in ("solo", "duo"):
        field.rotations[each]["when"] = {"every": "2s"}
    field.write()
    field.adopt_fast(*field.rotations)
    with (field.folder / "daemon.log").open("wb") as log:
        process = field.start("daemon", stdout=log, stderr=log)
        try:
            turns(field, process, 1)
            for each in field.folder.glob("var/ledger.db*"):
                each.unlink()
            turns(field, process, 1)
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
        finally:
            end(process)
    for each in ("solo", "duo"):
        field.rotations[each]["when"] = {"every": "30d"}
    field.write()
    field.rest(runs=2)
    verified = field.rotator("audit", "verify")
    assert verified.code == 1
    assert "local:team/solo" in verified.out
    assert "Traceback" not in (field.folder / "daemon.log").read_text()


def turns(field, process, count):
    """Wait for so many rotations of both."""
    begun = {each: field.record(each).generation for each in ("solo", "duo")}
    until = time.monotonic() + PATIENCE
    while any(field.record(each).generation < begun[each] + count for each in begun):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.1)
