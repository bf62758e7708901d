"""`rotator status`: age, due date and state of every spec, from the records alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from rotator.cli import Options, moved, render
from rotator.errors import Exit, RotatorError, worst

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rotator.cli.last_run import Trouble
    from rotator.ledgers.commands import Ended
    from rotator.load import Loaded
    from rotator.record import Previous, Record
    from rotator.spec import RotationSpec
    from rotator.step import Step
    from rotator.store import Store


@click.command("status")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.pass_obj
def command(options: Options, names: tuple[str, ...]) -> int:
    """Show what the records say: nothing is asked of a target, so it says what was last observed, not what is.

    Exit code 4: a spec waits for a human; 1: a record or the ledger cannot be read, or an attempt failed and the next one waits; 3: one is
    overdue or marked as leaked, a reload that was tried is still open, nobody saw the current one in a place that cannot be read, or a
    record belongs to no spec; 0: else. And as the last run that looked at target and places ended, where that is worse, until a later one
    ends otherwise: STATE says so, and when.
    """
    from rotator.cli.runs import acting, choose
    from rotator.cli.stores import open_stores

    loaded, _ = acting(options, names)
    ended = _ended(loaded)
    with open_stores(loaded.config) as stores:
        chosen = choose(loaded, names)
        others = dict(stores)
        rows = [_row(each, stores, others, (ended or {}).get(each.name, [])) for each in chosen]
        found = {at: row["spec"] for row in rows if (at := row.pop("at", None))}
        if not names:
            rows += _of_no_spec(loaded, stores, found)
    _tell_of_no_ledger(loaded, rows)
    for row in rows:
        row["last"] = next((f"{each.at} {each.why}" for each in (ended or {}).get(row["spec"], [])), None)
    unknown = [Exit.BAD_INPUT] * bool(loaded.problems) + [Exit.FAILED] * (ended is None)
    code = worst([*(row["exit"] for row in rows), *unknown])
    if options.json:
        specs = [{**row, "exit": int(row["exit"])} for row in rows]
        render.as_json({"exit": int(code), "specs": specs, "problems": [vars(each) for each in loaded.problems]})
    else:
        columns = ["spec", "state", "age", "due", "current", "pending", "previous", "reloads", "last", "waits_for"]
        if not any(row.get("reloads") for row in rows):
            columns.remove("reloads")
        render.blocks(columns, [{**row, "state": _state(row), "reloads": _told(row.get("reloads"))} for row in rows])
    return int(code)


def _ended(loaded: Loaded) -> dict[str, list[Ended]] | None:
    """How the last runs ended, by the ledger; none yet where there is no ledger. None: it cannot be read, and why is told."""
    from rotator.errors import LedgerFailed
    from rotator.ledgers.commands import last_ends
    from rotator.ledgers.place import is_there

    if not is_there(loaded.config.ledger_url):
        return {}
    try:
        return last_ends(loaded.config.ledger_url)
    except LedgerFailed as error:
        click.echo(f"rotator: {error}", err=True)
        return None


def _tell_of_no_ledger(loaded: Loaded, rows: Sequence[Mapping[str, Any]]) -> None:
    """Say that the ledger is not there where a record stands: a run wrote that, and its events before."""
    from rotator.ledgers.place import is_there, path_of

    url = loaded.config.ledger_url
    if any(row.get("current") or row.get("pending") for row in rows) and not is_there(url):
        told = "the audit ledger is not there, so how the last runs ended is not known; is its file system mounted?"
        click.echo(f"rotator: {path_of(url)}: {told} The next run begins a new one", err=True)


def _row(spec: RotationSpec, stores: Mapping[str, Store[Any]], others: dict[str, Store[Any]], ends: Sequence[Ended]) -> dict[str, Any]:
    """Of one spec. `others`: the stores that answer, where its record is looked for if its own has none; `ends`: of its runs."""
    try:
        record = stores[spec.store.name].read(spec.path)
    except RotatorError as error:
        return {
            "spec": spec.name,
            "state": "unreadable",
            "exit": Exit.HUMAN if error.exit_code is Exit.HUMAN else Exit.FAILED,
            "waits_for": str(error),
        }
    found = describe(spec, record, datetime.now(UTC).timestamp(), ends)
    if found["state"] == "elsewhere":
        at, words = moved.of_spec(spec.name, spec.chain, record, stores)
        found |= {"waits_for": words, "at": at}
    there = moved.in_another_store(spec, others) if found["state"] == "adopt" else None
    if there:
        found |= {"waits_for": f"its record is at {there}: {moved.command(spec.name, there, spec.chain)}", "at": there}
    return found


def _state(row: Mapping[str, Any]) -> str:
    """With the time at which a run saw it, where the record alone does not say it."""
    return f"{row['state']} (seen {row['seen']})" if row.get("seen") else str(row["state"])


def _told(reloads: Mapping[str, Mapping[str, str | None]] | None) -> str:
    """Each reload with the level that it reached; where that is less than asked, with both."""
    return ", ".join(
        f"{name} {each['reached']}" if not each["open"] else f"{name} open ({each['reached'] or 'nothing'}, {each['asked']} is asked)"
        for name, each in (reloads or {}).items()
    )


def _reloads(spec: RotationSpec, record: Record) -> dict[str, dict[str, Any]]:
    """What each reload of the spec is asked, and what it has reached for the current version."""
    from rotator.model import Reached
    from rotator.plan import reload_open

    found = {}
    for each in spec.reloads:
        got = record.reloads.get(each.name)
        level = got.level if got and record.current and got.version == record.current.id else None
        reached = Reached(level).name if level else None
        found[each.name] = {"asked": Reached(each.level).name, "reached": reached, "open": reload_open(record, each.name, each.level)}
    return found


def describe(spec: RotationSpec, record: Record, now: float, ends: Sequence[Ended] = ()) -> dict[str, Any]:
    """One spec's row: the plan is asked what comes next, by the record alone. `ends`: of its runs, newest first. Pure."""
    from rotator.cli.last_run import trouble
    from rotator.cli.runs import when
    from rotator.plan import plan, unobserved
    from rotator.schedule import spoken
    from rotator.step import Seen

    step = plan(spec, record, Seen(run="status", shows=dict(record.places)), now)
    state = step.why if step.ends else "due" if step.row in (11, 24) else "unfinished"
    c, p, q = record.current, record.pending, record.previous
    reloads, bad = _reloads(spec, record), trouble(ends, in_place=spec.in_place)
    own = _own_exit(spec, record, step, reloads)
    seen = bad if bad and (step.why == "not_before" or worst([own, bad.exit]) is not own) else None
    overdue = c is not None and not record.elsewhere and spec.max_age is not None and now - c.created > spec.max_age
    still = [name for name, each in reloads.items() if each["open"]] if record.attempts and c else []
    open_points = [f"{each} is still open" for each in still] + [f"{each} was not observed" for each in unobserved(spec, record)]
    open_points += ["current is marked as leaked"] if c is not None and c.id in record.compromised else []
    if seen:
        state, own = seen.why, seen.exit
    return {
        "spec": spec.name,
        "state": f"{state}, overdue" if overdue else state,
        "seen": seen.at if seen else None,
        "age": spoken(now - c.created) if c else None,
        "due": when(spec.when.next_slot(record.last_slot, now)) if c and not spec.retire else None,
        "current": c.credential.name if c else None,
        "pending": (p.credential.name if p.credential else "reserved") if p else None,
        "previous": f"{q.credential.name} ({_of_previous(spec, q)})" if q else None,
        "reloads": reloads,
        "waits_for": "; ".join(filter(None, [*_ways_on(spec, record, step, seen), *open_points])) or None,
        "exit": worst([own, Exit.UNPROVEN if overdue or open_points else Exit.DONE]),
    }


