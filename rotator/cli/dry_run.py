"""`rotator dry-run`: CHECK for real, and the steps that `run` would take. Nothing changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rotator.cli import Options, render
from rotator.cli.runs import acting, document, finding_document, make_job, new_runner, refuse_force_of_all, stopped, told_of, when
from rotator.errors import Exit, worst
from rotator.model import Shape

if TYPE_CHECKING:
    from rotator.rotate import RunResult
    from rotator.step import Step


@click.command("dry-run")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--force", is_flag=True, help="As `run --force` would; needs NAME.")
@click.pass_obj
def command(options: Options, names: tuple[str, ...], force: bool) -> int:
    """Look at target, store and places for real, and print the steps that `run` would take, what would be revoked and when.

    It takes no lock, writes no event and changes nothing. Exit code 0: run could do all of it; else what stands in its way.
    """
    refuse_force_of_all(names, force=force)
    loaded, specs = acting(options, names)
    runner = new_runner(loaded)
    jobs = [make_job(loaded, each, options=options, named=bool(names), forced=force, dry=True) for each in specs]
    found = {each.spec: each for each in runner.run(jobs)}
    results = [found[each.name] for each in specs if each.name in found]
    not_begun = len(specs) - len(results)
    codes = [*(each.exit for each in results), *([Exit.BAD_INPUT] if loaded.problems else [])]
    if not_begun:
        codes.append(stopped(not_begun, runner.stuck))
    code = worst(codes)
    if options.json:
        problems = [vars(each) for each in loaded.problems]
        render.as_json({"exit": int(code), "results": [document(each) for each in results], "problems": problems, "not_begun": not_begun})
    else:
        one_secret = {each.name for each in specs if each.shape in ONE_SECRET}
        for each in results:
            show(each, one_secret=each.spec in one_secret)
    return int(code)


def show(result: RunResult, *, one_secret: bool = False) -> None:
    """One spec: what was found, each line of what mends it, and the steps. `one_secret`: setting the new one ends the old one."""
    render.line(f"{result.spec}: {result.message}" + (f". {result.fix}" if result.fix else ""))
    for each in map(finding_document, result.findings):
        render.line(f"  {each['level']}: {each['text']}")
        for line in (each["fix"] or "").splitlines():
            render.line(f"      {line}")
    for step in result.steps:
        render.line(f"  would {words(step)}{GAP if one_secret and step.name in ('APPLY', 'ISSUE') else ''}")


def words(step: Step) -> str:
    """A step in words: its name first, as the audit has it."""
    told = f"{step.name} {TOLD.get(f'{step.name} {step.phase}'.strip(), TOLD.get(str(step.name), ''))}".rstrip()
    if isinstance(step.what, str):
        told += f" ({step.what})"
    if step.name == "RELOAD":
        told += " ({}, {} is asked)".format(*told_of(step))
    if step.name == "WAIT":
        told += f" until {when(step.what)}"
    return f"{told}: {step.why}" if step.why else told


ONE_SECRET = (Shape.IN_PLACE, Shape.SWAP)
"""Shapes with which setting the new secret ends the old one."""
GAP = ": the old one dies here, and who has it is cut off until PUBLISH has shown the new one"
TOLD = {
    "STAGE": "choose user and secret, and keep them in the record",
    "RESERVE": "note which ids live",
    "APPLY": "set the new secret at the target",
    "ISSUE": "let the provider mint a new one",
    "RECOVER intent": "look for what an unknown mint left behind",
    "RECOVER act": "revoke it",
    "VERIFY": "log in with the new one",
    "PROMOTE": "make it current",
    "PUBLISH intent": "write down that it is about to be shown where nobody can read it back",
    "PUBLISH act": "show it to consumers, read it back, log in with what was read",
    "PUBLISH complete": "start the old one's grace",
    "RELOAD": "tell consumers",
    "DISABLE intent": "read every place again and write down that the old one is switched off",
    "DISABLE act": "switch the old one off",
    "ENABLE": "switch the old one on again",
    "REVOKE intent": "read every place again and write down that the old one is revoked",
    "REVOKE act": "revoke the old one",
    "CONFIRM": "prove that the old one is refused",
    "ABORT": "take the new one back",
    "UNDO": "go back to the old one",
    "BURY": "see that a dead one stays dead",
    "SWEEP intent": "write down the orphans of ours",
    "SWEEP act": "revoke them",
    "SWEEP back": "switch on again what may be somebody else's",
    "SWEEP keep": "write down that an orphan of ours is the old one from now on: consumers may hold it",
    "WAIT": "wait",
    "REST": "rest",
    "STOP": "stop",
}
"""Every step in words, by its name and phase."""
