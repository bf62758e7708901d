import pytest

from rotator.destination import Place, Unreachable
from rotator.testing.attested_contract import AttestedContract
from rotator.testing.destination_contract import DestinationContract, runtime
from rotator.testing.memory import MemoryAttested, MemoryPlace, MemorySettings, MemoryStore, Shelf
from rotator.testing.records import a_record
from rotator.testing.store_contract import PATH, StoreContract


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self):
        shelf = Shelf()
        return lambda: MemoryStore(MemorySettings(), runtime(), shelf)

    @pytest.fixture
    def misplaced(self):
        return MemoryStore(MemorySettings(mount="mian"), runtime())


class Beside(DestinationContract):
    settings = MemorySettings()

    @pytest.fixture
    def shelf(self):
        return Shelf()

    @pytest.fixture
    def destination(self, shelf):
        self.shelf_of_test = shelf
        return lambda: MemoryPlace(self.settings, runtime(), shelf)

    @pytest.fixture
    def place(self):
        return Place("billing-env", "billing", {"API_USER": "username", "API_TOKEN": "password"})

    @pytest.fixture
    def misplaced(self):
        return MemoryPlace(MemorySettings(mount="mian"), runtime())

    def add_sibling(self, place):
        self.shelf_of_test.values[place.path] = '{"fields": {"OTHER": "kept"}}'
        return lambda: self.shelf_of_test.show(place.path)["fields"]["OTHER"] == "kept"


class TestMemoryPlace(Beside):
    pass


class TestMemoryPlaceThatHoldsNoGeneration(Beside):
    settings = MemorySettings(holds_generation=False)
    holds_generation = False


class TestMemoryAttested(AttestedContract):
    checks = False

    @pytest.fixture
    def shelf(self):
        return Shelf()

    @pytest.fixture
    def destination(self, shelf):
        return lambda: MemoryAttested(MemorySettings(), runtime(), shelf)

    @pytest.fixture
    def misplaced(self):
        return MemoryAttested(MemorySettings(mount="mian"), runtime())

    @pytest.fixture
    def held(self, shelf):
        return lambda place: shelf.show(place.path).get("fields")


def test_a_place_that_is_down_is_unreachable_for_all_instances():
    shelf = Shelf()
    one, other = (MemoryPlace(MemorySettings(), runtime(), shelf) for _ in range(2))
    one.down = True
    assert other.down
    with pytest.raises(Unreachable):
        other.published(Place("p", "x", {"A": "secret"}))
    other.down = False
    assert one.published(Place("p", "x", {"A": "secret"})) == {}


def test_a_document_of_the_twin_is_text_so_nothing_is_shared_by_reference():
    store = MemoryStore(MemorySettings(), runtime())
    written = store.write(PATH, a_record(1))
    assert store.read(PATH).current is not written.current
    assert isinstance(store.shelf.records[PATH][1], str)
