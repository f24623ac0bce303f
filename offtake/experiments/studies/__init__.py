"""Studies: thousands of runs of a question, resumable, with claims and verdicts."""
