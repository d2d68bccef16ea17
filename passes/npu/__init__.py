"""Passes that take NPU kernels from structured ops to instructions."""
