"""What runs on a box beside its engine, so that it can be mended while containers, engine or hub are away.

door.py   root, one process a command: verifies, remembers, acts. The only way in.
agent.py  no rights but the door's socket: carries commands from the bus to the door, and answers back.
watch.py  root, by a timer: looks at the node's services and mends what hangs, by the ladder.
"""
