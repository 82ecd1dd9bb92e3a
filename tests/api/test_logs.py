"""The log: one event one line, from many processes, without secrets."""

import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

from api.logs import AppendHandler, LineFormatter, Masker, request_id
from tests.api.server import ROOT

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}-05:00 - [\w.]+ - [A-Z]+ - .*")
WRITER = """
import logging, pathlib, sys
from api import logs
logs.setup(folder=pathlib.Path(sys.argv[1]), level="INFO", json=False, secrets=[], output=False)
for number in range(1000):
    logging.getLogger("writer").info("process %s line %d %s", sys.argv[2], number, "x" * (number % 700))
"""


def record(message: str, *arguments: object, error: BaseException | None = None) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("tests.api", logging.INFO, "", 0, message, arguments, info)


def formatted(message: str, secrets: tuple[str, ...] = (), json: bool = False) -> str:
    return LineFormatter(Masker(secrets), json).format(record(message))


def test_four_processes_lose_and_mix_no_line(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    processes = [subprocess.Popen([*command, str(number)], cwd=ROOT) for number in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4
    lines = (tmp_path / "talent.log").read_text().splitlines()
    assert all(LINE.fullmatch(line) for line in lines)
    found = {tuple(line.split()[7:10:2]) for line in lines}
    assert len(lines) == len(found) == 4000


@pytest.mark.parametrize("message", ["two\nlines", "a\rb", "a\x1b[31mred", "a\u2028b", "lone \ud800", "tab\tbed"])
def test_an_event_is_one_line_whatever_its_text(message: str) -> None:
    for json_format in (False, True):
        line = formatted(message, json=json_format)
        assert len(line.splitlines()) == 1
        assert line.encode()


def test_a_trace_is_in_the_same_line() -> None:
    try:
        raise ValueError("first\nsecond")
    except ValueError as error:
        line = LineFormatter(Masker(()), False).format(record("failed", error=error))
    assert len(line.splitlines()) == 1
    assert "ValueError" in line


def test_secrets_are_masked() -> None:
    line = formatted("connect with tR4ok9fPq2x password=abc mysql://u:pw@h Bearer zzz", ("tR4ok9fPq2x",))
    assert "http://127.0.0.1:8000/" in formatted("serving http://127.0.0.1:8000/")
    assert not re.search("tR4ok9fPq2x|abc|pw|zzz", line)


def test_json_lines_hold_the_same_and_the_request() -> None:
    token = request_id.set("abc")
    try:
        found = json.loads(formatted("hello", json=True))
        assert formatted("hello").endswith("hello request_id=abc")
    finally:
        request_id.reset(token)
    assert (found["module"], found["level"], found["message"], found["request_id"]) == (
        "tests.api",
        "INFO",
        "hello",
        "abc",
    )


def test_the_file_is_opened_anew_after_it_was_moved(tmp_path: Path) -> None:
    path = tmp_path / "talent.log"
    handler = AppendHandler(path)
    handler.emit(record("one"))
    path.rename(tmp_path / "talent.log.1")
    handler.emit(record("two"))
    handler.close()
    assert ((tmp_path / "talent.log.1").read_text(), path.read_text()) == ("one\n", "two\n")


def test_a_folder_that_cannot_be_written_to_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    handler = AppendHandler(tmp_path / "file" / "talent.log")
    handler.emit(record("lost"))
    handler.close()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
