"""Runs of the bridge: ``once`` for cron, ``watch`` as a daemon, on one pipeline and one state
file. Whatever fails, the last good configuration stays, and the outcome says what happened.
"""
