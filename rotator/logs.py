"""Logs and events of one process: words for people, JSON lines for machines, and nothing in either that could hold a secret.

What may come out: our own sentences, plain values (text, numbers, booleans), events of the audit. Of an exception its type, and the
message only where it is one of ours. Of a record that another library logged its logger, its place in the code and, where the library
left the filling-in to `logging`, its template without the values: they are where secrets travel (botocore logs whole response bodies).

Importing this module imports structlog (0.1 s): the command line does so only in commands that log.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Mapping, MutableMapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import structlog

from rotator.audit import Event, Result
from rotator.errors import BadInput, RotatorError
from rotator.files import PRIVATE_FILE
from rotator.ledgers.report import printable
from rotator.ledgers.show import sentence

LEVELS = ("debug", "info", "warning", "error", "critical")
"""What `--log-level` may say."""
PINNED = ("botocore", "boto3", "s3transfer", "urllib3", "httpx", "httpcore", "psycopg", "hvac", "asyncio", "requests", "py.warnings")
"""Loggers of others that never say less than a warning, whatever the level. All others are held to that by our handler, too."""
OURS = "rotator"
_STANDARD = tuple(logging.getLevelNamesMapping()[each.upper()] for each in LEVELS)
_EVENT = "_event"
"""Under this key an event of the audit goes through structlog."""


class Sink:
    """Where lines go: a stream, as words or as JSON. A stream that fails loses lines, never a run; the next line says how many."""

    def __init__(self, stream: TextIO, *, json: bool) -> None:
        self.stream, self.json = stream, json
        self.lost = 0

    def event(self, event: Event) -> None:
        """One event: in JSON exactly as it stands in the ledger, so that the copy can be verified like the ledger itself."""
        self.line(event.line() if self.json else sentence(event))

    def line(self, text: str) -> None:
        """One line, whole."""
        try:
            if self.lost:
                self.stream.write(f"{self._lost()}\n")
            self.stream.write(f"{text}\n")
            self.stream.flush()
        except (OSError, ValueError):  # a full disk, a closed pipe or stream: the ledger is the record, this is a copy
            self.lost += 1
        else:
            self.lost = 0

    def _lost(self) -> str:
        told = f"{self.lost} lines were lost: this stream did not take them"
        return json.dumps({"level": "error", "event": told}) if self.json else told


def file_sink(path: Path, *, json: bool = True) -> Sink:
    """A sink that adds to a file, made for us alone where it is missing. `BadInput` where that cannot be done."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, PRIVATE_FILE)
    except OSError as error:
        raise BadInput(f"the log file cannot be written: {error.strerror}", where=str(path), fix="name a file that we may write") from None
    return Sink(open(file, "a", encoding="utf-8", errors="backslashreplace"), json=json)  # noqa: PTH123 - a descriptor, for the life of the process


class _State:
    """The one set-up of this process."""

    main: Sink | None = None
    extra: tuple[Sink, ...] = ()


