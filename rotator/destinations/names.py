"""What a name at a place can be, by its system's own rules. The settings tell it, so that files are judged before a run finds it out."""

from __future__ import annotations

from typing import Protocol

from rotator.destination import Place, Refused

Misnamed = tuple[str, str] | None
"""What can be no name there, and what can; None: nothing is wrong."""


class Naming(Protocol):
    """Settings of a destination that know which names its system takes."""

    def misnamed(self, place: Place) -> Misnamed:
        """What is wrong with the place's path or keys, whatever is there now."""


def refuse_misnamed(settings: Naming, place: Place) -> None:
    """Raise `Refused` where the system could never take this name: nobody is asked then."""
    wrong = settings.misnamed(place)
    if wrong is not None:
        raise Refused(*wrong)
