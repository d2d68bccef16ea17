"""A module with one `npu.gemm` in main memory, for tests of its tiles and of its time."""

from xdsl.dialects.builtin import ModuleOp

from pimlir.tools.compiler import parse_module

_MODULE = """
builtin.module attributes {{llm.bounds = #llm.bounds<phase = decode, sequences = 1, new_tokens = 1, context = 128>}} {{
  host.memory @a : tensor<{m}x{k}xf16> layout #npu.row_major<row_bytes = {a_row}>
  host.memory @w : tensor<{n}x{k}xf16> layout #npu.row_major<row_bytes = {a_row}>
  host.memory @c : tensor<{m}x{n}xf16> layout #npu.row_major<row_bytes = {c_row}>
  func.func @gemm() attributes {{device = "npu"}} {{
    npu.gemm @a, @w -> @c
    func.return
  }}
  func.func @step(%rows: index, %sequences: index) attributes {{device = "host"}} {{
    %start = host.start
    %end = host.launch @gemm() after(%start)
    func.return
  }}
}}
"""


def gemm_module(m: int, k: int, n: int) -> ModuleOp:
    """f16 activations m x k times weights n x k, transposed; a plan that launches the product once."""
    return parse_module(_MODULE.format(m=m, k=k, n=n, a_row=k * 2, c_row=n * 2))
