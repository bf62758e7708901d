"""Logs say what we say, and nothing that a library or an exception carries."""

import io
import json
import logging
import subprocess
import sys
import threading
import warnings

import pytest
import structlog

from rotator import logs
from rotator.audit import EventName, Phase, Result, link
from rotator.errors import BadInput, Denied
from rotator.ledgers.show import rows_of
from rotator.ledgers.verify import verify

SECRET = "hunter2-hunter2-hunter2"


@pytest.fixture(autouse=True)
def undone():
    """The set-up is the process's; give it back as it was."""
    root, names = logging.getLogger(), [logs.OURS, *logs.PINNED]
    before = (root.handlers[:], root.level, {each: logging.getLogger(each).level for each in names}, logging.raiseExceptions)
    hooks = (sys.excepthook, threading.excepthook, sys.unraisablehook, warnings.showwarning)
    yield
    logging.captureWarnings(False)
    root.handlers[:], root.level, levels, logging.raiseExceptions = before
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    sys.excepthook, threading.excepthook, sys.unraisablehook, warnings.showwarning = hooks
    logs._State.main, logs._State.extra = None, ()
    structlog.reset_defaults()


@pytest.fixture
def out():
    return io.StringIO()


def told(out):
    return [json.loads(line) for line in out.getvalue().splitlines()]


def failing():
    local = SECRET
    raise ValueError(f"the value {local} is no number")


# ---- our lines


def test_a_line_has_time_level_text_and_values(out):
    logs.configure("info", stream=out)
    logs.logger().info("the schedule was loaded", specs=3)
    assert out.getvalue()[8:] == " info: the schedule was loaded specs=3\n"
    logs.configure("info", json=True, stream=out)
    logs.logger().info("the schedule was loaded", specs=3, none=None)
    line = json.loads(out.getvalue().splitlines()[-1])
    assert line.pop("ts")
    assert line == {"level": "info", "event": "the schedule was loaded", "specs": 3, "none": None}


@pytest.mark.parametrize(("level", "count"), [("debug", 5), ("info", 4), ("warning", 3), ("ERROR", 2), ("critical", 1)])
def test_the_level_is_the_least_that_is_told(out, level, count):
    logs.configure(level, stream=out)
    for each in logs.LEVELS:
        getattr(logs.logger(), each)("a line")
        logging.getLogger("rotator.part").log(logging.getLevelNamesMapping()[each.upper()], "another")
    assert len(out.getvalue().splitlines()) == 2 * count


def test_an_unknown_level_is_bad_input():
    with pytest.raises(BadInput, match="one of debug, info"):
        logs.configure("loud")


def test_without_a_set_up_lines_go_to_standard_error(capsys):
    logs.logger().info("hello")
    captured = capsys.readouterr()
    assert "info: hello" in captured.err
    assert captured.out == ""


@pytest.mark.parametrize("as_json", [True, False])
def test_a_value_that_is_not_plain_is_shown_as_its_type(out, as_json):
    logs.configure("info", json=as_json, stream=out)
    logs.logger().info("a line", it={"password": SECRET}, them=[SECRET], raw=SECRET.encode(), kind=EventName.STEP, error=ValueError(SECRET))
    assert SECRET not in out.getvalue()
    for each in ("<dict>", "<list>", "<bytes>", "step", "ValueError"):
        assert each in out.getvalue()


def test_a_line_moves_no_cursor(out):
    logs.configure("info", stream=out)
    logs.logger().info("a\x1b[2Jb\nc", value="\r")
    assert out.getvalue()[:-1].isprintable()


def test_our_standard_loggers_are_filled_in_and_a_bad_call_stops_nothing(out):
    logs.configure("info", stream=out)
    logging.getLogger("rotator.x").info("%d of %d", 3, 4)
    logging.getLogger("rotator.x").info("%d of %s", SECRET, 4)
    logging.getLogger("rotator.x").log(25, "between the levels")
    lines = out.getvalue().splitlines()
    assert "info: 3 of 4 logger=rotator.x at=test_logs:" in lines[0]
    assert "does not fit its values" in lines[1]
    assert "info: between the levels" in lines[2]
    assert SECRET not in out.getvalue()


# ---- exceptions


@pytest.mark.parametrize("as_json", [True, False])
def test_of_a_foreign_exception_only_its_type_and_place_are_told(out, as_json):
    logs.configure("debug", json=as_json, stream=out)
    for log in (logs.logger(), logging.getLogger("rotator.x"), logging.getLogger("someone.else")):
        try:
            failing()
        except ValueError:
            log.exception("it failed")
    try:
        failing()
    except ValueError as error:
        logs.logger().error("it failed", exc_info=error, stack_info=True)
    assert out.getvalue().count("ValueError at test_logs.py:") == 4
    assert SECRET not in out.getvalue()


def test_of_our_own_exception_the_message_is_told(out):
    logs.configure("debug", stream=out)
    try:
        raise Denied("the admin may not do this", fix="GRANT x", where="orders-db")
    except Denied:
        logs.logger().exception("it failed")
    assert "Denied at test_logs.py:" in out.getvalue()
    assert "orders-db: the admin may not do this. GRANT x" in out.getvalue()


def test_exc_info_without_an_exception_says_so(out):
    logs.configure("debug", stream=out)
    logs.logger().error("nothing", exc_info=True)
    assert "error=unknown" in out.getvalue()


