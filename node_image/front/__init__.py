"""The front: HAProxy before a geography's nodes."""
