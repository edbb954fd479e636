"""The hub's signer for nodes whose HSM is out: the same core, one key, one small lease and one rate limit a node.

A node's share of it is a grant of its own, for the node `<node>-cloud`: with its own journal, and fenced from the
node's own lease as any two nodes are (disjoint ranges, one nullifier a buyer). Who asks is known by its certificate.
"""
