"""The same look at what a plugin leaked on purpose: each of ten secrets is found in its own place, and nowhere else."""

import json

from test_leaks import sinks

PLANTED = {
    "stdout": {"stdout"},
    "stderr": {"stderr"},
    "debug_log": {"stderr"},
    "ledger": {"ledger"},
    "state": {"var"},
    "arguments": {"argv"},
    "environ": {"environ"},
    "server_log": {"postgres log"},
    "access_log": {"access log"},
    "temporary_file": {"tmp"},
}
"""What the plugin does, and where that is seen."""


def test_each_of_ten_planted_leaks_is_found_where_it_is_and_nowhere_else(field, servers, drop_in, watch):
    secrets = {each: field.canary.make(each, hard=True).reveal() for each in PLANTED}
    field.environment |= {"LEAKY_SECRETS": str(field.private("leaky.json", json.dumps(secrets))), "LEAKY_URL": servers.aws.url}
    field.rotations = {"leaky": field.spec("leaky", {"type": "leaky", "connection": "pg", "dbname": "postgres", "username": "leaky"})}
    field.write()
    field.adopt_fast("leaky", plugins=[drop_in])
    assert sinks(field, watch) == {}
    assert field.rotator("--log-level", "debug", "run", "leaky", "--force").code == 0
    assert field.rotator("dry-run").code == 0
    assert sinks(field, watch) == PLANTED

    field.said["stderr"].clear()
    assert field.rotator("run", "leaky", "--force").code == 0
    labels = {hit.label for each in field.said["stderr"] for hit in field.canary.search(each, "stderr")}
    assert labels == {"stderr"}, "what is logged at debug is not there at info"

    new = field.shown("leaky").secret.reveal()
    assert next(hit.label for hit in field.canary.search(f"rotated to {new}", "somewhere")).startswith("leaky, version ")
