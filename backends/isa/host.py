"""The host plan as a program: launches on in-order device queues, ordered by events.

`launch` starts kernel `kernel` (index into the image's programs) when launch queue `launch_queue` of its device has finished its
earlier launches and the events `after*` (-1: none) are complete, with the values of `arg*` in the kernel's registers 0..; `event` (-1: none) is
overwritten with its completion.

`exchange` starts under the same conditions and moves data between the devices that run the same plan, in place, in the
first `rows` rows of a buffer of `columns` elements a row.
"""

from .spec import CONTROL, DTYPE_NAMES, InstructionSet, Opcode

MAX_ARGUMENTS = 20

EXCHANGES = ("all_reduce", "all_argmax", "receive", "send", "transfer")

_NO_WAIT = {"event": -1, "launch_queue": 0, "after0": -1, "after1": -1, "after2": -1}

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
                **_NO_WAIT,
                **{f"arg{i}": 0 for i in range(MAX_ARGUMENTS)},
            },
        ),
        Opcode(
            9,
            "exchange",
            "ctl",
            (
                "kind",
                "event",
                "launch_queue",
                "after0",
                "after1",
                "after2",
                "devices",
                "local",
                "dtype",
                "rows",
                "columns",
                "logits",
                "vocabulary",
            ),
            "Exchange the buffer at `local` with the other `devices`. all_reduce: add it up. receive, send: from the "
            "pipeline stage before and to the next. transfer: between this device and its PIM stacks. all_argmax: `local` holds an index (i32) a row into this device's "
            "`columns` logits (f32) at `logits`, which becomes the token of the largest logit of all devices' parts of "
            "`vocabulary`.",
            enums={"kind": EXCHANGES, "dtype": DTYPE_NAMES},
            defaults={**_NO_WAIT, "logits": 0, "vocabulary": 0},
        ),
    ),
)
