"""What AWS answered, as our errors. No message of boto3 or AWS is handed on: it may carry what was sent. Known phrases are looked for.

Codes: Secrets Manager API Reference, "Common Errors" and the errors of each action.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rotator.errors import Denied, PortError, Refused, Unreachable

LATE, GONE, TAKEN, STATE = "InvalidParameterException", "ResourceNotFoundException", "ResourceExistsException", "InvalidRequestException"
"""A label that stands elsewhere; nothing there; a name or a token in use; a secret that is not in the state for it."""
NOT_ALLOWED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized", "403"})
ENDED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
LOGIN_REFUSED = frozenset(
    {"InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidSignatureException", "InvalidToken"}
    | {"MissingAuthenticationToken", "MissingAuthenticationTokenException", "IncompleteSignature", "OptInRequired"}
    | {"InvalidIdentityToken", "IDPRejectedClaim", "RegionDisabledException"}
)
NO_LOGIN = frozenset(
    {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound", "TokenRetrievalError"}
    | {"UnauthorizedSSOTokenError", "SSOTokenLoadError", "SSOError", "RefreshWithMFAUnsupportedError", "InvalidConfigError"}
    | {"ConfigParseError", "ConfigNotFound", "MetadataRetrievalError", "LoginTokenLoadError", "LoginRefreshRequired"}
)
"""Types of botocore's errors that mean: no credential was found. Nothing was sent."""
NOT_SENT = frozenset({"EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError"})
BUSY = frozenset(
    {"Throttling", "ThrottlingException", "ThrottledException", "TooManyRequestsException", "RequestLimitExceeded", "SlowDown"}
    | {"RequestThrottled", "RequestThrottledException"}
)
FULL = "LimitExceededException"
KMS = frozenset({"EncryptionFailure", "DecryptionFailure"})
HOUR = 3600.0
WORDS = ("marked deleted", "marked for deletion", "scheduled for deletion", "resource-based policy", "certificate verify failed")
KEY = "kms"
"""Among the words of a `No`: it is about the key of a secret. A name that holds these letters is not."""
_KEY = re.compile(r"\bkms:|\bkms key\b|\baccess to kms\b", re.IGNORECASE)
ASSUME = "assume role"
"""Among the words of a `No`: it was STS that was asked for a role."""
_SKEW = re.compile(r"signature expired|signature not yet current|request has expired", re.IGNORECASE)


class Unsure(Unreachable):
    """Nobody knows whether the call had its effect. `answered`: there was an answer, such as a 5xx."""

    answered = False


class Deleted(Denied):
    """The secret is scheduled for deletion: it can neither be read nor written."""


@dataclass(frozen=True)
class No:
    """An error answer, or what came in place of one: `code` is AWS's own, or the type of the exception."""

    code: str
    status: int = 0
    words: frozenset[str] = frozenset()
    retry_after: float | None = None

    @property
    def deleted(self) -> bool:
        """The secret is scheduled for deletion."""
        return bool(self.words.intersection(WORDS[:3]))

    @property
    def definite(self) -> bool:
        """AWS itself answered, readably, and no 5xx: the code means what it says."""
        return 400 <= self.status < 500  # noqa: PLR2004 - HTTP


def read(error: Exception) -> No:
    """What a raised exception means. Keeps nothing of it but codes and known phrases."""
    response: Mapping[str, Any] = getattr(error, "response", None) or {}
    details = response.get("Error")
    text = str(details.get("Message", "")) if isinstance(details, Mapping) else str(error)
    words = frozenset(each for each in WORDS if each in text.lower()) | ({KEY} if _KEY.search(text) else set())
    if str(getattr(error, "operation_name", "")).startswith("AssumeRole"):  # ours, or one that boto3's own chain sent
        words |= {ASSUME}
    if not isinstance(details, Mapping) or not isinstance(details.get("Code"), str):
        return No(type(error).__name__, words=words)
    about = response.get("ResponseMetadata", {})
    after = str(about.get("HTTPHeaders", {}).get("retry-after", ""))
    code = re.sub(r"[^A-Za-z0-9._-]", "", details["Code"].rpartition("#")[2])[:64]
    return No(
        "ClockSkew" if _SKEW.search(text) else code,
        int(about.get("HTTPStatusCode", 0)),
        words,
        float(after[:6]) if after.isdigit() else None,
    )


