"""What runs in the sandbox, beside the student's code: nothing here is secret, and nothing of the grader is needed."""
