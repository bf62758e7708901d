"""AWS with an STS that checks ID tokens, which moto does not; and the `aws iam` commands of the page, which are IAM's API in other words.

What STS asks of a token, and its codes: STS API Reference, AssumeRoleWithWebIdentity; IAM User Guide, "Create a role for OIDC federation".
The session itself, and all else, is moto's.
"""

import re
import secrets
import shlex
import time
from pathlib import Path
from urllib.parse import parse_qs
from urllib.request import Request as Ask
from urllib.request import urlopen

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from ci_issuer import claims_of

from rotator.testing.servers.moto import REGION
from rotator.testing.servers.raw import Answer, RawServer

FORM = {"Action", "Version", "RoleArn", "RoleSessionName", "WebIdentityToken", "DurationSeconds"}
NAME = "AssumeRoleWithWebIdentity"


def _error(status, code):
    text = f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"
    return Answer(status, {"Content-Type": "text/xml"}, [text.encode()])


def _trusts(statement, provider, claims):
    """Whether a statement of a trust policy lets these claims in. Any other operator or key is an error: a test would prove nothing."""
    assert set(statement) == {"Effect", "Action", "Principal", "Condition"}
    ((operator, wanted),) = statement["Condition"].items()
    assert operator == "StringEquals"
    host = provider.partition("oidc-provider/")[2]
    asked = {f"{host}:aud": claims["aud"], f"{host}:sub": claims["sub"]}
    assert set(wanted) == set(asked), "a trust policy must ask for both"
    allows = statement["Effect"] == "Allow" and statement["Action"] == f"sts:{NAME}" and statement["Principal"] == {"Federated": provider}
    return allows and wanted == asked


class Sts:
    """STS before a `MotoServer`: a context manager. A call with a token is unsigned, its token is checked, and its role must trust it."""

    def __init__(self, aws):
        self.aws, self.keys = aws, aws.create_admin(f"sts-{secrets.token_hex(4)}", {"Version": "2012-10-17", "Statement": [_all()]})
        self.given = []
        """The secret parts of the sessions."""
        self._server = RawServer(self._answer)

    def __enter__(self):
        self._server.__enter__()
        return self

    def __exit__(self, *error):
        self._server.__exit__(*error)

    @property
    def url(self):
        return self._server.url

    def _answer(self, request):
        form = {name: values[0] for name, values in parse_qs(request.body.decode(), strict_parsing=True).items()}
        if form.get("Action") != NAME or not set(form) <= FORM or "Authorization" in request.headers:
            return _error(400, "InvalidAction")
        no = self.refuses(form["RoleArn"], form["WebIdentityToken"])
        return _error(*no) if no else self._session(request.body)

    def refuses(self, arn, token):
        """The status and the code of the refusal; None: the token is let in."""
        claims = claims_of(token)
        if claims is None:
            return (400, "InvalidIdentityToken")
        if claims["exp"] < time.time():
            return (400, "ExpiredTokenException")
        provider = f"arn:aws:iam::{arn.split(':')[4]}:oidc-provider/{claims['iss'].partition('//')[2]}"
        known = [each["Arn"] for each in self.aws.root.list_open_id_connect_providers()["OpenIDConnectProviderList"]]
        if provider not in known:
            return (400, "InvalidIdentityToken")
        if claims["aud"] not in self.aws.root.get_open_id_connect_provider(OpenIDConnectProviderArn=provider)["ClientIDList"]:
            return (400, "InvalidIdentityToken")
        trust = self.aws.root.get_role(RoleName=arn.rpartition("/")[2])["Role"]["AssumeRolePolicyDocument"]
        return None if any(_trusts(each, provider, claims) for each in trust["Statement"]) else (403, "AccessDenied")

    def _session(self, body):
        """moto's own answer. It lets nobody in without a signature, so the call is signed on the way."""
        signed = AWSRequest("POST", f"{self.aws.url}/", {"Content-Type": "application/x-www-form-urlencoded"}, body)
        SigV4Auth(Credentials(*self.keys), "sts", REGION).add_auth(signed)
        with urlopen(Ask(signed.url, body, dict(signed.headers), method="POST"), timeout=10) as answer:
            text = answer.read().decode()
        self.given += [re.search(f"<{each}>(.+?)</{each}>", text)[1] for each in ("SecretAccessKey", "SessionToken")]
        return Answer(200, {"Content-Type": "text/xml"}, [text.encode()])


def _all():
    return {"Effect": "Allow", "Action": "*", "Resource": "*"}


def aws_iam(client, folder, script):
    """Run lines of `aws iam …` (AWS CLI User Guide, "Command structure"). An option that IAM does not know is refused by botocore."""
    for line in script.strip().splitlines():
        program, service, command, *options = shlex.split(line)
        assert (program, service) == ("aws", "iam")
        given = dict(_parameter(folder, *each) for each in zip(options[::2], options[1::2], strict=True))
        getattr(client, command.replace("-", "_"))(**given)


def _parameter(folder, option, value):
    name = "".join(each.capitalize() for each in option.removeprefix("--").split("-")).replace("ClientId", "ClientID")
    text = Path(folder, value.removeprefix("file://")).read_text() if value.startswith("file://") else value
    return name, [text] if name.endswith("List") else text