def test_what_nobody_catches_is_told_without_message_or_locals(out):
    logs.configure("debug", stream=out)
    logs.guard_hooks()
    logs.guard_hooks()
    try:
        failing()
    except ValueError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    thread = threading.Thread(target=failing)
    thread.start()
    thread.join()

    class Broken:
        def __del__(self):
            failing()

    broken = Broken()
    del broken
    sys.unraisablehook(type("Args", (), {"exc_value": None}))
    lines = out.getvalue().splitlines()
    assert [line.split(" at ")[0][9:] for line in lines] == [
        "error: stopped by ValueError",
        "error: a thread was stopped by ValueError",
        "error: ignored in a destructor: ValueError",
        "error: ignored in a destructor: an unknown error",
    ]
    assert SECRET not in out.getvalue()


# ---- other libraries


LIBRARIES = ["botocore.parsers", "boto3", "urllib3.connectionpool", "httpx", "httpcore", "psycopg.pool", "hvac", "asyncio"]


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_library_says_nothing_below_a_warning_whatever_the_level(out, name):
    logs.configure("debug", stream=out)
    logging.getLogger(name).debug("Response body: %s", SECRET)
    logging.getLogger(name).info("Response body: %s", SECRET)
    assert out.getvalue() == ""
    assert not logging.getLogger(name).isEnabledFor(logging.INFO)


def test_a_library_that_sets_its_own_level_is_still_not_heard_below_a_warning(out):
    logs.configure("debug", stream=out)
    logging.getLogger("anything.at.all").setLevel(logging.DEBUG)
    logging.getLogger("anything.at.all").info(SECRET)
    logging.getLogger("rotator_postgres").setLevel(logging.DEBUG)
    logging.getLogger("rotator_postgres").info(SECRET)
    assert out.getvalue() == ""


def test_of_a_librarys_warning_the_template_is_told_and_never_a_value(out):
    logs.configure("debug", stream=out)
    logging.getLogger("urllib3").warning("Retrying (%r) after connection broken by '%r': %s", 1, SECRET, f"/path?token={SECRET}")
    logging.getLogger("urllib3").error(*[f"the token was {SECRET}"])
    logging.getLogger("urllib3").error("%s", SECRET)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn(f"input was {SECRET}", stacklevel=1)
    lines = out.getvalue().splitlines()
    assert "warning: Retrying (%r) after connection broken by '%r': %s logger=urllib3" in lines[0]
    assert all("a library" in each for each in lines[1:])
    assert len(lines) == 4
    assert SECRET not in out.getvalue()


def test_setting_up_twice_does_not_tell_everything_twice(out):
    logs.configure("debug", stream=io.StringIO())
    logs.configure("debug", stream=out)
    logging.getLogger("rotator.x").info("once")
    assert len(out.getvalue().splitlines()) == 1


# ---- events


@pytest.fixture
def events(make_event):
    linked, head = link(
        [
            make_event(1, phase=Phase.INTENT, outcome=None),
            make_event(2, outcome=Result.UNKNOWN, error_type="Unreachable", error_message="no answer"),
        ],
        None,
    )
    return linked, head


def test_events_are_words_on_a_terminal(out, events):
    logs.configure("info", stream=out)
    for each in events[0]:
        logs.emit(each)
    assert out.getvalue() == "12:00:01 orders-db APPLY intent\n12:00:02 orders-db APPLY unknown: Unreachable: no answer\n"


def test_events_as_json_lines_are_those_of_the_ledger_and_can_be_proven(out, events, tmp_path):
    linked, head = events
    file = logs.file_sink(tmp_path / "events.jsonl")
    logs.configure("info", json=True, stream=out, sinks=[file])
    logs.logger().info("between")
    for each in linked:
        logs.emit(each)
    file.stream.close()
    written = (tmp_path / "events.jsonl").read_text().splitlines()
    assert written == [each.line() for each in linked] == out.getvalue().splitlines()[1:]
    assert verify(rows_of(out.getvalue().splitlines()), {"local:orders/db": head}).exit == 0
    assert (tmp_path / "events.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_level_hides_events_from_the_log_and_from_no_sink(out, events):
    sink = logs.Sink(io.StringIO(), json=False)
    logs.configure("warning", stream=out, sinks=[sink])
    for each in events[0]:
        logs.emit(each)
    assert len(out.getvalue().splitlines()) == 1
    assert len(sink.stream.getvalue().splitlines()) == 2


def test_a_log_file_is_added_to_and_a_link_is_not_followed(tmp_path, events):
    for _ in range(2):
        sink = logs.file_sink(tmp_path / "log", json=False)
        sink.event(events[0][0])
        sink.stream.close()
    assert len((tmp_path / "log").read_text().splitlines()) == 2
    (tmp_path / "link").symlink_to(tmp_path / "log")
    with pytest.raises(BadInput, match="cannot be written"):
        logs.file_sink(tmp_path / "link")


@pytest.mark.parametrize("as_json", [True, False])
def test_a_stream_that_fails_loses_lines_and_says_how_many(events, as_json):
    class Full(io.StringIO):
        full = True

        def write(self, text):
            if self.full:
                raise OSError(28, "No space left on device")
            return super().write(text)

    stream = Full()
    logs.configure("info", json=as_json, stream=stream)
    for each in events[0]:
        logs.emit(each)
    stream.full = False
    logs.emit(events[0][0])
    logs.emit(events[0][0])
    lines = stream.getvalue().splitlines()
    assert "2 lines were lost" in lines[0]
    assert len(lines) == 3


def test_a_closed_stream_stops_nothing(events):
    stream = io.StringIO()
    logs.configure("info", stream=stream)
    stream.close()
    logs.emit(events[0][0])
    assert logs._State.main.lost == 1


def test_structlog_is_imported_with_the_logs_and_not_with_the_ledger():
    told = "print('structlog' in sys.modules)"
    code = f"import sys, rotator.ledgers.sqlite, rotator.ledgers.commands; {told}; import rotator.logs; {told}"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "True"]
