"""Every error that leaves the service is a problem with a code and the request's id, and nothing else ever leaves."""

import gzip
import json
import re
import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.api.conftest import MakeServer
from tests.api.server import Server
from tests.support.waiting import eventually

CASES = [
    ("GET", "/nothing", None, 404, "not_found"),
    ("GET", "/v1/feed/", None, 404, "not_found"),
    ("DELETE", "/v1/feed", None, 405, "method_not_allowed"),
    ("POST", "/v1/feed", b"", 400, "malformed_json"),
    ("POST", "/v1/feed", b"{", 400, "malformed_json"),
    ("POST", "/v1/feed", b'{"user_id": NaN}', 400, "malformed_json"),
    ("POST", "/v1/feed", b"\xff\xfe", 400, "malformed_json"),
    ("POST", "/v1/feed", b"[" * 100_000, 400, "malformed_json"),
    ("POST", "/v1/feed", b"[]", 422, "invalid_request"),
    ("POST", "/v1/feed", b"null", 422, "invalid_request"),
    ("POST", "/v1/feed", b" " * (1 << 21), 413, "body_too_large"),
    ("POST", "/v1/events", b"{}", 422, "invalid_request"),
    ("POST", "/v1/events", b'{"events": []}', 422, "invalid_request"),
    ("POST", "/v1/video-views", b"{}", 422, "invalid_request"),
    ("POST", "/v1/admin/reload", None, 401, "unauthorized"),
    ("GET", "/v1/admin/snapshots", None, 401, "unauthorized"),
    ("GET", "/docs/../../etc/passwd", None, 404, "not_found"),
    ("GET", "/docs/secret.py", None, 404, "not_found"),
]


def check(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(("method", "path", "content", "status", "code"), CASES)
def test_an_error_is_a_problem(
    server: Server, method: str, path: str, content: bytes | None, status: int, code: str
) -> None:
    check(server.http.request(method, path, content=content), status, code)


def test_a_chunked_body_is_stopped_at_the_limit(server: Server) -> None:
    def body() -> Iterator[bytes]:
        for _ in range(64):
            yield b" " * 65_536

    check(server.http.post("/v1/feed", content=body()), 413, "body_too_large")


def test_a_length_that_is_a_lie_costs_nothing(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 10) as link:
        link.sendall(b"POST /v1/feed HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n{}")
        assert b" 413 " in link.recv(4096)


@pytest.mark.parametrize("path", ["/v1/feed", "/v1/events"])
def test_a_length_of_many_digits_is_only_a_length(server: Server, path: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 10) as link:
        link.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {'0' * 5000}2\r\n\r\n[]".encode())
        assert b" 422 " in link.recv(4096)


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"HELLO\r\n\r\n", 400, "malformed_http"),
        (b"FOO /v1/feed HTTP/1.1\r\nHost: x\r\n\r\n", 400, "malformed_http"),
        (b"GET /v1/feed?user_id=7&x=%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * 70_000), 414, "address_too_long"),
    ],
)
def test_what_is_no_request_is_answered_with_a_problem_counted_and_logged(
    server: Server, sent: bytes, status: int, code: str
) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 10) as link:
        link.sendall(sent)
        head, _, body = link.recv(4096).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"application/problem+json" in head
    problem = json.loads(body)
    assert (problem["status"], problem["code"]) == (status, code)
    eventually(lambda: f"request_id={problem['request_id']}" in server.log.read_text())
    eventually(lambda: f'route="other",status="{status}"' in server.http.get("/metrics").text)


