"""Machine files (TOML) and the schema that validates them."""

if __name__ != "pimlir.machines":
    raise ImportError(
        f"import this package as pimlir.machines, not as {__name__}: a second copy would break isinstance checks"
    )

from .loader import MachineFileError, known_machines, load_machine

__all__ = ["MachineFileError", "known_machines", "load_machine"]
