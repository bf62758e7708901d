"""A rollout at a strict double of the API: what is patched, what is watched, and what its status counts for."""

import itertools
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rotator.errors import BadInput
from rotator.model import Level
from rotator.reload import Denied, Reached, Refused, Runtime, Secret, Unreachable
from rotator.reloads.kubernetes_rollout import KubernetesRollout, KubernetesRolloutSettings
from rotator.reloads.kubernetes_rollout.workload import is_complete
from rotator.testing.fake_seam import FakeSeam
from rotator.testing.reload_contract import CANARY, NAME, SHORT, V1, V2, ReloadContract, runtime, told_by
from rotator.testing.servers.kubernetes import KubernetesServer
from rotator.testing.servers.raw import Answer, RawServer, json_answer, silence

KINDS = ("Deployment", "StatefulSet", "DaemonSet")
MARK = f"version.rotator/{NAME}"
numbers = itertools.count(1)


class Ticking(FakeSeam):
    """While it sleeps, the controller makes one step."""

    def __init__(self, workload=None):
        super().__init__()
        self.workload, self.slept = workload, 0

    def sleep(self, seconds):
        super().sleep(seconds)
        self.slept += 1
        if self.workload:
            self.workload.advance()


class World:
    """One test's own namespace, with one workload."""

    def __init__(self, server, kind="Deployment", **more):
        self.server, self.kind, self.namespace = server, kind, f"team-{next(numbers)}"
        server.before, server.cluster.roles = lambda _: None, {CANARY: None}
        server.cluster.namespaces.add(self.namespace)
        self.workload = self.deploy(**more)
        del server.requests[:]

    def deploy(self, **more):
        return self.server.cluster.deploy(self.kind, self.namespace, "app", **more)

    def settings(self, **more):
        given = {"api_server": self.server.url, "token": {"env": "TOKEN"}, "namespace": self.namespace, "kind": self.kind, "name": "app"}
        return KubernetesRolloutSettings.model_validate({**given, **more})

    def reload(self, seam=None, given=None, **more):
        return KubernetesRollout(self.settings(**more), given or runtime(TOKEN=CANARY), seam=seam or Ticking())

    def told(self):
        return [each["metadata"]["annotations"][MARK] for each in self.workload.templates[1:]]

    @property
    def methods(self):
        return [each.method for each in self.server.requests]


@pytest.fixture(scope="session")
def server():
    with KubernetesServer() as started:
        yield started


@pytest.fixture
def world(server):
    return World(server)


@pytest.fixture(scope="module")
def silent():
    with RawServer(lambda _request: silence()) as server:
        yield server


class TestKubernetesRollout(ReloadContract):
    answers = Reached.adopted

    @pytest.fixture(params=KINDS)
    def world(self, server, request):
        return World(server, request.param)

    @pytest.fixture
    def reload(self, world):
        return world.reload

    @pytest.fixture
    def told(self, world):
        return world.told

    @pytest.fixture
    def deaf(self, silent):
        short = Runtime(reveal=lambda _ref: Secret(CANARY), now=lambda: datetime.now(UTC), timeout=SHORT)
        given = {"api_server": silent.url, "token": {"env": "TOKEN"}, "namespace": "a", "kind": "Deployment", "name": "app"}
        return KubernetesRollout(KubernetesRolloutSettings.model_validate(given), short)

    @pytest.fixture
    def misplaced(self, world):
        return world.reload(namespace="nowhere")


class TestARolloutThatTakesLonger(TestKubernetesRollout):
    answers = Reached.accepted

    @pytest.fixture
    def world(self, server):
        made = World(server)
        made.workload.at_once = False
        return made

    @pytest.fixture
    def deaf(self):
        return None


# ---- what is patched


@pytest.mark.parametrize("kind", KINDS)
def test_one_annotation_of_the_template_is_patched_and_nothing_else(server, kind):
    world = World(server, kind)
    before = json.loads(json.dumps(world.workload.about["spec"]))
    assert world.reload().tell(NAME, V1) is Reached.adopted
    assert world.methods == ["GET", "PATCH", "GET"], "the answer to a patch does not know yet how its rollout goes"
    before["template"]["metadata"]["annotations"][MARK] = V1
    assert world.workload.about["spec"] == before
    assert [each["manager"] for each in world.workload.about["metadata"]["managedFields"]] == ["rotator"]


def test_while_the_annotation_stands_the_pods_are_not_replaced_again(world):
    world.reload().tell(NAME, V1)
    del world.server.requests[:]
    assert world.reload().tell(NAME, V1) is Reached.adopted
    assert world.methods == ["GET"]


def test_two_rotations_that_share_a_workload_do_not_undo_each_other(world):
    for name, version in ((NAME, V1), ("orders-token", V2), (NAME, V1), ("orders-token", V2)):
        assert world.reload().tell(name, version) is Reached.adopted
    assert len(world.workload.templates) == 3
    assert dict(world.workload.marks) == {"team": "a", MARK: V1, "version.rotator/orders-token": V2}


