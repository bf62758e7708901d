"""A CI system's issuer of ID tokens: discovery, keys, and the URL that a job asks (GitHub Docs, "OpenID Connect reference").

GitLab's claims: GitLab Docs, "OpenID Connect (OIDC) Authentication Using ID Tokens".
"""

import base64
import json
import secrets
import time
from urllib.parse import parse_qs, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from rotator.testing.servers.raw import Answer, RawServer, json_answer

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC = KEY.public_key()
SIGNED = padding.PKCS1v15(), hashes.SHA256()
HOURS = 3600


def _base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _json(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def claims_of(token):
    """The claims of a token whose signature is right, else None (RFC 7515)."""
    head, body, signature = token.split(".")
    try:
        PUBLIC.verify(base64.urlsafe_b64decode(signature + "=="), f"{head}.{body}".encode(), *SIGNED)
    except InvalidSignature:
        return None
    return _json(body)


def public_pem():
    return PUBLIC.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def _github(repository, branch):
    owner, name = repository.split("/")
    number = "2002" if repository == "acme/rotation" else "3003"
    return {
        "sub": f"repo:{owner}@1001/{name}@{number}:ref:refs/heads/{branch}",
        "repository": repository,
        "repository_id": number,
        "repository_owner": owner,
        "ref": f"refs/heads/{branch}",
        "ref_type": "branch",
        "workflow_ref": f"{repository}/.github/workflows/rotate.yml@refs/heads/{branch}",
        "event_name": "schedule",
    }


def _gitlab(repository, branch):
    return {
        "sub": f"project_path:{repository}:ref_type:branch:ref:{branch}",
        "project_path": repository,
        "project_id": "2002" if repository == "acme/rotation" else "3003",
        "namespace_path": repository.split("/")[0],
        "ref": branch,
        "ref_type": "branch",
        "ref_protected": "true" if branch == "main" else "false",
        "pipeline_source": "schedule",
    }


CLAIMS = {"github": _github, "gitlab": _gitlab}


class Issuer:
    """A context manager. `signed` has every token so far. Requests without the job's own bearer are refused, as at GitHub."""

    def __init__(self, system):
        self.system, self.signed = system, []
        self.bearer = secrets.token_urlsafe(24)
        self.job = ("acme/rotation", "main")
        """Whose token is asked for at the URL."""
        self._server = RawServer(self._answer)

    def __enter__(self):
        self._server.__enter__()
        return self

    def __exit__(self, *error):
        self._server.__exit__(*error)

    @property
    def url(self):
        return self._server.url

    @property
    def host(self):
        return urlsplit(self.url).netloc

    @property
    def request_url(self):
        return f"{self.url}/token?api-version=2.0"

    def token(self, audience, repository, branch, **claims):
        now = int(time.time())
        times = {"iat": now, "nbf": now - 5, "exp": now + HOURS, "jti": secrets.token_hex(8)}
        body = {"iss": self.url, "aud": audience, **times, **CLAIMS[self.system](repository, branch), **claims}
        text = ".".join(_base64url(json.dumps(each).encode()) for each in ({"alg": "RS256", "typ": "JWT", "kid": "k1"}, body))
        self.signed.append(f"{text}.{_base64url(KEY.sign(text.encode(), *SIGNED))}")
        return self.signed[-1]

    def _answer(self, request):
        asked = urlsplit(request.path)
        if asked.path == "/.well-known/openid-configuration":
            known = {"id_token_signing_alg_values_supported": ["RS256"], "response_types_supported": ["id_token"]}
            return json_answer({"issuer": self.url, "jwks_uri": f"{self.url}/keys", "subject_types_supported": ["public"], **known})
        if asked.path == "/keys":
            numbers = PUBLIC.public_numbers()
            n, e = (_base64url(each.to_bytes((each.bit_length() + 7) // 8, "big")) for each in (numbers.n, numbers.e))
            return json_answer({"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "k1", "n": n, "e": e}]})
        if asked.path != "/token" or request.method != "GET":
            return Answer(404)
        if request.headers.get("Authorization") != f"bearer {self.bearer}":
            return Answer(401)
        query = parse_qs(asked.query)
        if set(query) != {"api-version", "audience"}:
            return Answer(400)
        return json_answer({"count": 1, "value": self.token(query["audience"][0], *self.job)})
