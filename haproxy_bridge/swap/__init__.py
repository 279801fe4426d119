"""Putting a configuration in place: checked by haproxy, written atomically, loaded, looked at, and
taken back if it does not serve. A crash between any two steps leaves a valid file.
"""
