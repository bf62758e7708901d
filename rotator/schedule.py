"""When a spec is due. Pure: the time comes in as an argument.

A cron expression is read in its named time zone, and each local slot fires once: one that the clock skips in spring fires at the moment
of the change (together with whatever else is due then), one that the clock shows twice in autumn fires the first time.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

DAY = 86400
UNITS = {"s": 1, "m": 60, "h": 3600, "d": DAY}
ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
NEVER = "this cron expression never fires: no month that it names has such a day"
_LONGEST = 250
_FIELD = r"[0-9A-Za-z*][0-9A-Za-z*,/-]*"
_FIVE = re.compile(rf"({_FIELD}) ({_FIELD}) ({_FIELD}) ({_FIELD}) ({_FIELD})")
_WORDS = frozenset("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC SUN MON TUE WED THU FRI SAT".split())  # noqa: SIM905 - reads better
_FIRST_YEAR, _YEARS = 2024, 56
"""After 28 years days of the week fall on the same dates again (but for 2100): twice that shows every gap whole."""
_FEW_YEARS = 9
"""Enough where no day of the week is asked for, and to see every kind of change that a zone's clock makes."""


def duration(text: str) -> float:
    """Seconds of `30d`, `12h`, `15m` or `45s`. Raises `ValueError`."""
    match = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    if match is None:
        raise ValueError("a duration is a number and a unit: 30d, 12h, 15m or 45s")
    return float(int(match[1]) * UNITS[match[2]])


def spoken(seconds: float) -> str:
    """A duration in words that `duration` reads, one unit after another: `31d 1h`."""
    words, left = [], round(seconds)
    for unit, size in sorted(UNITS.items(), key=lambda each: -each[1]):
        count, left = divmod(left, size)
        if count:
            words.append(f"{count}{unit}")
    return " ".join(words) or "0s"


@dataclass(frozen=True)
class Every:
    """Due so many seconds after the last slot."""

    seconds: float

    def slot(self, last_slot: float, now: float) -> float | None:
        """The newest of `last_slot + k * seconds` that is due; None where none is."""
        times = (now - last_slot) // self.seconds
        return last_slot + times * self.seconds if times >= 1 else None

    def next_slot(self, last_slot: float, now: float) -> float:  # noqa: ARG002 - the contract of `When`
        """When the first slot after `last_slot` comes; `now` or earlier if it is due."""
        return last_slot + self.seconds

    @property
    def longest(self) -> float:
        """The longest time from one slot to the next, in seconds."""
        return self.seconds


@dataclass(frozen=True)
class Cron:
    """Due when a cron expression fires in a named time zone. Construct it by `cron`, which refuses what can never fire."""

    expression: str
    timezone: str = "UTC"

    def slot(self, last_slot: float, now: float) -> float | None:
        """The last fire that is not later than `now`, if it is later than `last_slot`."""
        last = _last(self, now)
        return last if last is not None and last > last_slot else None

    def next_slot(self, last_slot: float, now: float) -> float:  # noqa: ARG002 - the contract of `When`
        """The first fire after `last_slot`; `now` or earlier if it is due."""
        return _next(self, last_slot)

    @property
    def longest(self) -> float:
        """The longest time between two fires, in seconds, changes of the clock included."""
        return _longest(self)


def cron(expression: str, timezone: str = "UTC") -> Cron:
    """A `Cron` that is sure to fire. Raises `ValueError`, which says what is wrong and never what was written."""
    _zone(timezone)
    _table(expression)
    if not _days(_table(expression).day_fields):
        raise ValueError(NEVER)
    return Cron(expression, timezone)


# ---- reading an expression


@dataclass(frozen=True)
class _Table:
    """A read expression: when on a day (seconds after midnight by the wall clock), and the three fields that choose days."""

    seconds: tuple[int, ...]
    day_fields: str
    days: CronSim


@lru_cache(maxsize=4096)
def _table(expression: str) -> _Table:
    fields = len(expression) <= _LONGEST and _FIVE.fullmatch(ALIASES.get(expression.lower(), " ".join(expression.split())))
    if not fields:
        raise ValueError("a cron expression has five fields: minute, hour, day of month, month, day of week; or @daily and its kin")
    if any(word.upper() not in _WORDS for word in re.findall("[A-Za-z]+", fields[0])):
        raise ValueError("a cron expression knows numbers, *, lists, ranges, steps, and the names JAN to DEC and SUN to SAT")
    day_fields = " ".join(fields.group(3, 4, 5))
    try:
        parsed = CronSim(fields[0], datetime(2024, 1, 1, tzinfo=UTC))
    except CronSimError:
        raise ValueError(_which(fields[0])) from None
    seconds = tuple(sorted(hour * 3600 + minute * 60 for hour in parsed.hours for minute in parsed.minutes))
    return _Table(seconds, day_fields, _day_table(day_fields))


def _which(expression: str) -> str:
    """What is wrong, in words."""
    for number, name in enumerate(("minute", "hour", "day of month", "month", "day of week")):
        alone = ["*"] * 5
        alone[number] = expression.split()[number]
        try:
            CronSim(" ".join(alone), datetime(2024, 1, 1, tzinfo=UTC))
        except CronSimError:
            return f"the {name} of this cron expression cannot be read, or is out of its range"
    return NEVER


