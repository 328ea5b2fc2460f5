"""The program in the cage: it may run in the application's own interpreter and imports no library of ours."""