def test_a_lost_answer_to_the_patch_is_unsure_and_the_next_try_finds_it_done(world):
    def before(request):
        if request.method == "PATCH":
            world.server._handle(request)
            return Answer(drop=True)
        return None

    world.server.before = before
    with pytest.raises(Unreachable) as error:
        world.reload().tell(NAME, V1)
    assert CANARY not in told_by(error.value)
    assert world.reload().tell(NAME, V1) is Reached.adopted
    assert world.told() == [V1]


@pytest.mark.parametrize(
    ("answer", "ends", "says"),
    [(json_answer({"code": 409}, 409), Unreachable, "another changed it"), (json_answer({}, 422), Refused, "does not take the patch"),
     (json_answer({"kind": "Pod", "metadata": {"resourceVersion": "1"}}), Denied, "no Deployment of Kubernetes")],
)  # fmt: skip
def test_a_patch_that_is_not_taken(world, answer, ends, says):
    world.server.before = lambda request: answer if request.method == "PATCH" else None
    with pytest.raises(ends, match=says) as no:
        world.reload().tell(NAME, V1)
    assert no.value.fix
    assert world.told() == []


def test_an_annotation_that_somebody_takes_away_is_refused_instead_of_restarting_the_pods_for_ever(world):
    world.workload.at_once = False

    class Meddling(Ticking):
        def sleep(self, seconds):
            super().sleep(seconds)
            world.workload.marks.pop(MARK, None)

    with pytest.raises(Refused, match="our annotation does not stay") as no:
        world.reload(Meddling()).tell(NAME, V1)
    assert MARK in no.value.fix


def test_a_name_that_cannot_stand_in_an_annotation_is_refused_before_anything_is_asked(world):
    with pytest.raises(Refused, match="cannot stand in an annotation"):
        world.reload().tell("orders-", V1)
    assert world.methods == []


# ---- what is watched


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_adopted_only_when_every_pod_is_new(server, kind):
    world = World(server, kind)
    world.workload.at_once = False
    seam = Ticking(world.workload)
    assert world.reload(seam).tell(NAME, V1) is Reached.adopted
    assert seam.slept == {"Deployment": 4}.get(kind, 3), "seen, one pod, two pods, and of a Deployment the last old one ends"


@pytest.mark.parametrize(("given", "looks"), [({}, 8), ({"timeout": "60s"}, 48), ({"timeout": "1s"}, 7)])
def test_when_the_time_is_over_it_is_accepted_and_the_next_run_looks_without_a_patch(world, given, looks):
    world.workload.at_once = False
    seam = Ticking()
    assert world.reload(seam, **given).tell(NAME, V1) is Reached.accepted
    assert abs(seam.slept - looks) <= 1
    assert seam.t - Ticking().t < world.reload(**given).timeout
    world.workload.finish()
    del world.server.requests[:]
    assert world.reload().tell(NAME, V1) is Reached.adopted
    assert world.methods == ["GET"]


def test_a_deployment_without_progress_is_refused_by_its_own_deadline(world):
    world.workload.at_once = False

    class Stalling(Ticking):
        def sleep(self, seconds):
            super().sleep(seconds)
            world.workload.stall()

    for seam in (Stalling(), Ticking()):
        with pytest.raises(Refused, match="no progress within its progressDeadlineSeconds") as no:
            world.reload(seam).tell(NAME, V1)
        assert f"kubectl -n {world.namespace} describe deployment/app" in no.value.fix
        assert no.value.code == "ProgressDeadlineExceeded"
    assert world.told() == [V1]


def test_the_trouble_of_an_earlier_rollout_is_not_ours(world):
    world.workload.at_once = False
    world.workload.stall()
    assert world.reload(Ticking()).tell(NAME, V1) is Reached.accepted
    assert world.told() == [V1]


