"""Passes of stage `placed`: a device for every op, kernels, and the host plan that launches them."""
