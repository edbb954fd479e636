"""What runs on nodes and in the hub, and the rules they share."""
