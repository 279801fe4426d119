"""The programs that a Mesos agent starts from its launcher directory, in Python.

The engine from the package index has the agent but not these: `mesos-containerizer`,
`mesos-executor`, `mesos-fetcher` and `mesos-docker-executor`. Each task costs one such process, so
everything here imports little, starts fast and waits in one `poll`. The two programs behind docker
tasks (`mesos-docker-container`, and `mesos-docker` in place of Docker's command line) are not so
strict: they use the Docker SDK. Each has a `main()`; who writes the executable files of the
directory is `localmesos.apache.launcher_folder`.
"""
