"""TLS to a Redis that is reached under another address than its certificate names, as behind a tunnel."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.servers import Redis
from tests.tracking.worlds import event, uuid
from tracking import redis_client
from tracking.buffer import BufferUnavailableError, Record
from tracking.events import Event
from tracking.redis_buffer import RedisBuffer
from tracking.redis_client import RedisConfig

NAME = "redis.internal"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder)


@pytest.fixture(scope="module")
def server(authority: Authority) -> Iterator[Redis]:
    with Redis(password="not told", certificate=authority.certificate(NAME)) as running:
        yield running


@pytest.fixture
def config(server: Redis, authority: Authority) -> RedisConfig:
    return reached(server, authority)


def reached(server: Redis, authority: Authority) -> RedisConfig:
    """The server by its address, its certificate by its name."""
    return RedisConfig(
        host=server.host, port=server.port, password=server.password, timeout=5.0,
        scheme="tls", server_hostname=NAME, ca_path=authority.path,
    )  # fmt: skip


def push(config: RedisConfig) -> None:
    """The path of a request."""

    async def pushed() -> None:
        buffer = RedisBuffer(config)
        try:
            await buffer.push([Record.of_event(event(1))])
        finally:
            await buffer.close()

    asyncio.run(pushed())


def take(config: RedisConfig) -> list[str]:
    """The flusher's path."""
    buffer = RedisBuffer(config)
    batch = buffer.take(10)
    assert batch
    buffer.acknowledge(batch)
    return [str(Event.of_json(body).event_id) for body in batch.activities]


@pytest.fixture(params=[push, take])
def path(request: pytest.FixtureRequest) -> Callable[[RedisConfig], object]:
    """Each of the two."""
    found: Callable[[RedisConfig], object] = request.param
    return found


def refusal(path: Callable[[RedisConfig], object], config: RedisConfig) -> str:
    """What is said."""
    with pytest.raises(BufferUnavailableError) as caught:
        path(config)
    return str(caught.value)


def test_an_event_is_pushed_and_flushed_with_the_certificate_of_another_address(config: RedisConfig) -> None:
    push(config)
    assert take(config) == [uuid(1)]


def test_a_certificate_for_another_name_is_refused(path: Callable[..., object], config: RedisConfig) -> None:
    said = refusal(path, replace(config, server_hostname="other.internal"))
    assert "REDIS_HOST: the certificate is refused" in said
    assert "other.internal" in said


def test_without_a_name_the_certificate_must_be_for_the_address(
    path: Callable[..., object], config: RedisConfig
) -> None:
    said = refusal(path, replace(config, server_hostname=None))
    assert "REDIS_HOST: the certificate is refused" in said
    assert "127.0.0.1" in said


def test_an_authority_that_is_not_the_configured_one_is_refused(
    path: Callable[..., object], config: RedisConfig, folder: Path
) -> None:
    other = Authority(folder, "other")
    said = refusal(path, replace(config, ca_path=other.path))
    assert f"REDIS_CA_PATH: no authority of {other.path} made the certificate" in said


def test_an_authority_that_the_system_does_not_know_is_refused(
    path: Callable[..., object], config: RedisConfig
) -> None:
    said = refusal(path, replace(config, ca_path=None))
    assert "REDIS_CA_PATH: no authority of this system made the certificate" in said


def test_a_certificate_out_of_date_is_refused(path: Callable[..., object], authority: Authority) -> None:
    with Redis(certificate=authority.certificate(NAME, days=-1)) as server:
        said = refusal(path, reached(server, authority))
    assert "REDIS_SCHEME: the certificate is refused (certificate has expired)" in said


def test_a_redis_without_tls_is_told(config: RedisConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_client, "PATIENT_SECONDS", 0.5)
    with Redis() as plain:  # it waits for the end of what it takes for a line
        assert "is REDIS_SCHEME right" in refusal(take, replace(config, port=plain.port))
        assert "no answer" in refusal(push, replace(config, port=plain.port, timeout=0.5))
