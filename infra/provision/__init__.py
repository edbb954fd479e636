"""Reaching boxes: SSH, and what a node is asked after it is filled."""
