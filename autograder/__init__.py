"""Grading: hidden checks, wrong solutions that they must catch, and the tools that make and test the labs."""
