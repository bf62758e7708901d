"""The ledger, the store or the state directory cannot be written: nothing happens without its event, and nothing is lost."""

import resource

import pytest


class Site:
    """One rotation in place, one alternating, one at an IAM; ledger and store each on a small disk of its own."""

    def __init__(self, field, new_disk):
        self.field = field
        field.rotations.pop("token")
        for each in ("ledger", "stores"):
            (field.folder / each).mkdir(mode=0o700)
        self.ledger_disk = new_disk(field.folder / "ledger", "2m")
        self.store_disk = new_disk(field.folder / "stores", "1m")
        field.owner["audit"]["ledger"] = "sqlite:///ledger/ledger.db"
        field.owner["stores"]["local"]["path"] = "stores"
        for each in ("records", "values"):
            (field.folder / "stores" / each).mkdir(mode=0o700)
        field.write()
        field.adopt_fast(*field.rotations)
        self.ledger = field.folder / "ledger/ledger.db"

    def run(self, *arguments, **more):
        """All, whether due or not; stderr is where a refusal of the whole command stands."""
        return self.field.rotator("--json", "run", *self.field.rotations, "--force", *arguments, **more)

    def heal(self):
        """Two runs at most, then all is at rest and works."""
        self.field.rest(runs=2)

    def keys(self):
        """Ids that live at the IAM."""
        return set(self.field.servers.aws.keys(self.field.name("uploader")))


@pytest.fixture(scope="module")
def site(new_field, new_disk):
    return Site(new_field(), new_disk)


@pytest.fixture
def untouched(site):
    """Whatever goes wrong: every credential stays as it was, nothing is printed that is secret, and with the fault gone all goes on."""
    before = {each: site.field.shown(each) for each in site.field.rotations}
    yield
    assert [each for each, credential in before.items() if not site.field.works(each, credential)] == []
    canary = site.field.canary
    assert [hit for name, texts in site.field.said.items() for each in texts for hit in canary.search(each, name)] == []


def aside(ledger):
    """Move the ledger away with all that belongs to it; gives back how to put it in its place again."""
    away = ledger.parent / "away"
    away.mkdir()
    parts = [each.name for each in ledger.parent.iterdir() if each.name.startswith(ledger.name)]
    for each in parts:
        (ledger.parent / each).rename(away / each)

    def back():
        for each in parts:
            (away / each).rename(ledger.parent / each)
        away.rmdir()

    return back


@pytest.mark.parametrize(
    ("fault", "says", "advice"),
    [
        ("a directory", "is no regular file", "name the file itself"),
        ("no database", "it is not a SQLite database", "put a good copy or nothing in its place"),
        ("open to others", "has mode 0644: others could read", "chmod 600"),
        ("read-only", "it cannot be opened", "mount it writable"),
        ("full", "there is no space left", "make room there"),
        ("a large file", "the audit ledger cannot be used", "ledger.db"),
    ],
)
def test_without_a_ledger_nothing_is_done(site, need, untouched, fault, says, advice):
    ledger, undo, more = site.ledger, [], {}
    if fault == "a directory":
        undo.append(aside(ledger))
        ledger.mkdir()
        undo.insert(0, ledger.rmdir)
    elif fault == "no database":
        undo.append(aside(ledger))
        ledger.touch(0o600)
        ledger.write_text("this is no ledger, " * 100)
        undo.insert(0, ledger.unlink)
    elif fault == "open to others":
        ledger.chmod(0o644)
        undo.append(lambda: ledger.chmod(0o600))
    elif fault == "read-only":
        need(site.ledger_disk).remount("ro")
        undo.append(lambda: site.ledger_disk.remount("rw"))
    elif fault == "full":
        need(site.ledger_disk).fill()
        undo.append(site.ledger_disk.free)
    else:
        more["preexec_fn"] = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    try:
        done = site.run(**more)
    finally:
        for each in undo:
            each()
    assert done.code == 1, done
    told = done.out + done.err
    assert says in told
    assert advice in told
    assert str(ledger) in told or "ledger/ledger.db" in told
    assert "Traceback" not in told


def test_after_all_that_one_run_rotates_all(site):
    assert site.run().code == 0
    site.field.rest(runs=1)
    assert site.field.rotator("audit", "verify").code == 0


def test_a_ledger_that_fills_up_in_mid_run_stops_the_run_before_its_next_effect(site, need):
    site.field.servers.aws_relay.at(b"Action=CreateAccessKey", need(site.ledger_disk).fill)
    done = site.run()
    site.ledger_disk.free()
    assert done.code == 1
    result = done.results["key"]
    assert (result["state"], result["exit"]) == ("ledger", 1)
    assert "there is no space left" in result["message"]
    site.heal()
    assert site.keys() == {site.field.shown("key").name}


def test_a_key_that_was_minted_as_the_store_filled_up_is_found_and_revoked(site, need):
    before = site.keys()
    site.field.servers.aws_relay.at(b"Action=CreateAccessKey", need(site.store_disk).fill)
    done = site.run()
    lost = site.keys() - before
    site.store_disk.free()
    assert done.code == 1
    assert "No space left on device" in done.results["key"]["message"]
    assert len(lost) == 1
    site.heal()
    assert site.keys() == {site.field.shown("key").name}
    assert not lost & site.keys()


def test_a_state_directory_that_is_full_is_told_by_its_name(site, need, untouched):
    state = need(site.store_disk).path / "state"
    site.store_disk.fill()
    done = site.field.rotator("--state", str(state), "run")
    site.store_disk.free()
    assert done.code == 1  # it may pass: nothing is wrong with what was asked
    assert str(state) in done.out + done.err
    assert "No space left on device" in done.out + done.err
    assert "Traceback" not in done.err
