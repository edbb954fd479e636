"""A geography's front: haproxy.cfg as text. Pure; the golden file beside its test shows the whole result.

A claim passes HAProxy twice: `claims` chooses the appliances or the spares and tries again where a try fails; the pool
behind chooses the node and tries once. HAProxy's passive checks see only what is not tried again: so each try is seen.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from node_image.cooling import AGENT_PORT

NODE_PORT = 8080
ADMIN_PORT = 9999
CLAIMS_AT_ONCE = 64  # with so many in hand a mint and its signer gave 2,300/s and more on two cores, p99 80 ms

Kind = Literal["appliance", "spare", "lent"]  # lent: another geography's spare


@dataclass(frozen=True, slots=True)
class FrontNode:
    """What a front knows of a node; a spare takes claims while no appliance has a hand free, one that is lent last."""

    name: str
    address: str
    kind: Kind
    port: int = NODE_PORT
    at_once: int = CLAIMS_AT_ONCE  # claims that it is given at a time
    agent_port: int = AGENT_PORT  # of an appliance's cooling agent


def pool(kind: Kind) -> str:
    """The backend that holds the nodes of a kind."""
    return kind if kind == "lent" else f"{kind}s"


OWN = (pool("appliance"), pool("spare"))
LENT = pool("lent")
POOLS = (*OWN, LENT)
ANYONE = "anyone"  # the backend of the last resort: whoever is alive


@dataclass(frozen=True, slots=True)
class FrontOptions:
    """Places and limits; the defaults are those of the image `front`. Times in milliseconds."""

    claims_bind: str = ":8080"
    stats_bind: str = ":8404"
    admin_socket: str = "/run/haproxy/admin.sock"
    admin_port: int = ADMIN_PORT  # the same on the container's own loopback, where its shell reaches it
    max_connections: int = 4096
    max_body: int = 8192  # a claim is under 1 KiB
    connect_ms: int = 250
    queue_ms: int = 1000
    server_ms: int = 800
    pause_ms: int = 150  # two of them are longer than it takes to see that a node is dead
    tries: int = 6  # more of them; one goes to the appliances, the next to the spares
    errors: int = 4  # one after the other: no single claim takes a node of both pools out

    @property
    def folder(self) -> Path:
        """Where the two halves of the front meet."""
        return Path(self.admin_socket).parent


def render(geo: str, nodes: tuple[FrontNode, ...], options: FrontOptions | None = None) -> str:
    """The whole configuration of the front of `geo`."""
    chosen = options or FrontOptions()
    held = {name: tuple(node for node in nodes if pool(node.kind) == name) for name in POOLS}
    lent, own = held[LENT], tuple(node for node in nodes if node.kind != LENT)
    parts = [_global(geo, chosen), _defaults(geo, chosen), _claims(geo, chosen, lent=bool(lent))]
    for at, name in enumerate(OWN):
        others = [other for other in (name, OWN[1 - at], LENT) if held[other]]
        parts += [_first(name, others, chosen), _pool(name, held[name], chosen, lent=bool(lent))]
    if lent:
        others = [other for other in (LENT, *reversed(OWN)) if held[other]]
        parts += [
            _first(LENT, others, chosen),
            _pool(LENT, lent, chosen, lent=True),
            _pages(f"{LENT}-pages", lent, chosen),
        ]
    last = (_pages("pages", own, chosen), _anyone(nodes), _lookup(nodes), _stats(chosen, lent=bool(lent)))
    return "\n".join((*parts, *last))


def _error(geo: str, status: int, code: str, message: str, hint: str, retry_after: int | None = None) -> str:
    """The body is the mint's error shape, so that a client reads one shape whoever answers."""
    body = json.dumps({"error": {"code": code, "message": message, "hint": hint}})
    wait = f" hdr Retry-After {retry_after}" if retry_after else ""
    return f"status {status} content-type application/json string '{body}' hdr X-Edgedrop-Node front.{geo}{wait}"


def _global(geo: str, options: FrontOptions) -> str:
    return f"""\
# Front of {geo}. Rendered by node_image/front/config.py: edit that.
global
    log stdout format raw local0
    # A buyer's connection, and the one from `claims` to a pool.
    maxconn {2 * options.max_connections}
    stats socket {options.admin_socket} mode 600 level admin
    stats socket ipv4@127.0.0.1:{options.admin_port} level admin
"""


