"""A whole rotation by the command line, published in a cluster, in GitLab and by two programs of the owner; and what goes wrong there."""

import json
import pickle
import sys

import pytest
import yaml

from rotator.destinations.aws_ssm import AwsSsmSettings
from rotator.model import Secret
from rotator.testing.canary import Canary
from rotator.testing.servers.gitlab import GitlabServer, Token
from rotator.testing.servers.kubernetes import KubernetesServer
from rotator.testing.stands import World
from rotator.testing.stands.twin import Overlapping
from rotator.testing.stands.world import NAME, write_private

CLUSTER_TOKEN, GITLAB_TOKEN = "the-token-of-the-cluster-0123456789", "the-token-of-gitlab-0123456789"
HOLDER = "projects/team/app"
ROLE = {
    "metadata": {"namespace": "team"},
    "rules": [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["app-db"], "verbs": ["get", "patch"]}],
}
PROGRAM = """#!{python} -IS
import os, sys
path = "{folder}/shown-" + os.environ["ROTATOR_PLACE"]
open("{folder}/seen", "a").write(str(sys.argv) + str(os.environ))
if sys.argv[1] == "write":
    text = sys.stdin.read()
    open(path + ".new", "w").write(text)
    os.rename(path + ".new", path)
else:
    print(open(path).read() if os.path.exists(path) else "{{}}")
"""


@pytest.fixture(scope="module")
def stand():
    with Overlapping() as started:
        yield started


@pytest.fixture
def cluster(tmp_path):
    with KubernetesServer(tmp_path) as server:
        server.cluster.namespaces.add("team")
        server.cluster.roles[CLUSTER_TOKEN] = ROLE
        server.cluster.put("team", "app-db", {"OTHER": "kept"})
        yield server


@pytest.fixture
def gitlab():
    with GitlabServer() as server:
        server.variables[HOLDER] = []
        server.tokens[GITLAB_TOKEN] = Token({HOLDER: "maintainer"})
        yield server


@pytest.fixture
def world(stand, cluster, gitlab, tmp_path):
    made = World(stand, tmp_path / "world", "user-1", grace="1h")
    program = tmp_path / "program"
    program.write_text(PROGRAM.format(python=sys.executable, folder=tmp_path))
    program.chmod(0o700)
    write_private(made.folder / "var/cluster", CLUSTER_TOKEN)
    write_private(made.folder / "var/gitlab", GITLAB_TOKEN)
    file = made.folder / "rotator.yaml"
    owner = yaml.safe_load(file.read_text())
    login = {"api_server": cluster.url, "tls": {"ca": str(cluster.ca)}, "token": {"file": "var/cluster"}}
    project = {"api_url": f"{gitlab.url}/api/v4", "project": "team/app", "token": {"file": "var/gitlab"}, "create": True}
    owner["destinations"] |= {
        "cluster": {"type": "kubernetes_secret", "namespace": "team", **login},
        "ci": {"type": "gitlab_variable", "format": "json", **project},
        "legacy": {"type": "exec", "write": [str(program), "write"], "read": [str(program), "read"]},
    }
    write_private(file, yaml.safe_dump(owner))
    keys = dict(zip(("DB_USER", "DB_PASSWORD"), stand.fields, strict=True))
    paths = {"cluster": "app-db", "ci": "DB_LOGIN", "legacy": "app"}
    made.write_schedule(publish=[{"destination": name, "path": path, "keys": dict(keys)} for name, path in paths.items()])
    return made


def everywhere(world, cluster, gitlab, tmp_path):
    """What consumers of each place read."""
    return [
        {key: value for key, value in cluster.cluster.text("team", "app-db").items() if key != "OTHER"},
        json.loads(gitlab.value(HOLDER, "DB_LOGIN")),
        json.loads((tmp_path / "shown-app").read_text()),
    ]


def test_a_rotation_reaches_all_places_and_one_that_refuses_keeps_the_old_one_alive(world, cluster, gitlab, tmp_path):
    world.adopt()
    first = world.record().current
    assert everywhere(world, cluster, gitlab, tmp_path) == [login_of(first)] * 3
    done = world.rotator("run", NAME, "--force")
    second = world.record().current
    assert (done.code, second.id != first.id) == (0, True), done.out + done.err
    assert everywhere(world, cluster, gitlab, tmp_path) == [login_of(second)] * 3
    assert cluster.cluster.text("team", "app-db")["OTHER"] == "kept"
    assert cluster.cluster.secrets["team", "app-db"]["metadata"]["annotations"]["rotator/version"] == second.id

    cluster.cluster.put("team", "app-db", {"OTHER": "kept"})
    cluster.cluster.roles[CLUSTER_TOKEN] = {**ROLE, "rules": [{**ROLE["rules"][0], "verbs": ["get"]}]}
    refused = world.rotator("run", NAME)
    assert refused.code != 0
    assert world.stand.works(first.credential)
    assert world.stand.works(second.credential)
    cluster.cluster.roles[CLUSTER_TOKEN] = ROLE
    healed = world.rotator("run", NAME)
    assert healed.code == 0, healed.out + healed.err
    assert everywhere(world, cluster, gitlab, tmp_path) == [login_of(second)] * 3
    assert '"resourceNames"' in refused.out + refused.err, "the Role is printed"
    nothing_leaked(tmp_path, [done, refused, healed], first, second)


def login_of(version):
    return {"DB_USER": version.credential.name, "DB_PASSWORD": version.credential.secret.reveal()}


def nothing_leaked(folder, answers, *versions):
    """Neither the commands nor what a program is started with showed a secret."""
    canary = Canary()
    for version in versions:
        canary.register(version.credential.secret, version.id)
    canary.register(Secret(CLUSTER_TOKEN), "the token of the cluster")
    canary.register(Secret(GITLAB_TOKEN), "the token of GitLab")
    seen = (folder / "seen").read_text()
    assert "ROTATOR_GENERATION" in seen
    for text in (seen, *(each.out + each.err for each in answers)):
        assert canary.search(text, "what was said") == []


def test_settings_reach_the_process_of_a_run():
    settings = AwsSsmSettings(region="eu-west-1", create=True)
    assert pickle.loads(pickle.dumps(settings)) == settings
