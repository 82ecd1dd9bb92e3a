"""Every setting of the service, and the only reader of the environment and of credentials/.

A setting is read from `credentials/.env`, then `credentials/.env.<ENVIRONMENT>`, then the real environment; the last
one that names it wins. An empty value counts as not given. Every field of `engine.config.EngineConfig` is a setting
under its upper-case name, built from the dataclass itself, so the two never drift. docs/configuration.md lists all.
"""

import logging
import os
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv import dotenv_values
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, create_model
from pydantic_settings import SettingsConfigDict

from api.settings_loads import LoadSettings
from api.settings_rules import Problem, broken_lines, cross_checks, duration, networks, unknown_names
from engine.config import EngineConfig

Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=86400 * 30), BeforeValidator(duration)]
Pause = Annotated[float, Field(ge=0, le=86400 * 30), BeforeValidator(duration)]
FORGETS = "{}: days after which an examined item counts half in what is learnt; 0: for ever"
logging.getLogger("dotenv.main").setLevel(logging.ERROR)  # `broken_lines` says the same, with the file's name
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # of BLAS; two on a busy machine wait for each other


class SettingsError(Exception):
    """The settings are wrong. `problems` holds all of them; the text names each setting with its reason."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{problem.setting}: {problem.reason}" for problem in problems))


class ServiceSettings(LoadSettings):
    """The service's own settings; the engine's numbers are added by `Settings`."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True, validate_default=False)

    environment: Literal["embedded", "staging", "production"] = Field(
        "embedded", description="where this runs: `embedded` needs no MySQL, Redis or SSH"
    )
    credentials_dir: Path = Field(
        Path("credentials"),
        description="folder of `.env` and `.env.<ENVIRONMENT>`; read from the real environment only",
    )
    host: str = Field("127.0.0.1", description="address to listen on; `0.0.0.0` for every network card")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(8000, description="port to listen on; 0 takes any free one")
    workers: int = Field(1, ge=1, le=64, description="serve processes")
    data_dir: Path = Field(
        Path("var"),
        description="snapshots, policies, spool, embedded database; relative to the folder where the service starts",
    )
    admin_token: SecretStr | None = Field(
        None,
        description="key of the admin routes; required in production, elsewhere made at first start in "
        "`DATA_DIR/admin-token` (mode 0600)",
    )

    mysql_host: str | None = Field(
        None, description="MySQL or MariaDB server, as seen from the SSH host if there is one"
    )
    mysql_port: Port = Field(3306, description="its port")
    mysql_user: str | None = Field(
        None,
        description="its user; SELECT on the five tables, SELECT, INSERT, UPDATE and CREATE on the service's own two",
    )
    mysql_password: SecretStr | None = Field(None, description="its password")
    mysql_db: str | None = Field(None, description="its database")
    mysql_timeout_seconds: Seconds = Field(30.0, description="longest wait for one read from MySQL")
    load_deadline_seconds: Seconds = Field(300.0, description="longest time a whole load of the tables may take")
    table_mapping: str = Field(
        "",
        description="another app's names: `users=members, users.city=town, videos.role_objectives=`",
    )

    redis_host: str | None = Field(None, description="Redis server; unset: activity waits in files of DATA_DIR")
    redis_port: Port = Field(6379, description="its port")
    redis_password: SecretStr | None = Field(None, description="its password")
    redis_scheme: Literal["tcp", "tls"] = Field("tcp", description="`tls` encrypts the connection")
    redis_ca_path: Path | None = Field(
        None, description="file (PEM) of the authorities that Redis' certificate may come from; unset: the system's"
    )
    redis_db: int = Field(1, ge=0, le=1023, description="its database number")
    redis_timeout_seconds: Annotated[float, Field(gt=0, le=5)] = Field(
        0.05, description="longest wait for Redis on the path of a request"
    )
    ledger_timeout_seconds: Annotated[float, Field(gt=0, le=5)] = Field(
        0.25, description="the same for the file of sessions in DATA_DIR, which is used without Redis"
    )

    ssh_host: str | None = Field(
        None, description="SSH host through which MySQL and Redis are reached; unset: directly"
    )
    ssh_port: Port = Field(22, description="its port")
    ssh_user: str | None = Field(None, description="its user")
    ssh_key_path: Path | None = Field(None, description="private key file (mode 0600)")
    ssh_known_hosts: Path | None = Field(
        None, description="known_hosts file that holds the SSH host's key; required with SSH_HOST"
    )
    tunnel_redis_port: Annotated[int, Field(ge=0, le=65535)] = Field(
        0,
        description="local port of the Redis tunnel; 0 lets `talentfeed serve` pick one, separate roles need a number",
    )

    reload_every: Pause = Field(
        3600.0, description="seconds between reloads (`15m` and `2h` work too); 0: only on demand"
    )
    keep_snapshots: int = Field(3, ge=1, le=1000, description="snapshots kept on disk for rolling back")
    flush_count: int = Field(50, ge=1, le=100_000, description="waiting activities that start a flush")
    flush_seconds: Seconds = Field(900.0, description="longest wait of an activity before a flush")
    flush_rows_per_second: int = Field(
        20_000,
        ge=100,
        le=10_000_000,
        description="most rows a second that a flush writes, so that a backlog does not starve the database",
    )
    activity_ttl: Seconds = Field(
        86_400.0, description="time to live of `user_activity` lists in Redis; what is not flushed yet outlives it"
    )
    redis_backlog_bytes: int = Field(
        256 * 1024**2,
        ge=1024,
        le=1024**4,
        description="activity kept in Redis while MySQL is away; the oldest beyond it moves to `DATA_DIR/spill`",
    )
    spill_bytes: int = Field(
        16 * 1024**3, ge=1024, le=1024**5, description="most bytes of activity that may wait in `DATA_DIR/spill`"
    )
    spool_bytes: int = Field(
        1024**3,
        ge=1024,
        le=1024**5,
        description="most bytes of activity that may wait in `DATA_DIR/spool`; beyond that events get 503",
    )
    learn_seconds: Seconds = Field(1.0, description="seconds between looks of the learner at new outcomes")
    vmp_half_life_days: float = Field(0.0, ge=0, le=36500, description=FORGETS.format("VMP"))
    au_half_life_days: float = Field(0.0, ge=0, le=36500, description=FORGETS.format("AU"))
    nu_half_life_days: float = Field(0.0, ge=0, le=36500, description=FORGETS.format("NU"))
    drain_seconds: Pause = Field(
        1.0, description="on SIGTERM, /readyz answers 503 for this long before the port closes"
    )
    shutdown_seconds: Seconds = Field(
        10.0, description="longest wait for running requests and the last flush at shutdown"
    )
    rate_limit: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="requests a second that one worker takes from one address before it answers 429; 0: no limit",
    )
    forwarded_allow_ips: Annotated[str, AfterValidator(networks)] = Field(
        "127.0.0.1",
        description="addresses or networks, with commas between, of proxies whose `X-Forwarded-For` names the client; "
        "`*`: all",
    )

    demo_seed: int = Field(7, ge=0, le=2**31 - 1, description="seed of the embedded catalogue")
    log_dir: Path = Field(Path("logs"), description="folder of `talent.log`")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="least level that is written")
    log_format: Literal["text", "json"] = Field("text", description="`json`: one object a line")
    access_log: bool = Field(False, description="one line a request at INFO")

    @property
    def embedded(self) -> bool:
        """No MySQL, Redis or SSH: the seeded catalogue."""
        return self.environment == "embedded"

    @property
    def engine(self) -> EngineConfig:
        """The engine's numbers as the engine takes them."""
        return EngineConfig(**{entry.name: getattr(self, entry.name) for entry in fields(EngineConfig)})


