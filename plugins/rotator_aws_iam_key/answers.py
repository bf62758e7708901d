"""What AWS answered, in the words of the target contract. No message of boto3 is handed on: it may carry what was sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from rotator.target import Denied, PortError, Refused, Rejected, Unreachable

LOGIN_REFUSED = frozenset(
    {"InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "ExpiredToken", "ExpiredTokenException"}
    | {"InvalidToken", "MissingAuthenticationToken", "IncompleteSignature", "OptInRequired", "InvalidIdentityToken", "IDPRejectedClaim"}
)
"""Codes with which AWS refuses the admin's own key."""
NOT_ALLOWED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized"})
NO_ROLE = "AssumeRole.AccessDenied"
"""Ours: boto3's own chain asked STS for a role, and was refused."""
NOT_THERE = frozenset({"NoSuchEntity", "NoSuchEntityException"})
FULL = frozenset({"LimitExceeded", "LimitExceededException"})
INVALID = frozenset({"InvalidInput", "InvalidInputException", "ValidationError", "ValidationException"})
NO_ADMIN = frozenset(
    {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound", "TokenRetrievalError"}
    | {"UnauthorizedSSOTokenError", "SSOTokenLoadError", "SSOError", "RefreshWithMFAUnsupportedError", "InvalidConfigError"}
    | {"ConfigParseError", "MetadataRetrievalError", "LoginTokenLoadError", "LoginRefreshRequired"}
)
"""Types of botocore's errors that mean: no admin credential was found. Nothing was sent."""
_SKEW = re.compile(r"signature expired|signature not yet current|request has expired", re.IGNORECASE)


@dataclass(frozen=True)
class No:
    """An error answer, or what came in place of one: `code` is AWS's own, or the type of the exception."""

    code: str
    skewed: bool = False
    retry_after: float | None = None
    definite: bool = False
    """AWS itself answered, readably, and no 5xx: the code means what it says."""


def read(error: Exception) -> No:
    """What a raised exception means. Keeps nothing of it but codes."""
    response: Mapping[str, Any] = getattr(error, "response", None) or {}
    details = response.get("Error")
    if not isinstance(details, Mapping) or not isinstance(details.get("Code"), str):
        return No(type(error).__name__)
    about = response.get("ResponseMetadata", {})
    skewed = bool(_SKEW.search(str(details.get("Message", ""))))
    after = str(about.get("HTTPHeaders", {}).get("retry-after", ""))
    code = re.sub(r"[^A-Za-z0-9._-]", "", details["Code"])[:64]
    assumes = str(getattr(error, "operation_name", "")).startswith("AssumeRole")
    return No(
        code=NO_ROLE if assumes and code in NOT_ALLOWED else code,
        skewed=skewed,
        retry_after=float(after) if after.isdigit() else None,
        definite=not skewed and about.get("HTTPStatusCode", 0) < HTTPStatus.INTERNAL_SERVER_ERROR,
    )


def unreachable(no: No, action: str) -> Unreachable:
    """Neither yes nor no: it may have happened."""
    problem = Unreachable(f"{action}: no answer that settles it ({no.code})", code=no.code)
    if no.skewed:
        problem.fix = "AWS says that this machine's clock is wrong; set it"
    problem.retry_after = no.retry_after
    return problem


def of_admin(no: No, action: str) -> PortError:
    """What the admin's call came to."""
    if no.code in NO_ADMIN:
        return Denied(f"{action}: no admin credential was found ({no.code})", "give `profile` or `credentials` in the connection", no.code)
    return (_refusal(no, action) if no.definite else None) or unreachable(no, action)


def _refusal(no: No, action: str) -> PortError | None:
    if no.code == NO_ROLE:
        fix = "the login needs sts:AssumeRole on it, and its trust policy must name who asks: of a CI job's token issuer, audience, subject"
        return Denied(f"{action}: the role of the admin does not let this login in", fix, no.code)
    if no.code in NOT_ALLOWED:
        return Denied(f"{action}: the admin is not allowed to", code=no.code)
    if no.code in LOGIN_REFUSED:
        return Denied(f"{action}: AWS refused the admin's own key", "renew the admin credential of the connection", no.code)
    if no.code in NOT_THERE:
        return Refused(f"{action}: there is no such user or key", "check `username` and the account of the connection", no.code)
    if no.code in FULL:
        return Refused(f"{action}: the user has two keys already", "delete the one that nobody needs", no.code)
    if no.code in INVALID:
        return Refused(f"{action}: AWS does not take this input", "check `username`", no.code)
    return None


def of_login(no: No) -> PortError:
    """What a login with the rotated key came to. Never the admin's fault."""
    if no.definite and no.code in ("InvalidClientTokenId", "SignatureDoesNotMatch"):
        why = "no such key, or it is inactive" if no.code == "InvalidClientTokenId" else "the secret does not belong to this key"
        return Rejected(f"AWS refused the key: {why}", code=no.code)
    return unreachable(no, "sts:GetCallerIdentity")
