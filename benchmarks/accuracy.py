"""How the simulated machines compare with the reference outputs: greedy tokens of all prompts, and teacher-forced KL.

    python benchmarks/accuracy.py [--machines neupims,attacc,aim] [--policies …] [--prompts 12] [--text-tokens 384]

Prints a line for each machine and placement. Greedy tokens are compared with tests/data/models/smollm2-135m-greedy.json
(three float32 engines agree on them); a difference is printed with its step and the smallest margin between the two best
float32 logits of that prompt. KL is KL(fp32 || simulated) per position on the head of LICENSE, fp32 being
the reference interpreter without rounding.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from pimlir.frontends import load_model
from pimlir.interpreters.llm import LlmInterpreter
from pimlir.passes.pipelines import POLICIES, PipelineOptions
from pimlir.sim.system import System
from pimlir.tools.compiler import compile_model

ROOT = Path(__file__).parent.parent


def greedy(system: System, prompt: list[int], count: int) -> list[int]:
    """`count` greedy tokens after `prompt`, the prompt in chunks of what the image takes."""
    chunk = system.image.bounds["new_tokens"]
    past, output = 0, []
    for first in range(0, len(prompt), chunk):
        tokens = prompt[first : first + chunk]
        result = system.step(tokens, [(0, len(tokens), past, 0)])
        past += len(tokens)
    while True:
        assert result.next is not None
        output.append(int(result.next[0]))
        if len(output) == count:
            return output
        result = system.step([output[-1]], [(0, 1, past, 0)])
        past += 1


def teacher_forced(step, tokens: list[int]) -> np.ndarray:
    """Logits after each token, fed one by one."""
    return np.array([step(token, position) for position, token in enumerate(tokens)], np.float64)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def divergence(reference: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Mean KL(reference || other) and the share of positions with the same best token."""
    p, q = log_softmax(reference), log_softmax(other)
    kl = (np.exp(p) * (p - q)).sum(axis=-1)
    return float(kl.mean()), float((reference.argmax(-1) == other.argmax(-1)).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--machines", default="neupims,attacc,aim")
    parser.add_argument("--policies", default=",".join(POLICIES))
    parser.add_argument("--prompts", type=int, default=12)
    parser.add_argument("--text-tokens", type=int, default=384)
    arguments = parser.parse_args()
    model = load_model("smollm2")
    prompts = json.loads((ROOT / "tests/data/models/smollm2-135m-greedy.json").read_text())["prompts"]
    prompts = prompts[: arguments.prompts]
    text = model.tokenizer().encode((ROOT / "LICENSE").read_text())
    text = list(getattr(text, "ids", text))[: arguments.text_tokens]
    reference = LlmInterpreter(model.build_module(), model.store.widened(), 1, 512, numerics="fp32")

    def reference_step(token: int, position: int) -> np.ndarray:
        reference.step(np.array([token], np.int32), [(0, 1, position, 0)])
        return reference.logits[0]

    expected = teacher_forced(reference_step, text)
    print(f"{'machine':<10}{'placement':<18}{'tokens equal':<16}{'first differences':<44}{'KL':<10}argmax")
    for machine in arguments.machines.split(","):
        for policy in arguments.policies.split(","):
            image = compile_model(model.build_module(), PipelineOptions(machine=machine, policy=policy, context=512))
            system = System(image)
            system.load(model.store)
            equal, differences = 0, []
            for number, prompt in enumerate(prompts):
                output = greedy(system, prompt["prompt_ids"], len(prompt["output_ids"]))
                equal += output == prompt["output_ids"]
                for step, (found, wanted) in enumerate(zip(output, prompt["output_ids"], strict=True)):
                    if found != wanted:
                        differences.append(f"#{number} at {step} (min margin {prompt['min_margin']:.3f})")
                        break

            def simulated_step(token: int, position: int, system: System = system) -> np.ndarray:
                result = system.step([token], [(0, 1, position, 0)])
                assert result.logits is not None
                return result.logits[0]

            kl, agree = divergence(expected, teacher_forced(simulated_step, text)) if text else (0.0, 1.0)
            print(
                f"{machine:<10}{policy:<18}{f'{equal} of {len(prompts)}':<16}{', '.join(differences) or '-':<44}"
                f"{kl:<10.1e}{agree:.4f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