def _engine_fields() -> dict[str, Any]:
    """Field definitions for pydantic, made from the dataclass."""
    return {
        entry.name: (
            entry.type,
            Field(
                entry.default, description=entry.metadata["help"], ge=entry.metadata["low"], le=entry.metadata["high"]
            ),
        )
        for entry in fields(EngineConfig)
    }


Settings: type[ServiceSettings] = create_model("Settings", __base__=ServiceSettings, **_engine_fields())


def load() -> ServiceSettings:
    """Read and check everything. Raises `SettingsError` with all problems at once."""
    values, problems = attempt()
    if problems or values is None:
        raise SettingsError(problems)
    return values


def attempt() -> tuple[ServiceSettings | None, list[Problem]]:
    """The settings, wrong ones at their defaults, and all problems; None when the files cannot be read at all."""
    folder = Path(os.environ.get("CREDENTIALS_DIR") or "credentials")
    environment = _environment(folder)
    files = [folder / ".env", folder / f".env.{environment}"]
    problems = _unreadable(folder, files)
    if problems:
        return None, problems
    looked_at = {*files, folder / ".env.staging"} if environment == "production" else set(files)
    broken = [problem for file in sorted(looked_at) for problem in broken_lines(file)]
    values, wrong = _parse(files, environment)
    crossed = cross_checks(values, _staging_hosts(folder), skip={problem.setting for problem in wrong})
    return values, broken + wrong + crossed