def problem(no: No, what: str, line: str) -> PortError:
    """The error that this answer is. `line`: the statement of the policy that the call needs."""
    found = _login(no, what) or (_refusal(no, what, line) if no.definite else None) or _trouble(no, what)
    found.code = no.code
    if isinstance(found, Unreachable):
        found.retry_after = no.retry_after or found.retry_after
    return found


def _login(no: No, what: str) -> PortError | None:
    """What is wrong with who we are."""
    if no.code in NO_LOGIN:
        return Denied(f"{what}: no AWS credential was found", "give `profile`, `credentials` or `role`, or what boto3's own chain finds")
    if no.code in ENDED:
        return Denied(f"{what}: the session of the login has ended", "give a fresh one; the next run goes on")
    if no.code in LOGIN_REFUSED:
        return Denied(f"{what}: AWS refused the login", "renew the credential; is the region enabled for the account?")
    if "certificate verify failed" in no.words:
        return Denied(f"{what}: the certificate of the endpoint is not trusted", "give the CA's file as `ca`")
    return None


def _refusal(no: No, what: str, line: str) -> PortError | None:
    if no.code in KMS or (KEY in no.words and no.code in NOT_ALLOWED):
        fix = "let the login use the secret's key: kms:Decrypt and kms:GenerateDataKey; is the key enabled?"
        return Denied(f"{what}: the KMS key of the secret cannot be used", fix)
    if "resource-based policy" in no.words and no.code in NOT_ALLOWED:
        return Denied(f"{what}: refused, and the secret has a policy of its own", f"look at its resource policy; ours needs: {line}")
    if ASSUME in no.words and no.code in NOT_ALLOWED:
        fix = "the login needs sts:AssumeRole on it, and its trust policy must name who asks: of a CI job's token issuer, audience, subject"
        return Denied(f"{what}: the role does not let this login in", fix)
    if no.code in NOT_ALLOWED:
        return Denied(f"{what}: refused, or this is not the account or region", f"its policy needs: {line}; else correct `region`")
    if no.deleted:
        return Deleted(f"{what}: the secret is scheduled for deletion", "`aws secretsmanager restore-secret` brings it back")
    if no.code in BUSY:
        return _later(f"{what}: too many requests", 5.0)
    if no.code == FULL:
        return _later(f"{what}: the secret has as many versions as AWS keeps (about 100 in 24 hours)", HOUR)
    if no.code == "ClockSkew":
        return Unreachable(f"{what}: AWS says that this machine's clock is wrong", "set it")
    if no.status == 404:  # noqa: PLR2004 - HTTP
        return Denied(f"{what}: there is no such thing at this endpoint", "correct `endpoint_url` and `region`")
    return Refused(f"{what}: AWS calls it a bad request", "is another service the owner of this secret, or is it a replica?")


def _later(text: str, seconds: float) -> Unreachable:
    error = Unreachable(text, "the next run goes on")
    error.retry_after = seconds
    return error


def _trouble(no: No, what: str) -> PortError:
    if no.code in NOT_SENT:
        return Unreachable(f"{what}: no answer from the endpoint", "is the region's endpoint reachable from here, and `region` right?")
    if no.code in BUSY:
        return _later(f"{what}: too many requests", 5.0)
    error = Unsure(f"{what}: no answer that settles it ({no.code})", "look at the AWS Health Dashboard and at the way to the endpoint")
    error.answered = bool(no.status)
    return error
