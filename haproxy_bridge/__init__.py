"""The haproxy bridge: running apps become a tested, hot-swapped haproxy configuration.

Runs on edge nodes, by cron or as a daemon, against Stayer or an old Marathon. It knows the
scheduler only through ``api.client``; the README of this folder draws the way of the data.
"""