def _defaults(geo: str, options: FrontOptions) -> str:
    none = _error(geo, 503, "not_ready", "no node answers", "send the same claim_id again in a second", 1)
    late = _error(geo, 504, "not_ready", "a node did not answer in time", "send the same claim_id again in a second", 1)
    gone = _error(geo, 502, "not_ready", "a node broke off its answer", "send the same claim_id again in a second", 1)
    return f"""\
defaults
    mode http
    log global
    option dontlognull
    # A whole request is held before a node is chosen: only then can it be sent again to another one.
    option http-buffer-request
    option redispatch 1
    timeout http-request 5s
    timeout http-keep-alive 30s
    timeout client 15s
    timeout queue {options.queue_ms}ms
    timeout connect {options.connect_ms}ms
    timeout check 200ms
    timeout server {options.server_ms}ms
    http-error {none}
    http-error {gone}
    http-error {late}
"""


def _out(pools: Iterable[str]) -> str:
    """No node of these pools is in service."""
    return " ".join(f"{{ nbsrv({name}) eq 0 }}" for name in pools)


def _none_free(pools: Iterable[str]) -> str:
    """None has a hand free."""
    return " ".join(f"{{ be_conn_free({name}) le 0 }}" for name in pools)


def _claims(geo: str, options: FrontOptions, *, lent: bool) -> str:
    large = _error(geo, 413, "bad_claim", "the request is too large", f"at most {options.max_body} bytes")
    appliances, spares = OWN
    pages, none_left, none_free = _to_lent() if lent else ("", "", "")
    return f"""\
frontend claims
    bind {options.claims_bind}
    maxconn {options.max_connections}
    option httplog
    option forwardfor
    capture response header X-Edgedrop-Node len 64
    http-request del-header X-Forwarded-For
    http-request return {large} if {{ req.body_size gt {options.max_body} }}
    # POST /v1/claims is idempotent by claim_id, so it may be sent twice; no other POST may.
    http-request disable-l7-retry if METH_POST !{{ path /v1/claims }}
    # Of a voucher only the node that gave it can speak: each is asked in turn.
    use_backend lookup if METH_GET {{ path_beg /v1/claims/ /v1/receipts/ }} or METH_PUT {{ path_beg /v1/claims/ }}
    # Of a place that is cut off no node may be ready, and each still hands out reserve vouchers; where all that is left
    # is drained for heat, it goes on until it stops by itself.
    use_backend {ANYONE} if {_out(POOLS if lent else OWN)}
    # A phone that is slow to take a picture must not hold a claim's place at a node.
{pages}    use_backend pages if {{ method GET HEAD }} !{{ path_beg /v1/ }}
{none_left}    # Before claims wait for an appliance, a spare that has a hand free takes them.
    use_backend {spares}-first if {_none_free([appliances])} {{ be_conn_free({spares}) gt 0 }}
{none_free}    default_backend {appliances}-first
"""


def _to_lent() -> tuple[str, str, str]:
    """What goes to other geographies' spares: pages and claims where no own node is left, claims where none is free."""
    rule = f"    use_backend {LENT}"
    return (
        f"{rule}-pages if {{ method GET HEAD }} !{{ path_beg /v1/ }} {_out(OWN)}\n",
        f"{rule}-first if {_out(OWN)}\n",
        f"{rule}-first if {_none_free(OWN)} {{ be_conn_free({LENT}) gt 0 }}\n",
    )


def _first(name: str, pools: list[str], options: FrontOptions) -> str:
    """A claim's tries: `first` with redispatch takes the first two in turns."""
    lines = "\n".join(f"    server {one} unix@{options.folder / one}.sock" for one in pools[:2])
    return f"""\
backend {name}-first
    balance first
    retries {options.tries}
    retry-on conn-failure empty-response response-timeout 500 502 503 504
    timeout server {options.queue_ms + options.connect_ms + options.server_ms + 200}ms
{lines}
"""


