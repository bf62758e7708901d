"""An env file as a destination: `KEY=value` lines that a service reads when it starts.

    destinations:
      billing-env: {type: env_file, path: /etc/billing/env, mode: "0640", group: billing}

and in a schedule `publish: [{destination: billing-env, keys: {API_TOKEN: secret}}]`. Only the named keys are set; other lines, comments,
their order, `export`, line ends, owner, group, mode, access control list stay as they are. The file is replaced as a whole: readers see the
old one or the new. A missing file is made (mode 0600 unless `mode` says otherwise), a missing directory is an error.

The runner needs to write in the file's directory, where it also keeps a lock file, `.NAME.lock`. In a container mount the directory, not
the file: a file that is itself a mount point cannot be replaced, and a mounted file would go on showing the old content. Values outside
`[A-Za-z0-9_.~-]` are refused unless `quote: shell` or `quote: dotenv` says who reads the file; a symbolic link is refused unless
`follow: true`. An env file has no room for a generation: a writer that comes late is seen and mended by the next run.
"""

from __future__ import annotations

from collections.abc import Mapping

from rotator.destinations.dotenv import NAME, EnvText, Quote, unfit
from rotator.destinations.local import LocalFile, LocalFileSettings


class EnvFileSettings(LocalFileSettings):
    """`type: env_file` in rotator.yaml."""

    quote: Quote = Quote.NONE

    def unfit(self, alphabet: str) -> str:
        """Characters with which a value may be refused as it is written."""
        return unfit(alphabet, self.quote)


class EnvFile(LocalFile[EnvFileSettings]):
    """Named keys of one env file."""

    settings = EnvFileSettings
    kind, name, fix = "an env file", NAME, "use letters, digits and _, beginning with no digit"

    def replaced(self, old: str, values: Mapping[str, str], path: str) -> str:
        """Line by line: other lines and comments stay as they are."""
        return EnvText(old, values, self.config.quote, path).replaced(values)

    def found(self, old: str, keys: Mapping[str, str], path: str) -> Mapping[str, str]:
        """As the reader that `quote` names reads them."""
        return EnvText(old, keys, self.config.quote, path).values()
