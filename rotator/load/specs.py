"""Makes one spec of what is written: every part is looked at, also after one turned out wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rotator.errors import BadInput
from rotator.load import plugins, shapes
from rotator.load.check import told, validated
from rotator.load.config import Connection, Policy
from rotator.load.draft import Draft, Facts
from rotator.load.problems import absent
from rotator.load.rules import RULES, advice, asked
from rotator.load.sites import site
from rotator.load.yaml import Block
from rotator.model import Can, Place, Reached, Shape
from rotator.record import Identity
from rotator.reload import Reload
from rotator.schedule import Cron, Every
from rotator.spec import Named, PlaceSpec, ReloadSpec, RotationSpec
from rotator.target import IssueTarget, SwapTarget, Target

if TYPE_CHECKING:
    from rotator.load.teams import File

_PATIENT = 3600.0
"""Where the store counts writes, a failed run waits at least so long."""


class SpecReader:
    """One spec: every part is looked at, also after one turned out wrong."""

    def __init__(self, file: File, name: str, source: str, block: Block) -> None:
        self.file, self.reader, self.config = file, file.reader, file.config
        self.name, self.source, self.block = name, source, block

    def note(self, where: Sequence[object], text: str) -> None:
        """Note a problem at these keys inside the spec."""
        self.file.notes.add(("rotations", self.name, *where), text, self.name)

    def read(self) -> RotationSpec | None:
        """The spec; whoever calls looks whether a problem was noted on the way."""
        written = validated(shapes.Rotation, self.block, self.file.notes, ("rotations", self.name), spec=self.name)
        target = self._target()
        if written is None:
            return None
        if not (written.owner or self.file.defaults.owner or self.file.said):
            self.note(("owner",), "this is required, here or under `defaults`")
        store, places = self._store(written), self._places(written)
        reloads = self._reloads(written)
        policy = self._policy(written)
        when = self._when(written, policy) if policy else None
        if not (target and store and policy and when) or None in places or None in reloads:
            return None
        connection, facts = target
        draft = Draft(
            name=self.name, file=self.file.short, block=self.block, config=self.config, written=written, defaults=self.file.defaults,
            connection=connection, store=store[0], path=written.store.path, policy=policy, facts=facts, when=when,
            store_class=store[1], places=[each for each in places if each is not None],
            reloads=[each for each in reloads if each is not None],
        )  # fmt: skip
        return self._checked(draft)

    def _checked(self, draft: Draft) -> RotationSpec:
        for rule in RULES:
            for where, text in rule(draft):
                self.note(where, text)
        for where, text in advice(draft):
            self.file.warnings.add(("rotations", self.name, *where), text, self.name)
        self._alone(draft)
        return _made(draft, self.source)

    # ---- target

    def _target(self) -> tuple[Connection, Facts] | None:
        block = self.block.get("target")
        if not isinstance(block, Block):
            return None  # the shape of the spec said so
        head = {key: block[key] for key in ("type", "connection") if key in block}
        choice = validated(shapes.TargetChoice, head, self.file.notes, ("rotations", self.name, "target"), spec=self.name)
        if choice is None:
            return None
        connection = self._owned("connections", choice.connection, ("target", "connection"))
        cls = self._class("target", choice.type, plugins.target_class, ("target", "type"))
        if cls is None:
            return None
        rest = {key: value for key, value in block.items() if key not in head}
        where = ("rotations", self.name, "target")
        settings = validated(cls.settings, rest, self.file.notes, where, spec=self.name, also=("type", "connection"))
        if connection is None or settings is None:
            return None
        if cls.connection_type != connection.type:
            self.note(("target", "connection"), f"`{choice.type}` needs a connection of type `{cls.connection_type}`, and this is another")
            return None
        facts = self._facts(cls, connection, settings, choice.type, block)
        return (connection, facts) if facts else None

    def _facts(self, cls: type[Target[Any, Any]], connection: Connection, settings: Any, type: str, block: Block) -> Facts | None:
        if issubclass(cls, SwapTarget):
            self.note(("target", "type"), "this target kills the old credential as it makes the new one, which is not supported yet")
            return None
        try:
            target = self.reader.target(cls, connection, settings)
            can, names = target.can, tuple(target.principals)
            lifetime = getattr(target, "lifetime", None)
            _sound(can, lifetime, target.endpoint, target.admin or "", *names)
            return Facts(
                type=type, settings=settings, fields=cls.fields, shape=_shape(cls, can.max_live, len(names)), can=can,
                endpoint=target.endpoint, principals=names, admin=target.admin, lifetime=lifetime,
            )  # fmt: skip
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything, or even end the process
            self.note(("target",), told(error, block))
            return None

    # ---- what belongs to the owner

    def _owned(self, section: str, name: str, where: Sequence[object]) -> Any:
        """An entry of rotator.yaml. One that is broken was said to be so where it stands."""
        entries = getattr(self.config, section)
        found = entries.get(name)
        if found is None:
            if name in self.reader.owned.broken[section] or self.file.said:
                self.reader.bad(self.name)
            else:
                self.note(where, absent(section, name, entries))
        return found

    def _class(self, kind: str, type: str, find: Callable[..., Any], where: Sequence[object]) -> Any:
        found = self.reader.cached(kind, type, find)
        if isinstance(found, BadInput):
            self.note(where, f"{found.what}. {found.fix}" if found.fix else found.what)
            return None
        return found

    def _store(self, written: shapes.Rotation) -> tuple[Connection, Any] | None:
        default = self.file.defaults.store
        name = written.store.name or (default.name if default else None)
        if name is None and not self.file.said:
            self.note(("store", "name"), "this is required, here or under `defaults`")
        if name is None:
            return None
        where = ("store", "name") if written.store.name else ("store",)
        entry = self._owned("stores", name, where)
        cls = entry and self._class("store", entry.type, plugins.store_class, where)
        return (entry, cls) if cls else None

    def _places(self, written: shapes.Rotation) -> list[tuple[shapes.Publish, Connection, Any] | None]:
        found: list[tuple[shapes.Publish, Connection, Any] | None] = []
        for index, wish in enumerate(written.publish):
            where = ("publish", index, "destination")
            entry = self._owned("destinations", wish.destination, where)
            cls = entry and self._class("destination", entry.type, plugins.destination_class, where)
            found.append((wish, entry, cls) if cls else None)
        return found

    def _reloads(self, written: shapes.Rotation) -> list[tuple[shapes.ReloadWish, Connection, Reached] | None]:
        found: list[tuple[shapes.ReloadWish, Connection, Reached] | None] = []
        for index, wish in enumerate(written.reload):
            entry = self._owned("reloads", wish.name, ("reload", index, "name"))
            cls = entry and self._class("reload", entry.type, plugins.reload_class, ("reload", index))
            most = self._most(cls, entry, index) if cls else None
            found.append((wish, entry, most) if most else None)
        return found

    def _most(self, cls: type[Reload[Any]], entry: Connection, index: int) -> Reached | None:
        """The highest level that this reload can show."""
        try:
            return Reached(cls.most(entry.settings))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything, or even end the process
            self.note(("reload", index), told(error, self.block))
            return None

    def _policy(self, written: shapes.Rotation) -> Policy | None:
        name = written.policy or self.file.defaults.policy
        if name is None:
            return Policy("")
        policy: Policy | None = self._owned("policies", name, ("policy",))
        return policy

    def _when(self, written: shapes.Rotation, policy: Policy) -> Every | Cron | None:
        shape = written.when or self.file.defaults.when
        if shape is None:
            if policy.every is None and not self.file.said:
                self.note(("when",), "this is required, or a policy that says `every`")
            return Every(policy.every) if policy.every is not None else None
        when = self.reader.when(shape)
        if isinstance(when, str):
            self.note(("when",), when)
            return None
        return when

    # ---- between specs

    def _alone(self, draft: Draft) -> None:
        """No other spec has this principal, this path, or one of these keys."""
        account = _account(draft.connection)
        for principal in draft.facts.principals:
            self._claim(("principal", account, draft.facts.endpoint, principal), ("target",), "this principal is rotated by")
        self._claim(("place", site(draft.store), draft.path), ("store", "path"), "this path in the store belongs to")
        for index, (wish, entry, cls) in enumerate(draft.places):
            if cls.by_path:
                self._claim(("place", site(entry), wish.path or draft.path), ("publish", index), "this path there belongs to")
            for key in () if cls.by_path else wish.keys:
                self._claim(("key", site(entry), key), ("publish", index, "keys", key), "this key there is written by")

    def _claim(self, key: tuple[Any, ...], where: Sequence[object], text: str) -> None:
        other = self.reader.taken(key, self.name, self.source)
        if other is not None:
            self.note(where, f"{text} {other}: two specs would undo each other")


def _sound(can: Any, lifetime: Any, *words: Any) -> None:
    """Raise `TypeError` where a plugin's properties are not of the types they should be."""
    if not isinstance(can, Can) or not isinstance(lifetime, float | int | None) or not all(isinstance(each, str) for each in words):
        raise TypeError


