"""Settings: where they come from, and that all wrong ones are named at once."""

from dataclasses import fields
from pathlib import Path

import pytest

from api.settings import Settings, SettingsError, load, warnings
from engine.config import EngineConfig
from tests.api.server import ROOT, command
from tests.support.certificates import Authority

TOKEN = "a1b2c3d4e5f6a7b8c9d0e1f2"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No setting but an empty credentials folder."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("CREDENTIALS_DIR", str(tmp_path))
    return tmp_path


def problems() -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        load()
    return {problem.setting: problem.reason for problem in caught.value.problems}


def given(monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


def production(monkeypatch: pytest.MonkeyPatch, **changes: str) -> None:
    good = {"ENVIRONMENT": "production", "MYSQL_HOST": "db.example.com", "MYSQL_USER": "feed", "MYSQL_DB": "talent"}
    given(monkeypatch, **{**good, "MYSQL_PASSWORD": "nR7-wq2", "ADMIN_TOKEN": TOKEN, **changes})


def test_a_proxy_that_is_no_address_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, FORWARDED_ALLOW_IPS="127.0.0.1, balancer")
    assert "balancer is no address" in problems()["FORWARDED_ALLOW_IPS"]
    given(monkeypatch, FORWARDED_ALLOW_IPS="*")
    assert load().forwarded_allow_ips == "*"


def test_the_last_source_that_names_a_setting_wins(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (clean / ".env").write_text("ENVIRONMENT=embedded\nPORT=1001\nWORKERS=2\nVMP_ALPHA=0.5\n")
    (clean / ".env.embedded").write_text("PORT=1002\nWORKERS=3\n")
    given(monkeypatch, PORT="1003")
    settings = load()
    assert (settings.port, settings.workers, settings.engine.vmp_alpha) == (1003, 3, 0.5)


def test_an_empty_value_counts_as_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, PORT="", REDIS_HOST="")
    assert (load().port, load().redis_host) == (8000, None)


def test_times_take_units(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, RELOAD_EVERY="15m", FLUSH_SECONDS="2h", DRAIN_SECONDS="0")
    assert (load().reload_every, load().flush_seconds, load().drain_seconds) == (900.0, 7200.0, 0.0)


def test_every_number_of_the_engine_is_a_setting_with_its_default_and_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load().engine == EngineConfig()
    for entry in fields(EngineConfig):
        if entry.metadata["high"] is not None:
            monkeypatch.setenv(entry.name.upper(), "1e9")
    wrong = {entry.name.upper() for entry in fields(EngineConfig) if entry.metadata["high"] is not None}
    assert set(problems()) == wrong


def test_all_wrong_settings_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, ENVIRONMENT="staging", PORT="http", WORKERS="0", PATTERN="VMP,XX", SSH_HOST="gate")
    found = problems()
    assert "http" in found["PORT"]
    assert "XX" in found["PATTERN"]
    assert {"WORKERS", "MYSQL_HOST", "MYSQL_USER", "MYSQL_DB", "SSH_USER", "SSH_KEY_PATH", "SSH_KNOWN_HOSTS"} < set(
        found
    )


def test_an_unknown_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, ENVIRONMENT="prod")
    assert "prod" in problems()["ENVIRONMENT"]


def test_a_name_that_is_no_setting_is_told_with_the_nearest_one(clean: Path) -> None:
    (clean / ".env").write_text("MYSQL_PASWORD=x\n")
    assert warnings(load()) == ["MYSQL_PASWORD is not a setting; did you mean MYSQL_PASSWORD?"]


def test_a_credentials_folder_or_file_that_cannot_be_read_is_named(
    clean: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (clean / ".env").write_bytes(b"MYSQL_USER=\xff\xfe\n")
    assert ".env" in problems()["CREDENTIALS_DIR"]
    given(monkeypatch, CREDENTIALS_DIR=str(clean / "absent"))
    assert "absent" in problems()["CREDENTIALS_DIR"]


def test_production_with_real_secrets_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    production(monkeypatch)
    assert load().environment == "production"


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"MYSQL_PASSWORD": "change-me-production-mysql-password"}, "MYSQL_PASSWORD"),
        ({"MYSQL_PASSWORD": "secret"}, "MYSQL_PASSWORD"),
        ({"MYSQL_PASSWORD": ""}, "MYSQL_PASSWORD"),
        ({"ADMIN_TOKEN": ""}, "ADMIN_TOKEN"),
        ({"ADMIN_TOKEN": "short"}, "ADMIN_TOKEN"),
        ({"MYSQL_HOST": "db.staging.example.com"}, "MYSQL_HOST"),
        ({"REDIS_HOST": "cache.test.example.com"}, "REDIS_HOST"),
        ({"SSH_HOST": "gate.example.com", "SSH_USER": "feed"}, "SSH_KNOWN_HOSTS"),
    ],
)
def test_production_refuses(
    clean: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], setting: str
) -> None:
    (clean / ".env.staging").write_text("REDIS_HOST=cache.test.example.com\nMYSQL_HOST=127.0.0.1\n")
    production(monkeypatch, **changes)
    assert setting in problems()


