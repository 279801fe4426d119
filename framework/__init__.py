"""Stayer's scheduler: see README.md in this folder for the pipeline and the glossary."""
