"""The installer on a box: two slots, of which one is what runs. Plain Python of the box's Debian, nothing else."""
