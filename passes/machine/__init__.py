"""Passes about the machine: attaching its description, assigning memory, and the last lowering to instructions."""
