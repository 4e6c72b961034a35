"""The lab: what many calls of an engine compute and move together, and how quickly they start."""
