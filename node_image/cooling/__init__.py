"""The cooling agent: sensors -> verdicts -> ladder -> fans, the front's weight, a stop."""
