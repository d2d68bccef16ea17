"""The host plan as a program: launches on in-order device queues, ordered by events.

`launch` starts kernel `kernel` (index into the image's programs) when launch queue `launch_queue` of its device has finished its
earlier launches and the events `after*` (-1: none) are complete, with the values of `arg*` in the kernel's registers 0..; `event` (-1: none) is
overwritten with its completion.
"""

from .spec import CONTROL, InstructionSet, Opcode

MAX_ARGUMENTS = 20

HOST = InstructionSet(
    "host",
    ("ctl",),
    (
        *CONTROL,
        Opcode(
            8,
            "launch",
            "ctl",
            (
                "kernel",
                "event",
                "launch_queue",
                "after0",
                "after1",
                "after2",
                "arguments",
                *(f"arg{i}" for i in range(MAX_ARGUMENTS)),
            ),
            "Launch a kernel. `arguments` is how many of arg0.. count.",
            defaults={
                "event": -1,
                "launch_queue": 0,
                "after0": -1,
                "after1": -1,
                "after2": -1,
                **{f"arg{i}": 0 for i in range(MAX_ARGUMENTS)},
            },
        ),
    ),
)
