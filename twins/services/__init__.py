"""What changes the directory: one function per verb, its transaction inside."""
