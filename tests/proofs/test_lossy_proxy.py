"""Requests and replies get lost on the way to the target and to the store: no double mint, no dead current, no false conflict."""

import socket

from rotator.testing.kill.lossy import lossy_rotations
from rotator.testing.proxy import LossyProxy
from rotator.testing.servers.raw import RawServer, json_answer


def test_no_loss_costs_more_than_time(stand, tmp_path, record_property):
    """Rotations until something got lost; `make kill` does ten of each shape."""
    for seed in range(1, 9):
        losses = lossy_rotations(stand, tmp_path / str(seed), seed, 1)
        record_property("losses", f"{losses.runs} runs, {losses.requests} requests and {losses.replies} replies of {losses.sent} lost")
        assert losses.violations == []
        assert losses.rotations == 1
        if losses.requests + losses.replies:
            break
    assert losses.requests + losses.replies > 0


def test_the_proxy_loses_requests_before_the_server_sees_them_and_replies_after():
    with RawServer(lambda _request: json_answer(1)) as server, LossyProxy(int(server.url.rpartition(":")[2]), seed=1, rate=0.5) as proxy:

        def answered():
            with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                return b"200" in client.recv(100)

        assert all(answered() for _ in range(20)), "not armed, it loses nothing"
        proxy.armed = True
        got = sum(answered() for _ in range(60))
    assert proxy.passed == 60
    assert proxy.lost["request"] > 5
    assert proxy.lost["reply"] > 5
    assert got == 60 - proxy.lost["request"] - proxy.lost["reply"]
    assert len(server.requests) == 80 - proxy.lost["request"]
