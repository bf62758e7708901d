"""The destination `gitlab_variable`: CI/CD variables of one GitLab project or group.

    destinations:
      orders-ci:
        type: gitlab_variable
        api_url: https://gitlab.com/api/v4
        project: team/orders
        token: {file: secrets/gitlab}

and in a schedule `publish: [{destination: orders-ci, path: DB_PASSWORD, keys: {value: password}}]`: `path` is the variable's key. Several
fields go into one variable as one JSON object (`format: json`), never into several variables. Variables are written with `raw: true`, so
that a `$` in a value means nothing. One that is "masked and hidden" is refused: GitLab shows its value to nobody, so nobody could look.

GitLab has no compare-and-set and no room for a generation: a writer that comes late is seen and mended by the next run.
"""

from rotator.destinations.gitlab_variable.place import GitlabVariable
from rotator.destinations.gitlab_variable.settings import GitlabVariableSettings

__all__ = ["GitlabVariable", "GitlabVariableSettings"]
