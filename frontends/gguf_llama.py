"""What a GGUF file of architecture `llama` says about the model, checked against its tensors."""

from collections.abc import Mapping

from ..dialects.llm import ActivationKind, RopeStyle
from .config import ModelConfig, WeightSpec, weight_specs
from .errors import ModelFileError
from .gguf import GGUFFile

ARCHITECTURES = ("llama",)


def llama_config(file: GGUFFile) -> ModelConfig:
    """The configuration of a LLaMA-architecture file; refuses what the builder cannot express."""
    architecture = file.get("general.architecture", str)
    if architecture not in ARCHITECTURES:
        raise ModelFileError(f"{file.path}: architecture is '{architecture}', supported are {', '.join(ARCHITECTURES)}")
    _refuse_variants(file)
    hidden = file.get("llama.embedding_length", int)
    heads = _one_number(file, "llama.attention.head_count")
    embedding = file.tensors.get("token_embd.weight")
    if embedding is None:
        raise ModelFileError(f"{file.path}: tensor 'token_embd.weight' is missing")
    if heads < 1:
        raise ModelFileError(f"{file.path}: llama.attention.head_count is {heads}, expected at least 1")
    head_dim = file.get("llama.attention.key_length", int, hidden // heads)
    value_dim = file.get("llama.attention.value_length", int, head_dim)
    rotated = file.get("llama.rope.dimension_count", int, head_dim)
    for key, found in (("attention.value_length", value_dim), ("rope.dimension_count", rotated)):
        if found != head_dim:
            raise ModelFileError(f"{file.path}: llama.{key} is {found}, expected {head_dim}: the head dimension")
    return ModelConfig(
        name=file.get("general.name", str, file.path.stem),
        architecture=architecture,
        layers=file.get("llama.block_count", int),
        hidden=hidden,
        heads=heads,
        kv_heads=_one_number(file, "llama.attention.head_count_kv", heads),
        head_dim=head_dim,
        ffn=_one_number(file, "llama.feed_forward_length"),
        vocabulary=embedding.shape[0],
        context_length=file.get("llama.context_length", int),
        norm_eps=file.get("llama.attention.layer_norm_rms_epsilon", float),
        rope_theta=file.get("llama.rope.freq_base", float, 10000.0),
        # The rows of query and key weights are permuted in this format so that adjacent elements rotate together.
        rope_style=RopeStyle.INTERLEAVED,
        activation=ActivationKind.SILU,
        tied_head="output.weight" not in file.tensors,
        source=file.path.name,
    )


def check_tensors(file: GGUFFile, config: ModelConfig) -> dict[str, str]:
    """Checks that the file holds exactly the tensors of the model; returns the stored type of each weight symbol."""
    specs = weight_specs(config)
    expected = {key: spec for spec in specs.values() for key in tensor_keys(spec)}
    for key, spec in expected.items():
        if key not in file.tensors:
            raise ModelFileError(f"{file.path}: tensor '{key}' is missing")
        shape = spec.shape[1:] if spec.per_layer else spec.shape
        found = file.tensors[key].shape
        if found != shape:
            raise ModelFileError(f"{file.path}: tensor '{key}' has shape {found}, expected {shape}")
    unknown = sorted(set(file.tensors) - set(expected))
    if unknown:
        raise ModelFileError(
            f"{file.path}: tensor '{unknown[0]}' is not part of a {config.architecture} model as pimlir knows it"
        )
    return {symbol: _stored_types(file, spec) for symbol, spec in specs.items()}


def tensor_keys(spec: WeightSpec) -> list[str]:
    """The keys of one weight symbol in the file, one per layer."""
    layers = spec.shape[0] if spec.per_layer else 1
    return [spec.source.format(layer=layer) for layer in range(layers)]


def _stored_types(file: GGUFFile, spec: WeightSpec) -> str:
    names: Mapping[str, None] = dict.fromkeys(file.stored_type(key).name for key in tensor_keys(spec))
    return "+".join(names)


def _one_number(file: GGUFFile, key: str, default: int | None = None) -> int:
    """A number that the format also allows as a list with one entry per layer; all must be equal here."""
    value = file.get(key, (int, list), default)
    if isinstance(value, int):
        return value
    if len(set(value)) != 1 or not isinstance(value[0], int):
        raise ModelFileError(f"{file.path}: metadata key '{key}' differs between layers, expected one number")
    return value[0]


def _refuse_variants(file: GGUFFile) -> None:
    scaling = file.metadata.get("llama.rope.scaling.type", "none")
    if scaling != "none":
        raise ModelFileError(f"{file.path}: llama.rope.scaling.type is '{scaling}', supported is none")
    experts = file.metadata.get("llama.expert_count", 0)
    if experts:
        raise ModelFileError(f"{file.path}: llama.expert_count is {experts}, supported is 0")
