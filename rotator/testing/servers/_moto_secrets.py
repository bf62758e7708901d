"""moto's Secrets Manager where it is more lenient than AWS, put right, each with a test that fails when the mend no longer applies.

From the Secrets Manager API Reference and "Secrets Manager quotas": a label stands on one version alone, and moving one needs its holder;
at most 20 labels; 65,536 bytes; about 100 versions in 24 hours; nothing is put into a secret that is scheduled for deletion; one token
stands for one value. And calls are authorised by the ARN of the secret, conditions and the secret's own policy, one at a time.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from functools import wraps
from typing import Any

LABELS, BYTES = 20, 65536
_lock = threading.RLock()


def mend(versions_per_day: int | None) -> None:
    """Apply all of it. `versions_per_day`: None: any number."""
    from moto.secretsmanager.models import SecretsManagerBackend

    _authorise()
    _guard_put(SecretsManagerBackend, versions_per_day)
    _guard_create(SecretsManagerBackend)
    _guard_move(SecretsManagerBackend)
    _tell_versions()
    for name in ("create_secret", "put_secret_value", "update_secret_version_stage", "get_secret_value", "delete_secret"):
        _wrap(SecretsManagerBackend, name, _locked)


def _wrap(owner: Any, name: str, made: Callable[[Any], Any]) -> None:
    original = getattr(owner, name)
    setattr(owner, name, wraps(original)(made(original)))


def _locked(original: Any) -> Any:
    """As one call: moto's threads would see one another's half moves."""

    def method(*args: Any, **named: Any) -> Any:
        with _lock:
            return original(*args, **named)

    return method


# ---- what AWS refuses


def _deleted(secret: Any) -> bool:
    return bool(getattr(secret, "is_deleted", lambda: False)())


def _refuse_put(secret: Any, text: str | None, token: str, labels: list[str], per_day: int | None) -> None:
    """What AWS would not put into a secret that is there."""
    from moto.secretsmanager.exceptions import InvalidRequestException, ResourceExistsException

    if _deleted(secret):
        raise InvalidRequestException("You can't perform this operation on the secret because it was marked for deletion.")
    held = secret.versions.get(token)
    if held is not None and held.get("secret_string") != text:
        raise ResourceExistsException(f"You can't use ClientRequestToken {token} because that value is already in use.")
    if len({each for one in secret.versions.values() for each in one["version_stages"]} | set(labels)) > LABELS:
        raise _json_error("LimitExceededException", "You have reached the maximum number of staging labels.")
    young = [each for each in secret.versions.values() if each["createdate"] > time.time() - 86400]
    if held is None and per_day is not None and len(young) >= per_day:
        raise _json_error("LimitExceededException", "You have reached the maximum number of versions.")


def _guard_put(backend: Any, per_day: int | None) -> None:
    def put(original: Any) -> Any:
        def put_secret_value(
            self: Any, secret_id: str, secret_string: str, secret_binary: str, client_request_token: str, version_stages: Any
        ) -> Any:
            _refuse_long(secret_string)
            secret = self.secrets.get(secret_id)
            if secret is not None:
                _refuse_put(secret, secret_string, client_request_token, version_stages, per_day)
                if client_request_token in secret.versions:
                    return secret.to_short_dict(include_version_stages=True, version_id=client_request_token)
            return original(self, secret_id, secret_string, secret_binary, client_request_token, version_stages)

        return put_secret_value

    _wrap(backend, "put_secret_value", put)


def _guard_create(backend: Any) -> None:
    from moto.secretsmanager.exceptions import InvalidRequestException

    def create(original: Any) -> Any:
        def create_secret(self: Any, name: str, secret_string: str | None = None, **named: Any) -> Any:
            _refuse_long(secret_string)
            if _deleted(self.secrets.get(name)):
                raise InvalidRequestException("You can't create this secret because one with this name is already scheduled for deletion.")
            return original(self, name=name, secret_string=secret_string, **named)

        return create_secret

    _wrap(backend, "create_secret", create)


def _refuse_long(text: str | None) -> None:
    from moto.secretsmanager.exceptions import InvalidParameterException

    if len((text or "").encode()) > BYTES:
        raise InvalidParameterException("The value is longer than 65536 bytes.")


def _guard_move(backend: Any) -> None:
    from moto.secretsmanager.exceptions import InvalidParameterException

    def move(original: Any) -> Any:
        def update_secret_version_stage(
            self: Any, secret_id: str, version_stage: str, remove_from_version_id: str, move_to_version_id: str
        ) -> Any:
            secret = self.secrets.get(secret_id)
            versions = secret.versions if secret is not None else {}
            holders = [id for id, each in versions.items() if version_stage in each["version_stages"]]
            if move_to_version_id and holders and holders != [move_to_version_id] and remove_from_version_id not in holders:
                raise InvalidParameterException(f"Staging label {version_stage} is attached to version {holders[0]}.")
            if move_to_version_id and move_to_version_id not in versions:  # before moto takes the label away
                raise InvalidParameterException(f"Not a valid version: {move_to_version_id}")
            result = original(self, secret_id, version_stage, remove_from_version_id, move_to_version_id)
            if secret is not None and version_stage == "AWSCURRENT" and move_to_version_id:
                secret.set_default_version_id(move_to_version_id)  # what GetSecretValue shows without a label
            return result

        return update_secret_version_stage

    _wrap(backend, "update_secret_version_stage", move)


# ---- what AWS tells


def _tell_versions() -> None:
    """ListSecretVersionIds: without labels only where asked for, made when they were made, in pages."""
    from moto.secretsmanager.responses import SecretsManagerResponse

    def list_secret_version_ids(self: Any) -> str:
        from moto.secretsmanager.exceptions import SecretNotFoundException

        secret = self.backend.secrets.get(self._get_param("SecretId"))
        if secret is None:
            raise SecretNotFoundException
        known = [
            {"VersionId": id, "VersionStages": each["version_stages"], "CreatedDate": each["createdate"]}
            for id, each in secret.versions.items()
            if each["version_stages"] or self._get_param("IncludeDeprecated")
        ]
        start, most = int(self._get_param("NextToken") or 0), int(self._get_param("MaxResults") or 100)
        more = {"NextToken": str(start + most)} if len(known) > start + most else {}
        return json.dumps({"ARN": secret.arn, "Name": secret.name, "Versions": known[start : start + most], **more})

    SecretsManagerResponse.list_secret_version_ids = list_secret_version_ids  # type: ignore[method-assign]  # the mend


# ---- who may do what


def _authorise() -> None:
    """Of Secrets Manager alone: by resource, condition and the secret's own policy; and refused in its own words."""
    from moto.iam.access_control import IAMRequest

    ours = "secretsmanager"

    def check_action_permitted(original: Any) -> Any:
        def method(self: Any, resource: str) -> None:
            if self._service != ours:
                original(self, resource)
                return
            body = json.loads(self._body or b"{}")
            arn, attached = _asked(self, body)
            context = {"aws:RequestedRegion": self._region, "secretsmanager:VersionStage": body.get("VersionStage")}
            verdict = [allows(each, self._action, arn, context) for each in self._access_key.collect_policies()]
            if attached and allows(attached, self._action, arn, context) is False:
                raise _json_error("AccessDeniedException", "not authorized, with an explicit deny in a resource-based policy")
            if False in verdict or True not in verdict:
                raise _json_error("AccessDeniedException", f"User is not authorized to perform: {self._action} on resource: {arn}")

        return method

    def named(code: str) -> Callable[[Any], Any]:
        def made(original: Any) -> Any:
            def method(self: Any, *args: Any) -> None:
                if self._service == ours:
                    raise _json_error(code, "The security token included in the request is invalid.")
                original(self, *args)

            return method

        return made

    _wrap(IAMRequest, "check_action_permitted", check_action_permitted)
    _wrap(IAMRequest, "_raise_invalid_access_key", named("UnrecognizedClientException"))
    _wrap(IAMRequest, "_raise_signature_does_not_match", named("InvalidSignatureException"))


