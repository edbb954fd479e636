"""How a box is reached, probed and played on; nothing here knows Pulumi's model but `progress`."""
