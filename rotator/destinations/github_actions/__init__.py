"""The destination `github_actions`: GitHub Actions secrets of one repository, environment or organization. It is attested.

    destinations:
      orders-ci:
        type: github_actions
        repository: team/orders
        token: {file: secrets/github}

and in a schedule `publish: [{destination: orders-ci, path: DB_PASSWORD, keys: {value: password}, accept: attested}]`: `path` is the
secret's name. GitHub shows a secret to nobody; it tells when it was written last. Several fields go into one secret as one JSON object
(`format: json`), never into several secrets. Nobody can read that object, so nothing can be kept in it: all of it is ours.

GitHub has no compare-and-set and no room for a generation: a writer that comes late is an alarm in the next run.
"""

from rotator.destinations.github_actions.place import GithubActions
from rotator.destinations.github_actions.settings import GithubActionsSettings

__all__ = ["GithubActions", "GithubActionsSettings"]
