"""Rotates API tokens of any service with a REST API that can mint, list, try and revoke them.

What the admin's secret can be made to do is written by the machine's owner alone, in the connection: a preset, or the calls written
out. A spec names a principal, and parameters where the connection declares them::

    # rotator.yaml
    connections:
      hub:
        type: http
        base_url: https://hub.internal/hub/api
        secrets: {admin: {env: HUB_ADMIN_TOKEN}}
        auth: {value: "token {secrets.admin}"}
        tokens: jupyterhub

    # schedules/*.yaml
    target: {type: http_token, connection: hub, principal: billing}

A login proves something only if the answer names the token or its owner: `verify.identity` must come out as `verify.equals`. A
revoked token is known by what `verify.dead` describes, never by "it did not work". Where `list` shows a label that `create` set, a
token whose secret was lost in a crash is found again for certain.

Redirects are not followed, nothing is retried, proxies and certificates of the environment are ignored, and answers are read up to
`max_bytes`. The README has every key, and examples for other services.
"""

from rotator_http_token.connection import HttpConnection, HttpTokenSettings
from rotator_http_token.http_token import HttpToken

__all__ = ["HttpConnection", "HttpToken", "HttpTokenSettings"]
