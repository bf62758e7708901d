import pytest

from rotator.destination import Place
from rotator.destinations.env_file import EnvFile, EnvFileSettings
from rotator.testing.destination_contract import DestinationContract, runtime


class Beside(DestinationContract):
    holds_generation = False
    extra: dict = {}  # noqa: RUF012 - settings of the variant under test
    text = "# of others\nexport OTHER='a b'\nAPI_USERS=9\nLAST=1"

    @pytest.fixture
    def destination(self, tmp_path):
        self.path = tmp_path / "env"
        return lambda: EnvFile(EnvFileSettings(path=str(self.path), **self.extra), runtime())

    @pytest.fixture
    def place(self):
        return Place("billing-env", "", {"API_USER": "username", "API_TOKEN": "password"})

    @pytest.fixture
    def misplaced(self, tmp_path):
        return EnvFile(EnvFileSettings(path=str(tmp_path / "nowhere" / "env")), runtime())

    def add_sibling(self, place):
        self.path.write_text(self.text)
        return lambda: self.path.read_text().startswith(self.text + "\n")


class TestEnvFile(Beside):
    pass


class TestEnvFileForAShell(Beside):
    extra = {"quote": "shell"}  # noqa: RUF012 - settings of the variant under test


class TestEnvFileForDotenv(Beside):
    extra = {"quote": "dotenv", "mode": "0640"}  # noqa: RUF012 - settings of the variant under test
