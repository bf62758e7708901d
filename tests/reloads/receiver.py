"""A service that takes webhooks as docs/reloads.md tells its author to: strict about everything."""

import json
import re
from pathlib import Path

from rotator.testing.servers.raw import Answer, RawServer, json_answer

PAGE = Path(__file__).parents[2] / "docs" / "reloads.md"
HEADERS = {"host", "connection", "accept", "accept-encoding", "content-type", "content-length", "user-agent",
           "rotator-id", "rotator-timestamp", "rotator-signature"}  # fmt: skip


def verifier():
    """The function of the page."""
    (code,) = re.findall(r"<!-- python: receiver -->\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names = {}
    exec(code, names)
    return names["is_ours"]


class Receiver(RawServer):
    """Answers with our version, and `more`; 401 for what is not signed, 400 for what is not as the page says."""

    def __init__(self, key):
        super().__init__(self.serve)
        self.key, self.told, self.faults, self.more = key, [], [], {}
        self.next = None
        self.is_ours = verifier()

    def serve(self, request):
        if not self.is_ours(self.key, request.headers, request.body):
            return json_answer({"message": "not signed"}, 401)
        wrong = self.wrong(request)
        if wrong:
            self.faults.append(wrong)
            return Answer(400)
        version = json.loads(request.body)["version"]
        self.told.append(version)
        return self.next or json_answer({"version": version, **self.more})

    def wrong(self, request):
        names = {each.lower() for each in request.headers}
        if names - HEADERS:
            return f"headers {names - HEADERS}"
        if (request.method, request.path, request.headers["Content-Type"]) != ("POST", "/rotated", "application/json"):
            return "no POST of JSON to /rotated"
        body = json.loads(request.body)
        if sorted(body) != ["id", "name", "version"] or body["id"] != request.headers["Rotator-Id"] != "":
            return f"body {sorted(body)}"
        return None
