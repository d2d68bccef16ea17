"""Instruction formats of the NPU tile program, the PIM bank program and the host plan, and the image container."""
