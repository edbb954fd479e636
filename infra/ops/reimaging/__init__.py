"""What `edgedrop reimage` is made of."""
