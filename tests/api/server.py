"""A real `talentfeed serve` in a temporary folder, on a free port, for tests to talk to."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from api.supervisor import free_port
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
LONGEST_WAIT = 360.0  # `?wait=true` takes LOAD_DEADLINE_SECONDS and more; pytest's own limit ends a test before


class Server:
    """One service: `start` it, talk to it with `http`, `stop` it. Nothing of this process's settings leaks into it."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.data_dir, self.log = folder / "var", folder / "logs" / "talent.log"
        credentials = folder / "credentials"
        credentials.mkdir(parents=True, exist_ok=True)
        self.environment = environment(
            DATA_DIR=str(self.data_dir), LOG_DIR=str(self.log.parent), CREDENTIALS_DIR=str(credentials), **settings
        )
        self.http = httpx.Client(base_url=self.url, timeout=LONGEST_WAIT)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str) -> "Server":
        """Start it; does not wait."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "api.cli", "serve", "--port", str(self.port), *arguments]
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=output, stderr=output)
        return self

    def wait_until(self, path: str = "/readyz", status: int = 200) -> httpx.Response:
        """The first answer of this status. Ready is the service when every worker is: any of them may be asked next."""
        limit = time.monotonic() + PATIENCE
        while time.monotonic() < limit:
            try:
                answer = self.http.get(path)
                if answer.status_code == status:
                    if path == "/readyz" and status == 200:
                        eventually(self._is_everyone_ready)
                    return answer
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"{path} did not answer {status}: {(self.folder / 'output').read_text()[-4000:]}")

    def _is_everyone_ready(self) -> bool:
        ready = [state for state in self.http.get("/health").json()["workers"] if state["ready"]]
        return len(ready) >= int(self.environment.get("WORKERS", "1"))

    @property
    def admin(self) -> dict[str, str]:
        """The header of admin calls."""
        return {"X-API-Key": (self.data_dir / "admin-token").read_text().strip()}

    def feed(self, **body: Any) -> dict[str, Any]:
        """One feed."""
        answer = self.http.post("/v1/feed", json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def reload(self) -> dict[str, Any]:
        """Reload once there is a work process to do it, and wait; what is said of it when it is live everywhere."""
        eventually(lambda: self.pids("work"))
        answer = self.http.post("/v1/admin/reload?wait=true", headers=self.admin)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def pids(self, role: str) -> list[int]:
        """Pids of the living processes of a role; none while they start."""
        health = self.http.get("/health").json()
        states = health["workers"] if role == "serve" else [health["work"]]
        return [state["pid"] for state in states if "pid" in state]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end; its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        self.http.close()
        return code

    def kill(self) -> None:
        """End it after a test, whatever became of it."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)


def environment(**settings: str) -> dict[str, str]:
    """The environment of a process of the service: what a process needs to run at all, and these settings."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    patient = {"LEDGER_TIMEOUT_SECONDS": "5"}  # a machine that stalls for a moment costs no test its complete feed
    return {**kept, "PYTHONPATH": str(ROOT), "DRAIN_SECONDS": "0.3", **patient, **settings}


def command(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run one command of the command line to its end."""
    words = [sys.executable, "-m", "api.cli", *arguments]
    return subprocess.run(
        words, cwd=ROOT, env=environment(**settings), capture_output=True, text=True, timeout=LONGEST_WAIT, check=False
    )
