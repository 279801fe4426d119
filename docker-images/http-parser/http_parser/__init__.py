"""A stand-in for the distribution http-parser: see the README beside this package."""
