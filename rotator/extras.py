"""What is said where a library is missing that an extra of ours brings: from where to install it, for PyPI's `rotator` is not ours."""

from __future__ import annotations

import sys

from rotator.errors import BadInput


def lacking(who: str, library: str, extra: str) -> BadInput:
    """`who` needs a library that is not there; the extra that brings it, and the command."""
    what = f"{who} needs {library}, which is not installed for {sys.executable}: the extra [{extra}] of rotator brings it"
    return BadInput(what, fix=f"{sys.executable} -m pip install '/path/to/rotator[{extra}]', with the path of its checkout or wheel")
