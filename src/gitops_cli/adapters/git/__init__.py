"""What was pushed, read through git plumbing alone; refs moved in transactions. `repo.Repo` is the way in."""
