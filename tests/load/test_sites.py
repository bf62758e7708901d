"""Two entries that are one place are found as files are read, however they are called and spelled."""

from pathlib import Path

import pytest
from load_kit import POSTGRES, write_config

from rotator.load import Invalid, load

OWNER = (
    POSTGRES
    + """  local: {STORE, allow: {schedules: ["*"]}}
destinations:
  one: {ONE, allow: {schedules: ["*"]}}
  other: {OTHER, allow: {schedules: ["*"]}}
"""
)
SPEC = """  {name}-db:
    owner: team
    target: {{type: postgres, connection: pg, dbname: orders, username: {name}}}
    store: {{name: local, path: {name}/db}}
    when: {{every: 30d}}
    grace: 0s
    publish: [{publish}]
"""
FILE = "type: file, path: var/store, key: {file: var/store.key}"
VAULT = "type: vault, address: https://vault.internal:8200, auth: {token: {env: T}}"
AWS = "type: aws_secrets_manager, region: eu-west-1"
CLUSTER = "type: kubernetes_secret, namespace: billing, api_server: https://k8s.internal, token: {env: T}"
GITLAB = "type: gitlab_variable, api_url: https://gitlab.internal/api/v4, project: team/orders, token: {env: T}"


def told(folder, *publish, one, other, store=FILE):
    """What `validate` says of specs that publish so, each of another user."""
    team = "version: 1\nrotations:\n" + "".join(SPEC.format(name=f"app{n}", publish=each) for n, each in enumerate(publish))
    owner = OWNER.replace("STORE", store).replace("ONE", one).replace("OTHER", other)
    try:
        load(write_config(folder, owner, orders=team))
    except Invalid as error:
        return [f"{Path(each.file).name}:{each.line}: {each.text}" for each in error.problems]
    return []


@pytest.mark.parametrize(
    "other",
    ["type: env_file, path: out/../out/env", 'type: env_file, path: out/env, mode: "0640"', "type: file, format: raw, path: out/env"],
)
def test_one_file_under_two_names_is_an_error_however_it_is_spelled(other, tmp_path):
    wrong = told(tmp_path, "", one="type: env_file, path: out/env", other=other)
    assert wrong == ["rotator.yaml:13: this is the same place as `one`: write one of them"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (VAULT, VAULT.replace("vault.internal:8200", "VAULT.internal:8200/")),
        (VAULT, VAULT + ", prefix: rotator2"),
        (AWS + ', account: "111122223333"', AWS + ", role: {arn: 'arn:aws:iam::111122223333:role/rotator'}"),
        (CLUSTER, CLUSTER.replace("k8s.internal", "k8s.internal:443") + ", create: true"),
        (GITLAB, GITLAB.replace("team/orders", "Team/Orders") + ", masked: false"),
    ],
)
def test_one_document_through_two_entries_belongs_to_one_spec(one, other, tmp_path):
    publish = (f"{{destination: {each}, path: shared, keys: {{PW: password}}}}" for each in ("one", "other"))
    wrong = told(tmp_path, *publish, one=one, other=other)

    assert len(wrong) == 1
    assert "orders.yaml:16: this path there belongs to `app0-db`" in wrong[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (VAULT, VAULT + ", mount: kv"),
        (VAULT, VAULT + ", namespace: team"),
        (AWS + ", profile: a", AWS + ", profile: b"),
        (AWS, AWS.replace("west", "central")),
        (CLUSTER, CLUSTER.replace("billing", "orders")),
        (GITLAB, GITLAB + ", environment_scope: production"),
    ],
)
def test_equal_paths_in_two_places_are_two_places(one, other, tmp_path):
    publish = (f"{{destination: {each}, path: shared, keys: {{PW: password}}}}" for each in ("one", "other"))
    assert [each for each in told(tmp_path, *publish, one=one, other=other) if "consumers may read" not in each] == []


