"""Shapes of what stands in YAML: the base of every settings model, and references to secrets (never the secrets themselves)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Tag


class Settings(BaseModel):
    """The base of a connection's, target's, store's or destination's settings: strict, frozen, and silent about values in errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, str_strip_whitespace=False)


class EnvRef(Settings):
    """The secret stands in an environment variable."""

    env: str


class FileRef(Settings):
    """The secret is the content of a file, one newline at its end left out."""

    file: str


class StoreRef(Settings):
    """The secret is a field of what a store shows consumers at a path."""

    store: str
    path: str
    field: str


def _kind(value: Any) -> str | None:
    """Which reference this is meant to be, by its key: so that an error names one shape, not three."""
    for kind in ("env", "file", "store"):
        if isinstance(value, Mapping) and kind in value:
            return kind
    return {EnvRef: "env", FileRef: "file", StoreRef: "store"}.get(type(value))


SecretRef = Annotated[
    Annotated[EnvRef, Tag("env")] | Annotated[FileRef, Tag("file")] | Annotated[StoreRef, Tag("store")],
    Discriminator(
        _kind,
        custom_error_type="secret_reference",
        custom_error_message="a secret is a reference: {env: NAME}, {file: path} or {store: name, path: p, field: f}",
    ),
]
"""Where a secret is to be found. The field never holds a value."""
