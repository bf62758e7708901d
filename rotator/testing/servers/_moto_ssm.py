"""moto's Parameter Store where it is more lenient than AWS, put right, each with a test that fails when the mend no longer applies.

From the Systems Manager API Reference and "Systems Manager endpoints and quotas": a standard parameter holds 4096 bytes; a name that holds
a slash begins with one. And calls are authorised by the ARN of the parameter, one at a time, and refused in the service's own words.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

from rotator.testing.servers._moto_secrets import allows

BYTES = 4096
_lock = threading.RLock()


def mend() -> None:
    """Apply all of it."""
    from moto.iam.access_control import IAMRequest
    from moto.ssm.models import SimpleSystemManagerBackend

    _wrap(SimpleSystemManagerBackend, "put_parameter", _guard_put)
    _wrap(IAMRequest, "check_action_permitted", _guard_action)
    _wrap(IAMRequest, "_raise_invalid_access_key", _named("UnrecognizedClientException"))
    _wrap(IAMRequest, "_raise_signature_does_not_match", _named("InvalidSignatureException"))


def _wrap(owner: Any, name: str, made: Callable[[Any], Any]) -> None:
    original = getattr(owner, name)
    setattr(owner, name, wraps(original)(made(original)))


def _guard_put(original: Any) -> Any:
    def put_parameter(self: Any, name: str, description: str, value: str, *rest: Any, tier: str | None, **named: Any) -> Any:
        if "/" in name and not name.startswith("/"):
            raise _error("ValidationException", "Parameter name must be a fully qualified name.")
        if len((value or "").encode()) > BYTES and tier in (None, "Standard"):
            raise _error("ValidationException", "Standard tier parameters support a maximum parameter value of 4096 characters.")
        with _lock:
            return original(self, name, description, value, *rest, tier=tier, **named)

    return put_parameter


def _guard_action(original: Any) -> Any:
    def check_action_permitted(self: Any, resource: str) -> None:
        if self._service != "ssm":
            original(self, resource)
            return
        name = json.loads(self._body or b"{}").get("Name", "")
        arn = f"arn:aws:ssm:{self._region}:{self.account_id}:parameter/{name.removeprefix('/')}"
        verdict = [allows(each, self._action, arn, {}) for each in self._access_key.collect_policies()]
        if False in verdict or True not in verdict:
            raise _error("AccessDeniedException", f"User is not authorized to perform: {self._action} on resource: {arn}")

    return check_action_permitted


def _named(code: str) -> Callable[[Any], Any]:
    def made(original: Any) -> Any:
        def method(self: Any, *args: Any) -> None:
            if self._service == "ssm":
                raise _error(code, "The security token included in the request is invalid.")
            original(self, *args)

        return method

    return made


def _error(code: str, text: str) -> Exception:
    from moto.core.exceptions import JsonRESTError

    error: Exception = JsonRESTError(code, text)
    return error
