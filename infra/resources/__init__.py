"""Dynamic Pulumi resources. Module and class names stand in every stack's state: never rename them."""