DONE = {"replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}
ALL = {"desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 3}


@pytest.mark.parametrize(
    ("kind", "replicas", "status", "complete"),
    [
        ("Deployment", 3, DONE, True), ("StatefulSet", 3, DONE, True), ("DaemonSet", None, ALL, True),
        ("Deployment", 0, {}, True), ("Deployment", None, {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}, True),
        ("Deployment", 4, DONE, False), ("Deployment", 3, {}, False),
        ("Deployment", 3, {**DONE, "replicas": 4}, False), ("Deployment", 3, {**DONE, "updatedReplicas": 2}, False),
        ("StatefulSet", 3, {**DONE, "availableReplicas": 2}, False), ("StatefulSet", 3, {"replicas": 3, "availableReplicas": 3}, False),
        ("DaemonSet", None, {**ALL, "updatedNumberScheduled": 2}, False), ("DaemonSet", None, {**ALL, "numberAvailable": 2}, False),
        ("DaemonSet", None, {**ALL, "desiredNumberScheduled": 4}, False),
    ],
)  # fmt: skip
def test_what_counts_as_complete(kind, replicas, status, complete):
    assert is_complete(kind, {"spec": {} if replicas is None else {"replicas": replicas}, "status": status}) is complete


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_workload_without_pods_nobody_adopts_anything_and_check_says_so(server, kind):
    world = World(server, kind, pods=0)
    assert world.reload().tell(NAME, V1) is Reached.accepted
    assert world.told() == [V1], "pods that come later have it"
    found = world.reload().check()
    assert [(each.level, each.code, "has no pods" in each.text) for each in found] == [(Level.WARN, "reload", True)]


# ---- what can never become adopted


@pytest.mark.parametrize(
    ("kind", "spec", "says"),
    [
        ("Deployment", {"paused": True}, "it is paused"),
        ("StatefulSet", {"updateStrategy": {"type": "OnDelete"}}, "OnDelete"),
        ("DaemonSet", {"updateStrategy": {"type": "OnDelete"}}, "OnDelete"),
        ("StatefulSet", {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}}, "`partition` keeps some pods"),
    ],
)
def test_a_workload_that_keeps_old_pods_is_refused_before_it_is_touched_and_found_by_check(server, kind, spec, says):
    world = World(server, kind, **spec)
    with pytest.raises(Refused, match=says) as no:
        world.reload().tell(NAME, V1)
    assert no.value.fix
    assert world.told() == []
    assert [(each.level, each.code, says in each.text) for each in world.reload().check()] == [(Level.FAIL, "reload", True)]
    assert "kubectl" not in no.value.fix or f"`kubectl -n {world.namespace} rollout resume deployment/app`" == no.value.fix


def test_a_workload_that_is_not_there_is_refused_and_found_by_check(world):
    one = world.reload(name="ap")
    with pytest.raises(Refused, match=f"there is no deployment/ap in the namespace {world.namespace}") as no:
        one.tell(NAME, V1)
    assert f"kubectl -n {world.namespace} get deployments" in no.value.fix
    assert [(each.level, each.text) for each in one.check()] == [(Level.FAIL, no.value.what)]
    with pytest.raises(Refused, match="there is no statefulset/app"):
        world.reload(kind="StatefulSet").tell(NAME, V1)


# ---- rights


def role(world, **drop):
    rules = [
        {"apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["app"], "verbs": ["get", "patch"]},
        {"apiGroups": [""], "resources": ["namespaces"], "resourceNames": [world.namespace], "verbs": ["get"]},
    ]
    about = {"namespace": world.namespace, "name": "rotator"}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": about, "rules": rules}


@pytest.mark.parametrize(("rule", "verb"), [(0, "get"), (0, "patch"), (1, "get")])
def test_the_printed_role_is_enough_and_without_any_one_verb_it_is_denied(world, rule, verb):
    less = role(world)
    less["rules"][rule]["verbs"].remove(verb)
    world.server.cluster.roles[CANARY] = less
    fixes = [each.fix for each in world.reload().check()]
    with pytest.raises(Denied) as no:
        world.reload(**({"name": "ap"} if rule else {})).tell(NAME, V1)
    printed = json.loads(no.value.fix.partition("(kubectl apply -f -): ")[2].replace('"ap"', '"app"'))
    assert printed == role(world)
    assert [json.loads(each.partition("(kubectl apply -f -): ")[2]) for each in fixes] == [printed]
    world.server.cluster.roles[CANARY] = printed
    assert world.reload().check() == []
    assert world.reload().tell(NAME, V1) is Reached.adopted


@pytest.mark.parametrize(
    "answers", [lambda path: json_answer({}, 503), lambda path: json_answer({"status": {}}, 201) if "rulesreview" in path else None]
)
def test_check_says_where_the_cluster_does_not_tell(world, answers):
    world.server.before = lambda request: answers(request.path)
    assert [(each.level, each.code) for each in world.reload().check()] == [(Level.WARN, "privilege.unproven")]


def test_a_token_that_cannot_be_read_is_denied_and_found_before(world):
    def reveal(_ref):
        raise BadInput("the environment variable TOKEN is not set, or empty", fix="set it")

    one = world.reload(given=Runtime(reveal=reveal, now=lambda: datetime.now(UTC)))
    with pytest.raises(Denied, match="TOKEN is not set"):
        one.tell(NAME, V1)
    assert [(each.level, each.fix) for each in one.check()] == [(Level.FAIL, "set it")]
    assert world.methods == []


@pytest.mark.parametrize(
    "wrong", [{"kind": "Pod"}, {"name": "App"}, {"name": "a/b"}, {"timeout": "2m"}, {"timeout": "0s"}, {"namespace": "A"}, {"token": None}]
)
def test_settings_that_mean_no_workload_are_refused(world, wrong):
    with pytest.raises(ValueError):
        world.settings(**wrong)


def test_the_page_shows_the_role_that_is_proven_here(world):
    page = (Path(__file__).parents[2] / "docs/reloads.md").read_text()
    shown = page.partition("<!-- role -->\n```json\n")[2].partition("```")[0]
    printed = KubernetesRollout(world.settings(namespace="billing", name="billing"), runtime())._role
    assert json.loads(shown) == printed
