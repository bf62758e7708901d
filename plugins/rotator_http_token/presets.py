"""Token APIs that were run against the real system. Everything else is written out under `tokens:`; the README has examples."""

from __future__ import annotations

from typing import Any

JUPYTERHUB: dict[str, Any] = {
    "create": {
        "path": "/users/{principal}/tokens",
        "json_body": {"note": "{label}", "expires_in": "{expires.seconds}"},
        "ok": [200, 201],
        "id": "id",
        "secret": "token",
        "expires": "expires_at",
    },
    "list": {
        "path": "/users/{principal}/tokens",
        "items": "api_tokens",
        "id": "id",
        "created": "created",
        "label": "note",
        "last_used": "last_activity",
    },
    "verify": {
        "path": "/user",
        "auth": {"value": "token {secret}"},
        "identity": "join(':', [body.name, body.token_id])",
        "equals": "{principal}:{id}",
        "dead": "status == `403` && body.status == `403` && !contains(body.message || '', 'current scopes')",
        "unfit": "status == `403` && body.status == `403` && contains(body.message || '', 'current scopes')",
    },
    "revoke": {"path": "/users/{principal}/tokens/{id}", "ok": [204]},
    "check": {
        "path": "/user",
        "granted": "contains(body.scopes, 'tokens') || (body.scopes[?starts_with(@, 'tokens!')] && `null`)",
        "fix": 'c.JupyterHub.load_roles = [{"name": "rotator", "scopes": ["tokens"], "services": ["rotator"]}]',
    },
    "says": "body.message",
}
"""JupyterHub 5 and 6. A revoked token answers 403, not 401, and a token without a scope 403 too: the message parts them."""

VERDACCIO: dict[str, Any] = {
    "create": {
        "path": "/-/npm/v1/tokens",
        "json_body": {"password": "{secrets.password}", "readonly": False, "cidr_whitelist": []},
        "ok": [200],
        "id": "key",
        "secret": "token",
    },
    "list": {"path": "/-/npm/v1/tokens", "items": "objects", "id": "key", "created": "created", "next": {"url": "urls.next"}},
    "verify": {
        "path": "/-/whoami",
        "auth": {"value": "Bearer {secret}"},
        "identity": "body.username",
        "equals": "{principal}",
        "dead": "(status == `403` && body.error == 'unauthorized access') || (status == `200` && body == `{}`)",
    },
    "revoke": {"path": "/-/npm/v1/tokens/token/{id}", "ok": [200]},
    "says": "body.error",
}
"""verdaccio from 6.7.4 on; `auth` is Basic of the principal itself, its password the secret `password`.

A bogus token answers 200 with `{}`: the status proves nothing, the name does. A deleted one answers 403.
"""

PRESETS = {"jupyterhub": JUPYTERHUB, "verdaccio": VERDACCIO}
