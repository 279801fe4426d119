"""The nouns: frozen records of what Stayer knows, and the State that holds them.

Nothing here decides anything. Records are msgspec Structs (trees, never cyclic, hence
``gc=False``); the maps that hold them are plain dicts, changed in place by ``State.apply`` only.
Times are integer milliseconds since 1970 UTC; resources are integers of 1/1000.
"""
