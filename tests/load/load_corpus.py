# ruff: noqa: E501 - a configuration of one spec reads best on one line
"""Bad configurations. `#!` at the end of a line marks where the problem must be reported; without one it is line 1.

`C4N4RY...` are values that nobody may repeat.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from load_kit import OWNER, TEAM

CANARY = "C4N4RY-hunter2-zebra"


@dataclass(frozen=True)
class Bad:
    """One case: the two files, and words of the message."""

    name: str
    says: str
    owner: str = OWNER
    team: str = TEAM
    raw: bytes | None = None
    """The schedule's bytes, where text will not do."""


def _changed(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, (old, text.count(old))
    return text.replace(old, new)


def owner(name: str, old: str, new: str, says: str) -> Bad:
    return Bad(name, says, owner=_changed(OWNER, old, new))


def team(name: str, old: str, new: str, says: str) -> Bad:
    return Bad(name, says, team=_changed(TEAM, old, new))


def spec(name: str, body: str, says: str) -> Bad:
    """One spec, written out."""
    return Bad(name, says, team="version: 1\ndefaults: {owner: team, store: {name: local}}\nrotations:\n  one:\n" + body)


def raw(name: str, data: bytes, says: str) -> Bad:
    return Bad(name, says, raw=data)


ONE = "    target: {type: toy_one, connection: sys, username: solo}\n"
TWO = "    target: {type: toy_one, connection: sys, usernames: [a_1, b_1]}\n"
ISSUE = "    target: {type: toy_issue, connection: sys, principal: p_1}\n"
PATH = "    store: {path: one/db}\n"
WHEN = "    when: {every: 30d}\n"

YAML = [
    raw("empty", b"", "empty"),
    raw("only a comment", b"# nothing\n", "empty"),
    raw("a list", b"- version: 1\n", "is a mapping"),
    raw("a word", f"{CANARY}\n".encode(), "is a mapping"),
    raw("a null document", b"---\n", "no value"),
    raw("utf-16", "version: 1\n".encode("utf-16"), "UTF-16"),
    raw("latin-1", b"version: 1\nrotations: {} # caf\xe9 #!\n", "not UTF-8"),
    raw("a NUL", b"version: 1\nrotations: {} # \x00 #!\n", "U+0000"),
    raw("a bell", b"version: 1\n\nrotations: {} # \x07 #!\n", "U+0007"),
    raw("a bell after carriage returns", b"version: 1\r\n\r\nrotations: {} # \x07 #!\r\n", "U+0007"),
    raw("text that turns around", "version: 1\nrotations: {} # \u202e #!\n".encode(), "U+202E"),
    raw("a line separator", "version: 1\nrotations: {} # \u2028 #!\n".encode(), "U+2028"),
    raw("a second byte order mark", b"version: 1\nrotations: {} # \xef\xbb\xbf #!\n", "U+FEFF"),
    raw("too large", b"version: 1\n# " + b"x" * (1 << 20), "at most 1048576 bytes"),
    raw("two documents", b"version: 1\n--- #!\nversion: 1\n", "second document"),
    raw("too deep", b"version: 1\nrotations: " + b"[" * 40 + b" #!\n", "nested more than 32"),
    raw("far too deep", b"{a: " * 100_000, "nested more than 32"),
    raw("far too deep by blocks", b"\n".join(b" " * i + b"a:" for i in range(200)), "nested more than 32"),
    raw("an anchor", b"version: 1\nrotations: &all {} #!\n", "anchor"),
    raw("an alias", b"version: 1\nrotations: *all #!\n", "alias"),
    raw("an alias as a key", b"version: 1\n*all : 1 #!\n", "alias"),
    raw("an alias in a list", b"version: 1\nrotations: {one: [*a]} #!\n", "alias"),
    raw("a merge key", b"version: 1\nrotations:\n  <<: {} #!\n", "merge key"),
    raw("a tag", b"version: 1\nrotations: !!map {} #!\n", "tag"),
    raw("a python tag", b"version: 1\nrotations: !!python/object:os.system {} #!\n", "tag"),
    raw("a local tag", b"version: 1\nrotations: !secret hunter2 #!\n", "tag"),
    raw("an unknown tag handle", b"version: 1\nrotations: !x!y z #!\n", "not valid YAML"),
    raw("a duplicate key", b"version: 1\nrotations: {}\nversion: 1 #!\n", "twice (first in line 1)"),
    raw("a duplicate spec", b"version: 1\nrotations:\n  one: {owner: x}\n  one: {owner: x} #!\n", "twice"),
    raw("a list as a key", b"version: 1\n? [a, b] #!\n: 1\n", "plain word"),
    raw("a mapping as a key", b"version: 1\n? {a: b} #!\n: {c: d}\n", "plain word"),
    raw("no key", b'version: 1\n"": 1 #!\n', "no key"),
    raw("no value", b"version: 1\nrotations: #!\n", "no value"),
    raw("no value in a list", b"version: 1\nrotations: {one: {publish: [,]}} #!\n", ""),
    raw("a tab", b"version: 1\nrotations:\n\tone: {} #!\n", "tab"),
    raw("an open quote", f'version: 1\nrotations: "{CANARY} #!'.encode(), "quote"),
    raw("an open brace", b"version: 1\nrotations: {one: {\n", "not closed"),
    raw("an open bracket", b"version: 1\nrotations: [one, two\n", "missing"),
    raw("bad indentation", b"version: 1\nrotations:\n   one: {}\n  two: {} #!\n", "indentation"),
    raw("a colon too many", f"version: 1\nrotations: a: {CANARY} #!\n".encode(), "a `:` too many"),
    raw("a missing colon", f"version: 1\n{CANARY}\nrotations: {{}} #!\n".encode(), "missing"),
    raw("an at sign", b"version: 1\nrotations: @home #!\n", "quote the value"),
    raw("a hidden NUL in a value", b'version: 1\ndefaults: {owner: "a\\0b"} #!\nrotations: {}\n', "control"),
    raw("a hidden escape in a value", b'version: 1\ndefaults: {owner: "a\\e[2J"} #!\nrotations: {}\n', "control"),
]

TOP = [
    owner("no version", "version: 1\nenvironment", "environment", "required"),
    owner("another version", "version: 1\nenv", "version: 2 #!\nenv", "reads `version: 1`"),
    owner("no environment", "environment: test\n", "", "required"),
    owner("an empty environment", "environment: test", 'environment: "" #!', "a name has"),
    owner("an odd environment", "environment: test", f'environment: "{CANARY}!" #!', "a name has"),
    owner("an environment that is a list", "environment: test", "environment: [test] #!", "plain text"),
    owner("an unknown key", "audit:\n", "audits: {} #!\naudit:\n", "did you mean `audit`?"),
    owner("connections in the singular", "limits:", "connection: {} #!\nlimits:", "did you mean `connections`?"),
    owner("a secret at the top", "limits:", f"password: {CANARY} #!\nlimits:", "a secret never stands here"),
    owner(
        "a list of policies",
        "policies:\n  usual: {max_age: 90d, max_grace: 7d, every: 30d, grace: 24h, soak: 0s, password: {length: 40}}\n  loose: {every: 30d}",
        "policies: [] #!",
        "mapping",
    ),
    owner("too many runs", "runs: 3", "runs: 1000", "less than or equal to 256"),
    owner("no runs", "{runs: 3, per_connection: 1}", "{runs: 0} #!", "greater than or equal to 1"),
    owner("runs in words", "{runs: 3, per_connection: 1}", f"{{runs: {CANARY}}} #!", "whole number"),
    owner("a limit that nothing reads", "{runs: 3, per_connection: 1}", "{run: 3} #!", "did you mean `runs`?"),
    owner("another ledger", "sqlite:///var/ledger.db", "postgresql://u:C4N4RY-hunter2-zebra@h/d #!", "write sqlite:///PATH"),
    owner("a ledger in memory", "sqlite:///var/ledger.db", "'sqlite:///:memory:' #!", "write sqlite:///PATH"),
    owner("a ledger with options", "sqlite:///var/ledger.db", "sqlite:///var/ledger.db?mode=ro #!", "write sqlite:///PATH"),
    owner("another required sink", "required: [ledger]", "required: [syslog] #!", "should be 'ledger'"),
    owner("plugins allowed in one word", "limits:", "plugins: {allow: toy_one} #!\nlimits:", "write a list"),
]

ENTRIES = [
    owner("a connection without type", "    type: toy\n    host: db.internal", "    host: db.internal", "required"),
    owner("an unknown connection type", "type: toy\n    host: db", "type: toi #!\n    host: db", "did you mean `toy`?"),
    owner(
        "a connection type of which the plugin is broken", "type: toy\n    host: db", "type: toy_broken #!\n    host: db", "RuntimeError"
    ),
    owner("a type that is a list", "type: toy\n    host: db", "type: [toy] #!\n    host: db", "plain text"),
    owner(
        "a connection that is a word",
        '  strict:\n    type: toy\n    host: strict.internal\n    admin: {username: rotator, password: {file: secrets/admin}}\n    allow: {schedules: ["orders.yaml"], principals: ["orders_*"], stores: ["local:orders/**"]}',
        f"  strict: {CANARY} #!",
        "mapping",
    ),
    owner("a misspelt host", "host: db.internal", "hots: db.internal #!", "did you mean `host`?"),
    owner("a port in words", "host: db.internal", f"host: db.internal\n    port: {CANARY} #!", "whole number"),
    owner("a switch in words", "host: db.internal", f"host: db.internal\n    tls: {CANARY} #!", "`true` or `false`"),
    owner(
        "a password written out",
        "{username: rotator, password: {env: TOY_ADMIN}}",
        f"{{username: rotator, password: {CANARY}}} #!",
        "a secret is a reference",
    ),
    owner("a password as a value", "{env: TOY_ADMIN}}", f"{{value: {CANARY}}}}} #!", "a secret is a reference"),
    owner("a password as a list", "{env: TOY_ADMIN}}", f"[{CANARY}]}} #!", "a secret is a reference"),
    owner("a misspelt reference", "{env: TOY_ADMIN}}", "{evn: TOY_ADMIN}} #!", "a secret is a reference"),
    owner("two references in one", "{env: TOY_ADMIN}}", "{env: TOY_ADMIN, file: x}} #!", "nothing reads `file`"),
    owner("half a store reference", "{env: TOY_ADMIN}}", "{store: local, path: a/b}} #!", "required"),
    owner("a value for a variable's name", "{env: TOY_ADMIN}}", f'{{env: "{CANARY}"}}}} #!', "the name of a variable"),
    owner("a reference to an empty file", "{env: TOY_ADMIN}}", '{file: ""}} #!', "the path of a file"),
    owner("a reference to no store", "{env: TOY_ADMIN}}", "{store: lokal, path: a, field: f}} #!", "did you mean `local`?"),
    owner("a reference that climbs", "{env: TOY_ADMIN}}", "{store: local, path: ../a, field: f}} #!", "no path in a store"),
    owner(
        "a store that needs itself",
        "{type: toy, path: var/store}",
        "{type: toy, path: var/store, key: {store: local, path: a, field: f}} #!",
        "stands in itself",
    ),
    owner(
        "stores that need each other",
        "  local: {type: toy, path: var/store}\n  slow: {type: toy_slow, path: var/slow}",
        "  local: {type: toy, path: var/store, key: {store: slow, path: a, field: f}} #!\n  slow: {type: toy_slow, path: var/slow, key: {store: local, path: a, field: f}}",
        "stands in itself",
    ),
    owner(
        "http towards another host",
        "host: db.internal",
        "host: db.internal\n    url: http://C4N4RY-hunter2-zebra.internal/ #!",
        "only towards loopback",
    ),
    owner(
        "a user in a URL",
        "host: db.internal",
        "host: db.internal\n    url: https://u:C4N4RY-hunter2-zebra@x/ #!",
        "no user and no password",
    ),
    owner("an empty path of a file", "host: db.internal", 'host: db.internal\n    ca: "" #!', "give the path"),
    owner("an odd name of a connection", "  strict:\n", f'  "Strict {CANARY}": #!\n', "a name has"),
    owner(
        "an empty allow list",
        '{schedules: ["*"], principals: ["*"], stores: ["local:**", "slow:**"]}',
        "{schedules: []} #!",
        "must not be empty",
    ),
    owner(
        "a misspelt allow",
        '{schedules: ["*"], principals: ["*"], stores: ["local:**", "slow:**"]}',
        "{schedule: [x]} #!",
        "did you mean `schedules`?",
    ),
    owner(
        "allow in one word",
        'allow: {schedules: ["*"], principals: ["*"], stores: ["local:**", "slow:**"]}',
        "allow: everybody #!",
        "mapping",
    ),
    owner(
        "principals allowed at a destination",
        'path: out/env, allow: {schedules: ["*"]}}',
        "path: out/env, allow: {principals: [x]}} #!",
        "nothing reads `principals`",
    ),
    owner(
        "an unknown store type", "{type: toy_slow, path: var/slow}", "{type: vault9, path: var/slow} #!", "no plugin for this store type"
    ),
    owner(
        "an unknown destination type",
        "{type: toy_attested, path: out/ci",
        "{type: jenkins, path: out/ci",
        "no plugin for this destination type",
    ),
    owner("one store twice", "{type: toy_slow, path: var/slow}", "{type: toy, path: var/store} #!", "the same place as `local`"),
    owner(
        "one destination twice",
        "  second: {type: toy_paths, path: out/second,",
        "  second: {type: toy, path: out/env,",
        "the same place as `env`",
    ),
    owner("a store and a destination of one name", "  ci: {type: toy_attested", "  local: {type: toy_attested", "a store has this name"),
    owner("a policy that nothing reads", "{every: 30d}", "{evry: 30d} #!", "did you mean `every`?"),
    owner("a policy without a unit", "{every: 30d}", "{every: 30} #!", "a number and a unit"),
    owner("a policy of no time", "{every: 30d}", "{every: 0s} #!", "longer than 0s"),
    owner("a negative time", "{every: 30d}", "{every: -1d} #!", "a number and a unit"),
    owner("a time of many units", "{every: 30d}", "{every: 1d12h} #!", "a number and a unit"),
    owner("a time longer than anybody lives", "{every: 30d}", "{every: 99999d} #!", "at most 36500d"),
    owner("a policy against itself", "grace: 24h, soak: 0s, password: {length: 40}}", "grace: 8d} #!", "the policy's own `max_grace`"),
    owner("short passwords", "password: {length: 40}}", "password: {length: 12}} #!", "32 to 1024"),
    owner("long passwords", "password: {length: 40}}", "password: {length: 99999}} #!", "32 to 1024"),
    owner("a poor alphabet", "password: {length: 40}}", "password: {alphabet: ab}} #!", "128 bits"),
    owner("an alphabet with a blank", "password: {length: 40}}", 'password: {alphabet: "abcdefghijklmnopqrstuvwxyz "}} #!', "no blank"),
    owner("an alphabet that favours a letter", "password: {length: 40}}", "password: {alphabet: aabcdefghijklmnopqrstuvwxyz}} #!", "twice"),
    owner("a password in a policy", "password: {length: 40}}", f"password: {CANARY}}} #!", "mapping"),
]

TEAMS = [
    team("no version", "version: 1\n", "", "required"),
    team("another version", "version: 1\n", "version: one #!\n", "reads `version: 1`"),
    team("an unknown key", "rotations:", "rotation: {} #!\nrotations:", "did you mean `rotations`?"),
    team("a host in a team's file", "rotations:", "connections: {x: {host: h}} #!\nrotations:", "nothing reads `connections`"),
    team("rotations as a list", TEAM[TEAM.index("rotations:") :], "rotations: [] #!\n", "mapping"),
    team("defaults as a word", "{owner: team, policy: usual, store: {name: local}}", "none #!", "mapping"),
    team("a default that nothing reads", "{owner: team, ", "{owners: team, ", "did you mean `owner`?"),
    team(
        "a default policy that is not there",
        "policy: usual, store: {name: local}}",
        "policy: usuel, store: {name: local}} #!",
        "did you mean `usual`?",
    ),
    team("a default path", "{name: local}}", "{name: local, path: x}} #!", "nothing reads `path`"),
    team("a default store that is not there", "store: {name: local}}", "store: {name: lokal}} #!", "did you mean `local`?"),
    team("an odd name", "  in-place:\n", f'  "In Place {CANARY}": #!\n', "a name has"),
    team("a long name", "  in-place:\n", f"  {'x' * 64}: #!\n", "a name has"),
    team("a spec that is a word", "  keys:\n", f"  other: {CANARY} #!\n  keys:\n", "mapping"),
    team("a misspelt target", "    target: {type: toy_issue,", "    traget: {type: toy_issue,", "did you mean `target`?"),
    team("a password in a spec", "    grace: 0s", f"    password: {CANARY} #!\n    grace: 0s", "mapping"),
    team("a token in a spec", "    grace: 0s", f"    token: {CANARY} #!\n    grace: 0s", "a secret never stands here"),
    team("a command in a spec", "    grace: 0s", "    command: rm #!\n    grace: 0s", "nothing reads `command`"),
    team("one user twice", "usernames: [app_a, app_b]} ".strip(), "usernames: [app_a, app_a]} #!", "must be different"),
    team("another spec's principal", "username: solo}", "username: app_b} #!", "is rotated by `alternating`"),
    team("another spec's path", "{path: orders/solo}", "{path: orders/db} #!", "belongs to `alternating`"),
    team(
        "another spec's key",
        "    grace: 0s",
        "    grace: 0s\n    publish: [{destination: env, keys: {API_TOKEN: password}}]",
        "is written by `in-place`",
    ),
    team("a grace beyond the policy", "grace: 7d", "grace: 8d #!", "write at most 7d"),
    team("more than the policy's age", "{every: 30d}", "{every: 90d} #!", "more than the policy's max_age, 90d"),
    team("a cron beyond the policy's age", 'cron: "0 3 1 * *"', 'cron: "0 3 1 */4 *"', "more than the policy's max_age"),
    team("an inherited grace in place", "    grace: 0s\n", "", "write `grace: 0s`"),
]

SPECS = [
    Bad("nothing at all", "required", team="version: 1\nrotations:\n  one: {} #!\n"),
    spec("no target", PATH + WHEN, "required"),
    spec("no store", ONE + WHEN, "required"),
    spec("no when", ONE + PATH, "or a policy that says `every`"),
    spec("both every and cron", ONE + PATH + '    when: {every: 30d, cron: "@daily"} #!\n', "exactly one"),
    spec("neither every nor cron", ONE + PATH + "    when: {timezone: UTC} #!\n", "exactly one"),
    spec("a time zone with every", ONE + PATH + "    when: {every: 30d, timezone: UTC} #!\n", "belongs to `cron`"),
    spec("an unknown time zone", ONE + PATH + '    when: {cron: "@daily", timezone: Europe/Berlim} #!\n', "no such time zone"),
    spec("a time zone that climbs", ONE + PATH + '    when: {cron: "@daily", timezone: ../../etc/passwd} #!\n', "no such time zone"),
    spec("a directory of time zones", ONE + PATH + '    when: {cron: "@daily", timezone: Europe} #!\n', "no such time zone"),
    spec("four fields", ONE + PATH + '    when: {cron: "0 3 * *"} #!\n', "five fields"),
    spec("six fields", ONE + PATH + '    when: {cron: "0 0 3 * * *"} #!\n', "five fields"),
    spec("a minute too late", ONE + PATH + '    when: {cron: "60 3 * * *"} #!\n', "the minute"),
    spec("an eighth day", ONE + PATH + '    when: {cron: "0 3 * * 8"} #!\n', "the day of week"),
    spec("a thirteenth month", ONE + PATH + '    when: {cron: "0 3 * 13 *"} #!\n', "the month"),
    spec("a backward range", ONE + PATH + '    when: {cron: "0 5-3 * * *"} #!\n', "the hour"),
    spec("steps of nothing", ONE + PATH + '    when: {cron: "*/0 3 * * *"} #!\n', "the minute"),
    spec("the last day", ONE + PATH + '    when: {cron: "0 3 L * *"} #!\n', "numbers, *"),
    spec("words for a cron", ONE + PATH + f'    when: {{cron: "{CANARY}"}} #!\n', "five fields"),
    spec("a February that never comes", ONE + PATH + '    when: {cron: "0 0 30 2 *"} #!\n', "never fires"),
    spec("a cron of a thousand fields", ONE + PATH + f"    when: {{cron: {'0 ' * 500}}} #!\n", "five fields"),
    spec("an unknown alias", ONE + PATH + '    when: {cron: "@reboot"} #!\n', "five fields"),
    spec("no type", PATH + WHEN + "    target: {connection: sys, username: solo} #!\n", "required"),
    spec("no connection", PATH + WHEN + "    target: {type: toy_one, username: solo} #!\n", "required"),
    spec("an unknown type", PATH + WHEN + "    target: {type: toy_noe, connection: sys} #!\n", "did you mean `toy_one`?"),
    spec("a misspelt connection", PATH + WHEN + "    target: {type: toy_one, connection: sus, username: solo} #!\n", "did you mean `sys`?"),
    spec("a host of its own", PATH + WHEN + f"    target: {{type: toy_one, connection: sys, username: solo, host: {CANARY}}} #!\n", "nothing reads `host`"),
    spec("no user", PATH + WHEN + "    target: {type: toy_one, connection: sys} #!\n", "give either"),
    spec("both kinds of users", PATH + WHEN + f"    target: {{type: toy_one, connection: sys, username: {CANARY}, usernames: [a, b]}} #!\n", "give either"),
    spec("three users", PATH + WHEN + "    target: {type: toy_one, connection: sys, usernames: [a, b, c]} #!\n", "at most two"),
    spec("an empty user", PATH + WHEN + '    target: {type: toy_one, connection: sys, username: ""} #!\n', "not empty"),
    spec("a user of two lines", PATH + WHEN + '    target: {type: toy_one, connection: sys, username: "a\\nb"} #!\n', "control character"),
    spec("the admin itself", PATH + WHEN + "    target: {type: toy_one, connection: sys, username: rotator} #!\n", "the admin of connection `sys`"),
    spec("the admin as the second", PATH + WHEN + "    target: {type: toy_one, connection: sys, usernames: [a, rotator]} #!\n", "the admin of connection `sys`"),
    spec("self", PATH + WHEN + "    target: {type: toy_one, connection: sys, username: rotator}\n    self: true #!\n", "not supported yet"),
    spec("a swap target", PATH + WHEN + "    target: {type: toy_swap, connection: sys, principal: p} #!\n", "not supported yet"),
    spec("a target that holds one", PATH + WHEN + "    target: {type: toy_single, connection: sys, principal: p} #!\n", "one credential at a time"),
    spec("a broken plugin", PATH + WHEN + "    target: {type: toy_broken, connection: sys} #!\n", "cannot be imported: RuntimeError"),
    spec("a plugin without its driver", PATH + WHEN + "    target: {type: toy_missing, connection: sys} #!\n", "module `no_such_driver` is not installed for "),
    spec("a plugin that exits", PATH + WHEN + "    target: {type: toy_exit, connection: sys} #!\n", "SystemExit"),
    spec("a plugin without its class", PATH + WHEN + "    target: {type: toy_absent, connection: sys} #!\n", "AttributeError"),
    spec("a plugin that is no target", PATH + WHEN + "    target: {type: toy_wrong, connection: sys} #!\n", "no subclass of Target"),
    spec("a plugin that is not done", PATH + WHEN + "    target: {type: toy_abstract, connection: sys} #!\n", "`apply` is missing"),
    spec("a connection of another type", PATH + WHEN + "    target: {type: toy_other, connection: sys, username: u} #!\n", "needs a connection of type `toy_other`"),
    spec("a plugin that repeats", PATH + WHEN + f"    target: {{type: toy_leaky, connection: sys, principal: {CANARY}}} #!\n", "not accepted here"),
    spec("a plugin that exits as it looks at its settings", PATH + WHEN + "    target: {type: toy_ends, connection: sys, principal: p} #!\n", "(SystemExit)"),
    spec("a plugin whose lifetime is no number", PATH + WHEN + "    target: {type: toy_lasting, connection: sys, principal: p} #!\n", "(TypeError)"),
    spec("a plugin that says nonsense", PATH + WHEN + "    target: {type: toy_careless, connection: sys, principal: p} #!\n", "TypeError"),
    spec("a plugin that raises", PATH + WHEN + "    target: {type: toy_leaky, connection: sys, principal: boom} #!\n", "RuntimeError"),
    spec("a secret reference of a team's", PATH + WHEN + "    target: {type: toy_ref, connection: sys, principal: p, token: {env: X}} #!\n", "refers to no secret"),
    spec("a number in words", PATH + WHEN + f"    target: {{type: toy_one, connection: sys, username: u, limit: {CANARY}}} #!\n", "whole number"),
    spec("a connection for others", "    target: {type: toy_one, connection: strict, username: other_x} #!\n" + PATH + WHEN, "does not allow this principal"),
    spec("a store for others", "    target: {type: toy_one, connection: strict, username: orders_x}\n    store: {path: billing/x} #!\n" + WHEN, "does not allow this store"),
    spec("a store deeper than allowed", "    target: {type: toy_one, connection: strict, username: orders_x}\n    store: {name: slow, path: orders/x} #!\n" + WHEN, "does not allow this store"),
    spec("a path that climbs", ONE + WHEN + "    store: {path: orders/../billing} #!\n", "is `.` or `..`"),
    spec("an absolute path", ONE + WHEN + "    store: {path: /etc/passwd} #!\n", "joined by `/`"),
    spec("a path that ends in a slash", ONE + WHEN + "    store: {path: orders/} #!\n", "joined by `/`"),
    spec("a path with a blank", ONE + WHEN + f'    store: {{path: "{CANARY} x"}} #!\n', "joined by `/`"),
    spec("a long path", ONE + WHEN + f"    store: {{path: {'a' * 201}}} #!\n", "joined by `/`"),
    spec("a store that is not there", ONE + WHEN + "    store: {name: slo, path: a} #!\n", "did you mean `slow`?"),
    spec("a store as a word", ONE + WHEN + "    store: local #!\n", "mapping"),
    spec("an owner of two lines", ONE + PATH + WHEN + '    owner: "a\\nb" #!\n', "one line"),
    spec("an empty owner", ONE + PATH + WHEN + '    owner: "" #!\n', "empty"),
    spec("a policy that is not there", ONE + PATH + WHEN + "    policy: looze #!\n", "did you mean `loose`?"),
    spec("grace as long as every", TWO + PATH + WHEN + "    grace: 30d #!\n", "must be shorter than every"),
    spec("grace and soak as long as every", TWO + PATH + WHEN + "    grace: 15d #!\n    soak: 15d\n", "must be shorter than every"),
    spec("grace in place", ONE + PATH + WHEN + "    grace: 1h #!\n", "write `grace: 0s`"),
    spec("soak where nothing is switched off", ONE + PATH + WHEN + "    soak: 1h #!\n", "write `soak: 0s`"),
    spec("soak that two users cannot have", PATH + WHEN + "    target: {type: toy_two, connection: sys, usernames: [a, b]}\n    soak: 1h #!\n", "write `soak: 0s`"),
    spec("less grace than the place is stale", ISSUE + PATH + WHEN + "    grace: 1m #!\n    publish: [{destination: second}]\n", "at least that"),
    spec("less grace than the store is stale", ISSUE + "    store: {name: slow, path: a}\n" + WHEN + "    grace: 1s #!\n", "at least that"),
    spec("a lifetime shorter than two graces", PATH + WHEN + "    target: {type: toy_issue, connection: sys, principal: p, lifetime: 10d}\n    grace: 6d #!\n", "less than half"),
    spec("a grace without a unit", TWO + PATH + WHEN + "    grace: 24 #!\n", "a number and a unit"),
    spec("a destination that is not there", ISSUE + PATH + WHEN + "    publish: [{destination: evn, keys: {A: secret}}] #!\n", "did you mean `env`?"),
    spec("a destination twice", ISSUE + PATH + WHEN + "    publish:\n      - {destination: env, keys: {A: secret}}\n      - {destination: env, keys: {B: secret}} #!\n", "stands here twice"),
    spec("no keys", ISSUE + PATH + WHEN + "    publish: [{destination: env}] #!\n", "`keys` says"),
    spec("keys of no field", ISSUE + PATH + WHEN + "    publish: [{destination: env, keys: {A: password}}] #!\n", "no such field"),
    spec("keys without the secret", ISSUE + PATH + WHEN + "    publish: [{destination: env, keys: {A: id}}] #!\n", "`secret` is missing"),
    spec("keys without the user", TWO + PATH + WHEN + "    publish: [{destination: env, keys: {A: password}}] #!\n", "`username` is missing"),
    spec("a key that is no variable", ISSUE + PATH + WHEN + "    publish: [{destination: env, keys: {A-B: secret}}] #!\n", "name of a variable"),
    spec("a key with a blank", ISSUE + PATH + WHEN + f'    publish: [{{destination: env, keys: {{"{CANARY} x": secret}}}}] #!\n', "a key that consumers read"),
    spec("a place that nobody can read", ISSUE + PATH + WHEN + "    publish: [{destination: ci, keys: {A: secret}}] #!\n", "accept: attested"),
    spec("another kind of proof", ISSUE + PATH + WHEN + "    publish: [{destination: ci, keys: {A: secret}, accept: faith}] #!\n", "should be 'attested'"),
    spec("publish as a mapping", ISSUE + PATH + WHEN + "    publish: {destination: env} #!\n", "list"),
    spec("a publish that nothing reads", ISSUE + PATH + WHEN + "    publish: [{destination: env, key: {A: secret}}] #!\n", "did you mean `keys`?"),
    spec("a long label", ONE + PATH + WHEN + f"    labels: {{tier: {'x' * 64}}} #!\n", "at most 63"),
    spec("a label of two lines", ONE + PATH + WHEN + '    labels: {tier: "a\\nb"} #!\n', "one line"),
    spec("a label that is a list", ONE + PATH + WHEN + "    labels: {tier: [a]} #!\n", "plain text"),
    spec("labels as a list", ONE + PATH + WHEN + "    labels: [a] #!\n", "mapping"),
    spec("retire in words", ONE + PATH + WHEN + f"    retire: {CANARY} #!\n", "`true` or `false`"),
    spec("a password where the provider makes it", ISSUE + PATH + WHEN + "    password: {length: 40} #!\n", "makes the secret itself"),
    spec("a short password", ONE + PATH + WHEN + "    password: {length: 16} #!\n", "32 to 1024"),
    spec("a password weaker than the policy", ONE + PATH + WHEN + "    policy: usual\n    grace: 0s\n    password: {length: 32} #!\n", "weaker than the policy's"),
]  # fmt: skip

CASES = [*YAML, *TOP, *ENTRIES, *TEAMS, *SPECS]


def marked(text: str) -> int:
    """The line with the mark, or 1."""
    return next((number for number, line in enumerate(text.splitlines(), 1) if line.endswith("#!")), 1)
