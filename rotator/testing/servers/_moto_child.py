"""The process behind `MotoServer`: moto with its mends and an access log. It ends when its stdin is closed, so it outlives nobody.

The mends of Secrets Manager stand in `_moto_secrets.py`, those of Parameter Store in `_moto_ssm.py`.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from rotator.testing.servers import _moto_secrets, _moto_ssm


def main() -> None:
    """Serve until stdin ends; the first line on stdout is the port."""
    options = json.loads(sys.argv[-1])
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    refuse_inactive_keys()
    match_resources()
    if options["secrets"]:
        _moto_secrets.mend(options["versions_per_day"])
    if options["parameters"]:
        _moto_ssm.mend()
    if options["simulates"]:
        add_simulation()
    application: Any = DomainDispatcherApplication(create_backend_app)
    if options["access_log"]:
        application = AccessLog(application, options["access_log"])
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=MotoRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)  # noqa: T201 - the parent waits for this line
    sys.stdin.read()
    os._exit(0)


def refuse_inactive_keys() -> None:
    """AWS refuses an Inactive key with InvalidClientTokenId; moto lets it in."""
    from moto.iam.access_control import IAMRequestBase
    from moto.iam.models import iam_backends

    check = IAMRequestBase.check_signature

    def check_signature(self: Any) -> None:
        wanted = re.search(r"Credential=([^/]+)/", self._headers["Authorization"])
        for backend in iam_backends[self.account_id].values():
            key = backend.access_keys.get(wanted[1] if wanted else "")
            if key is not None and key.status != "Active":
                self._raise_invalid_access_key("InvalidId")
        check(self)

    IAMRequestBase.check_signature = check_signature  # type: ignore[method-assign]  # the mend


def match_resources() -> None:
    """AWS compares `Resource` with the ARN of the user that a call names; moto compares it with `*`."""
    from moto.iam.access_control import IAMRequestBase

    check = IAMRequestBase.check_action_permitted

    def check_action_permitted(self: Any, resource: str) -> None:
        check(self, named_user(self) or resource)

    IAMRequestBase.check_action_permitted = check_action_permitted  # type: ignore[method-assign]  # the mend


def named_user(request: Any) -> str | None:
    """The ARN of the user that an IAM call is about; None where it names none. The order of services is IAM's own."""
    if request._service != "iam":  # noqa: SLF001 - a mend works inside
        return None
    if "PolicySourceArn" in request._data:  # noqa: SLF001 - see above
        source: str = request._data["PolicySourceArn"][0]  # noqa: SLF001 - see above
        return source
    name = request._data.get("UserName", [None])[0]  # noqa: SLF001 - see above
    if name is None and "AccessKeyId" in request._data:  # noqa: SLF001 - see above
        key = request.backend.access_keys.get(request._data["AccessKeyId"][0])  # noqa: SLF001 - see above
        name = key.user_name if key else None
    named = [each.arn for each in request.backend.users.values() if each.name == name]
    return named[0] if named else name and f"arn:aws:iam::{request.account_id}:user/{name}"


def add_simulation() -> None:
    """SimulatePrincipalPolicy for users, answered by moto's own evaluator and written out by botocore's model of the answer."""
    from moto.core.responses import ActionResult
    from moto.iam.access_control import IAMPolicy, PermissionResult
    from moto.iam.models import iam_backends
    from moto.iam.responses import IamResponse

    words = {PermissionResult.PERMITTED: "allowed", PermissionResult.DENIED: "explicitDeny"}

    def decide(policies: list[Any], action: str, resource: str, context: dict[str, str]) -> str:
        if action.startswith(("secretsmanager:", "ssm:")):
            verdicts = [_moto_secrets.allows(each, action, resource, context) for each in policies]
            return "explicitDeny" if False in verdicts else "allowed" if True in verdicts else "implicitDeny"
        answers = [IAMPolicy(each).is_action_permitted(action, resource) for each in policies]
        worst = PermissionResult.DENIED if PermissionResult.DENIED in answers else PermissionResult.PERMITTED
        return words[worst] if worst in answers else "implicitDeny"

    def simulate_principal_policy(self: Any) -> Any:
        backend = iam_backends[self.current_account][self.partition]
        name = self._get_param("PolicySourceArn").rpartition("/")[2]
        policies = [backend.get_user_policy(name, each) for each in backend.list_user_policies(name)]
        policies += backend.list_attached_user_policies(name)[0]
        resource = self._get_param("ResourceArns")[0]
        context = {each["ContextKeyName"]: each["ContextKeyValues"][0] for each in self._get_param("ContextEntries", [])}
        results = [
            {"EvalActionName": action, "EvalResourceName": resource, "EvalDecision": decide(policies, action, resource, context)}
            for action in self._get_param("ActionNames")
        ]
        return ActionResult({"EvaluationResults": results, "IsTruncated": False})

    IamResponse.simulate_principal_policy = simulate_principal_policy  # type: ignore[attr-defined]  # the mend


class AccessLog:
    """One JSON line per call: action, key id, status. Bodies are read for the action's name and never written."""

    def __init__(self, application: Callable[..., Iterable[bytes]], path: str) -> None:
        self._application, self._path, self._lock = application, path, threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        key = re.search(r"Credential=([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
        action = parse_qs(body.decode("latin-1")).get("Action", [""])[0]

        def started(status: str, *rest: Any) -> Any:
            line = {"path": environ["PATH_INFO"], "action": action, "key": key[1] if key else None, "status": int(status[:3])}
            with self._lock, open(self._path, "a", encoding="utf-8") as log:  # noqa: PTH123 - appends
                log.write(json.dumps(line) + "\n")
            return start_response(status, *rest)

        return self._application(environ, started)
