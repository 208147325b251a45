"""Hostile and clumsy HTTP clients: bounded in what they cost, and of no harm to others."""

import os
import resource
import socket
import subprocess
import time

from hubrig import raw_connection, wait_until


def ask(port, data, timeout=60):
    sock = raw_connection(port, timeout)
    try:
        sock.sendall(data)
        answer = b""
        while True:
            piece = sock.recv(65536)
            if not piece:
                return answer
            answer += piece
    except (ConnectionError, BrokenPipeError):
        return b""
    finally:
        sock.close()


def status_of(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else None


def rss(hub):
    with open(f"/proc/{hub.process.pid}/status") as f:
        return int(f.read().split("VmRSS:")[1].split()[0])


def test_methods_and_paths(hub):
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = ask(hub.port, f"{method} /api/machines HTTP/1.1\r\nHost: x\r\n"
                     "Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
        assert status_of(answer) in (405, 403, 404, None), answer
    for path in ("/..", "/../../etc/passwd", "/%00", "/api/machines/%2e%2e/%2e%2e", "//", "/a" * 900):
        answer = ask(hub.port, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert status_of(answer) in (200, 400, 401, 403, 404, None), (path, answer)
        assert status_of(answer) != 200 or b"opengeni-hub" in answer  # "/.." is "/"
        assert b"root:" not in answer
    assert hub.get("/healthz")[0] == 200


def head_of(answer):
    lines = answer.split(b"\r\n\r\n", 1)[0].decode().split("\r\n")[1:]
    return {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines)}


def test_what_else_an_answer_has_to_say(hub):
    """RFC 9110: HEAD is answered as GET without the body, and some statuses name what would do."""
    def request(line, more=""):
        return ask(hub.port, f"{line} HTTP/1.1\r\nHost: x\r\n{more}Connection: close\r\n\r\n".encode())
    answer, whole = request("HEAD /healthz"), request("GET /healthz")
    assert status_of(answer) == 200 and answer.endswith(b"\r\n\r\n")
    assert head_of(answer)["content-length"] == head_of(whole)["content-length"] == "3"
    assert status_of(request("HEAD /nothing")) == 404
    twice = ask(hub.port, b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
                b"HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert twice.count(b"HTTP/1.1 200") == 2, twice
    answer = request("GET /api/machines")
    assert status_of(answer) == 401 and head_of(answer)["www-authenticate"] == "Bearer"
    for line, allowed in (("PUT /", "GET, HEAD, POST"), ("GET /api/tokens", "POST"),
                          ("POST /metrics", "GET, HEAD")):
        answer = request(line, "Content-Length: 0\r\n")
        assert status_of(answer) == 405 and head_of(answer)["allow"] == allowed, answer


def test_bytes_that_are_no_http(hub):
    for data in (b"\x00" * 100, os.urandom(3000), b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                 b"GET / HTTP/1.1\r\nContent-Length: -5\r\n\r\n", b"\r\n" * 2000,
                 b"POST /v1/enrollments/token/exchange HTTP/1.1\r\nContent-Length: 99999999999999\r\n\r\n",
                 b"POST /v1/enrollments/token/exchange HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
                 b"Content-Length: 500\r\n\r\nhello",
                 b"GET / HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                 b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nHost: x\r\n\r\n",
                 b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                 b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: raw\r\nConnection: Upgrade\r\n\r\n"):
        sock = raw_connection(hub.port)
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            sock.recv(65536)
        except OSError:
            pass
        sock.close()
        assert hub.get("/healthz")[0] == 200, data


def test_huge_heads_and_bodies_are_refused(hub):
    before = rss(hub)
    for head in (b"X-Big: " + b"a" * 20000 + b"\r\n", b"".join(b"X-%d: a\r\n" % i for i in range(3000)),
                 b"Authorization: Bearer " + b"t" * 9000 + b"\r\n"):
        answer = ask(hub.port, b"GET /api/machines HTTP/1.1\r\nHost: x\r\n" + head +
                     b"Connection: close\r\n\r\n")
        assert status_of(answer) in (401, 413, 414, 431, 400, None)
    answer = ask(hub.port, b"POST /v1/enrollments/token/exchange HTTP/1.1\r\nHost: x\r\n"
                 b"Content-Length: 1000000\r\n\r\n" + b"x" * 200000)
    assert status_of(answer) in (413, None)
    answer = ask(hub.port, b"POST /v1/enrollments/token/exchange HTTP/1.1\r\nHost: x\r\n"
                 b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    assert status_of(answer) in (411, None)
    assert hub.get("/healthz")[0] == 200
    assert rss(hub) - before < 8192


def test_slow_requests_are_ended(hub):
    head = raw_connection(hub.port)
    head.sendall(b"GET / HTTP/1.1\r\n")
    body = raw_connection(hub.port)
    body.sendall(b"POST /v1/enrollments/token/exchange HTTP/1.1\r\nHost: x\r\n"
                 b"Content-Length: 100\r\n\r\n{")
    silent = raw_connection(hub.port)
    began = time.monotonic()
    ended = set()
    while len(ended) < 3 and time.monotonic() - began < 90:
        for name, sock, drip in (("head", head, b"X: y\r\n"), ("body", body, b" "),
                                 ("silent", silent, b"")):
            if name in ended:
                continue
            try:
                sock.sendall(drip)
                sock.setblocking(False)
                if sock.recv(100) == b"":
                    ended.add(name)
            except BlockingIOError:
                pass
            except OSError:
                ended.add(name)
            finally:
                sock.setblocking(True)
        time.sleep(0.25)
    assert ended == {"head", "body", "silent"}, ended
    assert hub.get("/healthz")[0] == 200


def test_a_thousand_idle_connections(hub):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    before = rss(hub)
    idle = [raw_connection(hub.port) for _ in range(1000)]
    slow = [raw_connection(hub.port) for _ in range(200)]
    for sock in slow:
        sock.sendall(b"GET / HTTP/1.1\r\nX: ")
    assert hub.get("/healthz")[0] == 200
    assert hub.exchange(hub.token())[0] == 201
    assert rss(hub) - before < 12 * 1024
    wait_until(lambda: hub.metric("http_connections") < 20, 90, step=0.5)
    for sock in idle + slow:
        sock.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_more_connections_than_there_are_descriptors(make_hub):
    """Idle clients have a part of them only: the hub goes on, and rests."""
    hub = make_hub(start=False)
    limit = ["prlimit", "--nofile=256:256"]
    command, hub.command = hub.command(), lambda: limit + command
    hub.start()
    idle = [raw_connection(hub.port) for _ in range(600)]
    assert hub.exchange(hub.token())[0] == 201
    assert hub.get("/healthz") == (200, "ok\n")

    def processor_s():
        with open(f"/proc/{hub.process.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    before = processor_s()
    time.sleep(2)
    assert processor_s() - before < 1
    for sock in idle:
        sock.close()


def test_a_hub_that_may_open_next_to_nothing_does_not_begin(make_hub):
    hub = make_hub(start=False)
    done = subprocess.run(["prlimit", "--nofile=100:100", *hub.command()], text=True,
                          capture_output=True, timeout=60)
    assert done.returncode == 1 and "ulimit -n 256" in done.stderr


def test_clients_that_leave_early_leave_nothing_behind(hub):
    body = b'{"token":"x","publicKey":"k"}'
    for i in range(300):
        sock = raw_connection(hub.port)
        sock.sendall(b"POST /v1/enrollments/token/exchange HTTP/1.1\r\nHost: x\r\n"
                     b"Content-Length: %d\r\n\r\n" % len(body) + body[:i % (len(body) + 1)])
        sock.close()
    wait_until(lambda: hub.metric("http_connections") < 10)
    assert hub.get("/healthz")[0] == 200


def test_many_requests_on_one_connection(hub):
    import http.client
    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=60)
    for _ in range(50):
        connection.request("GET", "/healthz")
        assert connection.getresponse().read() == b"ok\n"
        connection.request("POST", "/v1/enrollments/token/exchange", '{"a":1}')
        assert connection.getresponse().read()
    connection.close()


def test_large_answers_arrive_whole(hub):
    from hubrig import run
    tokens = run("token", "--data", hub.data, "--count", 300).split()
    for i, token in enumerate(tokens):
        assert hub.exchange(token, machineName="name " + "é" * 200 + str(i))[0] == 201
    machines = hub.admin("GET", "/api/machines")[1]["machines"]
    assert len(machines) == 300 and len({m["name"] for m in machines}) == 300