def _own_exit(spec: RotationSpec, record: Record, step: Step, reloads: Mapping[str, Mapping[str, Any]]) -> Exit:
    """What the record alone says: another's lease is no trouble, and a back-off is one while something is unfinished."""
    if step.why == "not_before":
        begun = record.pending or record.previous or not record.current or _unshown(spec, record)
        return Exit.FAILED if begun or any(each["open"] for each in reloads.values()) else Exit.DONE
    return Exit.DONE if step.exit in (None, Exit.BUSY) else step.exit


def _unshown(spec: RotationSpec, record: Record) -> list[str]:
    """Places that are not known to show current."""
    return [each for each in spec.place_names if record.current and record.places.get(each) != record.current.id]


def _ways_on(spec: RotationSpec, record: Record, step: Step, seen: Trouble | None) -> Iterator[str]:
    """What leads on from this state: what a human does, what the next run does and when, and which places are open."""
    from rotator.cli.runs import when
    from rotator.rotate.messages import ENDS, end_of

    why = seen.why if seen else step.why
    end = end_of(why, in_place=spec.in_place) if why in ENDS and (why != "not_before" or step.why != why) else None
    if end and end.fix and end.exit is not Exit.DONE:
        first = _second(spec, record) if why == "foreign_change" else ""
        fix = first + end.fix.format(spec=spec.name)
        yield f"{record.elsewhere}: {fix}" if step.why == "elsewhere" else fix
    if seen and why != step.why:
        yield f"why: `rotator dry-run {spec.name}`"
    if step.why == "not_before":
        yield f"tried again after {when(step.what)}: `rotator run {spec.name}` does not wait"
    elif step.name == "WAIT":
        yield f"until {when(step.what)}"
    elif not step.ends:
        yield f"next: {step.name} of {step.what[0]}" if step.name == "RELOAD" else f"next: {step.name}"
    yield from (f"{each} is not known to show the current one" for each in (_unshown(spec, record) if seen else []))