def test_production_refuses_every_secret_of_the_examples(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for environment in ("staging", "production"):
        example = (ROOT / "credentials" / f".env.{environment}.example").read_text()
        (clean / ".env.production").write_text(example.replace("ENVIRONMENT=staging", "ENVIRONMENT=production"))
        monkeypatch.setenv("ENVIRONMENT", "production")
        assert {"ADMIN_TOKEN", "MYSQL_PASSWORD", "REDIS_PASSWORD"} <= set(problems())


def test_a_private_key_that_others_may_read_is_refused(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("key", "known"):
        (clean / name).touch(mode=0o644)
    production(monkeypatch, SSH_HOST="gate.example.com", SSH_USER="feed", SSH_KEY_PATH=str(clean / "key"),
               SSH_KNOWN_HOSTS=str(clean / "known"))  # fmt: skip
    assert "chmod 600" in problems()["SSH_KEY_PATH"]


def test_an_authority_for_redis_must_be_a_certificate_that_can_be_read_and_serves_tls(
    clean: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (clean / "empty").touch()
    good = Authority(clean).path
    production(monkeypatch, REDIS_SCHEME="tls")
    for path, reason in (("absent", "cannot be read: No such file"), (".", "directory"), ("empty", "no certificate")):
        given(monkeypatch, REDIS_CA_PATH=str(clean / path))
        assert reason in problems()["REDIS_CA_PATH"]
    given(monkeypatch, REDIS_CA_PATH=str(good))
    assert load().redis_ca_path == good
    given(monkeypatch, REDIS_SCHEME="tcp")
    assert "REDIS_SCHEME is tcp" in problems()["REDIS_CA_PATH"]


def test_config_show_masks_secrets(clean: Path) -> None:
    shown = command("config", "show", CREDENTIALS_DIR=str(clean), ADMIN_TOKEN=TOKEN, REDIS_PASSWORD="hunter-two")
    assert shown.returncode == 0
    assert "********" in shown.stdout
    assert TOKEN not in shown.stdout + shown.stderr
    assert "hunter-two" not in shown.stdout + shown.stderr


def test_every_command_refuses_wrong_settings_with_one_line_each_and_exit_code_2(clean: Path) -> None:
    for words in (["serve"], ["status"], ["reload"], ["config", "show"], ["quality"], ["doctor"], ["db", "check"]):
        refused = command(*words, CREDENTIALS_DIR=str(clean), PORT="http", WORKERS="many")
        assert refused.returncode == 2
        lines = refused.stderr.splitlines()
        assert [line.split()[1] for line in lines] == ["PORT:", "WORKERS:"]


def test_a_broken_line_of_a_credentials_file_is_named_once_without_its_text(clean: Path) -> None:
    (clean / ".env").write_text('# ours\nWORKERS=many\n\nfoo bar\nMYSQL_PASSWORD="tH3-secret\nPORT=8001\n')
    refused = command("status", CREDENTIALS_DIR=str(clean))
    assert refused.returncode == 2
    named = [line.split(": ")[1] for line in refused.stderr.splitlines()]
    assert named == [f"{clean / '.env'}, line 4", f"{clean / '.env'}, line 5", "WORKERS"]
    assert "tH3" not in refused.stderr + refused.stdout


def test_config_show_names_all_that_serve_refuses(clean: Path) -> None:
    (clean / "key").touch(mode=0o600)
    (clean / "known").touch()
    words = {"CREDENTIALS_DIR": str(clean), "DATA_DIR": str(clean / "key" / "var"), "LOG_DIR": str(clean / "logs"),
             "ENVIRONMENT": "staging", "MYSQL_HOST": "db.example.com", "MYSQL_USER": "feed", "MYSQL_DB": "talent",
             "SSH_HOST": "gate.example.com", "SSH_USER": "feed", "SSH_KEY_PATH": str(clean / "key"),
             "SSH_KNOWN_HOSTS": str(clean / "known"), "HOST": "192.0.2.1", "WORKERS": "0",
             "TABLE_MAPPING": "userss=x,users.cit=town,foo"}  # fmt: skip
    shown, served = command("config", "show", **words), command("serve", **words)
    assert (shown.returncode, served.returncode) == (2, 2)
    assert shown.stderr == served.stderr
    named = {line.split()[1]: line for line in shown.stderr.splitlines()}
    assert set(named) == {"WORKERS:", "DATA_DIR:", "SSH_KNOWN_HOSTS:", "HOST:", "TABLE_MAPPING:"}
    assert all(word in named["TABLE_MAPPING:"] for word in ("userss", "users.cit", "'foo'"))
    assert not (clean / "logs").exists()
