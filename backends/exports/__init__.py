"""Exporters: PIM programs in the trace formats of other simulators."""
