"""The decisions. ``step(world, events, context) -> Step`` and nothing else moves the scheduler.

No clock, no chance, no thread, no I/O: time, ids and chance come in with the context, what is
to be done comes out as values. One file per question: what changed (statuses, commands), what
is wanted (sizing), where it goes (placing), what is owed to Mesos (offers, kills, reconciling).
"""