def _json_error(code: str, text: str) -> Exception:
    from moto.core.exceptions import JsonRESTError

    error: Exception = JsonRESTError(code, text)
    return error


def _asked(request: Any, body: Mapping[str, Any]) -> tuple[str, str | None]:
    """The ARN that a call is about, and the policy of that secret. One that is not there has no random end; a list is about all."""
    from moto.secretsmanager.models import secretsmanager_backends

    name = body.get("SecretId") or body.get("Name")
    if not name:
        return "*", None
    secret = secretsmanager_backends[request.account_id][request._region].secrets.get(name)  # noqa: SLF001 - a mend works inside
    if secret is not None:
        return secret.arn, getattr(secret, "policy", None)
    return f"arn:aws:secretsmanager:{request._region}:{request.account_id}:secret:{name}", None  # noqa: SLF001 - see above


def allows(policy: Any, action: str, arn: str, context: Mapping[str, str | None]) -> bool | None:
    """IAM's evaluation: True where a statement allows, False where one denies, None where none speaks of it."""
    text = policy if isinstance(policy, str) else policy["policy_document"] if isinstance(policy, dict) else policy.document
    statements = json.loads(text)["Statement"]
    verdicts = set()
    for each in statements if isinstance(statements, list) else [statements]:
        if _any(each["Action"], action, lower=True) and _any(each["Resource"], arn) and _holds(each.get("Condition", {}), context):
            verdicts.add(each["Effect"] == "Allow")
    return False if False in verdicts else True if verdicts else None


def _any(patterns: str | list[str], value: str, *, lower: bool = False) -> bool:
    """IAM knows `*` and `?` alone."""
    for each in [patterns] if isinstance(patterns, str) else patterns:
        pattern = re.sub(r"\[", "[[]", each)
        if fnmatchcase(value.lower(), pattern.lower()) if lower else fnmatchcase(value, pattern):
            return True
    return False


def _holds(conditions: Mapping[str, Mapping[str, Any]], context: Mapping[str, str | None]) -> bool:
    """StringEquals, also with ForAnyValue. Any other operator is an error: a test would prove nothing."""
    for operator, wanted in conditions.items():
        if operator.removeprefix("ForAnyValue:") != "StringEquals":
            raise NotImplementedError(operator)
        for key, values in wanted.items():
            if context.get(key) not in ([values] if isinstance(values, str) else values):
                return False
    return True