@pytest.mark.parametrize("store", [VAULT, AWS])
@pytest.mark.parametrize("path", ["", "path: app0/db, "])
def test_the_document_in_which_the_store_shows_its_fields_is_no_further_place(store, path, tmp_path):
    other = store.replace("vault.internal", "vault.internal:8200").replace(":8200:8200", ":8200/")
    wrong = told(tmp_path, f"{{destination: one, {path}keys: {{PW: password}}}}", one=other + ", prefix: else", other=CLUSTER, store=store)
    assert wrong == ["orders.yaml:9: this is the very document that `local` writes: choose another `path`, or leave this place out"]


def test_one_document_through_two_entries_of_one_spec_is_an_error_at_the_second(tmp_path):
    both = ", ".join(f"{{destination: {each}, path: shared, keys: {{PW: password}}}}" for each in ("one", "other"))
    wrong = told(tmp_path, both, one=VAULT, other=VAULT + ", prefix: else")
    assert wrong == ["orders.yaml:9: this is the very document that `one` writes: choose another `path`, or leave this place out"]


# ---- where nothing but what is the store's own can stand


@pytest.mark.parametrize("store", [VAULT, AWS])
def test_a_path_below_the_prefix_of_the_records_is_an_error(store, tmp_path):
    store += ", prefix: app0"
    wrong = told(tmp_path, "{destination: one, path: app0/x, keys: {PW: password}}", one=store, other=CLUSTER, store=store)
    says = "nothing but records stands below `app0/` there: choose another path, or another `prefix` in rotator.yaml"
    assert wrong == [f"orders.yaml:6: {says}", f"orders.yaml:9: {says}"]


def test_a_part_of_a_path_that_names_a_file_stores_own_files_is_an_error(tmp_path):
    team = SPEC.format(name="a", publish="").replace("path: a/db", "path: a.lock/db")
    owner = OWNER.replace("STORE", FILE).replace("ONE", CLUSTER).replace("OTHER", GITLAB)
    with pytest.raises(Invalid, match=r"orders.yaml:6: .*no part of a path but its last ends in .rec or .lock"):
        load(write_config(tmp_path, owner, orders=f"version: 1\nrotations:\n{team}"))


def test_a_replica_is_told_which_fields_are_ours(tmp_path):
    wrong = told(tmp_path, "{destination: one, path: shared}", one=AWS + ", replica: true", other=CLUSTER)
    says = "a replica shows all of its primary: say which fields are ours, `keys: {username: username, password: password}`"
    assert wrong == [f"orders.yaml:9: {says}"]
    keys = "keys: {username: username, password: password}"
    assert told(tmp_path / "good", f"{{destination: one, path: shared, {keys}}}", one=AWS + ", replica: true", other=CLUSTER) == []


@pytest.mark.parametrize(("end", "wrong"), [("-", 1), (".", 1), ("", 0)])
def test_a_name_that_no_annotation_takes_is_an_error_where_a_rollout_writes_it(end, wrong, tmp_path):
    rollout = CLUSTER.replace("kubernetes_secret", "kubernetes_rollout") + ", kind: Deployment, name: app"
    reloads = f'reloads:\n  roll: {{{rollout}, allow: {{schedules: ["*"]}}}}\n'
    owner = OWNER.replace("STORE", FILE).replace("ONE", CLUSTER).replace("OTHER", GITLAB) + reloads
    team = SPEC.format(name="a", publish="").replace("a-db:", f"a-db{end}:") + "    reload: [roll]\n"
    try:
        load(write_config(tmp_path, owner, orders=f"version: 1\nrotations:\n{team}"))
        found = []
    except Invalid as error:
        found = [each.text for each in error.problems]
    assert found == ["`roll` writes the rotation's name into an annotation: let it end with a letter or digit"] * wrong


def test_a_ledger_that_is_not_required_is_refused_because_nothing_would_change(tmp_path):
    owner = OWNER.replace("STORE", FILE).replace("ONE", CLUSTER).replace("OTHER", GITLAB) + "audit: {required: []}\n"
    with pytest.raises(Invalid, match=r"rotator.yaml:14: .*no event, no side effect: write `\[ledger\]`, or leave it out"):
        load(write_config(tmp_path, owner, orders="version: 1\nrotations: {}\n"))