@lru_cache(maxsize=1024)
def _day_table(day_fields: str) -> CronSim:
    return CronSim(f"0 0 {day_fields}", datetime(2024, 1, 1, tzinfo=UTC))


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    try:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_+/-]*", name):
            raise ValueError
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise ValueError("no such time zone: write a name of the tz database, such as Europe/Berlin or UTC") from None


# ---- days


def _month_after(day: date, step: int) -> date:
    """The first day of the next month, or the last day of the month before."""
    first = day.replace(day=1)
    return (first + timedelta(days=32)).replace(day=1) if step > 0 else first - timedelta(days=1)


def _walk(table: CronSim, start: date, step: int) -> Iterator[date]:
    """The days that match, from `start` on, forwards or backwards, for as many years as make sure."""
    day, end = start, start.toordinal() + step * 366 * _YEARS
    while step * day.toordinal() < step * end:
        if day.month not in table.months:
            day = _month_after(day, step)
            continue
        if table.match_day(day):
            yield day
        day += timedelta(days=step)


@lru_cache(maxsize=1024)
def _days(day_fields: str) -> int | None:
    """The most days from one that matches to the next; None where none does."""
    years = _FEW_YEARS if day_fields.endswith(" *") else _YEARS
    days = list(_ordinals(_day_table(day_fields), years))
    return max((late - early for early, late in pairwise(days)), default=years * 366) if days else None


def _ordinals(table: CronSim, years: int) -> Iterator[int]:
    """The days of so many years that match, counted as `date.toordinal` does: of these numbers Sundays divide by seven."""
    weekdays = {int(each) % 7 for each in table.weekdays if isinstance(each, int)}
    for year in range(_FIRST_YEAR, _FIRST_YEAR + years):
        for month in sorted(table.months):
            before = date(year, month, 1).toordinal() - 1
            for day in range(1, monthrange(year, month)[1] + 1):
                named, weekday = day in table.days, (before + day) % 7 in weekdays
                if (named and weekday) if table.day_and else (named or weekday):
                    yield before + day


# ---- moments


def _moment(day: date, second: int, zone: ZoneInfo) -> float:
    """The moment of a local slot: of a doubled one the first, of a skipped one the change of the clock."""
    local = datetime(day.year, day.month, day.day, second // 3600, second // 60 % 60, tzinfo=zone)
    early, late = local.timestamp(), local.replace(fold=1).timestamp()
    return early if early <= late else _change(late, early, zone)  # PEP 495: in a gap fold=0 is the later moment


def _change(before: float, after: float, zone: ZoneInfo) -> float:
    """The first second between two moments at which the clock stands changed."""
    old = datetime.fromtimestamp(before, zone).utcoffset()
    low, high = int(before), int(after)
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == old:
            low = middle
        else:
            high = middle
    return float(high)


def _last(when: Cron, now: float) -> float | None:
    """The last fire that is not later than `now`."""
    table, zone = _table(when.expression), _zone(when.timezone)
    start = datetime.fromtimestamp(now, zone).date() + timedelta(days=1)
    for day in _walk(table.days, start, -1):
        count = bisect_right(table.seconds, now, key=lambda second: _moment(day, second, zone))
        if count:
            return _moment(day, table.seconds[count - 1], zone)
    return None


def _next(when: Cron, after: float) -> float:
    """The first fire later than `after`."""
    table, zone = _table(when.expression), _zone(when.timezone)
    start = datetime.fromtimestamp(after, zone).date() - timedelta(days=1)
    for day in _walk(table.days, start, 1):
        count = bisect_right(table.seconds, after, key=lambda second: _moment(day, second, zone))
        if count < len(table.seconds):
            return _moment(day, table.seconds[count], zone)
    raise ValueError(NEVER)  # pragma: no cover - `cron` refused it


# ---- the longest gap


@lru_cache(maxsize=4096)
def _longest(when: Cron) -> float:
    """By the wall clock from the fields; and around each moment at which clocks go back, which makes a gap longer, as it is."""
    table = _table(when.expression)
    found = _days(table.day_fields)
    assert found is not None, "`cron` refused it"
    within = max((late - early for early, late in pairwise(table.seconds)), default=0)
    longest = float(max(within, found * DAY + table.seconds[0] - table.seconds[-1]))
    for moment in _goes_back(when.timezone):
        before = _last(when, moment - 1)
        if before is not None:
            longest = max(longest, _next(when, before) - before)
    return longest


@lru_cache(maxsize=1024)
def _goes_back(timezone: str) -> tuple[float, ...]:
    """The moments, over some years, at which this zone's clocks go back."""
    zone, moments = _zone(timezone), []
    start = datetime(_FIRST_YEAR, 1, 1, tzinfo=UTC).timestamp()
    offsets = [datetime.fromtimestamp(start + day * DAY, zone).utcoffset() for day in range(_FEW_YEARS * 366)]
    for day, (old, new) in enumerate(pairwise(offsets)):
        if old is not None and new is not None and new < old:
            moments.append(_change(start + day * DAY, start + (day + 1) * DAY, zone))
    return tuple(moments)