def _pool(name: str, nodes: tuple[FrontNode, ...], options: FrontOptions, *, lent: bool) -> str:
    pools = POOLS if lent else OWN
    others = [f"{_out([name])} {{ nbsrv({other}) gt 0 }}" for other in pools if other != name]
    pauses = "\n".join(f"    http-request tarpit deny_status 503 if {there}" for there in others)
    lines = "\n".join(_server(node) for node in nodes)
    return f"""\
frontend to-{name}
    bind unix@{options.folder / name}.sock mode 600
    no log
    # A pool without a node in service refuses by and by: else a claim has used up its tries before it is known that the
    # other pool's last node is dead. Once it is, whoever is alive is asked.
    timeout tarpit {options.pause_ms}ms
{pauses}
    use_backend {ANYONE} if {_out(pools)}
    default_backend {name}

backend {name}
    balance leastconn
    retries 0
    option httpchk
    http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host node
    http-check expect status 200
    # Out after two failed checks, or {options.errors} tries in a row without an answer: 5xx, garbage, nothing in time.
    # A buyer's own 4xx is an answer. Back after 3 s of good checks (one each 100 ms), and with a claim or two at first.
    default-server check inter 200ms fastinter 100ms downinter 500ms fall 2 rise 30 slowstart 5s
    default-server observe layer7 error-limit {options.errors} on-error mark-down
    # The cooling agent tells a share of it; of HAProxy's own weight, 1, a half would be none. An agent that does not
    # answer changes nothing.
    default-server weight 100
{lines}
"""


def _server(node: FrontNode) -> str:
    more = f" agent-check agent-port {node.agent_port} agent-inter 1s" if node.kind == "appliance" else ""
    return f"    server {node.name} {node.address}:{node.port} maxconn {node.at_once}{more}"


def _pages(name: str, nodes: tuple[FrontNode, ...], options: FrontOptions) -> str:
    """The claim page, pictures, metadata: as many at a time as there are."""
    lines = "\n".join(
        f"    server {node.name} {node.address}:{node.port} track {pool(node.kind)}/{node.name}"
        + (" backup" if node.kind == "spare" else "")
        for node in nodes
    )
    return f"""\
backend {name}
    balance leastconn
    option allbackups
    retries {options.tries}
    retry-on conn-failure empty-response junk-response response-timeout 500 502 503 504
{lines}
"""


def _anyone(nodes: tuple[FrontNode, ...]) -> str:
    """What a node that isn't ready answers is its own word: a reserve voucher, or why there is none."""
    lines = "\n".join(f"    server {node.name} {node.address}:{node.port} track lookup/{node.name}" for node in nodes)
    return f"""\
backend {ANYONE}
    balance roundrobin
    # On a connection used before, a node that dies would end the buyer's without a word, where no other is left.
    option http-server-close
    retries {len(nodes) + 2}
    retry-on conn-failure empty-response junk-response response-timeout 500 502 503 504
{lines}
"""


def _lookup(nodes: tuple[FrontNode, ...]) -> str:
    """A claim may have been answered by any node, a spare too, ready or not: ask until one knows it."""
    lines = "\n".join(f"    server {node.name} {node.address}:{node.port} check" for node in nodes)
    return f"""\
backend lookup
    balance roundrobin
    retries {len(nodes) + 2}
    retry-on conn-failure empty-response response-timeout 404 502 503 504
    timeout check 1s
    option httpchk
    http-check send meth GET uri /livez ver HTTP/1.1 hdr Host node
    http-check expect status 200
    default-server inter 500ms fastinter 100ms fall 2 rise 1
{lines}
"""


def _stats(options: FrontOptions, *, lent: bool) -> str:
    return f"""\
frontend stats
    bind {options.stats_bind}
    no log
    monitor-uri /readyz
    monitor fail if {_out(POOLS if lent else OWN)}
    http-request return status 200 content-type text/plain string ok if {{ path /livez }}
    # Of a pair: which of the two it is that has the buyers' address.
    http-request return status 200 content-type text/plain lf-string %[hostname] if {{ path /name }}
    http-request use-service prometheus-exporter if {{ path /metrics }}
    stats enable
    stats uri /
    stats refresh 5s
"""
