"""Clients that post events with their own ids and repeat a call until it is acknowledged, as phones do."""

import random
import threading
import time
from collections import Counter
from uuid import UUID

import httpx

TYPES = ("video_view", "like", "share", "skip", "hide")


class Writers:
    """Threads that post; `acknowledged` holds the ids that the service promised to keep."""

    def __init__(self, url: str, seed: int, *, threads: int = 4, pause: float = 0.02) -> None:
        self.acknowledged: set[str] = set()
        self.answers: Counter[str] = Counter()
        self.feeds: Counter[int] = Counter()
        self._url, self._pause = url, pause
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(seed * 100 + n,)) for n in range(threads)]
        self._threads.append(threading.Thread(target=self._read))

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End once each call was acknowledged."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _write(self, seed: int) -> None:
        draw = random.Random(seed)
        with httpx.Client(base_url=self._url, timeout=3.0) as client:
            while not self._stopping.is_set():
                events = [_event(draw) for _ in range(draw.randint(1, 20))]
                self._post(client, events)
                time.sleep(draw.uniform(0, 2 * self._pause))

    def _post(self, client: httpx.Client, events: list[dict[str, object]]) -> None:
        while True:
            try:
                answer = client.post("/v1/events", json={"events": events})
            except httpx.TransportError as error:
                self.answers[type(error).__name__] += 1
            else:
                said = answer.json()
                self.answers[said.get("durability") or said["code"]] += 1
                if answer.status_code == 202:
                    assert said["rejected"] == []
                    self.acknowledged.update(str(event["event_id"]) for event in events)
                    return
                assert answer.status_code == 503, answer.text
                assert int(answer.headers["retry-after"]) > 0
            time.sleep(0.1)

    def _read(self) -> None:
        """Ask for feeds all the while: they must not notice."""
        with httpx.Client(base_url=self._url, timeout=5.0) as client:
            while not self._stopping.is_set():
                try:
                    self.feeds[client.post("/v1/feed", json={"user_id": 1}).status_code] += 1
                except httpx.TransportError:  # its worker was killed or frozen
                    self.feeds[0] += 1
                time.sleep(0.1)


def _event(draw: random.Random) -> dict[str, object]:
    made = UUID(int=draw.getrandbits(128), version=4)
    return {
        "event_id": str(made),
        "event_type": draw.choice(TYPES),
        "user_id": draw.randint(1, 200),
        "video_id": draw.randint(1, 20),
    }
