"""One log for all processes: `<timestamp> - <module> - <level> - <message>` in GMT-5, to a file and to stdout.

Every event is one line and one `write` to a file opened with O_APPEND, so lines of many processes never mix and none is
lost. Rotation is left to logrotate: the file is opened anew when it was moved away. Secrets are masked before writing.
"""

import logging
import os
import re
import sys
import traceback
from collections.abc import Iterable
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson

ZONE = ZoneInfo("America/Bogota")
LONGEST = 32_768
MASK = "***"
request_id: ContextVar[str] = ContextVar("request_id", default="")
_INLINE = re.compile(r"(?i)((?:password|passwd|token|secret|api[-_]key)\s*[=:]\s*|bearer\s+)[^\s,;@'\"&]+")
_ADDRESS = re.compile(r"(://[^\s:/@]*:)[^\s/@]+(?=@)")


class Masker:
    """Replaces secrets in text: the given values, and whatever follows `password=`, `Bearer ` and the like."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = sorted({secret for secret in secrets if len(secret) >= 4}, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return _ADDRESS.sub(rf"\g<1>{MASK}", _INLINE.sub(rf"\g<1>{MASK}", text))


def one_line(text: str) -> str:
    r"""Control characters written as escapes, so that an event cannot span or fake lines.

    >>> one_line("a\nb")
    'a\\nb'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _escaped(json: str) -> str:
    """JSON escapes what ends a line, but for these three."""
    for character in ("\x85", "\u2028", "\u2029"):
        json = json.replace(character, f"\\u{ord(character):04x}")
    return json


class LineFormatter(logging.Formatter):
    """A record as one line of text, or as one JSON object."""

    def __init__(self, mask: Masker, json: bool) -> None:
        super().__init__()
        self._mask, self._json = mask, json

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, ZONE).isoformat(timespec="milliseconds")
        text = self._mask(record.getMessage() + _trace(record))[:LONGEST]
        message = text.encode("utf-8", "backslashreplace").decode("utf-8")
        context = request_id.get()
        if self._json:
            fields = {"timestamp": moment, "module": record.name, "level": record.levelname, "message": message}
            if context:
                fields["request_id"] = context
            return _escaped(orjson.dumps(fields).decode())
        suffix = f" request_id={context}" if context else ""
        return one_line(f"{moment} - {record.name} - {record.levelname} - {message}{suffix}")


def _trace(record: logging.LogRecord) -> str:
    if not record.exc_info or not record.exc_info[1]:
        return ""
    return " | " + "".join(traceback.format_exception(record.exc_info[1])).rstrip()


class AppendHandler(logging.Handler):
    """Appends each record with one `write`; opens the file anew after logrotate moved it. Never raises."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path, self._descriptor, self._identity = path, -1, (0, 0)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._reopen_if_moved()
            os.write(self._descriptor, (self.format(record) + "\n").encode("utf-8", "backslashreplace"))
        except OSError:
            self._descriptor_lost()

    def _reopen_if_moved(self) -> None:
        try:
            status = self._path.stat()
            identity = (status.st_dev, status.st_ino)
        except FileNotFoundError:
            identity = (0, 0)
        if self._descriptor >= 0 and identity == self._identity != (0, 0):
            return
        self._descriptor_lost()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        status = os.fstat(self._descriptor)
        self._identity = (status.st_dev, status.st_ino)

    def _descriptor_lost(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def close(self) -> None:
        self._descriptor_lost()
        super().close()


class OutputHandler(logging.Handler):
    """Writes each record to a stream with one `write`; a reader that went away is no error."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def emit(self, record: logging.LogRecord) -> None:
        try:
            os.write(self._descriptor, (self.format(record) + "\n").encode("utf-8", "backslashreplace"))
        except OSError:
            self.setLevel(logging.CRITICAL + 1)


def setup(*, folder: Path, level: str, json: bool, secrets: Iterable[str], output: bool = True) -> None:
    """Send every logger of this process, uvicorn's and gunicorn's included, to `folder`/talent.log and to stdout.

    `output=False` is for commands, whose stdout is their answer: warnings then go to stderr.
    """
    formatter = LineFormatter(Masker(secrets), json)
    console = OutputHandler(sys.stdout.fileno() if output else sys.stderr.fileno())
    console.setLevel(level if output else logging.ERROR + 1)
    handlers: list[logging.Handler] = [AppendHandler(folder / "talent.log"), console]
    for handler in handlers:
        handler.setFormatter(formatter)
    logging.root.handlers = handlers
    logging.root.setLevel(level)
    logging.captureWarnings(True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "gunicorn.error", "gunicorn.access", "asyncssh"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncssh"):
        logging.getLogger(name).setLevel(logging.WARNING if level != "DEBUG" else logging.INFO)
