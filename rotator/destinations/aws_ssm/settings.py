"""`type: aws_ssm` in rotator.yaml."""

from __future__ import annotations

import re
from typing import ClassVar

from rotator.aws.settings import AccountSettings
from rotator.destination import Place
from rotator.destinations.names import Misnamed
from rotator.destinations.slot import Format

LONGEST, LEVELS = 1011, 15
"""Characters of a parameter's name, and its levels (PutParameter)."""
_PATH = re.compile(r"(?!aws|ssm)[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*", re.IGNORECASE)


class AwsSsmSettings(AccountSettings):
    """Parameter Store of one account and region."""

    type_name: ClassVar[str] = "aws_ssm"
    service: ClassVar[str] = "ssm"

    format: Format = Format.VALUE
    create: bool = False
    """Whether a parameter that is not there is made. If not it is refused: a path may be mistyped."""

    def misnamed(self, place: Place) -> Misnamed:
        """What can be no name of a parameter, less the slash before it (PutParameter)."""
        path = place.path
        if _PATH.fullmatch(path) and len(path) < LONGEST and path.count("/") < LEVELS:
            return None
        fix = f"write `path:` beside the destination: [A-Za-z0-9._-]+ joined by /, at most {LEVELS}, not beginning with aws or ssm"
        return f"{path[:80]!r} cannot be the name of a parameter", fix