def _account(connection: Connection) -> str:
    """Where all accounts share one endpoint, as at AWS, and none is named, principals are told apart by connection."""
    shared = connection.type == "aws" and not getattr(connection.settings, "account", None)
    return connection.name if shared else ""


def _shape(cls: type[Target[Any, Any]], max_live: int, users: int) -> Shape:
    if issubclass(cls, IssueTarget):
        return Shape.ISSUE
    if users > 1:
        return Shape.ALTERNATING
    return Shape.OVERLAPPING if max_live > 1 else Shape.IN_PLACE


def _place(path: str, wish: shapes.Publish, entry: Connection, _cls: Any) -> PlaceSpec:
    return PlaceSpec(Place(entry.name, wish.path or path, dict(wish.keys)), entry.named, wish.accept is not None)


def _made(d: Draft, source: str) -> RotationSpec:
    own = PlaceSpec(Place(d.store.name, d.path), d.store.named)
    others = [_place(d.path, *each) for each in d.places]
    return RotationSpec(
        name=d.name, source=source, owner=d.written.owner or d.defaults.owner or "",
        identity=Identity(d.config.environment, d.facts.type, d.facts.endpoint, d.facts.principals),
        shape=d.facts.shape, can=d.facts.can, target=Named(d.facts.type, d.connection.name, d.facts.settings),
        connection=d.connection.named, store=d.store.named, path=d.path, places=(own, *others), when=d.when,
        reloads=tuple(ReloadSpec(entry.name, asked(wish)) for wish, entry, _ in d.reloads),
        grace=d.grace, soak=d.soak, max_age=d.policy.max_age, lifetime=d.facts.lifetime, password=d.password, retire=d.written.retire,
        backoff_least=_PATIENT if d.store_class.limits.writes_per_day else 0.0, labels={**d.defaults.labels, **d.written.labels},
    )  # fmt: skip
