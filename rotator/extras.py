"""What is said where a library is missing that an extra brings: from where to install it, for PyPI's `rotator` is not ours."""

from __future__ import annotations

import sys

from rotator.errors import BadInput


def lacking(who: str, library: str, extra: str | None, of: str = "rotator") -> BadInput:
    """`who` needs a library that is not there. `extra`: of the distribution `of`, that brings it; None: it has its own name."""
    what = f"{who} needs {library}, which is not installed for {sys.executable}"
    if extra is None:
        return BadInput(what, fix=f"{sys.executable} -m pip install {library}")
    fix = f"{sys.executable} -m pip install '/path/to/{of}[{extra}]', with the path of its checkout or wheel"
    return BadInput(f"{what}: the extra [{extra}] of {of} brings it", fix=fix)