def configure(level: str = "info", *, json: bool = False, stream: TextIO | None = None, sinks: Sequence[Sink] = ()) -> None:
    """Set up the logs of this process; may be called again. Logs and events go to `stream` (standard error), events also to `sinks`.

    `BadInput` for an unknown level.
    """
    if level.lower() not in LEVELS:
        raise BadInput(f"there is no log level of this name; one of {', '.join(LEVELS)}", where="--log-level")
    number = logging.getLevelNamesMapping()[level.upper()]
    _State.main, _State.extra = Sink(stream or sys.stderr, json=json), tuple(sinks)
    structlog.configure(
        processors=[structlog.processors.add_log_level, _safe, _render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=_Out,
        cache_logger_on_first_use=False,
    )
    _pin(number)


def _pin(level: int) -> None:
    """Others' loggers say warnings at least, through our handler alone; ours say what the level allows."""
    root = logging.getLogger()
    for old in [each for each in root.handlers if isinstance(each, _Handler)]:
        root.removeHandler(old)
    root.addHandler(_Handler())
    root.setLevel(logging.WARNING)
    logging.getLogger(OURS).setLevel(level)
    for name in PINNED:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # else a call that does not format prints its values


def emit(event: Event) -> None:
    """Pass an event of the ledger on to the log and to the sinks. Never raises; what the ledger took is not undone by a log."""
    bad = event.outcome in (Result.FAILURE, Result.UNKNOWN)
    logger().log(logging.WARNING if bad else logging.INFO, event.event, **{_EVENT: event})
    for each in _State.extra:
        each.event(event)


def logger() -> Any:
    """Our logger: `logger().info("sentence", name=value)`. Values that are not plain are shown as their type."""
    if _State.main is None:
        configure()
    return structlog.get_logger()


class _Out:
    """The end of structlog's chain: the line goes to the main sink."""

    def __init__(self, *_: Any) -> None:
        pass

    def msg(self, line: str) -> None:
        assert _State.main is not None
        _State.main.line(line)

    log = debug = info = warning = error = critical = msg


def _safe(_logger: Any, _method: str, entry: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Plain values stay, exceptions become what may be said of them, all else its type."""
    trouble = entry.pop("exc_info", None)
    entry.pop("stack_info", None)
    safe = {name: value if name == _EVENT else plain(value) for name, value in entry.items()}
    if trouble:
        error = trouble if isinstance(trouble, BaseException) else sys.exc_info()[1]
        safe["error"] = said(error) if error else "unknown"
    return safe


def plain(value: Any) -> Any:
    """A value for a log: text, numbers and booleans as they are, exceptions as `said`, anything else by its type alone."""
    if value is None or type(value) in (str, int, float, bool):
        return value
    if isinstance(value, BaseException):
        return said(value)
    if isinstance(value, str):  # an enum's
        return str(value)
    return f"<{type(value).__name__}>"


def said(error: BaseException) -> str:
    """What may be said of an exception: its type and where it was raised; its message only where it is one of ours."""
    trace, where = error.__traceback__, ""
    while trace is not None:
        where, trace = _place(trace), trace.tb_next
    message = f": {error}" if isinstance(error, RotatorError) else ""
    return f"{type(error).__name__}{where}{message}"


def _place(trace: TracebackType) -> str:
    return f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


def _render(_logger: Any, _method: str, entry: Mapping[str, Any]) -> str:
    assert _State.main is not None
    event = entry.get(_EVENT)
    if isinstance(event, Event):
        return event.line() if _State.main.json else sentence(event)
    now = datetime.now(UTC)
    if _State.main.json:
        return json.dumps({"ts": now.isoformat(timespec="milliseconds"), **entry}, ensure_ascii=False)
    rest = "".join(f" {name}={value}" for name, value in entry.items() if name not in ("event", "level"))
    return printable(f"{now:%H:%M:%S} {entry['level']}: {entry['event']}{rest}")


class _Handler(logging.Handler):
    """Records of the standard library's `logging`, ours and others'."""

    def emit(self, record: logging.LogRecord) -> None:
        """Pass it on; below a warning only what is ours."""
        ours = record.name == OURS or record.name.startswith(f"{OURS}.")
        if not ours and record.levelno < logging.WARNING:
            return
        level = max((each for each in _STANDARD if each <= record.levelno), default=logging.DEBUG)
        about: dict[str, Any] = {"logger": record.name, "at": f"{record.module}:{record.lineno}"}
        if record.exc_info and record.exc_info[1]:
            about["error"] = said(record.exc_info[1])
        logger().log(level, _message(record, ours=ours), **about)


def _message(record: logging.LogRecord, *, ours: bool) -> str:
    """Ours is filled in; of another library's only a template is shown, and only where the values are apart from it."""
    if not ours:
        return str(record.msg) if record.args and record.msg != "%s" else "a library warns; its message is not shown: it may hold values"
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - whatever a value's __str__ raises: a log call stops nothing
        return "a log call does not fit its values"


def guard_hooks() -> None:
    """What nobody catches is logged as `said` says, never with its message or locals: main thread, other threads, destructors.

    For a process of our own; may be called twice.
    """
    sys.excepthook = lambda _kind, error, _trace: _uncaught("stopped by", error)
    threading.excepthook = lambda args: _uncaught("a thread was stopped by", args.exc_value)
    sys.unraisablehook = lambda args: _uncaught("ignored in a destructor:", args.exc_value)


def _uncaught(what: str, error: BaseException | None) -> None:
    logger().error(f"{what} {said(error) if error else 'an unknown error'}")
