"""What the boxes of a site must be able to do, measured on them, before a drop is put there."""