def _second(spec: RotationSpec, record: Record) -> str:
    """What to do where a human may have the second user or secret, which was to be ended; the run itself said which of the two it is."""
    q, second = record.previous, {"alternating": "--take-second", "overlapping": "--drop-second"}.get(spec.shape)
    if not second or not q or q.revoked or not (q.revoke_intent or q.disable_intent):
        return ""
    adopt = f"`rotator adopt {spec.name} --from …` with that, and {second}"
    return f"if what `rotator get {spec.name}` shows works, a human has the old one: once nobody needs it, {adopt}; else "


def _of_previous(spec: RotationSpec, q: Previous) -> str:
    """What was done to it: whether it is alive, nobody looked."""
    undone = "replaced" if spec.in_place else "not revoked"
    return "revoked" if q.revoked else "being revoked" if q.revoke_intent else "switched off" if q.disabled_at else undone


def _of_no_spec(loaded: Loaded, stores: Mapping[str, Store[Any]], gone: Mapping[str, str]) -> list[dict[str, Any]]:
    """Records that no spec speaks of: what they hold may live on, and nobody rotates it. `gone`: where records of specs are now."""
    known = {(each.store.name, each.path) for each in loaded.specs}
    rows = []
    for name, store in stores.items():
        try:
            paths = store.paths()
        except RotatorError as error:
            rows.append({"spec": None, "state": "unreadable", "exit": Exit.FAILED, "waits_for": f"store {name}: {error}"})
            continue
        for each in paths:
            fix = _lost(f"{name}:{each}", store, stores, gone) if (name, each) not in known else ""
            rows += [{"spec": f"{name}:{each}", "state": "of no spec", "exit": Exit.UNPROVEN, "waits_for": fix}] if fix else []
    return rows


def _lost(here: str, store: Store[Any], stores: Mapping[str, Store[Any]], gone: Mapping[str, str]) -> str:
    """What to do about a record of no spec; nothing where it names no credential (any more)."""
    try:
        record = store.read(here.partition(":")[2])
    except RotatorError as error:
        return str(error)
    if record.elsewhere:
        return moved.of_copy(here, record, stores)
    if not record.known() and not record.pending and not record.doomed:
        return ""
    if here in gone:
        return f"this is the record of {gone[here]}: write this store in the spec"
    return "put its spec back with `retire: true`, or remove the record once its credential is dead"
