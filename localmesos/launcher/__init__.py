"""The programs that a Mesos agent starts from its launcher directory, in Python.

The engine from the package index has the agent but not these: `mesos-containerizer`,
`mesos-executor` and `mesos-fetcher`. Each task costs one such process, so everything here imports
little, starts fast and waits in one `poll`. Each has a `main()`; who writes the executable files of
the directory is `localmesos.apache.launcher_folder`.
"""
