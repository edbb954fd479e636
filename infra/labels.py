"""Names of the labels that everything made on an engine carries, and is found again by."""

STACK_LABEL = "edgedrop.stack"
ROLE_LABEL = "edgedrop.role"
