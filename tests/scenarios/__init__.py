"""Scenarios: what the scheduler decides, as transcripts that read as documentation."""
