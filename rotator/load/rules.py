"""What a spec may ask for, rule by rule. Each yields the keys inside the spec where it is broken, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rotator.destination import Attested
from rotator.generate import check_policy, strength
from rotator.load import shapes
from rotator.load.config import Connection
from rotator.load.draft import Draft, Wrong
from rotator.load.fit import OneValue, forbidden, is_replica, made_of, marks_by_name, misnamed, one_field, one_value, reads_path, unfit
from rotator.load.sites import site
from rotator.model import Place, Reached, Shape
from rotator.schedule import spoken

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TWO = 2


def allowed(d: Draft) -> Wrong:
    """The owner says who may ask for what."""
    limits = d.connection.allow
    if limits and not limits.schedule(d.file):
        yield ("target", "connection"), f"connection `{d.connection.name}` is not for this schedule file: see its `allow` in rotator.yaml"
    if limits:
        for principal in d.facts.principals:
            if not limits.principal(principal):
                yield ("target",), f"connection `{d.connection.name}` does not allow this principal: see its `allow` in rotator.yaml"
                break
        if not limits.store(d.store.name, d.path):
            yield ("store", "path"), f"connection `{d.connection.name}` does not allow this store and path: see its `allow` in rotator.yaml"
    if d.store.allow and not d.store.allow.schedule(d.file):
        yield ("store",), f"store `{d.store.name}` is not for this schedule file: see its `allow` in rotator.yaml"
    for index, (_, entry, _cls) in enumerate(d.places):
        if entry.allow and not entry.allow.schedule(d.file):
            yield ("publish", index), f"destination `{entry.name}` is not for this schedule file: see its `allow` in rotator.yaml"
    for index, (_wish, entry, _most) in enumerate(d.reloads):
        if entry.allow and not entry.allow.schedule(d.file):
            yield ("reload", index), f"reload `{entry.name}` is not for this schedule file: see its `allow` in rotator.yaml"


def principals(d: Draft) -> Wrong:
    """Who is rotated: somebody, twice nobody, and never the admin of the connection."""
    names = d.facts.principals
    if not names or any(not each or shapes.CONTROL.search(each) for each in names):
        yield ("target",), "a principal is not empty and has no control character"
    if len(set(names)) != len(names):
        yield ("target",), "the two users that take turns must be different"
    if d.facts.shape.is_set and len(names) > _TWO:
        yield ("target",), "at most two users take turns"
    if d.written.own:
        yield ("self",), "rotating a connection's own admin is not supported yet: leave it out"
    elif d.facts.admin is not None and d.facts.admin in names:
        yield ("target",), f"this is the admin of connection `{d.connection.name}` itself: rotating it would lock the runner out"


def times(d: Draft) -> Wrong:
    """Grace and soak fit into the schedule, and all of it into the policy."""
    every, grace, soak = d.when.longest, d.grace, d.soak
    if grace + soak >= every and every:
        yield _first(d, "grace", "soak"), f"grace + soak ({spoken(grace + soak)}) must be shorter than every ({spoken(every)})"
    policy = d.policy
    if policy.max_grace is not None and grace > policy.max_grace:
        yield _first(d, "grace"), f"longer than the policy's max_grace: write at most {spoken(policy.max_grace)}"
    if policy.max_age is not None and every + grace + soak > policy.max_age:
        total = f"every ({spoken(every)}) + grace ({spoken(grace)}) + soak ({spoken(soak)})"
        yield _first(d, "when", "grace", "soak"), f"{total} is more than the policy's max_age, {spoken(policy.max_age)}"
    lifetime = d.facts.lifetime
    if lifetime is not None and grace + soak >= lifetime - max(lifetime / 10, grace + soak):
        yield _first(d, "grace", "soak"), f"a credential lives {spoken(lifetime)}: grace + soak must be less than half of that"


def shape(d: Draft) -> Wrong:
    """What the target cannot do is not asked of it."""
    can, kind = d.facts.can, d.facts.shape
    if kind is Shape.ISSUE and can.max_live == 1:
        yield ("target",), "this target holds one credential at a time: a new one could not be proven before the old one dies"
    if kind is Shape.IN_PLACE and d.grace:
        yield _first(d, "grace"), "one user with one secret has no grace, the old secret dies as the new one is set: write `grace: 0s`"
    if d.soak and not can.disables and not (kind is Shape.IN_PLACE and d.grace):
        yield _first(d, "soak"), "this target cannot switch a credential off and on again: write `soak: 0s`"
    if kind is not Shape.IN_PLACE and d.grace < d.staleness:
        yield _first(d, "grace"), f"consumers may read an old value for {spoken(d.staleness)}: write a grace of at least that"


def stores(d: Draft) -> Wrong:
    """The store can keep a record at this path, and show all fields there."""
    whole, at = one_field(d.store), forbidden(d.store, d.path)
    if whole:
        yield ("store",), f"store `{d.store.name}` has {whole.shown}, and a store shows all fields: {whole.several}"
    if is_replica(d.store):
        yield ("store",), f"store `{d.store.name}` is a replica, which keeps no records: name one in the primary's region"
    if at:
        yield ("store", "path"), at


def places(d: Draft) -> Wrong:
    """Consumers get what they need, once, from every place."""
    seen: set[str] = set()
    sites: dict[object, str] = {(site(d.store), d.path): d.store.name}
    for index, (wish, entry, cls) in enumerate(d.places):
        where, path = ("publish", index), wish.path or d.path
        if entry.name in seen:
            yield where, f"`{entry.name}` stands here twice: write one entry with all keys"
        elif cls.by_path and sites.setdefault((site(entry), path), entry.name) != entry.name:
            other = sites[site(entry), path]
            yield where, f"this is the very document that `{other}` writes: choose another `path`, or leave this place out"
        seen.add(entry.name)
        yield from ((((*where, key) if key else where), text) for key, text in _place(d, wish, entry, cls))
        yield from _keys(d, index, wish, one_value(entry), by_path=cls.by_path)


def _place(d: Draft, wish: shapes.Publish, entry: Connection, cls: Any) -> Iterator[tuple[str | None, str]]:
    """What is wrong with one place: the key inside its entry, or None, and what to write."""
    if issubclass(cls, Attested) and wish.accept is None:
        yield None, "nobody can look whether this place shows it: write `accept: attested` if that will do"
    if wish.accept is not None and not issubclass(cls, Attested):
        yield "accept", "this place can be read back, and is: leave it out"
    if wish.path is not None and not reads_path(entry):
        yield "path", f"nothing reads this: the file is what `{entry.name}` in rotator.yaml names; leave it out"
    wrong = misnamed(entry, Place(entry.name, wish.path or d.path, wish.keys))
    if not wrong and cls.by_path and wish.path is not None:
        wrong = forbidden(entry, wish.path)
    if wrong:
        yield ("path" if wish.path else None), wrong
    public, secret = d.facts.fields
    if not wish.keys and is_replica(entry):
        yield None, f"a replica shows all of its primary: say which fields are ours, `keys: {{{public}: {public}, {secret}: {secret}}}`"
    elif not wish.keys and not cls.by_path and not one_value(entry):
        yield None, f"`keys` says what the fields are called here: `keys: {{NAME: {secret}}}`"


def _keys(d: Draft, index: int, wish: shapes.Publish, one: OneValue | None, *, by_path: bool) -> Wrong:
    where, (public, secret) = ("publish", index, "keys"), d.facts.fields
    two = d.facts.shape is Shape.ALTERNATING
    for key, source in wish.keys.items():
        if source not in d.facts.fields:
            yield (*where, key), f"the target has no such field: it has `{public}` and `{secret}`"
        if not by_path and not _VARIABLE.fullmatch(key):
            yield (*where, key), "the name of a variable has letters, digits and `_`, and begins with no digit"
    if wish.keys and secret not in wish.keys.values():
        yield where, f"`{secret}` is missing: what is published is proven by logging in with it"
    if one:
        yield from ((where, each) for each in one.wrong(wish.keys, secret, two=two))
    elif wish.keys and two and public not in wish.keys.values():
        yield where, f"`{public}` is missing: two users take turns, so consumers must read which one it is"


def values(d: Draft) -> Wrong:
    """Every place takes whatever is made: else the old one is dead, and its successor cannot be shown."""
    (public, secret), is_set = d.facts.fields, d.facts.shape.is_set
    users = "".join(sorted(set("".join(d.facts.principals)))) if is_set else ""
    made = d.password.alphabet if is_set else made_of(d.facts.type)
    for index, (wish, entry, _cls) in enumerate(d.places):
        for field, alphabet in ((public, users), (secret, made)):
            wrong = unfit(entry, alphabet) if field in wish.keys.values() else None
            if wrong:
                yield ("publish", index), f"`{field}` {wrong}"


def reloads(d: Draft) -> Wrong:
    """Each is told once, and is asked for no more than it can show."""
    seen: set[str] = set()
    for index, (wish, entry, most) in enumerate(d.reloads):
        if entry.name in seen:
            yield ("reload", index), f"`{entry.name}` stands here twice: leave one"
        seen.add(entry.name)
        if asked(wish) > most:
            yield ("reload", index), _too_much(wish, entry.name, most)
        if marks_by_name(entry) and not d.name[-1].isalnum():
            yield ("reload", index), f"`{entry.name}` writes the rotation's name into an annotation: let it end with a letter or digit"


def asked(wish: shapes.ReloadWish) -> Reached:
    """The level that is asked; what is left out is `accepted`."""
    return Reached[wish.ack or Reached.accepted.name]


def _too_much(wish: shapes.ReloadWish, name: str, most: Reached) -> str:
    if wish.ack is None:
        return f"reload `{name}` never shows more than `{most.name}`: if that will do, write `{{name: {name}, ack: {most.name}}}`"
    return f"reload `{name}` never shows more than `{most.name}`, and `ack: {wish.ack}` asks for more"


def passwords(d: Draft) -> Wrong:
    """Where the core makes the secret, it is strong enough for everybody, and for the policy."""
    own, bound = d.written.password, d.policy.password
    if own is None:
        return
    if not d.facts.shape.is_set:
        yield ("password",), "the target makes the secret itself: leave this out"
        return
    wrong = check_policy(d.password)
    if wrong:
        yield ("password",), wrong
    elif bound and (d.password.length < bound.length or strength(d.password) < strength(bound)):
        yield ("password",), f"weaker than the policy's: at least {bound.length} characters, from an alphabet as large"


def secrets_of_teams(d: Draft) -> Wrong:
    """A schedule refers to no secret: those belong to the owner."""
    from rotator.load.secrets import references

    if next(references(d.facts.settings), None) is not None:
        yield ("target",), "a schedule refers to no secret: that belongs into the connection in rotator.yaml"


RULES = (allowed, principals, times, shape, stores, places, values, reloads, passwords, secrets_of_teams)


def advice(d: Draft) -> Wrong:
    """What is no error, and worth a word."""
    if d.facts.shape is Shape.IN_PLACE and d.staleness:
        yield ("store",), f"consumers may read the dead secret for {spoken(d.staleness)} after each rotation"


def _first(d: Draft, *keys: str) -> tuple[str, ...]:
    """The first of these that the spec itself says."""
    return next(((key,) for key in keys if key in d.block), (keys[0],))
