"""Emission: from machine-stage IR to programs and images."""
