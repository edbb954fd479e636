"""The cooling agent: sensors -> verdicts -> ladder -> fans, the front's weight, a stop."""

AGENT_PORT = 8090  # HAProxy asks here
STATUS_PORT = 8091
