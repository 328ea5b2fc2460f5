"""One file for each command: parse, call one function of a lower layer, give its result back."""
