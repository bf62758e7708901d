"""What the destinations that come with rotator cannot show, whatever is tried: said as files are read, before a run finds it out.

Of a destination that somebody else wrote nobody here knows: it is asked nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from rotator.destinations.dotenv import Quote
from rotator.destinations.env_file import EnvFileSettings
from rotator.destinations.names import Naming
from rotator.load.config import Connection
from rotator.model import Place


@dataclass(frozen=True)
class OneValue:
    """A setting in rotator.yaml with which a place holds one value, and nothing beside it."""

    key: str
    value: object
    several: str
    """What to take for several fields."""
    name: str | None = None
    """What the one key must be called; None: anything."""

    @property
    def shown(self) -> str:
        """The setting, and what it means."""
        return f"`{self.key}: {str(self.value).lower()}`, which holds one value"

    def wrong(self, keys: Mapping[str, str], secret: str, *, two: bool) -> Iterator[str]:
        """What is wrong with these keys. `two`: consumers must read the user as well as the secret."""
        if two:
            yield f"this place has {self.shown}: with two users {self.several}"
        elif self.name is not None and set(keys) != {self.name}:
            yield f"this place has {self.shown}: name it `{self.name}`, `keys: {{{self.name}: {secret}}}`; for several {self.several}"
        elif len(keys) != 1:
            yield f"this place has {self.shown}: name one, `keys: {{value: {secret}}}`; for several {self.several}"


_AWS, _FILE_STORE = "aws_secrets_manager", "file"
_PREFIXED, _CLASH = frozenset({_AWS, "vault"}), (".rec", ".lock")
_MADE = {"aws_iam_key": "/+"}
"""As AWS shows them (IAM User Guide, "Manage access keys for IAM users")."""
_SLOT = OneValue("format", "value", "set `format: json` in rotator.yaml")
_ONE_VALUE = {
    "file": OneValue("format", "raw", "use json, yaml or env_file", "value"),
    "gitlab_variable": _SLOT,
    "github_actions": _SLOT,
    "aws_ssm": _SLOT,
    _AWS: OneValue("whole", True, "leave `whole` out of rotator.yaml"),
}
"""By type. No other distribution can offer a type of the same name."""


_NAMED = frozenset({"aws_ssm", "github_actions", "gitlab_variable", "kubernetes_secret"})
"""Types whose settings know which names their system takes (`destinations/names.py`)."""
_FILES = frozenset({"env_file", "file"})
"""Types whose settings say all of where they are."""


def one_value(entry: Connection) -> OneValue | None:
    """What lets this destination hold one value alone; None: it holds several, or is not ours."""
    found = _ONE_VALUE.get(entry.type)
    return found if found and getattr(entry.settings, found.key, None) == found.value else None


def one_field(store: Connection) -> OneValue | None:
    """What lets this store show one field alone: it could never show a credential."""
    return one_value(store) if store.type == _AWS else None


def openness(entry: Connection) -> str | None:
    """Who may read or change the secret by the `mode` in rotator.yaml, beside those that should."""
    return getattr(entry.settings, "openness", None) if entry.type in _FILES else None


def reads_path(entry: Connection) -> bool:
    """Whether a `path` in a schedule means something here. A stranger's destination may read it, whatever `by_path` says."""
    return entry.type not in _FILES


def misnamed(entry: Connection, place: Place) -> str | None:
    """What can be no name at this place, and what can."""
    wrong = cast("Naming", entry.settings).misnamed(place) if entry.type in _NAMED else None
    return f"{wrong[0]}: {wrong[1]}" if wrong else None


def forbidden(entry: Connection, path: str) -> str | None:
    """Why nothing can stand at this path of a store or destination of ours: it is where the store keeps what is its own."""
    own = getattr(entry.settings, "prefix", None) if entry.type in _PREFIXED else None
    if own is not None and (path == own or path.startswith(f"{own}/")):
        return f"nothing but records stands below `{own}/` there: choose another path, or another `prefix` in rotator.yaml"
    if entry.type == _FILE_STORE and any(each.endswith(_CLASH) for each in path.split("/")[:-1]):
        return "in a file store no part of a path but its last ends in .rec or .lock: these name the store's own files"
    return None


def is_replica(entry: Connection) -> bool:
    """Whether another place feeds it: of what stands there nobody told it what is ours, so `keys` must."""
    return entry.type == _AWS and bool(getattr(entry.settings, "replica", False))


def unfit(entry: Connection, alphabet: str) -> str | None:
    """Why a value of these characters may be refused at this place of ours, after it was made."""
    settings = entry.settings
    if not isinstance(settings, EnvFileSettings) or not (bad := settings.unfit(alphabet)):
        return None
    way = "set `quote: shell` or `quote: dotenv` there, as its reader has it" if settings.quote is Quote.NONE else "use others"
    return f"may hold {' '.join(bad)}, with which `{entry.name}` (`quote: {settings.quote}`) refuses it: {way}"


def made_of(type: str) -> str:
    """What a secret that this target's system makes may hold beside letters, digits and `_.~-`."""
    return _MADE.get(type, "")


def marks_by_name(entry: Connection) -> bool:
    """Whether this reload of ours writes the rotation's name where not every name fits (`reloads/kubernetes_rollout`)."""
    return entry.type == "kubernetes_rollout"
