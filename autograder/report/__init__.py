"""A report for the instructor: similarity, statistics and flags. Nothing in it changes a score or leaves the machine."""
