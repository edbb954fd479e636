"""What a front is told, and what its metrics tell."""

from __future__ import annotations

from node_image.front.runtime import Served, served, words

METRICS = """\
# TYPE haproxy_server_status gauge
haproxy_server_status{proxy="appliances-first",server="appliances",state="UP"} 1
haproxy_server_status{proxy="appliances",server="quay-appliance1",state="UP"} 0
haproxy_server_status{proxy="appliances",server="quay-appliance1",state="DRAIN"} 1
haproxy_server_status{proxy="spares",server="quay-spare1",state="UP"} 1
haproxy_server_status{proxy="anyone",server="quay-appliance1",state="UP"} 1
haproxy_server_current_sessions{proxy="appliances",server="quay-appliance1"} 3
haproxy_server_http_responses_total{proxy="spares",server="quay-spare1",code="2xx"} 40
haproxy_server_http_responses_total{proxy="spares",server="quay-spare1",code="4xx"} 2
haproxy_server_http_responses_total{proxy="anyone",server="quay-spare1",code="2xx"} 7
"""


def test_a_cordoned_node_is_still_the_last_resort_and_a_drained_one_is_not() -> None:
    own, last = "set server spares/quay-spare1 state", "set server anyone/quay-spare1 state"
    assert words("quay-spare1", "spare", "cordon") == f"{own} drain; {last} ready"
    assert words("quay-spare1", "spare", "drain") == f"{own} drain; {last} drain"
    assert words("quay-spare1", "spare", "ready") == f"{own} ready; {last} ready"


def test_a_spare_that_is_lent_is_told_of_in_a_pool_of_its_own() -> None:
    own, last = "set server lent/mole-spare1 state", "set server anyone/mole-spare1 state"
    assert words("mole-spare1", "lent", "drain") == f"{own} drain; {last} drain"
    lent = 'haproxy_server_status{proxy="lent",server="mole-spare1",state="UP"} 1\n'
    assert served(METRICS + lent)["mole-spare1"] == Served("UP")


def test_metrics_tell_of_each_node_in_its_own_pool() -> None:
    assert served(METRICS) == {"quay-appliance1": Served("DRAIN", 3, 0), "quay-spare1": Served("UP", 0, 42)}
    assert served("") == {}
