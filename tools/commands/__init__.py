"""One module per command of `pimlir`: its arguments, a function to call from Python, and what it prints."""
