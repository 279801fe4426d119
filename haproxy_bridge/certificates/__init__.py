"""Certificates of the node: looked at as they change, kept where they are good, and put into a
haproxy that runs. What is broken, missing or near its end is told; what serves goes on serving.
"""
