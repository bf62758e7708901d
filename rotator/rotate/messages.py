"""How a run ended, in words: what happened, and what to do next. One table for exit codes, `status`, docs and the recovery handbook."""

from __future__ import annotations

from dataclasses import dataclass

from rotator.errors import Exit


@dataclass(frozen=True)
class End:
    """One way to end. `text` and `fix` are completed with what is known of the spec."""

    exit: Exit
    text: str
    fix: str | None = None


DONE = {
    "ADOPT": "taken over",
    "PROMOTE": "rotated: the new credential is current",
    "UNDO": "gone back to the earlier credential",
    "ABORT": "the new credential was taken back",
    "BURY": "a dead credential that came back was killed again",
    "CONFIRM": "the old credential is proven dead",
    "SWEEP": "a credential of ours that the record did not know was found, and is on its way out",
}
"""Steps of this run that an operator wants to hear of, in words."""

ENDS: dict[str, End] = {
    "at rest": End(Exit.DONE, "nothing more to do before the next slot"),
    "grace": End(Exit.DONE, "the old credential stays alive until its grace is over"),
    "soak": End(Exit.DONE, "the old credential is switched off; it is deleted when nobody has missed it"),
    "hold": End(Exit.DONE, "the old credential is kept alive by a hold"),
    "stopped": End(Exit.FAILED, "stopped between two steps, as asked; the next run goes on", "run it again"),
    "not forced": End(Exit.FAILED, "not rotated now: what was forced waits", "force it again once that is over"),
    "not begun": End(Exit.FAILED, "stopped, as asked, before anything was begun", "give the same command again"),
    "time": End(Exit.FAILED, "the time of one run is over; the next run goes on", "run it again"),
    "not_before": End(Exit.FAILED, "an earlier attempt failed; the next one waits", "`rotator run {spec}` does not wait"),
    "adopt": End(
        Exit.HUMAN,
        "nothing is known of this spec yet",
        "take it over: `rotator adopt {spec} --from …` or `rotator adopt {spec} --new`; where another store has it: `rotator store move`",
    ),
    "format": End(Exit.HUMAN, "the record was written by a newer version of rotator", "use that version or a newer one"),
    "elsewhere": End(
        Exit.HUMAN,
        "the record that counts is in another store",
        "write that store in the spec; where a move did not end: `rotator store move {spec} --to STORE` again, the spec as it was",
    ),
    "moved": End(Exit.DONE, "the record is in the other store"),
    "identity": End(
        Exit.HUMAN,
        "the record is about another environment or target than the spec",
        "correct the spec; or let an unfinished rotation end under the old one, and adopt anew: `rotator adopt {spec} --from …`",
    ),
    "foreign_change": End(
        Exit.HUMAN,
        "somebody else's hand changed the credential at the target; nothing was overwritten",
        "find out who; then `rotator adopt {spec} --from …` with the one that works, or `rotator undo {spec}` while the old one lives; "
        "where nobody knows one that works: `rotator adopt {spec} --new`",
    ),
    "foreign_change of place": End(
        Exit.HUMAN,
        "a place shows a value that is none of ours; it was not overwritten",
        "find out whose; then `rotator resolve {spec} --overwrite PLACE`",
    ),
    "orphan.suspect": End(
        Exit.HUMAN,
        "a credential lives at the target that may be ours or somebody else's; it was not touched",
        "find out whose; then `rotator resolve {spec} --accept ID` or `--revoke ID`",
    ),
    "expired": End(
        Exit.HUMAN,
        "the current credential has expired, and the old one is in the way of a new one",
        "`rotator adopt {spec} --new`, or `rotator adopt {spec} --from …` with one that works",
    ),
    "revoked and still alive": End(
        Exit.HUMAN, "the old credential was revoked twice and still logs in", "revoke it at the target by hand; the next run proves it"
    ),
    "lease": End(Exit.BUSY, "another runner works on this spec", "wait for it, or for its lease to lapse (5 minutes)"),
    "conflict": End(Exit.BUSY, "another runner changed the record in mid-run; this one stopped", "the next run goes on"),
    "lapsed": End(Exit.FAILED, "this run's lease lapsed before its next effect; it stopped", "the next run goes on"),
    "open place": End(
        Exit.UNPROVEN,
        "a place does not show the new credential yet, or a reload is open; nothing is revoked before",
        "mend what keeps it open; the next run tries again",
    ),
    "overdue": End(
        Exit.UNPROVEN,
        "the current credential is older than its policy allows",
        "see what keeps it from being rotated: `rotator status {spec}`",
    ),
    "leaked": End(
        Exit.UNPROVEN,
        "the current credential is marked as leaked and still lives: no new one could be made yet",
        "where the old one is in the way: `rotator compromise {spec} --version previous`; `retire: true` makes no new one: take it out",
    ),
    "not observed": End(
        Exit.UNPROVEN,
        "all that can be done is done, but a place shows nobody what it holds",
        "see a consumer log in with it, then `rotator resolve {spec} --seen PLACE`; or let a reload reach `adopted`",
    ),
    "used": End(
        Exit.UNPROVEN, "the old credential is still in use; it is not revoked yet", "find the consumer that has not taken up the new one"
    ),
    "clock": End(
        Exit.UNPROVEN,
        "the clocks are more than 60 s apart; nothing is revoked",
        "set the clock of this machine; where it is right, and was ahead when the record was written: `rotator resolve {spec} --clock`",
    ),
    "check": End(Exit.FAILED, "CHECK found what must be mended first"),
    "ledger": End(Exit.FAILED, "the audit ledger does not take events, so nothing is done"),
    "failed": End(Exit.FAILED, "not done"),
    "died": End(Exit.FAILED, "the run's process ended before its run did", "the next run goes on where this one stopped"),
    "refused": End(Exit.FAILED, "refused"),
    "cut off": End(Exit.FAILED, "not done; in place, a consumer may be cut off until the next run", "run it again at once"),
}
"""By the `why` of a step that ends a run, or of `Stopped`."""

IN_PLACE = {
    "open place": End(
        Exit.FAILED,
        "a place does not show the new credential yet, or a reload is open, and the old one is dead: who reads there is cut off",
        "mend what keeps it open, and run it again at once",
    )
}
"""Ends that are worse where one user has one secret."""


def end_of(why: str, *, in_place: bool) -> End:
    """How a run ended that ended for this reason."""
    return IN_PLACE.get(why, ENDS[why]) if in_place else ENDS[why]
