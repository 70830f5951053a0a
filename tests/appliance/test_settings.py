import json
import os
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from appliance import settings as settings_module
from appliance.settings import DataPlaneChoice, ListenAddress, Settings


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:443", ("127.0.0.1", 443)),
        ("[::]:8443", ("::", 8443)),
        (":9000", ("0.0.0.0", 9000)),
        ("9000", ("0.0.0.0", 9000)),
        ("localhost:1", ("localhost", 1)),
    ],
)
def test_listen(text: str, address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COATI_LISTEN", text)
    assert Settings().listen == address
    assert ListenAddress.from_text(str(Settings().listen)) == address


@pytest.mark.parametrize("text", ["", "host", "::1:443", "host:0", "host:65536", "host:http"])
def test_listen_that_cannot_be(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        ListenAddress.from_text(text)


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("postgres://u:p@h/d", "postgresql+psycopg"),
        ("postgresql://u:p@h/d", "postgresql+psycopg"),
        ("postgresql+psycopg://u:p@h/d", "postgresql+psycopg"),
        ("sqlite:////tmp/x.db", "sqlite+aiosqlite"),
    ],
)
def test_a_database_is_named_as_people_write_it(url: str, driver: str) -> None:
    assert Settings(database_url=SecretStr(url)).effective_database_url.get_secret_value().startswith(f"{driver}://")


def test_without_a_url_the_database_is_a_file_in_the_data_directory(tmp_path: Path) -> None:
    url = Settings(data_dir=tmp_path, database_url=SecretStr("")).effective_database_url
    assert url.get_secret_value() == f"sqlite+aiosqlite:///{tmp_path}/coati.db"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COATI_DATABASE_URL", "mysql://h/d"),
        ("COATI_PUBLIC_NAME", "not a name"),
        ("COATI_IKE_PORT", "0"),
        ("COATI_DATA_PLANE", "pfkey"),
        ("COATI_LOG_LEVEL", "loud"),
        ("COATI_IKE_ADDRESS", "::1"),
    ],
)
def test_what_cannot_be_is_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError):
        Settings()


def test_another_process_reads_exactly_these_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(
        data_dir=tmp_path,
        public_name="vpn.example.net",
        data_plane=DataPlaneChoice.USERSPACE,
        database_url=SecretStr("postgresql://u:p4ssw0rd@h/d"),
        node_name="gw-1",
        listen=ListenAddress("::1", 9443),
    )
    for off_or_on in (settings, settings.model_copy(update={"metrics_listen": None})):
        for name, value in off_or_on.environment().items():
            monkeypatch.setenv(name, value)
        assert Settings() == off_or_on


def test_the_databases_password_is_not_shown() -> None:
    settings = Settings(database_url=SecretStr("postgresql://u:p4ssw0rd@h/d"))
    assert "p4ssw0rd" not in f"{settings!r} {settings} {json.dumps(settings.model_dump(mode='json'))}"


@pytest.fixture
def machine_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "coati.env"
    file.write_text("# of the service\nCOATI_PUBLIC_NAME=vpn.example.net\nCOATI_IKE_PORT=1500\n")
    monkeypatch.setattr(settings_module, "MACHINE_FILE", file)
    for name in [name for name in os.environ if name.startswith("COATI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return file


@pytest.mark.usefixtures("machine_file")
def test_a_command_of_root_has_the_settings_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (Settings().public_name, Settings().ike_port) == ("vpn.example.net", 1500)
    monkeypatch.setenv("COATI_IKE_PORT", "2500")
    assert (Settings().public_name, Settings().ike_port) == ("vpn.example.net", 2500)
    assert Settings(ike_port=3500).ike_port == 3500
    assert Settings(data_dir=Path("/var/lib/coati")).public_name == "vpn.example.net"


@pytest.mark.usefixtures("machine_file")
def test_another_installation_is_not_the_service_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings(data_dir=tmp_path).ike_port == 500
    monkeypatch.setenv("COATI_DATA_DIR", str(tmp_path))
    assert Settings().ike_port == 500


@pytest.mark.usefixtures("machine_file")
def test_whoever_is_not_root_has_settings_of_his_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert Settings().ike_port == 500


def test_without_a_service_there_is_nothing_to_read(machine_file: Path) -> None:
    machine_file.unlink()
    assert Settings().ike_port == 500
