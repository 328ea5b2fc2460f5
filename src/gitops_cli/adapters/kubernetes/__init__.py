"""The Kubernetes API: who we are to it, what it serves, reading, applying, watching.

client       all of it as one thing: START HERE
objects      names of objects, and what a list of their metadata tells
access       server, certificates and credential, kept privately
kubeconfig   the program that reads them with the official `kubernetes` package (0.5 s to import)
discovery    which kinds the server has
reading      lists
writing      apply, create, delete; lost answers are settled
watching     one watch; `mirror`: a live copy of some kinds, by one watch each
podlogs      the output of containers; `services`: a page of a Service
rules        a right as RBAC has it; `rights`: which of them the credential has
pool         many calls at once
wire         one request, its retries; `streams`: an answer that goes on
connections  kept connections of urllib3; `tls`: whom we trust
problems     what the API server says when it refuses, one sentence each
"""
