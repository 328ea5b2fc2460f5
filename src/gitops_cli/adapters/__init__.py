"""The only modules that touch processes, git, databases, clusters, files and the clock."""
