"""A machine to provision without having one: namespaces of the kernel over this system's files."""
