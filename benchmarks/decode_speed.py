"""Speed of simulated decoding against a plain numpy float32 decode of the same weights, in turn in one process.

    OPENBLAS_NUM_THREADS=1 python benchmarks/decode_speed.py [--machine neupims] [--policy …] [--tokens 16] [--rounds 3]

Prints seconds per token of numpy, of functional simulation and of functional + timed simulation, and the ratios of the
medians of the rounds (numpy time / simulated time). Peak memory is that of the whole process, float32 weights of the numpy
decode included (538 MB).
"""

import argparse
import resource
import statistics
import time

from accuracy import greedy
from numpy_decode import decode

from pimlir.frontends import load_model
from pimlir.passes.pipelines import POLICIES, PipelineOptions
from pimlir.sim.system import System
from pimlir.sim.timing.model import TimingModel
from pimlir.tools.compiler import compile_model

PROMPT = [504, 3575, 282, 4649, 314]
"""The capital of France is"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--machine", default="neupims")
    parser.add_argument("--policies", default=",".join(POLICIES))
    parser.add_argument("--tokens", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    model = load_model("smollm2")
    for policy in arguments.policies.split(","):
        image = compile_model(
            model.build_module(), PipelineOptions(machine=arguments.machine, policy=policy, context=256)
        )
        systems = {"functional": System(image), "functional + timed": System(image, TimingModel(image))}
        seconds: dict[str, list[float]] = {name: [] for name in ("numpy", *systems)}
        for system in systems.values():
            system.load(model.store)
            greedy(system, PROMPT, 2)
        for _ in range(arguments.rounds):
            ids, per_token = decode(model, PROMPT, arguments.tokens)
            seconds["numpy"].append(per_token)
            for name, system in systems.items():
                seconds[name].append(_seconds_per_token(system, arguments.tokens, list(ids)))
        base = statistics.median(seconds["numpy"])
        for name, values in seconds.items():
            median = statistics.median(values)
            print(
                f"{arguments.machine} {policy:<18}{name:<20}{median * 1e3:8.1f} ms/token   {base / median:5.2f} x numpy"
            )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


def _seconds_per_token(system: System, count: int, expected: list[int]) -> float:
    """Decode time after the prompt; the tokens must be the numpy ones."""
    result = system.step(PROMPT, [(0, len(PROMPT), 0, 0)])
    assert result.next is not None
    output, past = [int(result.next[0])], len(PROMPT)
    start = time.perf_counter()
    while len(output) < count:
        result = system.step([output[-1]], [(0, 1, past, 0)])
        assert result.next is not None
        output.append(int(result.next[0]))
        past += 1
    elapsed = time.perf_counter() - start
    assert output == expected[:count], (output, expected)
    return elapsed / (count - 1)


if __name__ == "__main__":
    main()
