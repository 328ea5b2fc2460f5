"""Time comes in: settle what was left and compare what runs with the ref."""
