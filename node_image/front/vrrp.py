"""One of a pair of fronts: its keepalived.conf as text, and what its container may do. Pure.

The two tell each other four times a second that they are there (VRRP, RFC 9568, unicast). Which one has the buyers'
address keeps it while its HAProxy answers; after three adverts that did not come the other one takes it, at once where
the first one says that it goes.
"""

from __future__ import annotations

from dataclasses import dataclass

CONFIG = "/etc/keepalived/keepalived.conf"
COMMAND = ("pair",)
# To hold an address, to send and take adverts; keepalived sheds a script's groups by the third.
CAPABILITIES = ("NET_ADMIN", "NET_RAW", "SETGID")
ADVERT_S = 0.25
DEVICE = "DEVICE"  # `pair` knows which one: the engine numbers the legs of a front as it likes
FIRST, SECOND = 254, 253  # who has it where both start; so near to 255 that hardly anything is added to three adverts


@dataclass(frozen=True, slots=True)
class Half:
    """One of the two, by its own address in the geography's network, and what it knows of the pair."""

    own: str
    peer: str
    address: str  # the buyers'
    first: bool


def render(half: Half) -> str:
    """The whole configuration of keepalived."""
    return f"""\
# Rendered by node_image/front/vrrp.py: edit that.
global_defs {{
    enable_script_security
    script_user edgedrop
    vrrp_version 3
    # A neighbour believes no second change of an address within a second: it is told again.
    vrrp_garp_master_delay 1
}}
vrrp_script haproxy {{
    script /usr/local/bin/alive
    interval 1
    timeout 1
    fall 2
    rise 1
}}
vrrp_instance front {{
    # Nobody takes the address from one that has it and answers: no flapping when the other one is back.
    state BACKUP
    nopreempt
    interface {DEVICE}
    virtual_router_id 1
    priority {FIRST if half.first else SECOND}
    advert_int {ADVERT_S}
    # An advert counts if it is the other one's, and passed no router.
    check_unicast_src
    unicast_src_ip {half.own}
    unicast_peer {{
        {half.peer} min_ttl 255 max_ttl 255
    }}
    virtual_ipaddress {{
        {half.address}
    }}
    track_script {{
        haproxy
    }}
}}
"""
