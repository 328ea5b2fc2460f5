"""`gitops init`: write only what is missing."""
