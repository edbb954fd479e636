"""A geography's front: haproxy.cfg as text. Pure; the golden file beside its test shows the whole result."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from node_image.cooling import AGENT_PORT

NODE_PORT = 8080
ADMIN_PORT = 9999


@dataclass(frozen=True, slots=True)
class FrontNode:
    """What a front knows of a node; a spare takes claims only while no appliance is up."""

    name: str
    address: str
    kind: Literal["appliance", "spare"]
    port: int = NODE_PORT
    agent_port: int = AGENT_PORT  # of an appliance's cooling agent


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
    server_ms: int = 800
    # A dying box still accepts connections and resets them: seen were up to 4 tries in 20 ms before its first refusal,
    # which is what takes it out. After the last try HAProxy closes on a kept-alive buyer without a word.
    retries: int = 20


def render(geo: str, nodes: tuple[FrontNode, ...], options: FrontOptions | None = None) -> str:
    """The whole configuration of the front of `geo`."""
    chosen = options or FrontOptions()
    faces = (_global(geo, chosen), _defaults(geo, chosen), _claims(geo, chosen))
    return "\n".join((*faces, _nodes(nodes, chosen), _lookup(nodes), _stats(chosen)))


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
    maxconn {options.max_connections}
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
    option httplog
    option dontlognull
    option forwardfor
    # A whole request is held before a node is chosen: only then can it be sent again to another one.
    option http-buffer-request
    timeout http-request 5s
    timeout http-keep-alive 30s
    timeout client 15s
    timeout queue 1s
    timeout connect {options.connect_ms}ms
    timeout check 200ms
    timeout server {options.server_ms}ms
    http-error {none}
    http-error {gone}
    http-error {late}
"""


def _claims(geo: str, options: FrontOptions) -> str:
    large = _error(geo, 413, "bad_claim", "the request is too large", f"at most {options.max_body} bytes")
    return f"""\
frontend claims
    bind {options.claims_bind}
    http-request del-header X-Forwarded-For
    http-request return {large} if {{ req.body_size gt {options.max_body} }}
    # POST /v1/claims is idempotent by claim_id, so it may be sent twice; no other POST may.
    http-request disable-l7-retry if METH_POST !{{ path /v1/claims }}
    # Of a voucher only the node that gave it can speak: each is asked in turn.
    use_backend lookup if METH_GET {{ path_beg /v1/claims/ /v1/receipts/ }} or METH_PUT {{ path_beg /v1/claims/ }}
    # All that is left is drained for heat: it goes on until it stops by itself, rather than nobody.
    use_backend lookup if {{ nbsrv(nodes) lt 1 }}
    default_backend nodes
"""


def _nodes(nodes: tuple[FrontNode, ...], options: FrontOptions) -> str:
    lines = "\n".join(_server(node) for node in nodes)
    return f"""\
backend nodes
    balance leastconn
    option redispatch 1
    option allbackups
    retries {options.retries}
    retry-on conn-failure empty-response response-timeout 502 503 504
    option httpchk
    http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host node
    http-check expect status 200
    # A refused or lost connection of a buyer counts as a failed check: one more and the node is down, so that the
    # retries of that very request (one each {options.connect_ms} ms) already reach another node.
    default-server check inter 200ms fastinter 50ms downinter 500ms fall 2 rise 2
    default-server observe layer4 error-limit 1 on-error sudden-death
    # The cooling agent tells a share of it; of HAProxy's own weight, 1, a half would be none. An agent that does not
    # answer changes nothing.
    default-server weight 100
{lines}
"""


def _server(node: FrontNode) -> str:
    more = " backup" if node.kind == "spare" else f" agent-check agent-port {node.agent_port} agent-inter 1s"
    return f"    server {node.name} {node.address}:{node.port}{more}"


def _lookup(nodes: tuple[FrontNode, ...]) -> str:
    """A claim may have been answered by any node, a spare too: ask until one knows it."""
    lines = "\n".join(f"    server {node.name} {node.address}:{node.port} track nodes/{node.name}" for node in nodes)
    return f"""\
backend lookup
    balance roundrobin
    option redispatch 1
    retries {len(nodes) + 2}
    retry-on conn-failure empty-response response-timeout 404 502 503 504
{lines}
"""


def _stats(options: FrontOptions) -> str:
    return f"""\
frontend stats
    bind {options.stats_bind}
    option dontlog-normal
    monitor-uri /readyz
    monitor fail if {{ nbsrv(nodes) lt 1 }}
    http-request return status 200 content-type text/plain string ok if {{ path /livez }}
    http-request use-service prometheus-exporter if {{ path /metrics }}
    stats enable
    stats uri /
    stats refresh 5s
"""
