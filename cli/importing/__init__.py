"""From what a Marathon answers to definitions that the API accepts, and what they would change.

``documents`` reads apps and groups out of any answer or file, ``translation`` makes definitions of
them, ``comparison`` says what they would change. All of it is pure; ``sources`` does the reading.
"""
