// Attention has no operator on the xPU.

// RUN: not xdsl-opt %s -p convert-llm-to-xpu 2>&1 | filecheck %s

// CHECK: llm.kv_append has no operator on the xPU: place attention on the PIM (llm-place)

builtin.module {
  func.func @attention(%x: !host.buffer<4x32xf16>, %new: index, %past: index, %slot: index, %layer: index) attributes {device = "xpu"} {
    %seqs = host.one_sequence %new, %past, %slot
    %h = host.read %x rows %new : !host.buffer<4x32xf16> -> tensor<?x32xf16>
    %kv = host.cache : !llm.kv_cache<2x2x16xf16>
    llm.kv_append %kv[%layer], %h, %h, %seqs : !llm.kv_cache<2x2x16xf16>, tensor<?x32xf16>
    func.return
  }
}