def metrics_folder() -> Path | None:
    """Where this process keeps its metrics for others to see, if whoever started it has said so."""
    given = os.environ.get(METRICS_FOLDER)
    return Path(given) if given else None


def prepare_workers(folder: Path) -> None:
    """Make this process and those it forks keep their metrics in `folder`, and use one BLAS thread each."""
    os.environ.update(ONE_THREAD)
    os.environ[METRICS_FOLDER] = str(folder.absolute())


def child_environment(**changes: str) -> dict[str, str]:
    """The environment for a process of the service: this one's with `changes`."""
    return {**os.environ, **changes}


def warnings(settings: ServiceSettings) -> list[str]:
    """One line for each name in the credentials files that no setting has (a slip of the pen, most likely)."""
    folder = settings.credentials_dir
    names = {name for file in (".env", f".env.{settings.environment}") for name in _file_values(folder / file)}
    return unknown_names(names, {name.upper() for name in Settings.model_fields})


def _environment(folder: Path) -> str:
    return os.environ.get("ENVIRONMENT") or _file_values(folder / ".env").get("ENVIRONMENT") or "embedded"


def _file_values(path: Path) -> dict[str, str]:
    try:
        return {name: value for name, value in dotenv_values(path, interpolate=False).items() if value}
    except (OSError, UnicodeDecodeError):
        return {}


def _unreadable(folder: Path, files: list[Path]) -> list[Problem]:
    """A folder that was asked for and is not there, or a file that cannot be read."""
    if os.environ.get("CREDENTIALS_DIR") and not folder.is_dir():
        return [Problem("CREDENTIALS_DIR", f"{folder} is not a folder")]
    problems = []
    for file in files:
        try:
            file.read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
            problems.append(Problem("CREDENTIALS_DIR", f"{file} cannot be read: {reason}"))
    return problems


def _parse(files: list[Path], environment: str) -> tuple[ServiceSettings, list[Problem]]:
    """The settings, with defaults in the place of wrong ones so that the cross checks can look at the rest."""
    try:
        return _read(files, environment, {}), []
    except ValidationError as error:
        problems = [_problem(details) for details in error.errors(include_url=False)]
    defaults = {name: Settings.model_fields[name].get_default() for name in {p.setting.lower() for p in problems}}
    return _read(files, environment, defaults), problems


def _read(files: list[Path], environment: str, overrides: dict[str, Any]) -> ServiceSettings:
    given: dict[str, Any] = {"environment": environment, "credentials_dir": files[0].parent, **overrides}
    given |= {"_env_file": tuple(files), "_env_file_encoding": "utf-8"}
    return Settings(**given)


def _problem(details: Any) -> Problem:
    """One pydantic error as a sentence; the value is shown unless it is a secret."""
    name = str(details["loc"][0])
    secret = "SecretStr" in str(Settings.model_fields[name].annotation)
    reason = str(details["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    return Problem(name.upper(), reason if secret else f"{reason}, not {str(details['input'])!r}")


def _staging_hosts(folder: Path) -> frozenset[str]:
    """The hosts that credentials/.env.staging names."""
    values = _file_values(folder / ".env.staging")
    return frozenset(values[name].lower() for name in ("MYSQL_HOST", "REDIS_HOST", "SSH_HOST") if name in values)
