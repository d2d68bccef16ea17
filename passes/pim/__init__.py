"""Passes that take PIM kernels from structured ops to bank commands."""
