"""A front's metrics tell which nodes get buyers."""

from __future__ import annotations

from dataclasses import replace

import httpx

from infra.ops.served import everywhere, in_service
from infra.plan.model import Geography

METRICS = """\
haproxy_server_status{proxy="appliances",server="quay-appliance1",state="UP"} 1
haproxy_server_status{proxy="appliances",server="quay-appliance1",state="DOWN"} 0
haproxy_server_status{proxy="spares",server="quay-spare1",state="UP"} 0
haproxy_server_status{proxy="spares",server="quay-spare1",state="DOWN"} 1
haproxy_server_status{proxy="lookup",server="quay-spare1",state="UP"} 1
"""
QUAY = Geography("quay", "The old quay", "10.20.1.0/24", "10.20.1.2", ())


PAIR = replace(QUAY, pair=("10.20.1.4", "10.20.1.5"))


def client(answer: httpx.Response) -> httpx.Client:
    return httpx.Client(transport=httpx.MockTransport(lambda _: answer))


def test_those_that_its_checks_found_up() -> None:
    assert in_service(client(httpx.Response(200, text=METRICS)), QUAY) == {"quay-appliance1"}


def test_a_front_that_is_away_serves_nobody() -> None:
    assert in_service(client(httpx.Response(503)), QUAY) == set()


def test_a_node_is_served_everywhere_where_each_front_of_a_pair_has_it_up() -> None:
    second = httpx.Client(
        transport=httpx.MockTransport(
            lambda asked: httpx.Response(
                200, text=METRICS if asked.url.host != "10.20.1.5" else METRICS.replace("1\n", "0\n")
            )
        )
    )
    assert in_service(second, PAIR) == {"quay-appliance1"}, "by the one that has the buyers"
    assert everywhere(second, PAIR) == set()
    assert everywhere(client(httpx.Response(200, text=METRICS)), PAIR) == {"quay-appliance1"}