def counted(server: Server, line: str) -> float:
    """What /metrics says of `talentfeed_http_requests_total` with these labels."""
    text = server.http.get("/metrics").text
    found = re.search(rf"^talentfeed_http_requests_total\{{{line}\}} (.+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_a_client_that_hangs_up_in_its_body_is_no_mistake_of_the_service(server: Server) -> None:
    line = 'method="POST",route="/v1/events",status="{}"'
    before = counted(server, line.format(499)), counted(server, line.format(500))
    with socket.create_connection(("127.0.0.1", server.port), 10) as link:
        link.sendall(b'POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 22\r\n\r\n{"events": [')
    eventually(lambda: counted(server, line.format(499)) == before[0] + 1)
    assert counted(server, line.format(500)) == before[1]


def test_a_request_refused_before_its_route_is_counted_as_its_route(server: Server) -> None:
    line = 'method="POST",route="/v1/events",status="413"'
    before = counted(server, line)
    check(server.http.post("/v1/events", content=b" " * (1 << 21)), 413, "body_too_large")
    eventually(lambda: counted(server, line) == before + 1)


@pytest.mark.parametrize("path", ["/v1/feed", "/v1/events"])
def test_a_compressed_body_is_told_so(server: Server, path: str) -> None:
    body, headers = gzip.compress(b'{"user_id": 7}'), {"Content-Encoding": "gzip"}
    check(server.http.post(path, content=body, headers=headers), 415, "unsupported_encoding")


def test_one_thousand_and_one_events_are_refused(server: Server) -> None:
    answer = server.http.post("/v1/events", json={"events": [{}] * 1001})
    check(answer, 422, "invalid_request")
    assert answer.json()["errors"][0]["field"] == "events"


def test_a_wrong_method_is_told_which_ones_are_taken(server: Server) -> None:
    assert server.http.delete("/v1/feed").headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize("header", [{"X-API-Key": "wrong"}, {"Authorization": "Bearer wrong"}, {"X-API-Key": "ñ"}])
def test_a_wrong_token_is_forbidden(server: Server, header: dict[str, str]) -> None:
    encoded = {name: value.encode() for name, value in header.items()}
    check(server.http.post("/v1/admin/reload", headers=encoded), 403, "forbidden")


def test_a_sane_request_id_is_echoed_and_another_is_replaced(server: Server) -> None:
    assert server.http.get("/livez", headers={"X-Request-ID": "abc-1.2:3"}).headers["x-request-id"] == "abc-1.2:3"
    for odd in ("a b", "x" * 129, "<script>"):
        assert server.http.get("/livez", headers={"X-Request-ID": odd}).headers["x-request-id"] != odd


def test_too_many_requests_are_told_when_to_come_back(make_server: "type[Server]") -> None:
    limited = make_server(RATE_LIMIT="5").start()
    limited.wait_until("/livez")
    answers = [limited.http.get("/openapi.json") for _ in range(50)]
    refused = [answer for answer in answers if answer.status_code == 429]
    check(refused[0], 429, "too_many_requests")
    assert int(refused[0].headers["retry-after"]) >= 1
    assert {limited.http.get("/livez").status_code for _ in range(20)} == {200}


@pytest.mark.parametrize(("trusted", "limited_apart"), [("10.0.0.0/8, 127.0.0.1", True), ("10.0.0.0/8", False)])
def test_clients_of_a_trusted_proxy_are_limited_one_by_one(
    make_server: MakeServer, trusted: str, limited_apart: bool
) -> None:
    limited = make_server(RATE_LIMIT="5", FORWARDED_ALLOW_IPS=trusted).start()
    limited.wait_until("/livez")
    clients = [{"X-Forwarded-For": f"192.0.2.99, 192.0.2.{number}"} for number in range(50)]  # the last one counts
    found = {limited.http.get("/openapi.json", headers=client).status_code for client in clients}
    assert found == ({200} if limited_apart else {200, 429})


def test_a_client_that_goes_away_is_no_mistake_of_the_service(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as gone:
        gone.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
    assert server.http.get("/livez").status_code == 200
    assert "ClientDisconnect" not in server.log.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/docs", "/v1/feed?user_id=7"])
def test_head_is_answered_like_get_without_a_body(server: Server, path: str) -> None:
    answer = server.http.head(path)
    assert answer.status_code == 200
    assert answer.content == b""
    assert int(answer.headers["content-length"]) > 0


def test_head_of_what_is_not_there_is_not_there(server: Server) -> None:
    assert server.http.head("/nowhere").status_code == 404
    assert server.http.head("/v1/events").status_code == 405
