"""`rotator status`: age, due date and state of every spec, from the records alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from rotator.cli import Options, moved, render
from rotator.errors import Exit, RotatorError, worst

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.load import Loaded
    from rotator.record import Record
    from rotator.spec import RotationSpec
    from rotator.step import Step
    from rotator.store import Store


@click.command("status")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.pass_obj
def command(options: Options, names: tuple[str, ...]) -> int:
    """Show what the records say: nothing is asked of a target, so it says what was last observed, not what is.

    Exit code 4: a spec waits for a human; 1: a record cannot be read; 3: one is overdue or marked as leaked, a reload that was tried is
    still open, nobody saw the current one in a place that cannot be read, or a record belongs to no spec; 0: else.
    """
    from rotator.cli.runs import acting, choose
    from rotator.cli.stores import open_stores

    loaded, _ = acting(options, names)
    with open_stores(loaded.config) as stores:
        chosen = choose(loaded, names)
        others = dict(stores)
        rows = [_row(each, stores, others) for each in chosen]
        found = {at: row["spec"] for row in rows if (at := row.pop("at", None))}
        if not names:
            rows += _of_no_spec(loaded, stores, found)
    ended = _ended(loaded)
    for row in rows:
        row["last"] = ended.get(row["spec"])
    code = worst([*(row["exit"] for row in rows), *([Exit.BAD_INPUT] if loaded.problems else [])])
    if options.json:
        specs = [{**row, "exit": int(row["exit"])} for row in rows]
        render.as_json({"exit": int(code), "specs": specs, "problems": [vars(each) for each in loaded.problems]})
    else:
        columns = ["spec", "state", "age", "due", "current", "pending", "previous", "reloads", "last", "waits_for"]
        if not any(row.get("reloads") for row in rows):
            columns.remove("reloads")
        render.result(columns, [{**row, "reloads": _told(row.get("reloads"))} for row in rows], json=False)
    return int(code)


def _ended(loaded: Loaded) -> dict[str, str]:
    """How the last runs ended, by the ledger; what cannot be read is told, and shows nothing."""
    from rotator.errors import LedgerFailed
    from rotator.ledgers.commands import last_outcomes
    from rotator.ledgers.place import path_of

    if not path_of(loaded.config.ledger_url).exists():
        return {}
    try:
        return last_outcomes(loaded.config.ledger_url)
    except LedgerFailed as error:
        click.echo(f"rotator: {error}", err=True)
        return {}


def _row(spec: RotationSpec, stores: Mapping[str, Store[Any]], others: dict[str, Store[Any]]) -> dict[str, Any]:
    """Of one spec. `others`: the stores that answer, where its record is looked for if its own has none."""
    try:
        record = stores[spec.store.name].read(spec.path)
    except RotatorError as error:
        return {
            "spec": spec.name,
            "state": "unreadable",
            "exit": Exit.HUMAN if error.exit_code is Exit.HUMAN else Exit.FAILED,
            "waits_for": str(error),
        }
    found = describe(spec, record, datetime.now(UTC).timestamp())
    if found["state"] == "elsewhere":
        at, words = moved.of_spec(spec.name, spec.chain, record, stores)
        found |= {"waits_for": words, "at": at}
    there = moved.in_another_store(spec, others) if found["state"] == "adopt" else None
    if there:
        found |= {"waits_for": f"its record is at {there}: {moved.command(spec.name, there, spec.chain)}", "at": there}
    return found


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


def describe(spec: RotationSpec, record: Record, now: float) -> dict[str, Any]:
    """One spec's row: the plan is asked what comes next, with what the record says of the places. Pure."""
    from rotator.cli.runs import when
    from rotator.plan import plan, unobserved
    from rotator.rotate.messages import ENDS
    from rotator.schedule import spoken
    from rotator.step import Seen

    step = plan(spec, record, Seen(run="status", shows=dict(record.places)), now)
    state = step.why if step.ends else "due" if step.row in (11, 24) else "unfinished"
    c, p, q = record.current, record.pending, record.previous
    overdue = c is not None and not record.elsewhere and spec.max_age is not None and now - c.created > spec.max_age
    reloads, blind = _reloads(spec, record), unobserved(spec, record)
    still = [name for name, each in reloads.items() if each["open"]] if record.attempts and c else []
    end = ENDS.get(step.why)
    fix = end.fix.format(spec=spec.name) if end and end.fix and end.exit is not Exit.DONE else None
    fix = f"{record.elsewhere}: {fix}" if step.why == "elsewhere" else fix
    leaked = ["current"] if c is not None and c.id in record.compromised else []
    open_points = [f"{each} is still open" for each in still] + [f"{each} was not observed" for each in blind]
    open_points += [f"{each} is marked as leaked" for each in leaked]
    unproven = overdue or open_points
    exit = step.exit if step.exit in (Exit.HUMAN, Exit.UNPROVEN) else Exit.UNPROVEN if unproven else Exit.DONE
    return {
        "spec": spec.name,
        "state": f"{state}, overdue" if overdue else state,
        "age": spoken(now - c.created) if c else None,
        "due": when(spec.when.next_slot(record.last_slot, now)) if c and not spec.retire else None,
        "current": c.credential.name if c else None,
        "pending": (p.credential.name if p.credential else "reserved") if p else None,
        "previous": _previous(q) if q else None,
        "reloads": reloads,
        "waits_for": "; ".join(filter(None, [fix or _waits_for(step), *open_points])) or None,
        "exit": exit,
    }


def _waits_for(step: Step) -> str:
    from rotator.cli.runs import when

    if step.name == "WAIT":
        return f"until {when(step.what)}"
    if step.ends:
        return ""
    return f"next: {step.name} of {step.what[0]}" if step.name == "RELOAD" else f"next: {step.name}"


def _previous(q: Any) -> str:
    state = "revoked" if q.revoked else "being revoked" if q.revoke_intent else "switched off" if q.disabled_at else "alive"
    return f"{q.credential.name} ({state})"


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
