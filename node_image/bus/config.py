"""NATS configurations as text, for a node's leaf and for the hub. Pure.

The journal is itself the durable queue of a node, so the leaf keeps no store; on the hub every message is synced
before it is acknowledged (`sync_interval: always`: without it a power cut lost acknowledged messages in Jepsen's
tests of 2.12).
"""

from __future__ import annotations

DOMAIN = "hub"  # a leaf forwards the JetStream API of a named domain only
API = f"$JS.{DOMAIN}.API"
HUB_USER = "hub"  # the hub's own services
LEAF_USER = "leaf"  # nodes: they may publish journals and read their leases and commands


def leaf_config(hub: str, secret: str) -> str:
    """A node's: clients on loopback only, one uplink, dialled again for ever."""
    return f"""\
# Rendered by node_image/bus/config.py: edit that.
listen: 127.0.0.1:4222
http: 127.0.0.1:8222
leafnodes {{
  reconnect: 1
  remotes: [{{ url: "nats-leaf://{LEAF_USER}:{secret}@{hub}:7422" }}]
}}
"""


def hub_config(secret: str) -> str:
    """The hub's: JetStream on disk; leaves reach journals, leases, commands, witness and the streams' answers alone."""
    return f"""\
# Rendered by node_image/bus/config.py: edit that.
server_name: hub
listen: 0.0.0.0:4222
http: 127.0.0.1:8222
jetstream {{
  store_dir: /var/lib/nats
  sync_interval: always
  domain: {DOMAIN}
}}
accounts {{
  EDGEDROP {{
    jetstream: enabled
    users: [
      {{ user: {HUB_USER}, password: "{secret}" }}
      {{ user: {LEAF_USER}, password: "{secret}", permissions: {{
        publish: ["journal.>", "witness.>", "cooling.>", "{API}.STREAM.MSG.GET.JOURNAL", "{API}.STREAM.MSG.GET.LEASES",
          "command-reply.>", "{API}.STREAM.MSG.GET.COMMANDS",
          "{API}.STREAM.MSG.GET.FILES",
          "$JS.API.STREAM.MSG.GET.COMMANDS", "$JS.API.STREAM.MSG.GET.FILES"]  # an agent that dials past a dead leaf
        subscribe: ["lease.>", "_INBOX.>", "command.>", "command-ask.>"]
      }} }}
    ]
  }}
}}
leafnodes {{
  listen: 0.0.0.0:7422
}}
"""
