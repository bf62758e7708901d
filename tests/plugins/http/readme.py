"""The YAML of the manual, to be run as it is written there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

import rotator_http_token
from rotator_http_token import HttpConnection

README = (Path(rotator_http_token.__file__).parent / "README.md").read_text()
BLOCKS = [yaml.safe_load(each) for each in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)]
CONNECTIONS: list[dict[str, Any]] = [each for each in BLOCKS if "type" in each]
CONNECTIONS += [each["connections"]["hub"] for each in BLOCKS if "connections" in each]


def keys(host: str) -> dict[str, Any]:
    """The keys of the connection to this host."""
    (found,) = [each for each in CONNECTIONS if f"//{host}" in each["base_url"]]
    return {key: each for key, each in found.items() if key != "type"}


def there(host: str, server: str, **changes: Any) -> HttpConnection:
    """The connection to this host, leading to a server on this machine instead."""
    given = keys(host)
    return HttpConnection.model_validate(given | {"base_url": given["base_url"].replace(f"https://{host}", server)} | changes)
