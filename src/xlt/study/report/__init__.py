"""The report of a study: the answer and a figure first, then everything behind it."""
