"""A bundle: a release and a drop's node files on a stick, as a TUF repository that needs no uplink."""
